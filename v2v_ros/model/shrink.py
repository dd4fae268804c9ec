# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Depth images made smaller, so that regular holes and any resolution come to the same: blocks of valid pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics

_STAGE = 4  # pixels of a block whose side are looked at twice
_WITHIN = 0.04  # metres behind the nearest pixel of a block that count as the same surface
_INFINITE = np.uint32(0x7F800000)  # the bits of infinity


def blocks_for(intrinsics: Intrinsics, width: int, height: int, focal: float) -> int:
    """Side of the smallest blocks that bring an image to at most ``width`` x ``height`` pixels and a focal length of at
    most ``focal`` pixels."""
    size = max(intrinsics.width / width, intrinsics.height / height, max(intrinsics.fx, intrinsics.fy) / focal)
    return max(1, int(np.ceil(size - 1e-9)))


def shrink(depth: NDArray[np.float32], intrinsics: Intrinsics, side: int) -> tuple[NDArray[np.float32], Intrinsics]:
    """Return one pixel for each block of ``side`` x ``side`` pixels: the mean of the valid ones on its nearest surface.

    Of larger blocks than 4 x 4, the nearest pixels of 4 x 4 parts count. Blocks at the right and the lower border may
    be incomplete.

    Args:
        depth: float32 [H, W] metres; 0, negative and not finite values are invalid.

    Returns:
        float32 [ceil(H / side), ceil(W / side)] metres, NaN where a block has no valid pixel, and the intrinsics.
    """
    bits = np.ascontiguousarray(depth, dtype=np.float32).view(np.uint32)
    rows, columns = -(-bits.shape[0] // side), -(-bits.shape[1] // side)
    parts = min(side, _STAGE)
    values = _nearest_parts(bits, side, parts)
    if not values.all():  # zeros, which are in the way of positive numbers: most decoders leave none
        values = _nearest_parts(np.where(bits == 0, _INFINITE, bits), side, parts)
    # Positive floats are in the order of their bits; those of negative numbers and of NaN are larger than infinity's.
    np.minimum(values, _INFINITE, out=values)
    metres = values.view(np.float32)  # infinite where invalid
    nearest = metres.min(axis=0)
    limit = np.where(nearest < np.inf, nearest + np.float32(_WITHIN), np.float32(0))
    total, count = np.zeros_like(limit), np.zeros_like(limit)
    for plane in metres:
        near = plane <= limit
        count += near
        np.add(total, plane, out=total, where=near)
    with np.errstate(invalid="ignore"):
        small = (total / count).astype(np.float32, copy=False)  # NaN where there is none
    return small, Intrinsics(
        fx=intrinsics.fx / side,
        fy=intrinsics.fy / side,
        cx=(intrinsics.cx - (side - 1) / 2) / side,
        cy=(intrinsics.cy - (side - 1) / 2) / side,
        width=columns,
        height=rows,
    )


def _nearest_parts(bits: NDArray[np.uint32], side: int, parts: int) -> NDArray[np.uint32]:
    """Return the least bits in ``parts`` x ``parts`` parts of every block: uint32 [parts^2, rows, columns]."""
    if side == parts:
        return _pixels(bits, side)
    bands = _reduced(bits, side, parts)  # [parts, rows, W]
    turned = [_reduced(np.ascontiguousarray(band.T), side, parts) for band in bands]  # [parts, columns, rows]
    return np.concatenate(turned).transpose(0, 2, 1).copy()


def _pixels(bits: NDArray[np.uint32], side: int) -> NDArray[np.uint32]:
    """Return the bits of every block's pixels: uint32 [side^2, ceil(H / side), ceil(W / side)]; infinity beyond the
    image."""
    height, width = bits.shape
    rows, columns = -(-height // side), -(-width // side)
    if (rows * side, columns * side) != (height, width):
        padded = np.full((rows * side, columns * side), _INFINITE, dtype=np.uint32)
        padded[:height, :width] = bits
        bits = padded
    blocks = bits.reshape(rows, side, columns, side).transpose(1, 3, 0, 2)
    return blocks.reshape(side * side, rows, columns)


def _reduced(values: NDArray[np.uint32], side: int, parts: int) -> NDArray[np.uint32]:
    """Return the least of ``parts`` parts of every ``side`` rows, the last may lack some: [parts, ceil(H / side),
    W]."""
    height, width = values.shape
    whole = height // side
    blocks = values[: whole * side].reshape(whole, side, width)
    result = np.full((parts, -(-height // side), width), _INFINITE, dtype=np.uint32)
    for part in range(parts):
        first, last = side * part // parts, side * (part + 1) // parts
        np.minimum.reduce(blocks[:, first:last], axis=1, out=result[part, :whole])
        rest = values[whole * side + first : whole * side + last]
        if len(rest):
            np.minimum.reduce(rest, axis=0, out=result[part, whole])
    return result
