"""Evaluation on published datasets, beside the published results."""
