"""Synthetic hands and bodies, rendered to depth: training data and a camera for everybody."""
