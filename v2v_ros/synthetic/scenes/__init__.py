"""Whole scenes, still and moving, as a depth camera sees them."""
