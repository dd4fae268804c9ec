# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Random numbers and rotations for batches of worlds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import normalize

Range = tuple[float, float]
"""The bounds of a number that is drawn uniformly."""


class Draw:
    """Draw random numbers for a batch, all from one generator and on its device.

    Every result is [B, *size]. What a seed gives depends on the order of the calls: test sets that are on record and
    trainings that go on rely on it.

    Args:
        batch: Number B of samples.
        generator: Source of all numbers.
    """

    def __init__(self, batch: int, generator: torch.Generator) -> None:
        self.batch, self.generator, self.device = batch, generator, generator.device

    def rand(self, *size: int) -> torch.Tensor:
        """Return uniform numbers in [0, 1)."""
        return torch.rand(self.batch, *size, generator=self.generator, device=self.device)

    def randn(self, *size: int) -> torch.Tensor:
        """Return standard normal numbers, the rare large ones included."""
        return torch.randn(self.batch, *size, generator=self.generator, device=self.device)

    def uniform(self, low: float, high: float, *size: int) -> torch.Tensor:
        """Return uniform numbers between two bounds."""
        return low + (high - low) * self.rand(*size)

    def normal(self, std: float, *size: int) -> torch.Tensor:
        """Return normal numbers without the rare values beyond 2.5 standard deviations."""
        return std * self.randn(*size).clamp(-2.5, 2.5)

    def some(self, share: float, *size: int) -> torch.Tensor:
        """Return bool, true for a share of the elements."""
        return self.rand(*size) < share

    def integers(self, count: int) -> torch.Tensor:
        """Return int64 [B] in 0 to count - 1, all as likely."""
        return torch.randint(count, (self.batch,), generator=self.generator, device=self.device)

    def weighted(self, weights: torch.Tensor) -> torch.Tensor:
        """Return int64 [B], indices into weights [K], each as likely as its weight says.

        What comes out depends on the dtype of the weights too.
        """
        return torch.multinomial(weights, self.batch, replacement=True, generator=self.generator)

    def tensor(self, values: Sequence[float] | Sequence[Sequence[float]]) -> torch.Tensor:
        """Return constants [K] or [K, N] beside the numbers, on their device."""
        return torch.tensor(values, device=self.device)

    def directions(self, *size: int) -> torch.Tensor:
        """Return unit vectors [B, *size, 3]."""
        return normalize(self.normal(1.0, *size, 3), dim=-1)

    def frames(self, y: torch.Tensor) -> torch.Tensor:
        """Return axes [..., 3, 3] whose column 1 is y [..., 3] and whose turn about it is random."""
        return frames_along(y, self.directions(*y.shape[1:-1]))


def choose(which: torch.Tensor, choices: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return of choices [B, ...], for each sample, the one whose index is in which, int64 [B] or [B, K]."""
    result = choices[0]
    for index, choice in enumerate(choices[1:], start=1):
        chosen = which == index
        result = torch.where(chosen[(...,) + (None,) * (choice.dim() - which.dim())], choice, result)
    return result


def frames_along(y: torch.Tensor, hint: torch.Tensor) -> torch.Tensor:
    """Return axes [..., 3, 3] whose column 1 is y and whose column 2 is perpendicular to y and hint, all [..., 3]."""
    z = normalize(torch.linalg.cross(y, hint), dim=-1)
    return torch.stack((torch.linalg.cross(y, z), y, z), dim=-1)


def about_axis(axis: int, angle: torch.Tensor) -> torch.Tensor:
    """Return rotations [..., 3, 3] about a coordinate axis (0 x, 1 y, 2 z) by angles [...] in radians."""
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.zeros(*angle.shape, 3, 3, device=angle.device, dtype=angle.dtype)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., i, i] = cos
    matrix[..., j, j] = cos
    matrix[..., i, j] = -sin
    matrix[..., j, i] = sin
    return matrix


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
