# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Right hands before random sensors, each as an occupancy grid and as a depth image of the same cube."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from ...geometry.skeletons import HAND21
from ...model.voxels import grid_coordinates, occupancy
from ...synthetic.hand.worlds import sample_hand_worlds
from ...synthetic.render import Cameras
from ...synthetic.worlds import crop_cameras
from ..seeds import SeedFamily, derive_seed
from ..synthetic_batches import HAND_DISTANCES, cube_centers, sensed_depth
from ..synthetic_batches import PIXELS_PER_CELL as RENDERED_PIXELS_PER_CELL
from .networks import PIXELS_PER_CELL

SKELETON = HAND21
_HELD_OUT_BATCH = 32


class Samples(NamedTuple):
    """Inputs of all four networks for the same hands, with the truth.

    Attributes:
        grids: bool [B, 1, N, N, N] occupancy.
        pixels: float [B, 1, 2N, 2N]: see :func:`window`.
        coordinates: float [B, J, 3] joints in heatmap cells.
    """

    grids: torch.Tensor
    pixels: torch.Tensor
    coordinates: torch.Tensor


def window(depth: torch.Tensor, cameras: Cameras, centers: torch.Tensor, edge: float, pixels: int) -> torch.Tensor:
    """Return the part of depth images that cubes cover at their centres' depth, as the distance to the centres' plane.

    Args:
        depth: float [B, H, W] metres, NaN where invalid.
        cameras: Cameras of the images.
        centers: float [B, 3] centres of the cubes, metres.
        edge: Edge of the cubes, metres.
        pixels: Side of the result; the nearest pixel of the image is taken.

    Returns:
        float [B, 1, pixels, pixels]: -1 at the cube's front and before it, 1 at its back, behind it, where nothing
        was measured and outside the image.
    """
    height, width = depth.shape[1:]
    z = centers[:, 2].clamp_min(0.05)
    middle = cameras.principal + (cameras.focal / z)[:, None] * centers[:, :2]
    side = cameras.focal * edge / z
    steps = (torch.arange(pixels, device=depth.device) + 0.5) / pixels - 0.5
    columns, rows = ((middle[:, axis, None] + side[:, None] * steps).round().long() for axis in (0, 1))
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    sample = torch.arange(len(depth), device=depth.device)[:, None, None]
    near = depth[sample, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]]
    relative = ((near - centers[:, 2, None, None]) / (edge / 2)).clamp(-1, 1)
    return torch.where(inside, relative, 1.0).nan_to_num(1.0)[:, None]


def sample(grid: int, batch: int, generator: torch.Generator) -> Samples:
    """Return random right hands; the generator decides, and its device is where they are made."""
    edge, (near, far) = SKELETON.cube_edge, HAND_DISTANCES
    worlds = sample_hand_worlds(batch, generator, near=near, far=far, empty=0.0, left=0.0)
    centers = cube_centers(worlds, edge, generator)
    cameras = crop_cameras(worlds.centers, edge, RENDERED_PIXELS_PER_CELL * grid // 3)
    depth = sensed_depth(worlds, cameras, generator, body=False)
    return Samples(
        occupancy(cameras.deproject(depth), centers, edge, grid).bool(),
        window(depth, cameras, centers, edge, PIXELS_PER_CELL * grid),
        grid_coordinates(worlds.joints, centers, edge, grid // 2),
    )


def training_batch(grid: int, batch: int, seed: int, step: int, device: torch.device) -> Samples:
    """Return the samples of a step: the same for every network."""
    return sample(
        grid, batch, torch.Generator(device).manual_seed(derive_seed(SeedFamily.COMPARISON_BATCH, seed, step))
    )


@lru_cache(maxsize=1)
def held_out(grid: int, samples: int) -> list[Samples]:
    """Return a fixed set in batches, none of which is trained on, whatever the seed; made on the CPU."""
    batches = []
    for index, first in enumerate(range(0, samples, _HELD_OUT_BATCH)):
        generator = torch.Generator().manual_seed(derive_seed(SeedFamily.COMPARISON_HELD_OUT, index))
        batches.append(sample(grid, min(_HELD_OUT_BATCH, samples - first), generator))
    return batches
