# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The geometry of the published code: voxelization, augmentation, heatmap targets and decoding, cell for cell.

It is kept apart from ours (:mod:`v2v_ros.model.voxels`, :mod:`v2v_ros.model.heatmaps`): it rounds where ours does not,
joints are floored to voxels before they become targets, and the highest cell is decoded without looking at its
neighbours. With perfect heatmaps that alone costs 2.8 mm (200 mm cube) to 3.5 mm (250 mm cube). To compare with the
paper one needs it; to estimate, ours is better.

Source: github.com/mks0601/V2V-PoseNet_RELEASE, src/util.lua.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from .voxels import grid_coordinates, metric_coordinates, occupancy_from_coordinates


def peak_coordinates(heatmaps: torch.Tensor) -> torch.Tensor:
    """Return indices (x, y, z) of the highest cells of heatmaps [B, J, M, M, M], as [B, J, 3] of the heatmaps'
    dtype."""
    size = heatmaps.shape[-1]
    index = heatmaps.flatten(2).argmax(dim=2)
    return torch.stack((index % size, index // size % size, index // size**2), dim=-1).to(heatmaps.dtype)


@dataclass(frozen=True)
class Augmentation:
    """One draw of the training augmentation.

    Attributes:
        scale: Scale in per cent, published range 80 to 120.
        angle: Radians about the optical axis, published range -40 to 40 degrees.
        translation: Cells (x, y, z) cut off at the low side of the larger grid, published range 0 to 8.
    """

    scale: float
    angle: float
    translation: tuple[int, int, int]

    @staticmethod
    def sample(generator: torch.Generator, largest: int = 8) -> Augmentation:
        """Draw from the published ranges, or from a smaller range of translations for smaller grids."""
        scale, angle = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        x, y, z = torch.randint(0, largest + 1, (3,), generator=generator).tolist()
        return Augmentation(80 + 40 * scale, math.radians(-40 + 80 * angle), (x, y, z))


@dataclass(frozen=True)
class PaperGeometry:
    """Grid sizes of the published code.

    Attributes:
        grid: Cells per axis that the network sees.
        original: Cells per axis of the larger grid from which training crops.
        sigma: Standard deviation of the target Gaussian, in heatmap cells.
    """

    grid: int = 88
    original: int = 96
    sigma: float = 1.7

    # Of the lower one's middle in a heatmap cell that covers two voxels per axis, in heatmap cells.
    PEAK: ClassVar[float] = 0.25

    @property
    def margin(self) -> int:
        return (self.original - self.grid) // 2

    def coordinates(
        self, points: torch.Tensor, centers: torch.Tensor, edge: float, augmentation: Augmentation | None = None
    ) -> torch.Tensor:
        """Cells of points [B, ..., 3] after quantisation and augmentation (none: the test-time crop)."""
        draw = augmentation or Augmentation(100.0, 0.0, (self.margin,) * 3)
        cells = grid_coordinates(points, centers, edge, self.grid).floor() + self.margin
        cells = self._scale(cells, draw.scale)
        if draw.angle:
            cells = self._rotate(cells, draw.angle)
        return cells - cells.new_tensor(draw.translation)

    def occupancy(
        self, points: torch.Tensor, centers: torch.Tensor, edge: float, augmentation: Augmentation | None = None
    ) -> torch.Tensor:
        """Occupancy float32 [B, 1, N, N, N] (z, y, x) of points [B, P, 3] in metres."""
        cells = (self.coordinates(points, centers, edge, augmentation) + 0.5).floor()
        return occupancy_from_coordinates(cells, self.grid)

    def heatmaps(
        self, joints: torch.Tensor, centers: torch.Tensor, edge: float, augmentation: Augmentation | None = None
    ) -> torch.Tensor:
        """Targets float [B, J, N/2, N/2, N/2] (z, y, x) of joints [B, J, 3] in metres."""
        middle = self.coordinates(joints, centers, edge, augmentation) / 2
        cells = torch.arange(self.grid // 2, device=joints.device, dtype=joints.dtype)
        axes = torch.exp(-((cells - middle[..., None]) ** 2) / (2 * self.sigma**2))
        x, y, z = axes.unbind(dim=2)
        return z[..., :, None, None] * y[..., None, :, None] * x[..., None, None, :]

    def decode(self, heatmaps: torch.Tensor, centers: torch.Tensor, edge: float) -> torch.Tensor:
        """Joints float [B, J, 3] in metres: the highest cell, read as the lower of the two voxels it covers."""
        return metric_coordinates(peak_coordinates(heatmaps) + self.PEAK, centers, edge, heatmaps.shape[-1])

    def _scale(self, cells: torch.Tensor, percent: float) -> torch.Tensor:
        factor = math.floor(self.original * percent / 100) / self.original
        shift = self.original / 2 * (1 - percent / 100)
        # Rounded towards zero, as the two published branches do.
        return cells * factor + math.trunc(shift)

    def _rotate(self, cells: torch.Tensor, angle: float) -> torch.Tensor:
        """Rotate in the x-y plane about the middle of the grid; the published code does so with y pointing up."""
        middle = (self.original - 1) / 2
        x, y, z = cells.unbind(-1)
        x, y = x - middle, (self.original - 1 - y) - middle
        cos, sin = math.cos(angle), math.sin(angle)
        turned_x, turned_y = x * cos - y * sin, x * sin + y * cos
        return torch.stack((turned_x + middle, self.original - 1 - (turned_y + middle), z), dim=-1)
