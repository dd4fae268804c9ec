"""Random numbers for batches of worlds."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize


class Draw:
    """Random numbers for a batch, all from one generator and on its device; every result is [B, *size]."""

    def __init__(self, batch: int, generator: torch.Generator) -> None:
        self.batch, self.generator, self.device = batch, generator, generator.device

    def rand(self, *size: int) -> torch.Tensor:
        return torch.rand(self.batch, *size, generator=self.generator, device=self.device)

    def uniform(self, low: float, high: float, *size: int) -> torch.Tensor:
        return low + (high - low) * self.rand(*size)

    def normal(self, std: float, *size: int) -> torch.Tensor:
        """Without the rare values beyond 2.5 standard deviations."""
        return std * torch.randn(self.batch, *size, generator=self.generator, device=self.device).clamp(-2.5, 2.5)

    def some(self, share: float, *size: int) -> torch.Tensor:
        return self.rand(*size) < share

    def directions(self, *size: int) -> torch.Tensor:
        """Draw unit vectors [B, *size, 3]."""
        return normalize(self.normal(1.0, *size, 3), dim=-1)

    def frames(self, y: torch.Tensor) -> torch.Tensor:
        """Axes [..., 3, 3] whose column 1 is y [..., 3] and whose turn about it is random."""
        z = normalize(torch.linalg.cross(y, self.directions(*y.shape[1:-1])), dim=-1)
        return torch.stack((torch.linalg.cross(y, z), y, z), dim=-1)


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
