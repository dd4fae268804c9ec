"""Depth from files: lists of frames, bags and datasets, and predicting on them."""
