# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Depths in another unit, or in the other byte order, than the encoding says."""

from __future__ import annotations

import numpy as np
import pytest

from v2v_ros.io.depth import DepthError, decode_compressed_depth, decode_image, encode_compressed_depth
from v2v_ros.io.depth_checks import doubt

Image = np.ndarray


@pytest.fixture(scope="module")
def room() -> Image:
    """float32 [120, 160] metres: a floor and a wall with the noise of a sensor, and a gap in every other row."""
    random = np.random.default_rng(1)
    depth = np.minimum(2.5, 300 / (60 + 2 * np.arange(120.0)))[:, None] + random.normal(0, 0.004, (120, 160))
    depth[::2] = np.nan
    return depth.astype(np.float32)


def raw(depth: Image, unit: float) -> Image:
    return np.nan_to_num(np.rint(depth.astype(np.float64) / unit)).astype(np.uint16)


def decode(pixels: Image, unit: float, big_endian: bool = False) -> Image:
    encoding = "16UC1" if pixels.dtype.itemsize == 2 else "32FC1"
    (height, width), size = pixels.shape, pixels.dtype.itemsize
    return decode_image(encoding, height, width, width * size, big_endian, pixels.tobytes(), unit)


@pytest.mark.parametrize("unit", [0.0001, 0.000125, 0.00025, 0.001])
def test_units_of_16_bits(room: Image, unit: float) -> None:
    pixels = raw(room, unit)
    expected = room if unit < 0.001 else raw(room, unit) / np.float32(1000)
    np.testing.assert_allclose(decode(pixels, unit)[1::2], expected[1::2], atol=unit / 2 + 1e-6)
    assert np.isnan(decode(pixels, unit)[::2]).all()
    format, data = encode_compressed_depth(pixels, "16UC1", "rvl")
    np.testing.assert_array_equal(decode_compressed_depth(format, data, unit), decode(pixels, unit))
    plain = encode_compressed_depth(pixels)[1][12:]
    np.testing.assert_array_equal(decode_compressed_depth("16UC1; png compressed", plain, unit), decode(pixels, unit))


def test_units_of_floats(room: Image) -> None:
    np.testing.assert_allclose(decode(1000 * room, 0.001), room, rtol=1e-6)
    np.testing.assert_array_equal(decode(room, 0.0), room)
    format, data = encode_compressed_depth(room, "32FC1")
    half = decode_compressed_depth(format, data, 0.5)
    np.testing.assert_allclose(half, decode_compressed_depth(format, data) / 2, rtol=1e-6)
    huge = np.full((1, 1), 3e38, np.float32)
    assert np.isfinite(decode(huge, 0.001)).all()
    tiny = np.full((1, 1), 1e-45, np.float32)
    assert np.isnan(decode(tiny, 0.001)).all()  # 0 once scaled: no distance


def test_errors_do_not_depend_on_the_unit() -> None:
    with pytest.raises(DepthError, match="not an encoding of depth"):
        decode_image("rgb8", 1, 1, 3, False, bytes(3), 0.001)


@pytest.mark.parametrize("unit", [0.0, 0.0001, 0.00025])
def test_right_depths_raise_no_doubt(room: Image, unit: float) -> None:
    assert doubt(decode(raw(room, unit or 0.001), unit), "16UC1", unit) == ""
    assert doubt(room, "32FC1") == doubt(room, "32FC1; compressedDepth png") == ""
    assert doubt(np.full((480, 640), np.nan, np.float32), "16UC1", unit) == ""
    assert doubt(np.full((480, 640), 0.5, np.float32), "16UC1", unit) == ""
    noise = np.random.default_rng(2).integers(0, 65536, (120, 160)).astype(np.uint16)
    assert "is_bigendian" not in doubt(decode(noise, unit), "16UC1", unit)


@pytest.mark.parametrize(
    ("encoding", "stored", "read_as"),
    [
        ("32FC1", 0.001, 0.0),
        ("32FC1", 0.0001, 0.0),
        ("16UC1", 1.0, 0.0),
        ("16UC1", 0.001, 0.000001),
        ("16UC1", 0.0001, 0.01),
    ],
)
def test_depths_in_another_unit_are_doubted_with_the_one_that_fits(
    room: Image, encoding: str, stored: float, read_as: float
) -> None:
    pixels = raw(room, stored) if encoding == "16UC1" else (room / stored).astype(np.float32)
    text = doubt(decode(pixels, read_as), encoding, read_as)
    now = read_as or (0.001 if encoding == "16UC1" else 1)
    median = float(text.rpartition("it would be ")[2].removesuffix(" m"))
    assert f"depth_unit? With {stored:g} instead of {now:g} it" in text
    assert abs(median - np.nanmedian(room)) < 0.1 + stored / 2


@pytest.mark.parametrize("unit", [0.0, 0.0001, 0.00025])
def test_a_wrong_byte_order_of_16_bits_is_doubted(room: Image, unit: float) -> None:
    pixels = raw(room, unit or 0.001)
    assert "is_bigendian seems to be wrong" in doubt(decode(pixels, unit, True), "16UC1", unit)
    assert "is_bigendian" in doubt(decode(pixels.byteswap(), unit), "16UC1", unit)
    assert doubt(decode(pixels.byteswap(), unit, True), "16UC1", unit) == ""


def test_a_wrong_byte_order_of_floats_is_doubted(room: Image) -> None:
    assert "is_bigendian seems to be wrong" in doubt(decode(room, 0.0, True), "32FC1")
    assert doubt(decode(room.byteswap(), 0.0, True), "32FC1") == ""
