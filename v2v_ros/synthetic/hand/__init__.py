"""Hands that never were: shapes, poses, motion and what is about them."""
