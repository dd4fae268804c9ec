# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Rotations about any axis, batched."""

from __future__ import annotations

import torch


def turn_about(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Return rotations [B, 3, 3] about unit axes [B, 3] by angles [B] in radians (Rodrigues)."""
    cross = _cross_matrix(axis)
    sin, versine = angle.sin()[:, None, None], (1 - angle.cos())[:, None, None]
    return torch.eye(3, device=axis.device) + sin * cross + versine * cross @ cross


def turn_between(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Return the smallest rotations [B, 3, 3] that bring unit vectors [B, 3] onto others, which are not opposite."""
    cross = _cross_matrix(torch.linalg.cross(start, end))
    cos = (start * end).sum(-1)[:, None, None]
    return torch.eye(3, device=start.device) + cross + cross @ cross / (1 + cos)


def _cross_matrix(vectors: torch.Tensor) -> torch.Tensor:
    """Return matrices [B, 3, 3] that take the cross product of vectors [B, 3] with what they are applied to."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).unflatten(-1, (3, 3))
