# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whether depths look as if they were read wrongly: in another unit, or in the other byte order.

Both are faults of whatever publishes the images, and neither is an error: the numbers are valid, but not distances.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .depth import depth_unit

UNITS = (1.0, 0.001, 0.00025, 0.000125, 0.0001)
"""Metres; what depth cameras and those who convert their images have for one unit."""

_NEAREST = 0.02  # metres; no camera's image has a median below
_FARTHEST = {0.001: 30.0, 1.0: 100.0}  # metres, by the unit of the encoding: floats also come from simulations
_USUAL = 1.0  # metres
# Pairs of neighbours that are looked at, as shares of height and width: at fixed distances all could fall into the gaps
# that some images have.
_PLACES = np.random.default_rng(0).random((2, 2000))
_FEWEST = 100  # pixels, or pairs, that say something
_ROUGHER = 8.0  # times, from which on the other byte order is the likelier one; where it is right it is about 256
_SENSIBLE = (1e-3, 1e5)  # metres or millimetres


def doubt(depth: NDArray[np.float32], encoding: str, unit: float = 0.0) -> str:
    """Return a doubt about the unit or the byte order in which an image was read; empty when there is none.

    A few thousand pixels are looked at, whatever the size of the image.

    Args:
        depth: float32 [H, W] metres, NaN where invalid.
        encoding: Encoding of the image, or the format of a compressed one.
        unit: Unit in which the image was read, metres; 0: that of the encoding.
    """
    height, width = depth.shape
    v, u = (_PLACES * ((height,), (max(1, width - 1),))).astype(np.intp)
    pairs = np.stack((depth[v, u], depth[v, np.minimum(u + 1, width - 1)]))
    usual = depth_unit(encoding)
    unit = unit or usual
    if (_integers_swapped if usual < 1 else _floats_swapped)(pairs, unit):
        return "is_bigendian seems to be wrong, which makes noise of the depths: the driver must correct it"
    known = pairs[np.isfinite(pairs)]
    if len(known) < _FEWEST:
        return ""
    median = _middle(known)
    fits = fitting_unit(median, unit)
    if _NEAREST <= median <= _FARTHEST[usual] or fits == unit:
        return ""
    return (
        f"the depths look as if in another unit, with a median of {median:.3g} m; depth_unit? "
        f"With {fits:g} instead of {unit:g} it would be {median / unit * fits:.3g} m"
    )


def fitting_unit(median: float, unit: float) -> float:
    """Return the unit in metres (1, 0.001 or 0.0001) that makes the median the most usual distance."""
    return min((1.0, 0.001, 0.0001), key=lambda other: abs(math.log(median / unit * other / _USUAL)))


def _middle(values: NDArray[Any]) -> float:
    """Return the median of one axis. (NumPy's own imports masked arrays, a megabyte.)"""
    return float(np.partition(values, len(values) // 2)[len(values) // 2])


def _integers_swapped(pairs: NDArray[np.float32], unit: float) -> bool:
    """Whether neighbours are much more alike in the other byte order: where surfaces are smooth, high bytes stay."""
    numbers = np.rint(np.nan_to_num(pairs) / unit).clip(0, 65535).astype(np.uint16)
    told = numbers[:, (numbers > 0).all(axis=0) & (numbers[0] != numbers[1])]
    if told.shape[1] < _FEWEST:
        return False
    here, there = (_middle(np.abs(np.diff(each.astype(np.int64), axis=0)[0])) for each in (told, told.byteswap()))
    return here > _ROUGHER * there


def _floats_swapped(pairs: NDArray[np.float32], unit: float) -> bool:
    """Whether most numbers are no distances in any unit, but nearly all of them are in the other byte order."""
    if unit != 1:  # scaled numbers have other bytes
        return False
    here, there = _sensible(pairs), _sensible(pairs[np.isfinite(pairs)].byteswap())
    return here < 0.5 and there > 0.9


def _sensible(numbers: NDArray[np.float32]) -> float:
    """Share of the numbers that are distances in some unit; 0 of too few. (In the other byte order NaN is a number.)"""
    known = numbers[np.isfinite(numbers)]
    if len(known) < _FEWEST:
        return 0.0
    return float(np.mean((known >= _SENSIBLE[0]) & (known <= _SENSIBLE[1])))
