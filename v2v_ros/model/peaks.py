# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The peaks of heatmaps: what a joint refiner knows of what the pose network saw.

A peak is a cell that is at least as high as its 26 neighbours; its place is found to a fraction of a cell, as
:func:`~v2v_ros.model.heatmaps.decode` finds that of the highest one. Heatmaps are [batch, joint, z, y, x], places
(x, y, z) in their cells.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from .heatmaps import cells_of, places_of_peaks

FLOOR = 0.02  # lower values are noise: no peaks, and without weight in the moments
_LEAST_MASS = 1e-12


class Peaks(NamedTuple):
    """The highest peaks of heatmaps, and where their mass lies.

    Attributes:
        places: float32 [B, J, K, 3] heatmap cells, the highest peak first; the grid's middle where there is no peak.
        heights: float32 [B, J, K]; 0 where there is no peak.
        means: float32 [B, J, 3] heatmap cells: mean place, weighted by the cubed heights; the grid's middle where all
            is noise.
        spreads: float32 [B, J, 6] cells squared: second central moments xx, xy, xz, yy, yz, zz under the same weight.
    """

    places: torch.Tensor
    heights: torch.Tensor
    means: torch.Tensor
    spreads: torch.Tensor


def find_peaks(heatmaps: torch.Tensor, sigma: float, count: int) -> Peaks:
    """Find the highest peaks of heatmaps.

    Args:
        heatmaps: float32 [B, J, M, M, M], M >= 3.
        sigma: Standard deviation, in cells, of the Gaussians that the network was trained on.
        count: Number of peaks of each heatmap, K.
    """
    on_cpu = heatmaps.device.type == "cpu" and heatmaps.dtype == torch.float32
    return _sparse(heatmaps, sigma, count) if on_cpu else dense_peaks(heatmaps, sigma, count)


def dense_peaks(heatmaps: torch.Tensor, sigma: float, count: int) -> Peaks:
    """:func:`find_peaks` by operations whose number and sizes do not depend on the heatmaps, as CUDA graphs need."""
    size = heatmaps.shape[-1]
    above = torch.where(heatmaps > FLOOR, heatmaps, 0.0)
    summits = torch.where(above == functional.max_pool3d(above, 3, 1, 1), above, 0.0)
    heights, index = summits.flatten(2).topk(count, dim=-1)
    places = places_of_peaks(heatmaps, cells_of(index, size), sigma)
    weight = above**3
    steps = torch.arange(size, device=heatmaps.device, dtype=heatmaps.dtype) + 0.5
    over_z, over_y, over_x = weight.sum(2), weight.sum(3), weight.sum(4)  # planes (y, x), (z, x) and (z, y)
    mass = over_z.sum((2, 3))
    axes = torch.stack((over_z.sum(2), over_z.sum(3), over_y.sum(3)), dim=2)  # [B, J, 3, M]: x, y, z
    divisor = mass.clamp_min(_LEAST_MASS)[..., None]
    means = axes @ steps / divisor
    away = steps - means[..., None]  # [B, J, 3, M]
    x, y, z = away.unbind(2)

    def product(plane: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        return (rows[..., None, :] @ plane @ columns[..., None])[..., 0, 0]

    xx, yy, zz = (axes * away**2).sum(-1).unbind(-1)
    xy, xz, yz = product(over_z, y, x), product(over_y, z, x), product(over_x, z, y)
    spreads = torch.stack((xx, xy, xz, yy, yz, zz), dim=-1) / divisor
    return Peaks(
        torch.where(heights[..., None] > 0, places, size / 2),
        heights,
        torch.where(mass[..., None] > 0, means, size / 2),
        spreads,
    )


def _sparse(heatmaps: torch.Tensor, sigma: float, count: int) -> Peaks:
    """Return the same on a CPU, where only the few cells that are above the noise are touched."""
    batch, joints, size = heatmaps.shape[:3]
    volumes, side = batch * joints, size + 2
    padded = np.zeros((volumes, side, side, side), np.float32)
    padded[:, 1:-1, 1:-1, 1:-1] = heatmaps.detach().reshape(volumes, size, size, size).numpy()
    flat = padded.reshape(-1)
    cells = np.flatnonzero(flat > FLOOR)  # volume by volume
    heights = flat[cells]
    volume = cells // side**3
    inside = cells - volume * side**3

    powers = _powers(side)
    weighted = powers[:, inside] * (heights * heights * heights)
    counts = np.bincount(volume, minlength=volumes)
    filled = np.flatnonzero(counts)
    first = (np.cumsum(counts) - counts)[filled]
    sums = np.zeros((len(powers), volumes))
    if len(filled):
        sums[:, filled] = np.add.reduceat(weighted, first, axis=1)
    mass, means, squares = sums[0], sums[1:4], sums[4:]
    divisor = np.maximum(mass, _LEAST_MASS)
    means, squares = means / divisor, squares / divisor
    spreads = squares - means[[0, 0, 0, 1, 1, 2]] * means[[0, 1, 2, 1, 2, 2]]

    # Most cells drop out at their first neighbours, so that the others have few to look at.
    summits = np.arange(len(cells))
    for offset in _NEIGHBOURS @ (side * side, side, 1):
        summits = summits[heights[summits] >= flat[cells[summits] + offset]]
    summits = summits[np.lexsort((-heights[summits], volume[summits]))]
    owner = volume[summits]
    rank = np.arange(len(summits)) - np.searchsorted(owner, np.arange(volumes))[owner]
    summits, owner, rank = summits[rank < count], owner[rank < count], rank[rank < count]
    row, x = np.divmod(inside[summits], side)
    peak = np.stack((x, row % side, row // side), axis=-1)
    middle = peak.clip(2, size - 1)  # the 3x3x3 window stays in the grid
    corner = ((owner * side + middle[:, 2]) * side + middle[:, 1]) * side + middle[:, 0]
    windows = flat[corner[:, None] + _WINDOW @ (side * side, side, 1)]
    behind, ahead = np.log(np.maximum(windows, 1e-6) @ _FACES).reshape(-1, 2, 3).swapaxes(0, 1)
    limit = 1.0 + 2.0 * (peak != middle)
    shift = (sigma**2 / 2 * (ahead - behind)).clip(-limit, limit)  # heatmaps.subcell_shift, in fewer steps

    places = np.full((volumes, count, 3), size / 2, np.float32)
    found = np.zeros((volumes, count), np.float32)
    places[owner, rank] = middle - 0.5 + shift  # the padding is one cell
    found[owner, rank] = heights[summits]
    centers = (means + size / 2).T.astype(np.float32)
    return Peaks(
        torch.from_numpy(places).view(batch, joints, count, 3),
        torch.from_numpy(found).view(batch, joints, count),
        torch.from_numpy(centers).view(batch, joints, 3),
        torch.from_numpy(spreads.T.astype(np.float32)).view(batch, joints, 6),
    )


@lru_cache(maxsize=4)
def _powers(side: int) -> NDArray[np.float32]:
    """Return 1, x, y, z, xx, xy, xz, yy, yz, zz of all cells of a padded volume, from its middle, float32 [10, P]."""
    steps = np.arange(side) - (side - 1) / 2
    z, y, x = (axis.reshape(-1) for axis in np.meshgrid(steps, steps, steps, indexing="ij"))
    return np.array([np.ones_like(x), x, y, z, x * x, x * y, x * z, y * y, y * z, z * z], np.float32)


_WINDOW = np.array(list(itertools.product((-1, 0, 1), repeat=3)))  # (z, y, x)
# Which cells of a window lie behind and ahead of its middle, along x, y and z.
_FACES = np.concatenate([_WINDOW[:, ::-1] == side for side in (-1, 1)], axis=1).astype(np.float32)
# Those that share a face first, then edges, then corners: the nearest decide most often.
_NEIGHBOURS = np.array(sorted((step for step in _WINDOW.tolist() if any(step)), key=lambda step: sum(map(abs, step))))
