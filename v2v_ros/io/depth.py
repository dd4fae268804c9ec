# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Depth images as ROS carries them, decoded to metres.

Every decoder returns a new float32 [H, W] array in metres with NaN where the depth is invalid; it never
shares memory with the message. Sources: REP 117 and REP 118 for raw images, compressed_depth_image_transport
for compressedDepth.
"""

from __future__ import annotations

import math
import re
import struct
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pillow import importing_pillow
from .rvl import RvlError, decode_rvl, encode_rvl

MAX_PIXELS = 4096 * 4096
"""No depth camera has more pixels; a header that claims more is refused before anything is allocated."""

_ITEM_TYPES = {"16uc1": "u2", "mono16": "u2", "32fc1": "f4"}
_UNITS = {"u2": 0.001, "f4": 1.0}  # metres, as REP 118 has it
_COMPRESSED_FORMAT = re.compile(r"\s*(\w+)\s*(?:;\s*compressedDepth\s*(png|rvl)?\s*)?", re.IGNORECASE)
# The transport "compressed" stores 16 bits as a plain PNG; some drivers name the codec alone.
_COMPRESSED_PNG = re.compile(r"\s*(?:(16UC1|mono16)\s*;\s*png(?:\s+compressed\s*\w*)?|png)\s*", re.IGNORECASE)
_CONFIG_HEADER = struct.Struct("<iff")
_RVL_SIZE = struct.Struct("<II")
_PNG_START = struct.Struct(">8sI4sIIBB")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK = struct.Struct(">I4s")
_DEFLATE_RATIO = 1032  # no stream of deflate, which PNG stores pixels with, becomes more times as large

# What compressed_depth_image_transport uses when nothing else is configured.
_DEPTH_MAX = 10.0
_DEPTH_QUANTIZATION = 100.0


class DepthError(ValueError):
    """A depth image cannot be decoded. The message says why and what to do about it."""


@lru_cache(maxsize=2)
def _metre_table(unit: float) -> NDArray[np.float32]:
    """Metres of all numbers of 16 bits: a look-up converts, scales and marks in half the time of three passes."""
    with np.errstate(over="ignore"):
        table = np.arange(65536, dtype=np.float32) / np.float32(1 / unit)  # exact for a thousandth, unlike the product
    invalidate(table)
    return table


def depth_unit(encoding: str) -> float:
    """Metres that one unit of an encoding, or of a compressed image's format, stands for where nothing else is said."""
    return _UNITS["f4" if encoding.lower().lstrip().startswith("32fc1") else "u2"]


def decode_image(
    encoding: str, height: int, width: int, step: int, is_bigendian: bool | int, data: Any, unit: float = 0.0
) -> NDArray[np.float32]:
    """Decode a sensor_msgs/Image that holds depth.

    Args:
        encoding: ``16UC1`` or ``mono16`` (0 invalid), or ``32FC1`` (0, negative and non-finite values invalid).
        height, width: Size of the image, pixels.
        step: Number of bytes per row, padding included.
        is_bigendian: Byte order of the data.
        data: Bytes of the pixels: anything with the buffer protocol (bytes, bytearray, memoryview, array.array, a NumPy
            array), which is read in place, or an object with ``tobytes()``, which costs a copy.
        unit: Metres that one unit of the pixels stands for; 0: as REP 118 has it, a millimetre in 16 bits and a metre
            in ``32FC1``.

    Returns:
        float32 [H, W] metres, NaN where invalid.

    Raises:
        DepthError: The encoding is not one of depth, or sizes and data do not fit together.
    """
    item = _item_type(encoding)
    _check_size(height, width)
    dtype = np.dtype((">" if is_bigendian else "<") + item)
    if step < width * dtype.itemsize:
        raise DepthError(
            f"step of {step} bytes is too small: {width} pixels of {encoding} take {width * dtype.itemsize}"
        )
    view = _view(data)
    needed = step * (height - 1) + width * dtype.itemsize
    if len(view) < needed:
        raise DepthError(
            f"image data is truncated: {len(view)} bytes, but {width}x{height} {encoding} with a step of "
            f"{step} takes {needed}"
        )
    pixels: NDArray[Any] = np.ndarray((height, width), dtype, buffer=view, strides=(step, dtype.itemsize))
    if item == "u2":
        return _metre_table(unit or _UNITS[item]).take(pixels)
    depth = pixels.astype(np.float32)
    _scale(depth, unit)
    return depth


def decode_compressed_depth(format: str, data: Any, unit: float = 0.0) -> NDArray[np.float32]:
    """Decode a sensor_msgs/CompressedImage of the image transport compressedDepth, or a PNG of ``compressed``.

    Args:
        format: ``<encoding>; compressedDepth [png|rvl]``; PNG when the codec is missing. Or ``16UC1; png compressed``.
        data: Header, then the compressed image; types as for :func:`decode_image`.
        unit: Metres that one unit of the pixels stands for, see :func:`decode_image`.

    Returns:
        float32 [H, W] metres, NaN where invalid.

    Raises:
        DepthError: Another format, or the data is truncated or corrupt.
    """
    if _COMPRESSED_PNG.fullmatch(format):
        return _metre_table(unit or _UNITS["u2"]).take(decode_png16(data))
    match = _COMPRESSED_FORMAT.fullmatch(format)
    if match is None:
        raise DepthError(
            f"format '{format}' is not one of the compressedDepth image transport, such as "
            "'16UC1; compressedDepth png', nor a PNG of 16 bits: use the depth topic that ends in /compressedDepth"
        )
    item = _item_type(match[1])
    view = _view(data)
    if len(view) < _CONFIG_HEADER.size:
        raise DepthError(f"compressedDepth data is truncated: {len(view)} bytes, shorter than its header")
    _, quant_a, quant_b = _CONFIG_HEADER.unpack_from(view)
    body = view[_CONFIG_HEADER.size :]
    rvl = (match[2] or "png").lower() == "rvl"
    pixels = _decode_rvl_image(body) if rvl else decode_png16(body)
    if item == "u2":
        return _metre_table(unit or _UNITS[item]).take(pixels)
    table = _inverse_depth_table(quant_a, quant_b)
    _scale(table, unit)
    return table.take(pixels)


def encode_compressed_depth(
    depth: NDArray[np.uint16] | NDArray[np.float32], encoding: str = "16UC1", codec: str = "png"
) -> tuple[str, bytes]:
    """Encode a depth image for the compressedDepth image transport.

    Args:
        depth: [H, W]: uint16 millimetres for ``16UC1`` and ``mono16``; float32 metres for ``32FC1``, which is
            stored as inverse depth with 16 bits and covers 0.152 to 10 m; what lies outside becomes invalid.
        encoding: ``16UC1``, ``mono16`` or ``32FC1``.
        codec: ``png`` or ``rvl``.

    Returns:
        The fields ``format`` and ``data`` of a sensor_msgs/CompressedImage.

    Raises:
        DepthError: Unknown encoding or codec, or the array does not fit the encoding.
    """
    item = _item_type(encoding)
    if depth.ndim != 2 or depth.dtype != np.dtype(item):
        raise DepthError(f"{encoding} takes a [H, W] array of {np.dtype(item)}, got {depth.shape} of {depth.dtype}")
    _check_size(*depth.shape)
    quant_a = quant_b = 0.0
    if item == "u2":
        pixels = depth.astype(np.uint16)
    else:
        quant_a = _DEPTH_QUANTIZATION * (_DEPTH_QUANTIZATION + 1)
        quant_b = 1 - quant_a / _DEPTH_MAX
        with np.errstate(all="ignore"):
            steps = np.rint(quant_a / depth.astype(np.float64) + quant_b)
        pixels = np.where((depth < _DEPTH_MAX) & (steps >= 1) & (steps <= 65535), steps, 0).astype(np.uint16)
    if codec == "rvl":
        body = _RVL_SIZE.pack(pixels.shape[1], pixels.shape[0]) + encode_rvl(pixels.ravel())
    elif codec == "png":
        with importing_pillow("PNG", DepthError):
            from PIL import Image
        stream = BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        body = stream.getvalue()
    else:
        raise DepthError(f"unknown codec '{codec}' of compressedDepth: choose png or rvl")
    return f"{encoding}; compressedDepth {codec}", _CONFIG_HEADER.pack(1, quant_a, quant_b) + body


def decode_png16(data: Any) -> NDArray[np.uint16]:
    """Decode a PNG with one channel of 16 bits.

    Returns:
        uint16 [H, W], the stored values.

    Raises:
        DepthError: Not such a PNG, corrupt, too large, or Pillow is not installed.
    """
    view = _view(data)
    if len(view) < _PNG_START.size or view[:8] != _PNG_SIGNATURE:
        raise DepthError("the data is not a PNG")
    _, _, _, width, height, bits, colour_type = _PNG_START.unpack_from(view)
    if bits != 16 or colour_type != 0:
        raise DepthError(
            f"the PNG has {bits} bits and colour type {colour_type}; depth needs 16 bits and one grey channel"
        )
    _check_size(height, width)
    if height * (1 + 2 * width) > _DEFLATE_RATIO * len(view):
        raise DepthError(f"the PNG is truncated or corrupt: {len(view)} bytes cannot hold {width}x{height} pixels")
    with importing_pillow("PNG", DepthError):
        from PIL import Image
    try:
        with Image.open(BytesIO(_pixel_chunks(view)), formats=("PNG",)) as image:
            # A second header inside the file could still ask for a larger image.
            if image.size != (width, height):
                raise DepthError("the PNG has two headers that disagree on its size")
            pixels = np.asarray(image)
    except DepthError:
        raise
    except Exception as error:  # Pillow lets OSError, SyntaxError, ValueError, struct.error and more through
        raise DepthError(f"the PNG is truncated or corrupt: {error}") from error
    return pixels.astype(np.uint16, copy=False)


def _pixel_chunks(png: memoryview) -> bytes:
    """Return a PNG without all that is not needed for its pixels, such as texts, which can unpack to megabytes."""
    parts: list[bytes | memoryview] = [_PNG_SIGNATURE]
    start = len(_PNG_SIGNATURE)
    while start + _PNG_CHUNK.size <= len(png):
        length, kind = _PNG_CHUNK.unpack_from(png, start)
        end = start + _PNG_CHUNK.size + length + 4  # with its checksum
        if kind in (b"IHDR", b"IDAT", b"IEND"):
            parts.append(png[start:end])
        start = end
    return b"".join(parts)


def invalidate(depth: NDArray[np.float32]) -> None:
    """Set everything that is not a positive, finite distance to NaN, in place."""
    with np.errstate(invalid="ignore"):
        np.putmask(depth, ~((depth > 0) & (depth < np.inf)), np.nan)


def _scale(depth: NDArray[np.float32], unit: float) -> None:
    """Make metres of numbers of ``32FC1``, in place, and NaN of those that are no distance."""
    if unit not in (0.0, 1.0):
        with np.errstate(over="ignore", invalid="ignore"):
            depth *= np.float32(unit)
    invalidate(depth)


def _item_type(encoding: str) -> str:
    try:
        return _ITEM_TYPES[encoding.lower()]
    except KeyError:
        raise DepthError(
            f"'{encoding}' is not an encoding of depth (16UC1, mono16 or 32FC1), this is probably a colour "
            "or infrared image: remap depth/image_rect to the topic of the depth image"
        ) from None


def _check_size(height: int, width: int) -> None:
    if height <= 0 or width <= 0 or height * width > MAX_PIXELS:
        raise DepthError(f"image size {width}x{height} is not between 1 and {MAX_PIXELS} pixels")


def _decode_rvl_image(body: memoryview) -> NDArray[np.uint16]:
    if len(body) < _RVL_SIZE.size:
        raise DepthError("RVL data is truncated: the image size is missing")
    width, height = _RVL_SIZE.unpack_from(body)
    _check_size(height, width)
    try:
        return decode_rvl(body[_RVL_SIZE.size :], height * width).reshape(height, width)
    except RvlError as error:
        raise DepthError(f"RVL data is truncated or corrupt: {error}") from error


def _view(data: Any) -> memoryview:
    """Return the bytes of a message field, without a copy wherever possible."""
    try:
        return memoryview(data).cast("B")
    except TypeError:
        # Not contiguous, or memory of a device behind rosidl_buffer.Buffer (from ROS Lyrical on).
        if hasattr(data, "tobytes"):
            return memoryview(data.tobytes())
    raise DepthError(f"cannot read image data of type {type(data).__name__}: expected bytes or an array of uint8")


def _inverse_depth_table(quant_a: float, quant_b: float) -> NDArray[np.float32]:
    if not (math.isfinite(quant_a) and math.isfinite(quant_b)):
        raise DepthError(f"the quantisation of compressedDepth is not finite: A={quant_a}, B={quant_b}")
    with np.errstate(all="ignore"):
        table = (quant_a / (np.arange(65536) - quant_b)).astype(np.float32)
    table[0] = np.nan
    invalidate(table)
    return table
