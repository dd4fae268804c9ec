# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pose node and images or camera_info as they should not be: it says what is wrong, and lives on."""

from __future__ import annotations

import array
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from ros_bench import Bench

NAN = float("nan")

BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "colour": ({"encoding": "rgb8"}, ("/depth/image_rect: ", "'rgb8'", "remap depth/image_rect")),
    "truncated": ({"data": array.array("B", bytes(100))}, ("/depth/image_rect: ", "truncated", "100 bytes")),
    "empty": ({"data": array.array("B")}, ("/depth/image_rect: ", "truncated")),
    "step too small": ({"step": 100}, ("/depth/image_rect: ", "step of 100")),
    "no size": ({"width": 0, "height": 0}, ("/depth/image_rect: ", "size 0x0")),
    "zero focal length": (
        {"k": [0.0] * 9, "p": [0.0] * 12},
        ("/depth/camera_info", "focal", "calibrated", "driver must fill K or P"),
    ),
    "K not a number": (
        {"k": [NAN] * 9, "p": [0.0] * 12},
        ("/depth/camera_info", "finite", "driver must fill K or P"),
    ),
    "other size": (
        {"width_of_info": 640},
        ("/depth/camera_info", "640x60", "80x60", "remap depth/camera_info"),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_is_named_counted_and_survived(bench: Bench, name: str) -> None:
    changes, texts = BAD[name]
    bench.send(**changes)
    level, _, values = bench.wait_diagnosis(*texts)
    assert level == b"\x02"
    assert values["images failed"] == "1"
    assert values["images processed"] == "0"
    assert texts[0].strip(": ") in values["last error"]
    assert not bench.estimator.depths
    bench.assert_recovers()


def test_an_image_without_stamp_is_refused(bench: Bench) -> None:
    bench.send(seconds=0.0)
    bench.wait_diagnosis("/depth/image_rect", "no time stamp", "driver must set it")
    bench.assert_recovers()


@pytest.mark.parametrize(
    ("encoding", "data"),
    [("16UC1", np.zeros((60, 80), "<u2")), ("32FC1", np.full((60, 80), np.nan, "<f4"))],
    ids=["all zero", "all NaN"],
)
def test_an_image_without_depth_gives_an_empty_array(bench: Bench, encoding: str, data: np.ndarray) -> None:
    header = bench.send(encoding=encoding, step=80 * data.itemsize, data=array.array("B", data.tobytes()))
    bench.ros.wait(lambda: bench.skeletons)
    assert bench.skeletons[0].header == header
    assert list(bench.skeletons[0].skeletons) == []
    level, _, _ = bench.wait_diagnosis("0 skeletons")
    assert level == b"\x00"
    bench.assert_recovers()


MILLIMETRES = np.where(np.arange(4800).reshape(60, 80) % 3, 600, 0).astype("<u2")


METRES = MILLIMETRES.astype(np.float32) / np.float32(1000)


def padded(pixels: np.ndarray) -> bytes:
    return np.pad(pixels.view(np.uint8), ((0, 0), (0, 12)), constant_values=255).tobytes()


GOOD: dict[str, dict[str, Any]] = {
    "mono16": {"encoding": "mono16", "data": MILLIMETRES.tobytes()},
    "big-endian": {"is_bigendian": 1, "data": MILLIMETRES.astype(">u2").tobytes()},
    "padded rows": {"step": 172, "data": padded(MILLIMETRES)},
    "32FC1": {"encoding": "32FC1", "step": 320, "data": (MILLIMETRES / 1000).astype("<f4").tobytes()},
    "32FC1 big-endian padded": {
        "encoding": "32FC1",
        "step": 332,
        "is_bigendian": 1,
        "data": padded((MILLIMETRES / 1000).astype(">f4")),
    },
}


@pytest.mark.parametrize("name", GOOD)
def test_every_form_of_depth_is_understood(bench: Bench, name: str) -> None:
    changes = GOOD[name] | {"data": array.array("B", GOOD[name]["data"])}
    bench.send(**changes)
    bench.ros.wait(lambda: bench.skeletons)
    expected = np.where(MILLIMETRES, np.float32(0.6), np.nan)
    np.testing.assert_allclose(bench.estimator.depths[0], expected, rtol=1e-6)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_compressed_depth_is_understood(make_bench: Callable[..., Bench], encoding: str, codec: str) -> None:
    from sensor_msgs.msg import CompressedImage

    from v2v_ros.io.depth import encode_compressed_depth
    from v2v_ros.nodes.synthetic_camera_node import camera_info

    bench = make_bench(depth_transport="compressedDepth")
    depth = MILLIMETRES if encoding == "16UC1" else METRES
    format_, data = encode_compressed_depth(depth, encoding, codec)

    def send(content: bytes) -> None:
        header = bench.header()
        bench.infos.publish(camera_info(header, bench.camera))
        bench.images.publish(CompressedImage(header=header, format=format_, data=array.array("B", content)))

    send(data[:-40])
    bench.wait_diagnosis("/depth/image_rect/compressedDepth: ", "truncated")
    send(data)
    bench.ros.wait(lambda: bench.skeletons)
    expected = np.where(MILLIMETRES, np.float32(0.6), np.nan)
    np.testing.assert_allclose(bench.estimator.depths[0], expected, rtol=2e-3)


def test_p_goes_before_k_and_k_serves_when_p_is_empty(bench: Bench) -> None:
    p = [70.0, 0.0, 40.0, 0.0, 0.0, 71.0, 30.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    bench.send(p=p)
    bench.ros.wait(lambda: len(bench.skeletons) == 1)
    bench.send(p=[0.0] * 12)
    bench.ros.wait(lambda: len(bench.skeletons) == 2)
    first, second = bench.estimator.cameras
    assert (first.fx, first.fy, first.cx, first.cy) == (70.0, 71.0, 40.0, 30.0)
    assert (second.fx, second.fy, second.cx, second.cy) == (60.0, 60.0, 39.5, 29.5)


def test_a_region_of_interest_moves_the_camera_and_binning_shrinks_it(bench: Bench) -> None:
    from sensor_msgs.msg import RegionOfInterest

    def came(count: int) -> bool:
        return len(bench.skeletons) == count

    roi = RegionOfInterest(x_offset=20, y_offset=10, width=160, height=120)
    p = [120.0, 0.0, 99.0, 0.0, 0.0, 122.0, 69.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    sizes = ((320, 240), (80, 60), (0, 0))
    for count, (width, height) in enumerate(sizes, start=1):
        size: dict[str, Any] = {"width_of_info": width, "height_of_info": height}
        bench.send(p=p, roi_of_info=roi, binning_x_of_info=2, binning_y_of_info=2, **size)
        bench.ros.wait(partial(came, count))
    for camera in bench.estimator.cameras:
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == (60.0, 61.0, 39.5, 29.5)
    bench.send(p=p, roi_of_info=RegionOfInterest(width=70, height=60), binning_x_of_info=2, width_of_info=320)
    bench.wait_diagnosis(
        "/depth/camera_info: it is for images of 35x60 (its roi of 70x60 at (0, 0), binned 2x1) or "
        "160x60 (its width and height, binned 2x1), but the depth image has 80x60"
    )


def test_missing_camera_info_is_named_and_its_arrival_heals(make_bench: Callable[..., Bench]) -> None:
    from sensor_msgs.msg import Image

    from v2v_ros.nodes.synthetic_camera_node import image_message

    bench = make_bench(camera_info_timeout=0.3)
    image: Image = image_message(bench.header(), METRES, "16UC1")

    def send() -> bool:
        image.header = bench.header()
        bench.images.publish(image)
        last = bench.diagnostics[-1].status[0].message if bench.diagnostics else ""
        return "no camera_info on" in last

    bench.ros.wait(send, what="the complaint")
    level, message, values = bench.wait_diagnosis("no camera_info on /depth/camera_info")
    assert "images arrive on /depth/image_rect" in message
    assert "the publisher is silent (publishers: 1)" in message  # the test's
    assert level == b"\x02"
    assert int(values["images failed"]) > 0
    bench.assert_recovers()


def test_camera_info_with_another_stamp_serves(bench: Bench) -> None:
    from v2v_ros.nodes.synthetic_camera_node import image_message

    bench.send(seconds=10.0)
    bench.ros.wait(lambda: len(bench.skeletons) == 1)
    bench.images.publish(image_message(bench.header(10.5), METRES, "16UC1"))
    bench.ros.wait(lambda: len(bench.skeletons) == 2)


def test_no_images_at_all(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(camera_info_timeout=0.2)
    level, message, _ = bench.wait_diagnosis("no depth images on /depth/image_rect for")
    assert level == b"\x02"
    assert "silent" in message  # the test's publisher is there
    bench.ros.call(lambda: bench.ros.node.destroy_publisher(bench.images))
    bench.wait_diagnosis("nobody publishes it; is the camera running, with the same ROS_DOMAIN_ID?")


def test_an_exception_inside_the_estimator_is_survived(bench: Bench) -> None:
    bench.estimator.error = RuntimeError("out of memory")
    bench.send()
    _, _, values = bench.wait_diagnosis("RuntimeError: out of memory")
    assert values["images failed"] == "1"
    bench.estimator.error = None
    bench.assert_recovers()
