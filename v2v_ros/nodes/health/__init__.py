"""Diagnostics: whether a node works, and what to do when it does not."""
