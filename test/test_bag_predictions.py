# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v predict`` of bags as cameras and recorders make them: joints are where they are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed")

from recordings import (
    DEPTH_TOPIC,
    INFO_TOPIC,
    START,
    WIDE,
    Shot,
    aside,
    cut,
    errors,
    photographed,
    predict,
    rendered,
    shots,
    time_of,
    write,
)

from v2v_ros.io.depth import encode_compressed_depth
from v2v_ros.recorded.bags import BagError, iter_depth
from v2v_ros.recorded.mcap_salvage import MAGIC, zstd

ROI = (80, 60, 480, 360)


@pytest.mark.parametrize(
    ("step", "info"),
    [
        (1, {"roi": ROI, "width": 480, "height": 360}),
        (2, {"binning_x": 2, "binning_y": 2, "width": 0, "height": 0}),
        (2, {"binning_x": 2, "binning_y": 2, "roi": ROI}),
    ],
)
def test_regions_of_interest_and_binning(tmp_path: Path, step: int, info: dict[str, Any]) -> None:
    recording = [cut(shot, info.get("roi", (0, 0, 640, 480)), step, info) for shot in shots(2)]
    assert np.nanmean(errors(predict(write(tmp_path / "bag", recording)), rendered(2))) < 12


FRAMES = 12


def faulty(stamps: str) -> list[Shot]:
    """A recording whose stamps do not advance, in one of the ways that drivers and simulators have."""

    def stamp(index: int, shot: Shot) -> int:
        since = shot.stamp - START
        return {
            "zero": 0,
            "equal": START,
            "in pairs": time_of(index // 2 * 2),
            "every third zero": 0 if index % 3 == 2 else shot.stamp,
            "milliseconds as seconds": START + 1000 * since,
            "microseconds as nanoseconds": START + since // 1000,
        }[stamps]

    return [replace(shot, stamp=stamp(index, shot)) for index, shot in enumerate(shots(FRAMES))]


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        ("zero", "the stamps of 12 of 12 images do not advance: the time of recording is taken for all of them"),
        ("in pairs", "the stamps of 6 of 12 images do not advance: the time of recording"),
        ("every third zero", "the stamps of 4 of 12 images do not advance: the time of recording"),
        ("milliseconds as seconds", "the stamps of all 12 images advance 1e+03 times as fast as the recording"),
    ],
)
def test_a_filter_does_not_freeze_where_stamps_do_not_advance(
    tmp_path: Path, stamps: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    messages = predict(write(tmp_path / "bag", faulty(stamps)), "--filter", "kalman")
    assert errors(messages, rendered(FRAMES)).max() < 16
    assert caplog.text.count(said) == 1
    assert [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in messages] == [
        time_of(index) for index in range(FRAMES)
    ]


def test_two_cameras_on_one_topic_are_not_taken_for_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    both = [
        replace(shot, frame_id=name) for shot, name in zip(shots(4), ("/left", "left", "right", "left"), strict=True)
    ]
    messages = predict(write(tmp_path / "bag", both))
    assert [message.skeletons[0].id for message in messages] == ["hand_1", "hand_1", "hand_2", "hand_3"]
    assert [message.header.frame_id for message in messages] == ["left", "left", "right", "left"]
    assert caplog.text.count("change from frame 'left' to 'right': where they do, all tracks are forgotten") == 1
    assert "the frame of the images changed 2 times" in caplog.text


def test_camera_info_of_another_frame_serves_only_where_there_is_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = shots(2)
    colour = {"k": np.array([900.0, 0, 320, 0, 900, 240, 0, 0, 1]), "p": np.zeros(12)}
    recording = [first, replace(second, info=colour, info_frame_id="colour")]
    assert np.nanmax(errors(predict(write(tmp_path / "both", recording)), rendered(2))) < 12
    assert not caplog.records
    predict(write(tmp_path / "one", [replace(second, info=colour, info_frame_id="colour", frame_id="")]))
    assert "it is of frame 'colour', but the images on /camera/depth/image_rect are of ''" in caplog.text
    assert "the images have no frame_id" in caplog.text


def test_an_interrupt_keeps_what_is_done(
    tmp_path: Path, untrained_weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from v2v_ros.estimator import PoseEstimator

    estimate, calls = PoseEstimator.estimate, []

    def interrupted(self: PoseEstimator, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return estimate(self, *arguments)

    monkeypatch.setattr(PoseEstimator, "estimate", interrupted)
    bag = write(tmp_path / "bag", shots(4))
    assert len(predict(bag, "--weights", str(untrained_weights), code=130)) == 2
    assert "interrupted: the first 2 frames are in " in caplog.text


@pytest.mark.parametrize("text", ["16UC1; png compressed ", "16UC1; png compressed 16UC1", "png"])
def test_png_of_the_transport_compressed(tmp_path: Path, text: str) -> None:
    def compress(pixels: np.ndarray) -> tuple[str, bytes]:
        return text, encode_compressed_depth(pixels)[1][12:]  # without the header of compressedDepth

    bag = write(tmp_path / "bag", shots(2), compress)
    (first, second) = iter_depth(bag, DEPTH_TOPIC, INFO_TOPIC)
    for frame, shot in zip((first, second), shots(2), strict=True):
        np.testing.assert_allclose(frame.depth, shot.depth, atol=0.0006)


def test_jpeg_is_refused_with_what_to_take(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag", shots(1), lambda pixels: ("16UC1; jpeg compressed ", b"\xff\xd8"))
    with pytest.raises(BagError, match="nor a PNG of 16 bits: use the depth topic that ends in /compressedDepth"):
        list(iter_depth(bag, DEPTH_TOPIC, INFO_TOPIC))


def frames_of(bag: Path) -> int:
    return len(list(iter_depth(bag, DEPTH_TOPIC, INFO_TOPIC)))


@pytest.mark.parametrize("damage", ["missing", "without a storage", "empty"])
def test_the_file_in_a_folder_without_usable_metadata_is_read(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    bag = write(tmp_path / "bag", shots(2))
    metadata = bag / "metadata.yaml"
    if damage == "without a storage":
        metadata.write_text(metadata.read_text().replace("storage_identifier: mcap", "storage_identifier: ''"))
    elif damage == "empty":
        metadata.write_text("")
    else:
        metadata.unlink()
    assert frames_of(bag) == 2
    assert f"{bag}: no usable metadata.yaml: reading bag.mcap" in caplog.text
    (bag / "bag_1.mcap").write_bytes((bag / "bag.mcap").read_bytes())
    with pytest.raises(BagError, match=r"it has 2 files: rebuild its metadata with 'ros2 bag reindex "):
        frames_of(bag)


@pytest.mark.parametrize("compressed", [None, "zstd"])
def test_a_recording_without_an_end_is_read_as_far_as_it_is_whole(
    tmp_path: Path, compressed: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    whole = (write(tmp_path / "bag", shots(4)) / "bag.mcap").read_bytes()
    # As ros2 bag writes it: chunks, each of them of one image here.
    parts = [whole[: len(MAGIC)]]
    for opcode, content in records(whole):
        if opcode == 0x0F:
            break  # what follows repeats topics and types
        if opcode == 0x06:
            parts += [chunk(inner, compressed) for inner in messages_of(content)]
        elif opcode in (0x03, 0x04, 0x05):
            parts.append(chunk([(opcode, content)], compressed))
    path = tmp_path / "killed.mcap"
    path.write_bytes(b"".join(parts)[:-1000])
    assert frames_of(path) == 3
    assert f"'mcap recover {path} -o NEW.mcap'" in caplog.text
    path.write_bytes(b"".join(parts)[:40])
    with pytest.raises(BagError, match="not a readable rosbag2"):
        frames_of(path)


RAW_TOPIC = "/camera/depth/image_raw"
LENSES = {
    "plumb_bob": (-0.28, 0.08, 0.001, -0.001, 0.0),
    "rational_polynomial": (0.45, -0.05, 0.0001, -0.0002, 0.003, 0.8, -0.02, 0.01),
    "equidistant": (-0.02, 0.002, 0.0, 0.0),
}


@pytest.mark.parametrize("model", LENSES)
def test_the_distortion_of_a_lens_is_removed(tmp_path: Path, model: str, caplog: pytest.LogCaptureFixture) -> None:
    frames = aside(2)
    recording = [Shot(frame.depth, time_of(k), time_of(k), camera=WIDE) for k, frame in enumerate(frames)]
    bag = write(tmp_path / "bag", [photographed(shot, model, LENSES[model]) for shot in recording], topic=RAW_TOPIC)
    assert np.mean(errors(predict(bag, topic=RAW_TOPIC), frames)) < 12
    note = f"({model}) is removed, since nothing in the name of {RAW_TOPIC} says that the image is rectified"
    assert caplog.text.count(note) == 1
    caplog.clear()
    assert np.mean(errors(predict(bag, "--no-rectify", topic=RAW_TOPIC), frames)) > 20
    assert not caplog.text


def test_a_rectified_image_is_left_as_it_is_whatever_the_coefficients(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    d = np.array(LENSES["plumb_bob"])
    recording = [replace(shot, info={"d": d}) for shot in shots(2)]  # DEPTH_TOPIC ends in image_rect
    assert np.nanmean(errors(predict(write(tmp_path / "bag", recording)), rendered(2))) < 12
    assert not caplog.records


@pytest.mark.parametrize(("unit", "encoding"), [(0.0001, "16UC1"), (0.00025, "16UC1"), (0.001, "32FC1")])
def test_depths_in_another_unit(tmp_path: Path, unit: float, encoding: str, caplog: pytest.LogCaptureFixture) -> None:
    bag = write(tmp_path / "bag", shots(2), unit=unit, encoding=encoding)
    assert np.nanmean(errors(predict(bag, "--depth-unit", str(unit)), rendered(2))) < 12
    assert not caplog.records
    if encoding == "32FC1":
        assert not any(message.skeletons for message in predict(bag))
        assert caplog.text.count("depth_unit? With 0.001 instead of 1") == 1


def records(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = len(MAGIC)
    while at + 9 <= len(content):
        opcode, length = struct.unpack_from("<BQ", content, at)
        yield opcode, content[at + 9 : at + 9 + length]
        at += 9 + length


def messages_of(content: bytes) -> list[list[tuple[int, bytes]]]:
    """The records of an uncompressed chunk, each for itself."""
    (size,) = struct.unpack_from("<I", content, 28)
    assert size == 0
    return [[record] for record in records(MAGIC + content[40:])]


def chunk(inner: list[tuple[int, bytes]], compressed: str | None) -> bytes:
    data = b"".join(struct.pack("<BQ", opcode, len(content)) + content for opcode, content in inner)
    packed, kind = data, (compressed or "").encode()
    if compressed:
        packed = zstd().compress(data)
    body = struct.pack("<QQQI", 0, 0, len(data), 0) + struct.pack("<I", len(kind)) + kind
    body += struct.pack("<Q", len(packed)) + packed
    return struct.pack("<BQ", 0x06, len(body)) + body
