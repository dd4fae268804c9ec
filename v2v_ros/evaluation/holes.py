# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Regular holes, as cameras and drivers leave them: to see that subjects are found all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics

Depth = NDArray[np.float32]
_SPARSE = 0.1  # share of the pixels that stay valid


def _masked(is_valid: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]) -> Holes:
    def apply(depth: Depth, intrinsics: Intrinsics) -> tuple[Depth, Intrinsics]:
        rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
        return np.where(is_valid(rows, columns), depth, np.float32(np.nan)), intrinsics

    return apply


def _registered(width: int) -> Holes:
    def apply(depth: Depth, intrinsics: Intrinsics) -> tuple[Depth, Intrinsics]:
        scale = width / depth.shape[1]
        height = round(scale * depth.shape[0])
        rows, columns = np.nonzero(np.isfinite(depth))
        # Every pixel of the coarse image lands on one of the fine one, whose other pixels stay empty.
        fine_rows = ((rows + 0.5) * scale).astype(int).clip(0, height - 1)
        fine_columns = ((columns + 0.5) * scale).astype(int).clip(0, width - 1)
        large = np.full((height, width), np.nan, np.float32)
        large[fine_rows, fine_columns] = depth[rows, columns]
        center_x, center_y = ((value + 0.5) * scale - 0.5 for value in (intrinsics.cx, intrinsics.cy))
        return large, Intrinsics(intrinsics.fx * scale, intrinsics.fy * scale, center_x, center_y, width, height)

    return apply


Holes = Callable[[Depth, Intrinsics], tuple[Depth, Intrinsics]]
"""From a depth image in metres and its intrinsics to one with more holes, NaN, and its intrinsics."""

HOLES: dict[str, Holes] = {
    "none": lambda depth, intrinsics: (depth, intrinsics),
    "checkerboard": _masked(lambda rows, columns: (rows + columns) % 2 == 0),
    "rows": _masked(lambda rows, columns: rows % 4 != 3),
    "sparse": _masked(lambda rows, columns: np.random.default_rng(0).random(rows.shape) < _SPARSE),
    "registered_1920": _registered(1920),
    "registered_3840": _registered(3840),
}
"""Kinds of holes by their names: every second pixel, every fourth row, nine pixels in ten at random, and depth that was
registered to a larger image of that width."""
