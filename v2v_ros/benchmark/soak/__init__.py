"""Whether the pose node stays what it is for hours: memory, file handles, threads and latency over time."""
