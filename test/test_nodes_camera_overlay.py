# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The synthetic camera and the overlay."""

from __future__ import annotations

import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy")

from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest

from v2v_ros.geometry.camera import Intrinsics, from_camera_info
from v2v_ros.geometry.estimate import Side
from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.msg import SkeletonArray, SkeletonInfo
from v2v_ros.nodes.overlay_node import OverlayNode
from v2v_ros.nodes.pose.inputs import Pairs, decode
from v2v_ros.nodes.support.transport import latched
from v2v_ros.nodes.synthetic_camera_node import SyntheticCameraNode, forth_and_back, image_message, to_and_fro

if TYPE_CHECKING:
    from ros_bench import Bench, Ros


def camera_with(ros: Ros, **parameters: Any) -> SyntheticCameraNode:
    values = {"width": 160, "height": 120} | parameters
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node: SyntheticCameraNode = ros.add(SyntheticCameraNode(context=ros.context, parameter_overrides=overrides))
    return node


@pytest.mark.parametrize(("kind", "encoding"), [("hand", "16UC1"), ("body", "32FC1")])
def test_images_info_and_truth_belong_together(ros: Ros, kind: str, encoding: str) -> None:
    camera_with(ros, kind=kind, encoding=encoding, noise=0.0, frame_id="lens")
    images = ros.collect(Image, "depth/image_rect")
    infos = ros.collect(CameraInfo, "depth/camera_info")
    truths = ros.collect(SkeletonArray, "synthetic_camera/truth")

    def complete() -> tuple[Image, CameraInfo, SkeletonArray] | None:
        by_stamp = [{str(m.header.stamp): m for m in messages} for messages in (images, infos, truths)]
        common = set.intersection(*(set(one) for one in by_stamp))
        for stamp in common:
            return by_stamp[0][stamp], by_stamp[1][stamp], by_stamp[2][stamp]
        return None

    image, info, truth = ros.wait(complete)
    assert image.header.frame_id == info.header.frame_id == truth.header.frame_id == "lens"
    assert (image.encoding, image.width, image.height) == (encoding, 160, 120)
    assert abs(ros.node.get_clock().now().nanoseconds * 1e-9 - image.header.stamp.sec) < 20
    depth = decode(image, "depth/image_rect", 0.0)
    camera = from_camera_info(info, depth.shape)
    assert camera.fx == pytest.approx(160 * 475 / 640)
    (one,) = truth.skeletons
    assert len(one.points) == len(get_skeleton(truth.skeleton).joint_names)
    # Most true joints lie a little behind the surface that the camera sees there.
    behind = [
        point.z
        - depth[round(point.y / point.z * camera.fy + camera.cy), round(point.x / point.z * camera.fx + camera.cx)]
        for point in one.points
    ]
    assert 0 <= np.nanmedian(behind) < 0.15


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times of the frames that are rendered."""
    from v2v_ros.synthetic.scenes.one import SyntheticSequence

    times: list[float] = []
    render = SyntheticSequence.frame

    def frame(self: SyntheticSequence, seconds: float) -> Any:
        times.append(seconds)
        return render(self, seconds)

    monkeypatch.setattr(SyntheticSequence, "frame", frame)
    return times


def test_nothing_is_rendered_while_nobody_subscribes(ros: Ros, rendered: list[float]) -> None:
    camera_with(ros, rate=50.0)
    ros.wait(lambda: ros.node.count_publishers("/depth/image_rect"))
    assert not rendered
    images = ros.collect(Image, "depth/image_rect")
    ros.wait(lambda: len(images) >= 5)
    steps = np.array(rendered) * 50
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)  # on the grid of the rate
    assert (np.diff(np.rint(steps)) >= 1).all()


def test_a_loop_is_rendered_once_and_shown_to_and_fro(ros: Ros, rendered: list[float]) -> None:
    camera_with(ros, rate=20.0, loop=3)
    # Reliable and with room, so that none is missing.
    images = ros.collect(Image, "depth/image_rect", 50)
    truths = ros.collect(SkeletonArray, "synthetic_camera/truth", 50)
    ros.wait(lambda: len(images) >= 9 and len(truths) >= 9)
    np.testing.assert_allclose(rendered, [0.0, 0.05, 0.1])
    assert len({bytes(image.data) for image in images}) == 3
    stamps = [image.header.stamp.sec + 1e-9 * image.header.stamp.nanosec for image in images]
    assert (np.diff(stamps) > 0).all()
    assert len({str(truth.skeletons[0].points) for truth in truths}) == 3


@pytest.mark.parametrize(
    ("length", "shown"), [(1, [0] * 5), (2, [0, 1, 0, 1, 0]), (3, [0, 1, 2, 1, 0]), (4, [0, 1, 2, 3, 2])]
)
def test_to_and_fro(length: int, shown: list[int]) -> None:
    assert [to_and_fro(tick, length) for tick in range(5)] == shown


@pytest.mark.parametrize("loop", [0, 3])
def test_a_scene_has_three_subjects_with_ids_and_sides(ros: Ros, loop: int) -> None:
    camera_with(ros, scene="crossing", rate=10.0, loop=loop)
    truths = ros.collect(SkeletonArray, "synthetic_camera/truth", 50)
    images = ros.collect(Image, "depth/image_rect", 50)
    ros.wait(lambda: len(truths) >= 5 and images)
    for truth in truths:
        assert [one.id for one in truth.skeletons] == ["truth_1", "truth_2", "truth_3"]
        assert [one.side for one in truth.skeletons] == [Side.RIGHT, Side.LEFT, Side.RIGHT]
        assert all(0 <= one.score <= 1 for one in truth.skeletons)
    if loop:
        assert len({str(truth.skeletons) for truth in truths}) == 3


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, 0.0), (3.0, 3.0), (10.0, 10.0), (12.0, 8.0), (23.0, 3.0)])
def test_a_scene_is_played_forth_and_back(seconds: float, shown: float) -> None:
    assert forth_and_back(seconds, 10.0) == pytest.approx(shown)


def test_the_rate_is_kept(ros: Ros) -> None:
    camera_with(ros, rate=5.0, width=32, height=24, noise=0.0)
    images = ros.collect(Image, "depth/image_rect")
    ros.wait(lambda: len(images) >= 5)
    stamps = [image.header.stamp.sec + 1e-9 * image.header.stamp.nanosec for image in images]
    assert np.median(np.diff(stamps)) == pytest.approx(0.2, abs=0.02)


def test_a_camera_that_cannot_keep_up_says_so_once(ros: Ros, capfd: pytest.CaptureFixture[str]) -> None:
    camera_with(ros, rate=200.0, width=640, height=480)
    images = ros.collect(Image, "depth/image_rect")
    ros.wait(lambda: len(images) >= 25)
    assert capfd.readouterr().err.count("rendering an image takes") == 1


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), max_size=60), st.integers(1, 5))
def test_pairs_have_one_stamp_and_waiting_is_bounded(additions: list[tuple[int, int]], kept: int) -> None:
    pairs = Pairs(kept)
    for side, stamp in additions:
        pair = pairs.add(side, stamp, (side, stamp))
        assert pair is None or pair == ((0, stamp), (1, stamp))
        assert all(len(waiting) <= kept for waiting in pairs._waiting)
    for side in (0, 1):
        pairs.add(side, "last", side)
    assert pairs.add(0, "other", 0) is None


@pytest.fixture
def overlay(bench: Bench) -> Iterator[OverlayNode]:
    """An overlay node on the topics of the bench."""
    arguments = ["--ros-args", "-r", "skeletons:=v2v_pose/skeletons", "-r", "info:=v2v_pose/info"]
    yield bench.ros.add(OverlayNode(context=bench.ros.context, cli_args=arguments))


def test_the_overlay_draws_on_the_image_of_the_same_stamp(bench: Bench, overlay: OverlayNode) -> None:
    ros = bench.ros
    assert ros.node.count_subscribers("/v2v_pose/skeletons") == 1  # the bench's own: nobody looks yet
    pictures = ros.collect(Image, "v2v_overlay/image")
    ros.wait(lambda: ros.node.count_subscribers("/v2v_pose/info"))
    ros.wait(lambda: bench.images.get_subscription_count() == 2)

    def send() -> bool:
        bench.send()
        bench.idle()
        return len(pictures) >= 2

    ros.wait(send)
    picture = pictures[-1]
    assert (picture.encoding, picture.width, picture.height) == ("bgr8", 80, 60)
    assert picture.header.frame_id == "camera_optical"
    assert (picture.header.stamp.sec, picture.header.stamp.nanosec) in {
        (message.header.stamp.sec, message.header.stamp.nanosec) for message in bench.skeletons
    }
    pixels = np.frombuffer(picture.data, np.uint8).reshape(60, 80, 3)
    assert (pixels[25, 35] > 0).all()  # depth
    assert (np.ptp(pixels.astype(int), axis=-1) > 60).any()  # colours of fingers


def test_the_overlay_draws_where_the_region_of_interest_is(bench: Bench, overlay: OverlayNode) -> None:
    ros = bench.ros
    pictures = ros.collect(Image, "v2v_overlay/image")
    ros.wait(lambda: ros.node.count_subscribers("/v2v_pose/info"))
    ros.wait(lambda: bench.images.get_subscription_count() == 2)
    roi = RegionOfInterest(x_offset=100, y_offset=70, width=80, height=60)
    p = [60.0, 0.0, 139.5, 0.0, 0.0, 60.0, 99.5, 0.0, 0.0, 0.0, 1.0, 0.0]

    def send() -> bool:
        bench.send(p=p, roi_of_info=roi, width_of_info=240, height_of_info=180)
        bench.idle()
        return len(pictures) >= 2

    ros.wait(send)
    pixels = np.frombuffer(pictures[-1].data, np.uint8).reshape(60, 80, 3).astype(int)
    rows, columns = np.nonzero(np.ptp(pixels, axis=-1) > 60)
    assert rows.size and 36 < columns.mean() < 48 and 26 < rows.mean() < 38  # the skeleton is in the middle


def test_the_overlay_reads_images_as_the_pose_node_does(ros: Ros) -> None:
    from ros_bench import Bench

    bench = Bench(ros, topic="raw", depth_unit=0.0001)
    remaps = ("skeletons:=v2v_pose/skeletons", "info:=v2v_pose/info", "depth/image_rect:=raw")
    arguments = ["--ros-args", "-p", "depth_unit:=0.0001"]
    for remap in remaps:
        arguments += ["-r", remap]
    ros.add(OverlayNode(context=ros.context, cli_args=arguments))
    pictures = ros.collect(Image, "v2v_overlay/image")
    ros.wait(lambda: ros.node.count_subscribers("/v2v_pose/info"))
    ros.wait(lambda: bench.images.get_subscription_count() == 2)
    data = array.array("B", np.full((60, 80), 4000, "<u2").tobytes())

    def send() -> bool:
        bench.send(data=data, d_of_info=[1.0, 0.0, 0.0, 0.0, 0.0])
        bench.idle()
        return len(pictures) >= 2

    ros.wait(send)
    shown = np.frombuffer(pictures[-1].data, np.uint8).reshape(60, 80, 3)
    assert (shown[10, 40] > 100).all()  # 0.4 m, near the light end
    assert not shown[0, 0].any()  # the lens does not see the corners


def test_the_overlay_lets_go_when_nobody_looks(bench: Bench, overlay: OverlayNode) -> None:
    ros = bench.ros
    subscription = ros.call(lambda: ros.node.create_subscription(Image, "v2v_overlay/image", print, 1))
    ros.wait(lambda: ros.node.count_subscribers("/v2v_pose/skeletons") == 2)
    ros.call(lambda: ros.node.destroy_subscription(subscription))
    ros.wait(lambda: ros.node.count_subscribers("/v2v_pose/skeletons") == 1)


def test_the_overlay_says_which_topic_is_silent(
    ros: Ros, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("v2v_ros.nodes.pose.reports.PERIOD", 0.0)
    node = OverlayNode(context=ros.context)
    ros.add(node)
    ros.collect(Image, "v2v_overlay/image")
    images = ros.publisher(Image, "depth/image_rect")
    skeletons = ros.publisher(SkeletonArray, "skeletons")
    infos = ros.publisher(SkeletonInfo, "info", latched())
    ros.wait(lambda: images.get_subscription_count() and skeletons.get_subscription_count())
    array = SkeletonArray(skeleton="hand21")
    log = ""

    def said(text: str) -> bool:
        nonlocal log
        array.header.stamp.nanosec += 1
        images.publish(image_message(array.header, np.ones((6, 8), np.float32), "16UC1"))
        skeletons.publish(array)
        log += capfd.readouterr().err
        return text in log

    ros.wait(lambda: said("nothing has come on /depth/camera_info: remap depth/camera_info to the topic of the camera"))
    infos.publish(SkeletonInfo(name="hand21"))
    node._infos.add(CameraInfo(width=99, height=6))
    ros.wait(lambda: said("/depth/camera_info: it is for images of 99x6, but the depth image has 8x6"))
    assert node._worker.stop(10.0)  # it must not write to the log of the next test


def test_an_image_survives_encoding() -> None:
    camera = Intrinsics(10.0, 10.0, 1.5, 1.0, 4, 3)
    depth = np.array([[0.5, 1.2345, np.nan, 70.0]] * camera.height, np.float32)
    from std_msgs.msg import Header

    wide = decode(image_message(Header(), depth, "32FC1"), "topic", 0.0)
    np.testing.assert_array_equal(wide, depth)
    narrow = decode(image_message(Header(), depth, "16UC1"), "topic", 0.0)
    np.testing.assert_allclose(narrow[0], [0.5, 1.2345, np.nan, 65.535], atol=0.0006)
