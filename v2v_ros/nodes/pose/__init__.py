"""The parts of the pose node: inputs, a worker, its processing and how it recovers."""
