# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Where could a subject be in this depth image?

A hand or a body stands out: it is of a known size, and around it, in most directions, the scene is further away or
there is nothing. Places like that are found on a coarse raster, moved onto the middle of what is there, and handed on
as candidates for the centre of a cube; the network's score decides which of them is a subject.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...estimator.search import SHIFTS, in_ball, mean_shift
from ...geometry.camera import Intrinsics, cube_region, deproject, thinned


@dataclass(frozen=True)
class SubjectSize:
    """Measures that set a kind of subject apart from its surroundings, in metres.

    Attributes:
        ring: Distance at which the surroundings are probed.
        step: Distance by which the surroundings must lie further away than the subject.
        free: Smallest share of the directions that must be free.
        radius: Radius of the ball whose content is averaged into the centre.
        area: Smallest and largest visible surface inside that ball, in square metres.
        separation: Smallest distance between two candidates.
    """

    ring: float
    step: float
    free: float
    radius: float
    area: tuple[float, float]
    separation: float


SIZES = {
    "hand": SubjectSize(ring=0.13, step=0.04, free=0.6, radius=0.09, area=(0.002, 0.030), separation=0.10),
    "body": SubjectSize(ring=0.60, step=0.25, free=0.5, radius=0.70, area=(0.10, 1.50), separation=0.60),
}

_RASTER_ROWS = 120  # the image is thinned out to about this many rows
_DIRECTIONS = 16
_MOST_SEEDS = 48


def locate(
    depth: np.ndarray,
    intrinsics: Intrinsics,
    size: SubjectSize,
    min_depth: float,
    max_depth: float,
    limit: int = 4,
    free: float | None = None,
) -> np.ndarray:
    """Candidates for the centre of a subject.

    Args:
        depth: float32 [H, W] metres, NaN where invalid.
        intrinsics: Intrinsics of the image.
        size: Size of the subject.
        min_depth, max_depth: Range of distances to look at, metres.
        limit: Largest number of candidates.
        free: Smallest share of directions that must be free; None: that of the size. A given one asks for guesses
            that somebody else sorts out: those that stand out most come first, otherwise the nearest to the camera.

    Returns:
        float64 [K, 3] metres in the camera frame, K <= limit; [0, 3] when nothing is plausible.
    """
    stride = max(1, depth.shape[0] // _RASTER_ROWS)
    thin = depth[::stride, ::stride]
    valid = (thin >= min_depth) & (thin <= max_depth)  # false for NaN
    surface = np.where(valid, thin, np.inf)
    raster = thinned(intrinsics, stride)
    if not valid.any():
        return np.zeros((0, 3))
    cloud = deproject(torch.from_numpy(np.where(valid, thin, np.nan).astype(np.float64)), raster).numpy()
    planes = np.ascontiguousarray(np.moveaxis(cloud, -1, 0))

    def inside(center: np.ndarray) -> np.ndarray:
        region = cube_region((center[0], center[1], center[2]), 2 * size.radius, raster)
        part = planes[:, region.top : region.bottom, region.left : region.right]
        return in_ball(part.reshape(3, -1), center, size.radius)

    # A pixel of the raster shows this much surface per square metre of distance.
    pixel_area = 1 / (raster.fx * raster.fy)

    share = _free_share(surface, raster.fx, size)
    rows, columns = np.nonzero(share >= (size.free if free is None else free))
    seeds = cloud[rows, columns]
    order = seeds[:, 2] if free is None else -share[rows, columns]
    seeds = seeds[np.argsort(order, kind="stable")]
    tries = _MOST_SEEDS  # a sensor that sees nothing but speckle has seeds everywhere
    # What is found for each seed, with none too close to one before it; every seed is used up by its finding.
    found: list[np.ndarray] = []
    while seeds.size and len(found) < limit and tries:
        tries -= 1
        center, near = mean_shift(inside, seeds[0], 0.02 * size.radius, SHIFTS if free is None else 1)
        area = pixel_area * float((near[2] ** 2).sum())
        apart = all(np.linalg.norm(center - other) > size.separation for other in found)
        # Whoever sorts out guesses also knows a subject beside a wall.
        if apart and size.area[0] <= area and (area <= size.area[1] or free is not None):
            found.append(center)
        used = np.linalg.norm(seeds - center, axis=1) < size.separation
        used[0] = True
        seeds = seeds[~used]
    return np.array(found).reshape(-1, 3)


def _free_share(surface: np.ndarray, focal: float, size: SubjectSize) -> np.ndarray:
    """Return float [h, w]: share of the directions around pixels of the raster that are free. Every second one is
    looked at; -1 for the others."""
    height, width = surface.shape
    rows, columns = np.meshgrid(np.arange(0, height, 2), np.arange(0, width, 2), indexing="ij")
    here = surface[rows, columns]
    candidate = np.isfinite(here)
    rows, columns, here = rows[candidate], columns[candidate], here[candidate]
    angles = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
    reach = focal * size.ring / here
    v = np.rint(rows[:, None] + reach[:, None] * np.sin(angles)).astype(int)
    u = np.rint(columns[:, None] + reach[:, None] * np.cos(angles)).astype(int)
    # Beyond the border of the image nothing is known: it counts as not free, lest walls stand out at the border.
    within = (v >= 0) & (v < height) & (u >= 0) & (u < width)
    there = surface[v.clip(0, height - 1), u.clip(0, width - 1)]
    free = within & (there > here[:, None] + size.step)
    result = np.full(surface.shape, -1.0)
    result[rows, columns] = free.mean(axis=1)
    return result
