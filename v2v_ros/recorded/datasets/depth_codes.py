# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The 16-bit values in which datasets store depth, as tables: a look-up converts, scales and marks in one pass."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...io.depth import invalidate

DepthCode = Literal["millimetres", "float16"]


def _millimetres() -> NDArray[np.float32]:
    table = np.arange(65536, dtype=np.float32) / np.float32(1000)
    table[0] = np.nan
    return table


def _half_metres() -> NDArray[np.float32]:
    table = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    invalidate(table)
    return table


# float32 [65536] metres by stored value; NaN where it stands for no measurement.
TABLES: dict[DepthCode, NDArray[np.float32]] = {
    "millimetres": _millimetres(),
    "float16": _half_metres(),
}


def encode_depth(depth: NDArray[np.float32], code: DepthCode) -> NDArray[np.uint16]:
    """Return the stored values of a depth image.

    Args:
        depth: float32 [H, W] metres, NaN where there is no measurement.

    Returns:
        uint16 [H, W], 0 where there is no measurement.

    Raises:
        ValueError: The code does not have a depth that occurs: reading back would give another image.
    """
    with np.errstate(over="ignore"):
        metres = np.nan_to_num(depth, nan=0.0)
        if code == "millimetres":
            stored = np.rint(metres * np.float32(1000)).clip(0, 65535).astype(np.uint16)
        else:
            stored = metres.astype(np.float16).view(np.uint16)
    if not np.array_equal(TABLES[code].take(stored), depth, equal_nan=True):
        raise ValueError(f"its depth cannot be stored without loss as {code}")
    return stored
