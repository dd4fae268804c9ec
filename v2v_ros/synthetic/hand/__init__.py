"""Hands that never were: shapes, poses, motion and surroundings."""
