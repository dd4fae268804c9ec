# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""RVL, the lossless codec of 16-bit depth images.

Source: Wilson, "Fast Lossless Depth Image Compression" (ISS 2017), in the byte order of
compressed_depth_image_transport.

A stream is a row of numbers. Each is one or more nibbles, three bits of the number in each, lowest first,
and a flag that more follow. The numbers say, again and again: how many zeros come, how many other values, and
those values, each as its difference to the value before it, in zigzag (0, -1, 1, -2 become 0, 1, 2, 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_NIBBLES = 10  # nibbles of one number; an image of 4096x4096 pixels needs 9
_MAX_BYTES = 4  # bytes of one pixel: at most 6 nibbles for its value, and its share of the lengths of runs


class RvlError(ValueError):
    """A stream is not a whole RVL image."""


def decode_rvl(stream: memoryview, size: int) -> NDArray[np.uint16]:
    """Decode the pixels of one image.

    Args:
        stream: 32-bit words; a last word that is not whole is ignored, as is what no image of that size can need.
        size: Number of pixels.

    Returns:
        uint16 [size].

    Raises:
        RvlError: The stream is truncated, or is not one of ``size`` pixels.
    """
    numbers = _unpack_numbers(stream[: _MAX_BYTES * (size + 8)])
    runs = []  # where in the stream each run begins
    position = done = 0
    look = numbers.data  # gives plain ints, which is several times faster than indexing the array
    while done < size:
        if position + 2 > len(look):
            raise RvlError(f"it ends after {done} of {size} pixels")
        runs.append(position)
        values = look[position + 1]
        if look[position] == values == 0:  # padding; nobody needs to go through all of it
            break
        done += look[position] + values
        position += 2 + values
    if done < size:
        raise RvlError(f"it ends after {done} of {size} pixels")
    if done > size or position > len(look):
        raise RvlError(f"its runs do not fit {size} pixels")

    is_count = np.zeros(position, dtype=bool)
    is_count[runs] = True
    is_count[np.add(runs, 1)] = True
    counts = numbers[:position][is_count]
    zigzag = numbers[:position][~is_count]
    image = np.zeros(size, dtype=np.uint16)
    is_value = np.repeat(np.arange(counts.size) % 2 == 1, counts)
    image[is_value] = np.cumsum(((zigzag >> 1) ^ -(zigzag & 1)).astype(np.uint16), dtype=np.uint16)
    return image


def encode_rvl(image: NDArray[np.uint16]) -> bytes:
    """Encode the pixels of one image.

    Args:
        image: uint16 [size], row after row, with at least one pixel.

    Returns:
        The stream that :func:`decode_rvl` takes.
    """
    is_value = image != 0
    edges = np.flatnonzero(np.diff(is_value, prepend=False))  # the first run is of zeros, if need be empty
    counts = np.diff(edges, prepend=0, append=image.size)
    if counts.size % 2:
        counts = np.append(counts, 0)
    deltas = np.diff(image[is_value].astype(np.int32), prepend=0)
    zigzag = (deltas << 1) ^ (deltas >> 31)
    ends = np.cumsum(counts[1::2])
    return _pack_numbers(np.insert(zigzag, np.repeat(ends - counts[1::2], 2), counts))


def _unpack_numbers(stream: memoryview) -> NDArray[np.int32]:
    # Nibbles run from the most significant end of each little-endian 32-bit word.
    octets = np.frombuffer(stream, "<u4", count=len(stream) // 4).astype(">u4").view(np.uint8)
    nibbles = np.empty(2 * octets.size, dtype=np.uint8)
    nibbles[0::2] = octets >> 4
    nibbles[1::2] = octets & 15
    last = np.flatnonzero(nibbles < 8)
    length = np.diff(last, prepend=-1)
    first = last - length + 1
    numbers = (nibbles[first] & 7).astype(np.int32)
    longer = np.arange(numbers.size)
    for place in range(1, _MAX_NIBBLES + 1):
        longer = longer[length[longer] > place]
        if not longer.size:
            return numbers
        numbers[longer] |= (nibbles[first[longer] + place] & 7).astype(np.int32) << (3 * place)
    raise RvlError("it has a number that no image needs")


def _pack_numbers(numbers: NDArray[np.int32]) -> bytes:
    length = 1 + np.sum([numbers >> (3 * place) > 0 for place in range(1, _MAX_NIBBLES)], axis=0)
    first = np.cumsum(length) - length
    nibbles = np.zeros(-(-int(length.sum()) // 8) * 8, dtype=np.uint8)  # whole words
    for place in range(int(length.max())):
        long = length > place
        more = np.where(length[long] > place + 1, 8, 0)
        nibbles[first[long] + place] = (numbers[long] >> (3 * place)) & 7 | more
    return (nibbles[0::2] << 4 | nibbles[1::2]).view(">u4").astype("<u4").tobytes()
