"""Training of V2V-PoseNet on synthetic data."""
