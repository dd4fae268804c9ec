"""Depth images, pictures and files: bytes in and out."""
