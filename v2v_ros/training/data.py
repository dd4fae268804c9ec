"""Endless synthetic training data, and fixed held-out sets of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch.utils.data import IterableDataset

from ..network import NetworkConfig
from ..synthetic.scenes import HandScenes, sample_hand_scenes
from ..voxels import grid_coordinates, occupancy

_PIXELS_PER_CELL = 7  # in three cells: the crop is a fifth wider than the cube, so about two pixels a cell


class Batch(NamedTuple):
    """What a training step eats.

    Attributes:
        grids: float [B, 1, N, N, N] occupancy.
        coordinates: float [B, J, 3] joints in heatmap cells; NaN in samples without a subject.
        millimetres_per_cell: Size of a heatmap cell.
    """

    grids: torch.Tensor
    coordinates: torch.Tensor
    millimetres_per_cell: float


def to_batch(scenes: HandScenes, generator: torch.Generator, config: NetworkConfig, edge: float) -> Batch:
    """Voxelize scenes around centres that are as far off as a locator's are."""
    batch = scenes.centers.shape[0]
    device = scenes.centers.device
    near = 0.010 * torch.randn(batch, 3, generator=generator, device=device)
    far = 0.09 * (torch.rand(batch, 3, generator=generator, device=device) - 0.5)
    lost = torch.rand(batch, 1, generator=generator, device=device) < 0.25
    centers = scenes.centers + torch.where(lost, far, near)
    points = scenes.cameras.rays().flatten(1, 2) * scenes.depth.flatten(1, 2)[..., None]
    return Batch(
        occupancy(points, centers, edge, config.grid),
        grid_coordinates(scenes.joints, centers, edge, config.heatmap),
        1000 * edge / config.heatmap,
    )


def sample_batch(config: NetworkConfig, edge: float, batch: int, generator: torch.Generator) -> Batch:
    """Scenes with as many pixels as the grid can show, voxelized."""
    pixels = _PIXELS_PER_CELL * config.grid // 3
    return to_batch(sample_hand_scenes(batch, generator, pixels=pixels, edge=edge), generator, config, edge)


class SyntheticHands(IterableDataset[Batch]):
    """Endless batches of synthetic hands, made on the device that trains on them."""

    def __init__(self, config: NetworkConfig, edge: float, batch: int, seed: int, device: str = "cpu") -> None:
        self.config, self.edge, self.batch, self.seed, self.device = config, edge, batch, seed, device

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator(self.device).manual_seed(self.seed)
        while True:
            yield sample_batch(self.config, self.edge, self.batch, generator)


def held_out(config: NetworkConfig, edge: float, samples: int, batch: int, seed: int) -> list[Batch]:
    """A fixed set of samples; ``seed`` must be none that training uses."""
    generator = torch.Generator().manual_seed(seed)
    return [sample_batch(config, edge, batch, generator) for _ in range(max(1, samples // batch))]
