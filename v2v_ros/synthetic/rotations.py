"""Batched rotation matrices."""

from __future__ import annotations

import torch


def about_axis(axis: int, angle: torch.Tensor) -> torch.Tensor:
    """Rotations [..., 3, 3] about a coordinate axis (0 x, 1 y, 2 z) by angles [...] in radians."""
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.zeros(*angle.shape, 3, 3, device=angle.device, dtype=angle.dtype)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., i, i] = cos
    matrix[..., j, j] = cos
    matrix[..., i, j] = -sin
    matrix[..., j, i] = sin
    return matrix
