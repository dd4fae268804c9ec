# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Depth images: raw encodings and compressedDepth."""

from __future__ import annotations

import array
import struct
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from v2v_ros.io.depth import DepthError, decode_compressed_depth, decode_image, encode_compressed_depth
from v2v_ros.io.rvl import decode_rvl

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)
MILLIMETRES = hnp.arrays(np.uint16, SHAPES, elements=st.one_of(st.just(0), st.integers(0, 65535)), fill=st.nothing())
# Every bit pattern, so signalling NaN, subnormal numbers and both infinities too.
FLOATS = hnp.arrays(np.uint32, SHAPES, fill=st.nothing()).map(lambda bits: bits.view(np.float32))
CODECS = pytest.mark.parametrize("codec", ["png", "rvl"])


def metres(values: Any) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def millimetres(values: Any) -> NDArray[np.uint16]:
    return np.array(values, dtype=np.uint16)


def expected_metres(stored: NDArray[np.uint16]) -> NDArray[np.float32]:
    exact = stored.astype(np.float64) / 1000
    exact[stored == 0] = np.nan
    return exact.astype(np.float32)


def scene() -> NDArray[np.uint16]:
    """[480, 640] millimetres: a slanted wall with noise and holes, and a nearer disc with a sharp edge."""
    rng = np.random.default_rng(7)
    v, u = np.mgrid[:480, :640]
    depth = 1500 + 1.5 * u + rng.normal(0, 4, u.shape)
    disc = (u - 200) ** 2 + (v - 240) ** 2 < 150**2
    depth[disc] = 600 + rng.normal(0, 1, disc.sum())
    depth[rng.random(u.shape) < 0.05] = 0
    depth[:, 600:] = 0
    return depth.round().astype(np.uint16)


class TestRaw:
    @given(MILLIMETRES, st.sampled_from(["16UC1", "mono16"]), st.booleans(), st.integers(0, 5))
    def test_millimetres(self, pixels: NDArray[Any], encoding: str, big_endian: bool, padding: int) -> None:
        height, width = pixels.shape
        rows = np.full((height, 2 * width + padding), 0xA5, dtype=np.uint8)
        rows[:, : 2 * width] = pixels.astype(">u2" if big_endian else "<u2").view(np.uint8)
        depth = decode_image(encoding, height, width, rows.shape[1], big_endian, rows.tobytes())
        assert depth.dtype == np.float32
        np.testing.assert_array_equal(depth, expected_metres(pixels))

    @given(FLOATS, st.booleans(), st.integers(0, 5))
    def test_metres(self, pixels: NDArray[Any], big_endian: bool, padding: int) -> None:
        height, width = pixels.shape
        rows = np.full((height, 4 * width + padding), 0xA5, dtype=np.uint8)
        stored = np.ascontiguousarray(pixels.view(np.uint32).astype(">u4" if big_endian else "<u4"))
        rows[:, : 4 * width] = stored.view(np.uint8)
        depth = decode_image("32FC1", height, width, rows.shape[1], big_endian, rows.tobytes())
        valid = np.isfinite(pixels) & (pixels > 0)
        assert depth.dtype == np.float32
        np.testing.assert_array_equal(depth, np.where(valid, pixels, np.nan))

    def test_last_row_without_its_padding(self) -> None:
        # Regions of interest that drivers cut out of a larger image come without it.
        rows = np.array([[1000, 2000, 9], [3000, 4000, 9]], dtype="<u2")
        depth = decode_image("16UC1", 2, 2, 6, False, rows.tobytes()[:-2])
        np.testing.assert_array_equal(depth, metres([[1, 2], [3, 4]]))

    @pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
    def test_result_does_not_share_memory_with_the_message(self, encoding: str) -> None:
        buffer = bytearray(np.full((4, 5), 1.5, "<f4").tobytes())
        depth = decode_image(encoding, 4, 5, 20, False, buffer)
        before = depth.copy()
        buffer[:] = bytes(len(buffer))
        np.testing.assert_array_equal(depth, before)
        depth[:] = 0  # writable

    @pytest.mark.parametrize(
        "wrap",
        [
            bytes,
            bytearray,
            memoryview,
            lambda data: array.array("B", data),
            lambda data: np.frombuffer(data, np.uint8),
            lambda data: np.repeat(np.frombuffer(data, np.uint8), 2)[::2],
        ],
        ids=["bytes", "bytearray", "memoryview", "array.array", "numpy", "strided numpy"],
    )
    def test_data_types(self, wrap: Callable[[bytes], Any]) -> None:
        data = np.array([[1000, 0], [250, 65535]], dtype="<u2").tobytes()
        depth = decode_image("16UC1", 2, 2, 4, False, wrap(data))
        np.testing.assert_array_equal(depth, metres([[1, np.nan], [0.25, 65.535]]))

    def test_device_memory_is_read_through_tobytes(self) -> None:
        class DeviceBuffer:
            """What rosidl_buffer.Buffer offers where its buffer protocol cannot be used."""

            def tobytes(self) -> bytes:
                return b"\xe8\x03"

        assert decode_image("16UC1", 1, 1, 2, False, DeviceBuffer())[0, 0] == 1

    @pytest.mark.parametrize("data", [[232, 3], "ab", None, 7])
    def test_unreadable_data_types(self, data: Any) -> None:
        with pytest.raises(DepthError, match=f"type {type(data).__name__}"):
            decode_image("16UC1", 1, 1, 2, False, data)

    @pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "8UC1", "bayer_rggb16", "16SC1", ""])
    def test_other_encodings(self, encoding: str) -> None:
        with pytest.raises(DepthError, match=f"'{encoding}' is not .*colour.*remap depth/image_rect"):
            decode_image(encoding, 1, 1, 8, False, bytes(8))

    @pytest.mark.parametrize(
        ("height", "width", "step", "size", "message"),
        [
            (2, 2, 4, 7, "truncated: 7 bytes, .* takes 8"),
            (2, 2, 4, 0, "truncated"),
            (2, 2, 3, 8, "step of 3 bytes is too small"),
            (2, 2, 0, 8, "step of 0 bytes is too small"),
            (0, 2, 4, 8, "image size 2x0"),
            (2, 0, 4, 8, "image size 0x2"),
            (2**32 - 1, 2**32 - 1, 2**32 - 1, 8, "image size 4294967295x4294967295"),
            (2, 2, 2**32 - 1, 8, "truncated"),
        ],
    )
    def test_sizes_that_do_not_fit(self, height: int, width: int, step: int, size: Any, message: str) -> None:
        with pytest.raises(DepthError, match=message):
            decode_image("16UC1", height, width, step, False, bytes(size))

    def test_speed(self) -> None:
        # Measured 0.3 ms; anything that touches pixels in Python takes over 30 ms.
        data = array.array("B", scene().tobytes())

        def seconds() -> float:
            start = time.perf_counter()
            decode_image("16UC1", 480, 640, 1280, False, data)
            return time.perf_counter() - start

        assert min(seconds() for _ in range(10)) < 0.01


class TestCompressed:
    @CODECS
    @given(pixels=MILLIMETRES, encoding=st.sampled_from(["16UC1", "mono16"]))
    def test_millimetres_are_lossless(self, codec: str, pixels: NDArray[Any], encoding: str) -> None:
        depth = decode_compressed_depth(*encode_compressed_depth(pixels, encoding, codec))
        assert depth.dtype == np.float32
        np.testing.assert_array_equal(depth, expected_metres(pixels))

    @CODECS
    @given(pixels=hnp.arrays(np.float32, SHAPES, elements=st.floats(0.1875, 9.875, width=32), fill=st.nothing()))
    def test_metres_are_within_half_a_step_of_inverse_depth(self, codec: str, pixels: NDArray[Any]) -> None:
        depth = decode_compressed_depth(*encode_compressed_depth(pixels, "32FC1", codec))
        assert depth.dtype == np.float32
        step = 0.5 / 10100  # A = 100 * (100 + 1), as in compressed_depth_image_transport
        np.testing.assert_array_less(np.abs(1 / depth.astype(float) - 1 / pixels.astype(float)), step + 1e-6)

    @CODECS
    def test_invalid_metres(self, codec: str) -> None:
        pixels = metres([[np.nan, np.inf, -np.inf, 0, -1, 0.1, 10, 11, 2]])
        depth = decode_compressed_depth(*encode_compressed_depth(pixels, "32FC1", codec))
        assert np.isnan(depth[0, :8]).all()
        assert depth[0, 8] == pytest.approx(2, abs=2e-4)

    @CODECS
    def test_whole_image(self, codec: str) -> None:
        pixels = scene()
        depth = decode_compressed_depth(*encode_compressed_depth(pixels, "16UC1", codec))
        np.testing.assert_array_equal(depth, expected_metres(pixels))

    @pytest.mark.parametrize(
        ("codec", "format"),
        [
            ("png", "16UC1"),
            ("png", "16UC1; compressedDepth"),
            ("png", "16UC1; compressedDepth "),
            ("png", "16UC1;compressedDepth png"),
            ("png", "mono16; compressedDepth png"),
            ("rvl", "16UC1; compressedDepth rvl"),
            ("rvl", "16uc1; compressedDepth RVL"),
        ],
    )
    def test_spellings_of_the_format(self, codec: str, format: str) -> None:
        _, data = encode_compressed_depth(millimetres([[1000, 0]]), "16UC1", codec)
        np.testing.assert_array_equal(decode_compressed_depth(format, data), metres([[1, np.nan]]))

    @pytest.mark.parametrize(
        ("format", "message"),
        [
            ("16UC1; png compressed ", "the data is not a PNG"),
            ("16UC1; jpeg compressed ", "/compressedDepth"),
            ("32FC1; png compressed ", "/compressedDepth"),
            ("rgb8; jpeg compressed bgr8", "/compressedDepth"),
            ("16UC1; compressedDepth zstd", "/compressedDepth"),
            ("jpeg", "'jpeg' is not an encoding of depth"),
            ("rgb8; compressedDepth png", "'rgb8' is not an encoding of depth"),
            ("", "/compressedDepth"),
        ],
    )
    def test_other_formats(self, format: str, message: str) -> None:
        with pytest.raises(DepthError, match=message):
            decode_compressed_depth(format, bytes(100))

    @pytest.mark.parametrize("format", ["16UC1; png compressed ", "mono16; PNG compressed mono16", "16UC1;png", "png"])
    def test_png_of_the_transport_compressed(self, format: str) -> None:
        _, data = encode_compressed_depth(millimetres([[1000, 0]]), "16UC1", "png")
        np.testing.assert_array_equal(decode_compressed_depth(format, data[12:]), metres([[1, np.nan]]))

    def test_png_of_another_kind(self) -> None:
        header = struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)
        with pytest.raises(DepthError, match="8 bits and colour type 2"):
            decode_compressed_depth("16UC1", bytes(12) + png(("IHDR", header)))

    def test_quantisation_must_be_finite(self) -> None:
        _, data = encode_compressed_depth(metres([[1]]), "32FC1", "rvl")
        with pytest.raises(DepthError, match="not finite"):
            decode_compressed_depth("32FC1; compressedDepth rvl", struct.pack("<iff", 1, np.nan, 1) + data[12:])

    def test_nothing_negative_or_infinite_comes_out(self) -> None:
        # v = B divides by zero, v < B is behind the camera.
        stored = millimetres([[99, 100, 101]])
        _, data = encode_compressed_depth(stored, "16UC1", "rvl")
        data = struct.pack("<iff", 1, 50, 100) + data[12:]
        depth = decode_compressed_depth("32FC1; compressedDepth rvl", data)
        np.testing.assert_array_equal(depth, metres([[np.nan, np.nan, 50]]))

    @pytest.mark.parametrize(
        ("pixels", "encoding", "codec", "message"),
        [
            (np.zeros((2, 2), np.float32), "16UC1", "png", "uint16"),
            (np.zeros((2, 2), np.uint16), "32FC1", "png", "float32"),
            (np.zeros(4, np.uint16), "16UC1", "png", r"\[H, W\]"),
            (np.zeros((0, 4), np.uint16), "16UC1", "rvl", "image size"),
            (np.zeros((2, 2), np.uint16), "16UC1", "jpeg", "png or rvl"),
        ],
    )
    def test_encoder_refuses(self, pixels: NDArray[Any], encoding: str, codec: str, message: str) -> None:
        with pytest.raises(DepthError, match=message):
            encode_compressed_depth(pixels, encoding, codec)

    def test_png_without_pillow_names_the_remedy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        format, data = encode_compressed_depth(millimetres([[1000]]), "16UC1", "png")
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(DepthError, match=r"pip install pillow.*python3-pil"):
            decode_compressed_depth(format, data)


class TestHostile:
    FORMATS = st.sampled_from(["16UC1", "32FC1"]).flatmap(
        lambda encoding: st.sampled_from([f"{encoding}; compressedDepth {codec}" for codec in ("png", "rvl")])
    )

    @staticmethod
    def decode_or_refuse(format: str, data: bytes) -> NDArray[np.float32] | None:
        try:
            depth = decode_compressed_depth(format, data)
        except DepthError:
            return None
        assert depth.dtype == np.float32
        assert depth.ndim == 2
        assert not (depth <= 0).any()
        assert not np.isinf(depth).any()
        return depth

    @given(FORMATS, st.binary(max_size=200))
    def test_random_bytes(self, format: str, data: Any) -> None:
        self.decode_or_refuse(format, data)

    @given(st.binary(max_size=200), st.integers(1, 30), st.integers(1, 30))
    def test_random_rvl_streams(self, stream: bytes, width: int, height: int) -> None:
        data = bytes(12) + struct.pack("<II", width, height) + stream
        depth = self.decode_or_refuse("16UC1; compressedDepth rvl", data)
        assert depth is None or depth.shape == (height, width)

    @CODECS
    @given(pixels=MILLIMETRES, damage=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1))
    def test_damaged_images(self, codec: str, pixels: NDArray[Any], damage: Any) -> None:
        format, data = encode_compressed_depth(pixels, "16UC1", codec)
        damaged = bytearray(data)
        for where, flip in damage:
            damaged[int(where * (len(data) - 1))] ^= flip
        self.decode_or_refuse(format, bytes(damaged))

    @CODECS
    def test_truncated_images(self, codec: str) -> None:
        pixels = scene()[200:216, 180:220]
        format, data = encode_compressed_depth(pixels, "16UC1", codec)
        refused = 0
        for size in range(len(data)):
            depth = self.decode_or_refuse(format, data[:size])
            if depth is None:
                refused += 1
            else:  # only what no pixel needs is missing, such as the end mark of a PNG
                np.testing.assert_array_equal(depth, expected_metres(pixels))
        assert refused >= len(data) - 24

    @pytest.mark.parametrize("size", [(60000, 60000), (2**32 - 1, 2**32 - 1), (2**32 - 1, 1), (0, 5), (5, 0)])
    def test_rvl_header_with_an_impossible_size(self, size: Any) -> None:
        with pytest.raises(DepthError, match="image size"):
            decode_compressed_depth("16UC1; compressedDepth rvl", bytes(12) + struct.pack("<II", *size) + bytes(8))

    @pytest.mark.parametrize("size", [(60000, 60000), (2**31 - 1, 2**31 - 1), (0, 5)])
    def test_png_header_with_an_impossible_size(self, size: Any) -> None:
        header = struct.pack(">IIBBBBB", *size, 16, 0, 0, 0, 0)
        with pytest.raises(DepthError, match="image size"):
            decode_compressed_depth("16UC1", bytes(12) + png(("IHDR", header), ("IDAT", zlib.compress(bytes(99)))))

    def test_png_with_a_second_larger_header(self) -> None:
        small = struct.pack(">IIBBBBB", 2, 1, 16, 0, 0, 0, 0)
        large = struct.pack(">IIBBBBB", 9000, 9000, 16, 0, 0, 0, 0)
        data = png(("IHDR", small), ("IHDR", large), ("IDAT", zlib.compress(bytes(9000 * 2))), ("IEND", b""))
        with pytest.raises(DepthError, match="two headers"):
            decode_compressed_depth("16UC1", bytes(12) + data)

    def test_a_png_header_that_its_pixels_cannot_fill(self) -> None:
        header = struct.pack(">IIBBBBB", 4096, 4096, 16, 0, 0, 0, 0)
        data = png(("IHDR", header), ("IDAT", zlib.compress(bytes(99))), ("IEND", b""))
        with pytest.raises(DepthError, match=r"truncated or corrupt: \d+ bytes cannot hold 4096x4096 pixels"):
            decode_compressed_depth("16UC1", bytes(12) + data)

    def test_a_black_png_as_small_as_deflate_makes_it_is_decoded(self) -> None:
        format, data = encode_compressed_depth(np.zeros((3000, 4000), np.uint16))
        assert len(data) < 3000 * 4000 * 2 / 900
        assert np.isnan(decode_compressed_depth(format, data)).all()

    def test_texts_beside_the_pixels_of_a_png_cost_no_memory(self) -> None:
        header = struct.pack(">IIBBBBB", 2, 1, 16, 0, 0, 0, 0)
        text = ("zTXt", b"x\0\0" + zlib.compress(bytes(900_000)))  # each within Pillow's limit, all of them not
        pixels = zlib.compress(b"\0\x03\xe8\x07\xd0")
        data = bytes(12) + png(("IHDR", header), *30 * [text], ("IDAT", pixels), ("IEND", b""))
        tracemalloc.start()
        try:
            depth = decode_compressed_depth("16UC1", data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        np.testing.assert_array_equal(depth, np.array([[1, 2]], np.float32))
        assert peak < 2**20

    def test_a_lying_rvl_header_costs_no_memory(self) -> None:
        data = bytes(12) + struct.pack("<II", 4096, 4096) + encode_compressed_depth(scene(), codec="rvl")[1][20:]
        tracemalloc.start()
        try:
            with pytest.raises(DepthError, match="ends after 307200 of 16777216 pixels"):
                decode_compressed_depth("16UC1; compressedDepth rvl", data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4096 * 4096 * 2  # the claimed image alone would be more


class TestRvl:
    def test_known_stream(self) -> None:
        # By hand: 2 zeros, 2 values (+5 -> 10, +1 -> 2), 1 zero, 0 values: nibbles 2 2 A1 2 1 0, and padding.
        stream = bytes.fromhex("0021a122")
        np.testing.assert_array_equal(decode_rvl(memoryview(stream), 5), [0, 0, 5, 6, 0])
        _, data = encode_compressed_depth(millimetres([[0, 0, 5, 6, 0]]), codec="rvl")
        assert data[12:] == struct.pack("<II", 5, 1) + stream

    @given(MILLIMETRES)
    def test_agrees_with_the_plain_decoder(self, pixels: NDArray[Any]) -> None:
        _, data = encode_compressed_depth(pixels, codec="rvl")
        np.testing.assert_array_equal(plain_decode_rvl(data[20:], pixels.size), pixels.ravel())

    def test_whole_image_agrees_with_the_plain_decoder(self) -> None:
        _, data = encode_compressed_depth(scene(), codec="rvl")
        decoded = decode_rvl(memoryview(data)[20:], 480 * 640)
        np.testing.assert_array_equal(decoded, plain_decode_rvl(data[20:], 480 * 640))

    def test_differences_wrap_around(self) -> None:
        # The codec computes modulo 2^16: 65535 and then +2 is 1.
        stream = nibbles_to_stream([0, 2, *vle(2 * 65535), *vle(4)])
        np.testing.assert_array_equal(decode_rvl(memoryview(stream), 2), [65535, 1])


def plain_decode_rvl(stream: bytes, size: int) -> list[int]:
    """The paper's decoder, one nibble at a time."""
    words = struct.unpack(f"<{len(stream) // 4}I", stream)
    nibbles = ((word >> shift) & 15 for word in words for shift in range(28, -1, -4))

    def number() -> int:
        value = shift = 0
        while True:
            nibble = next(nibbles)
            value += (nibble % 8) << shift
            shift += 3
            if nibble < 8:
                return value

    image: list[int] = []
    previous = 0
    while len(image) < size:
        image.extend([0] * number())
        for _ in range(number()):
            code = number()
            previous = (previous + (code // 2 if code % 2 == 0 else -(code + 1) // 2)) % 65536
            image.append(previous)
    return image


def vle(number: int) -> list[int]:
    nibbles = [number % 8]
    while number := number // 8:
        nibbles[-1] += 8
        nibbles.append(number % 8)
    return nibbles


def nibbles_to_stream(nibbles: list[int]) -> bytes:
    text = "".join(f"{nibble:x}" for nibble in nibbles)
    text += "0" * (-len(text) % 8)
    return b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8))


def png(*chunks: tuple[str, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, body in chunks:
        tagged = name.encode() + body
        parts.append(struct.pack(">I", len(body)) + tagged + struct.pack(">I", zlib.crc32(tagged)))
    return b"".join(parts)
