"""Metrics of skeletons against the truth."""
