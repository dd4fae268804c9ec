# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pose node and frames: of images, of camera_info, and those that it publishes."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from tf2_msgs.msg import TFMessage

if TYPE_CHECKING:
    from ros_bench import Bench, Ros

MakeBench = Callable[..., "Bench"]
WARN, ERROR = b"\x01", b"\x02"


@pytest.fixture
def other(tmp_path: Path, ros: Ros) -> Iterator[Any]:
    """A node of another process, as it seems: a second camera."""
    import rclpy

    context = rclpy.Context()
    context.init(domain_id=ros.domain)
    yield rclpy.create_node("cam_b", context=context)
    context.try_shutdown()


def ids(bench: Bench) -> list[str]:
    return [message.skeletons[0].id for message in bench.skeletons if message.skeletons]


def send(bench: Bench, count: int, *frame_ids: str) -> None:
    """Images one after the other, each answered before the next."""

    def more_than(before: int) -> bool:
        return len(bench.skeletons) > before

    for index in range(count):
        before = len(bench.skeletons)
        bench.send(frame_id=frame_ids[index % len(frame_ids)])
        bench.ros.wait(partial(more_than, before))


def test_another_frame_is_another_camera(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    send(bench, 3, "left")
    assert ids(bench) == ["hand_1"] * 3
    send(bench, 3, "right")
    assert ids(bench)[3:] == ["hand_2"] * 3
    level, _, _ = bench.wait_diagnosis(
        "images on /depth/image_rect come in frame 'left' and in frame 'right': with each change all tracks are"
    )
    assert level == WARN
    log = capfd.readouterr().err
    assert log.count("change from frame 'left' to 'right': all tracks are forgotten") == 1


def test_two_cameras_on_one_topic_are_named(bench: Bench, other: Any) -> None:
    from sensor_msgs.msg import Image

    other.create_publisher(Image, "depth/image_rect", 1)
    bench.ros.wait(lambda: bench.ros.node.count_publishers("/depth/image_rect") == 2)
    send(bench, 1, "lens")
    level, _, _ = bench.wait_diagnosis("images on /depth/image_rect come from 2 publishers (/cam_b, /test): ")
    assert level == WARN
    send(bench, 4, "left", "right")
    assert len(set(ids(bench)[1:])) == 4  # nobody is followed from one camera into the other
    bench.wait_diagnosis("come in frame 'left' and in frame 'right' from 2 publishers (/cam_b, /test): ")


def test_camera_info_of_the_same_frame_goes_before_one_of_the_same_stamp(bench: Bench) -> None:
    from v2v_ros.nodes.synthetic_camera_node import camera_info

    colour = camera_info(bench.header(5.0, "colour"), bench.camera)
    colour.p[0] = 99.0

    def heard(key: Any) -> bool:
        processing = bench.node._processing
        return processing is not None and key in processing.infos._by_stamp

    for info in (camera_info(bench.header(4.9, "depth"), bench.camera), colour):
        bench.infos.publish(info)
        key = info.header.stamp.sec, info.header.stamp.nanosec, info.header.frame_id
        bench.ros.wait(partial(heard, key))
    image = bench.make_image(bench.header(5.0, "depth"))
    bench.images.publish(image)
    bench.ros.wait(lambda: bench.skeletons)
    assert bench.estimator.cameras[-1].fx == 60.0


def test_camera_info_of_another_frame_is_said(bench: Bench) -> None:
    bench.send(frame_id="depth", header_of_info=bench.header(frame_id="colour"))
    level, _, _ = bench.wait_diagnosis(
        "camera_info on /depth/camera_info is of frame 'colour', but the images on /depth/image_rect are of 'depth'"
    )
    assert level == WARN
    send(bench, 1, "depth")
    bench.wait_diagnosis("1 skeleton")


def test_a_leading_slash_is_taken_off_all_that_goes_out(bench: Bench) -> None:
    from geometry_msgs.msg import PointStamped
    from visualization_msgs.msg import MarkerArray

    transforms = bench.ros.collect(TFMessage, "/tf", 100)
    markers = bench.ros.collect(MarkerArray, "v2v_pose/markers")
    centers = bench.ros.publisher(PointStamped, "center")
    bench.ros.wait(lambda: bench.ros.node.count_publishers("/tf") and centers.get_subscription_count())
    bench.ros.wait(lambda: transforms or bench.send(frame_id="/cam"), what="transforms")
    bench.ros.wait(lambda: markers)
    header = bench.header(frame_id="cam")
    centers.publish(PointStamped(header=header))
    processing = bench.node._processing
    assert processing is not None
    bench.ros.wait(lambda: processing.hint)
    bench.send(frame_id="/cam")
    bench.ros.wait(lambda: bench.estimator.hints[-1] is not None)
    assert {one.header.frame_id for one in bench.skeletons} == {"cam"}
    assert {one.header.frame_id for message in transforms for one in message.transforms} == {"cam"}
    assert {one.header.frame_id for message in markers for one in message.markers} == {"cam"}


@pytest.mark.parametrize("frame_id", ["", "/"])
def test_without_a_frame_there_are_no_transforms(bench: Bench, frame_id: str) -> None:
    transforms = bench.ros.collect(TFMessage, "/tf", 100)
    bench.ros.wait(lambda: bench.ros.node.count_publishers("/tf"))
    bench.send(frame_id=frame_id)
    level, _, values = bench.wait_diagnosis("/depth/image_rect: the images have no frame_id (it is empty): the driver")
    assert level == ERROR
    assert values["images failed"] == "1"
    time.sleep(0.1)
    assert not transforms
    bench.assert_recovers()


def test_a_prefix_that_tf_would_not_take_is_refused(bench: Bench) -> None:
    from rclpy.parameter import Parameter

    def change(prefix: str) -> Any:
        return bench.ros.call(lambda: bench.node.set_parameters([Parameter("frame_prefix", value=prefix)]))[0]

    for good in ("", "robot_1/", "a.b-c", "_x"):
        assert change(good).successful
    for bad, better in (("/robot 1/", "robot_1/"), ("/a", "a"), ("ä", "_"), ("a b", "a_b")):
        result = change(bad)
        assert not result.successful
        assert f"parameter 'frame_prefix' cannot be '{bad}'" in result.reason and f"use '{better}'" in result.reason


LENS = [0.3, 0.0, 0.0, 0.0, 0.0]


def test_the_distortion_of_an_image_that_is_not_called_rectified_is_removed(ros: Ros) -> None:
    from rclpy.parameter import Parameter
    from ros_bench import CAMERA, Bench, depth_picture

    bench = Bench(ros, topic="camera/depth/image_raw")
    bench.send(d_of_info=LENS)
    _, _, values = bench.wait_values(lambda values: "distortion" in values)
    assert "(plumb_bob) is removed, since nothing in the name of /camera/depth/image_raw" in values["distortion"]
    depth = bench.estimator.depths[-1]
    left = int(np.flatnonzero(np.isfinite(depth).any(axis=0))[0])
    x = (left - CAMERA.cx) / CAMERA.fx
    y = (depth.shape[0] // 2 - CAMERA.cy) / CAMERA.fy
    shown = x * (1 + LENS[0] * (x * x + y * y)) * CAMERA.fx + CAMERA.cx
    assert abs(shown - 30) <= 1  # where the picture begins
    assert bench.estimator.cameras[-1] == CAMERA

    bench.ros.call(lambda: bench.node.set_parameters([Parameter("rectify", value=False)]))
    bench.send(d_of_info=LENS)
    bench.wait_values(lambda values: "distortion" not in values)
    np.testing.assert_allclose(bench.estimator.depths[-1], depth_picture(), atol=0.001)


def test_an_image_that_is_called_rectified_is_left_as_it_is(bench: Bench) -> None:
    from ros_bench import depth_picture

    bench.send(d_of_info=LENS)
    bench.idle()
    assert "distortion" not in bench.wait_diagnosis()[2]
    np.testing.assert_allclose(bench.estimator.depths[-1], depth_picture(), atol=0.001)


def test_coefficients_of_no_lens_are_said(ros: Ros) -> None:
    from ros_bench import Bench

    bench = Bench(ros, topic="camera/depth/image_raw")
    bench.send(d_of_info=[float("nan")] * 5)
    bench.wait_diagnosis("/depth/camera_info: the distortion coefficients (d) are not finite numbers")
    bench.assert_recovers()


@pytest.mark.parametrize("unit", [0.0001, 0.00025])
def test_depths_are_read_in_the_unit_of_the_parameter(ros: Ros, unit: float) -> None:
    from rclpy.parameter import Parameter
    from ros_bench import Bench, depth_picture

    bench = Bench(ros, depth_unit=unit)
    pixels = np.nan_to_num(np.rint(depth_picture() / unit)).astype("<u2")
    bench.send(data=array("B", pixels.tobytes()))
    bench.idle()
    np.testing.assert_allclose(bench.estimator.depths[-1], depth_picture(), atol=unit)
    bench.ros.call(lambda: bench.node.set_parameters([Parameter("depth_unit", value=0.0)]))
    bench.send(data=array("B", pixels.tobytes()))
    bench.idle()
    np.testing.assert_allclose(bench.estimator.depths[-1], depth_picture() * (0.001 / unit), atol=0.001)


def test_millimetres_in_floats_and_swapped_bytes_are_said_with_the_remedy(bench: Bench) -> None:
    from ros_bench import depth_picture

    pixels = (1000 * depth_picture()).astype("<f4")
    bench.send(encoding="32FC1", step=320, data=array("B", pixels.tobytes()))
    level, message, _ = bench.wait_diagnosis("depth_unit? With 0.001 instead of 1 it would be 0.45")
    assert level == b"\x01" and "/depth/image_rect" in message
    time.sleep(0.25)  # until the next summary is due
    bench.send(is_bigendian=1)
    bench.wait_diagnosis("is_bigendian seems to be wrong")
