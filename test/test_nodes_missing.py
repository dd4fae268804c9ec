# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Why no images come: what real publishers beside the pose node make it say, and that the remedies it names work."""

from __future__ import annotations

import array
import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("rclpy")

from ros_bench import Ros, depth_picture

from v2v_ros.nodes.health.graph import COMPRESSED, IMAGE, INFO, image_proposals, info_proposals, look
from v2v_ros.nodes.support.transport import newest_only, subscribe
from v2v_ros.nodes.synthetic_camera_node import camera_info, image_message

if TYPE_CHECKING:
    from ros_bench import Bench

MakeBench = Callable[..., "Bench"]

REALSENSE = {
    "/camera/camera/color/image_raw": IMAGE,
    "/camera/camera/color/image_raw/compressedDepth": COMPRESSED,  # image_transport offers it for colour too
    "/camera/camera/color/camera_info": INFO,
    "/camera/camera/depth/image_rect_raw": IMAGE,
    "/camera/camera/depth/image_rect_raw/compressed": COMPRESSED,
    "/camera/camera/depth/image_rect_raw/compressedDepth": COMPRESSED,
    "/camera/camera/depth/camera_info": INFO,
    "/camera/camera/aligned_depth_to_color/image_raw": IMAGE,
    "/camera/camera/aligned_depth_to_color/camera_info": INFO,
    "/camera/camera/infra1/image_rect_raw": IMAGE,
}


def names(wanted: str, kind: str, topics: dict[str, str]) -> list[tuple[str, str]]:
    return [(one.topic, one.transport) for one in image_proposals(wanted, kind, topics)]


def test_depth_images_are_told_from_others_by_their_names() -> None:
    depth = "/camera/camera/depth/image_rect_raw"
    aligned = ("/camera/camera/aligned_depth_to_color/image_raw", "raw")
    compressed = (f"{depth}/compressedDepth", "compressedDepth")
    assert names("/depth/image_rect", IMAGE, REALSENSE) == [(depth, "raw"), compressed, aligned]
    # The transport that is set goes first.
    assert names("/depth/image_rect/compressedDepth", COMPRESSED, REALSENSE) == [compressed, (depth, "raw"), aligned]
    # The topic itself is none that was meant, but its other transport is.
    assert names(depth, IMAGE, REALSENSE) == [compressed, aligned]


def test_without_any_depth_only_a_misspelt_name_is_proposed() -> None:
    others = {"/camera/color/image_rect": IMAGE, "/map": IMAGE, "/camera/infra1/image_rect": IMAGE}
    assert names("/camera/depth/image_rect", IMAGE, others) == []
    typo = {"/camera/dept/image_rect": IMAGE}
    assert names("/camera/depth/image_rect", IMAGE, others | typo) == [("/camera/dept/image_rect", "raw")]


def test_camera_info_beside_the_image_goes_first() -> None:
    image = "/camera/camera/aligned_depth_to_color/image_raw"
    found = [one.topic for one in info_proposals("/depth/camera_info", image, REALSENSE)]
    assert found == ["/camera/camera/aligned_depth_to_color/camera_info", "/camera/camera/depth/camera_info"]
    found = [one.topic for one in info_proposals("/depth/camera_info", "/elsewhere/image", REALSENSE)]
    assert found[0] == "/camera/camera/depth/camera_info"
    assert info_proposals("/a/camera_info", "/x/image", {"/rgb/camera_info": INFO}) == []


@pytest.fixture
def camera(ros: Ros) -> Iterator[Ros]:
    """Another process, as far as the middleware is concerned."""
    one = Ros(ros.domain)
    try:
        yield one
    finally:
        one.close()


def replace_camera(bench: Bench) -> None:
    """Take the bench's own publishers away."""
    bench.ros.call(lambda: bench.ros.node.destroy_publisher(bench.images))
    bench.ros.call(lambda: bench.ros.node.destroy_publisher(bench.infos))


def complains(bench: Bench, text: str) -> bool:
    return bool(bench.diagnostics) and text in bench.diagnostics[-1].status[0].message


def arguments(message: str) -> list[str]:
    """The command-line arguments that a message names."""
    found = re.search(r"--ros-args( -[pr] \S+:=[^\s,;]+)+", message)
    assert found is not None, message
    return found[0].split()


def other_node(ros: Ros, arguments: list[str]) -> Any:
    import rclpy

    return ros.call(lambda: ros.add(rclpy.create_node("cured", context=ros.context, cli_args=arguments)))


def test_another_name_is_proposed_with_arguments_that_help(make_bench: MakeBench, camera: Ros) -> None:
    from sensor_msgs.msg import CameraInfo, Image

    bench = make_bench(camera_info_timeout=0.3)
    replace_camera(bench)
    camera.publisher(Image, "/cam/depth/image_raw")
    camera.publisher(Image, "/cam/color/image_raw")
    camera.publisher(CameraInfo, "/cam/depth/camera_info")
    level, message, values = bench.wait_diagnosis("nobody publishes it; did you mean /cam/depth/image_raw?")
    assert level == b"\x02"
    assert message.startswith("no depth images on /depth/image_rect for ")
    assert values["other depth topics"] == "/cam/depth/image_raw"
    cured = other_node(bench.ros, arguments(message))
    assert cured.resolve_topic_name("depth/image_rect") == "/cam/depth/image_raw"


def test_topics_that_are_only_subscribed_to_are_not_proposed(make_bench: MakeBench, camera: Ros) -> None:
    from sensor_msgs.msg import Image

    bench = make_bench(camera_info_timeout=0.3)
    replace_camera(bench)
    camera.collect(Image, "/viewer/depth/image")
    bench.ros.wait(lambda: bench.ros.node.count_subscribers("/viewer/depth/image"))
    _, message, _ = bench.wait_diagnosis("nobody publishes it; is the camera running, with the same ROS_DOMAIN_ID?")
    assert "viewer" not in message


def test_the_other_transport_is_proposed_with_arguments_that_help(make_bench: MakeBench, camera: Ros) -> None:
    from sensor_msgs.msg import CompressedImage

    bench = make_bench(camera_info_timeout=0.3)
    replace_camera(bench)
    topic = "/cam/depth/image_raw/compressedDepth"
    camera.publisher(CompressedImage, topic)
    _, message, _ = bench.wait_diagnosis(f"did you mean {topic}?")
    assert "launch arguments depth_topic:=/cam/depth/image_raw depth_transport:=compressedDepth" in message
    cured = other_node(bench.ros, arguments(message))
    assert cured.resolve_topic_name("depth/image_rect/compressedDepth") == topic


def test_another_type_on_the_topic_is_named(make_bench: MakeBench, camera: Ros) -> None:
    from sensor_msgs.msg import PointCloud2

    bench = make_bench(camera_info_timeout=0.3)
    replace_camera(bench)
    camera.publisher(PointCloud2, "/depth/image_rect")
    level, _, _ = bench.wait_diagnosis(
        "/test publishes sensor_msgs/msg/PointCloud2 there, but this node reads sensor_msgs/msg/Image"
    )
    assert level == b"\x02"


def test_compressed_images_on_the_raw_topic_are_named_with_the_parameter(make_bench: MakeBench, camera: Ros) -> None:
    from sensor_msgs.msg import CompressedImage

    bench = make_bench(camera_info_timeout=0.3)
    replace_camera(bench)
    camera.publisher(CompressedImage, "/depth/image_rect")
    _, message, _ = bench.wait_diagnosis("/test publishes sensor_msgs/msg/CompressedImage there")
    assert "-p depth_transport:=compressedDepth" in message
    cured = other_node(bench.ros, arguments(message))
    assert cured.resolve_topic_name("depth/image_rect/compressedDepth") == "/depth/image_rect"


@pytest.mark.parametrize("kind", ["image", "info"])
def test_incompatible_qos_is_named_with_a_parameter_that_helps(make_bench: MakeBench, camera: Ros, kind: str) -> None:
    from rclpy.qos import ReliabilityPolicy
    from sensor_msgs.msg import CameraInfo, Image

    topic, message_type = ("/depth/image_rect", Image) if kind == "image" else ("/depth/camera_info", CameraInfo)
    override = f"qos_overrides.{topic}.subscription.reliability"
    bench = make_bench(connect=False, camera_info_timeout=0.3, **{override: "reliable"})
    bench.wait_connected()
    gone = bench.images if kind == "image" else bench.infos
    bench.ros.call(lambda: bench.ros.node.destroy_publisher(gone))
    publisher = camera.publisher(message_type, topic, newest_only())

    def send() -> bool:  # the other input goes on
        publisher.publish(message_type())
        if kind == "info":
            bench.images.publish(image_message(bench.header(), depth_picture(), "16UC1"))
        return complains(bench, "incompatible")

    bench.ros.wait(send, what="the complaint")
    level, message, _ = bench.wait_diagnosis(
        "its QoS is incompatible: reliability is best_effort at /test, reliable at this node"
    )
    assert level == b"\x02"
    assert topic in message
    assert arguments(message)[-1] == f"{override}:=best_effort"
    cured = other_node(bench.ros, arguments(message))
    received: list[Any] = []
    subscription = bench.ros.call(lambda: subscribe(cured, message_type, topic, received.append))
    assert subscription.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT

    def received_one() -> list[Any]:
        publisher.publish(message_type())
        return received

    bench.ros.wait(received_one, what="a message with the remedy")


def test_camera_info_of_another_name_is_proposed(make_bench: MakeBench, camera: Ros) -> None:
    from sensor_msgs.msg import CameraInfo

    bench = make_bench(camera_info_timeout=0.3)
    bench.ros.call(lambda: bench.ros.node.destroy_publisher(bench.infos))
    camera.publisher(CameraInfo, "/cam/depth/camera_info")

    def send() -> bool:
        bench.images.publish(image_message(bench.header(), depth_picture(), "16UC1"))
        return complains(bench, "did you mean")

    bench.ros.wait(send, what="the complaint")
    _, message, _ = bench.wait_diagnosis("no camera_info on /depth/camera_info: nobody publishes it; did you mean")
    cured = other_node(bench.ros, arguments(message))
    assert cured.resolve_topic_name("depth/camera_info") == "/cam/depth/camera_info"


def test_a_camera_that_goes_is_told_from_one_that_never_was(bench: Bench, make_bench: MakeBench) -> None:
    from rclpy.parameter import Parameter

    bench.assert_recovers()
    bench.ros.call(lambda: bench.node.set_parameters([Parameter("camera_info_timeout", value=0.3)]))
    replace_camera(bench)
    bench.wait_diagnosis("their publisher is gone; start the camera, or the bag, again")


def test_a_stamp_that_stands_still_is_named(make_bench: MakeBench) -> None:
    bench = make_bench(camera_info_timeout=0.3)

    def send() -> bool:
        bench.send(seconds=10.0)
        return complains(bench, "one and the same stamp")

    bench.ros.wait(send, what="the complaint")
    level, _, values = bench.wait_diagnosis("one and the same stamp", "dropped as duplicates")
    assert level == b"\x02"
    assert values["images processed"] == "1"
    bench.send()
    bench.wait_diagnosis("Hz, 1 skeleton")


def test_all_images_too_old_are_an_error_and_fresh_ones_heal_it(make_bench: MakeBench) -> None:
    bench = make_bench(max_age=0.5)
    now = bench.ros.node.get_clock().now().nanoseconds * 1e-9
    bench.send(seconds=now - 3600)
    level, _, _ = bench.wait_diagnosis("s old and dropped (parameter max_age)")
    assert level == b"\x02"
    bench.assert_recovers()
    bench.send(seconds=1000.0)
    bench.wait_diagnosis("their stamps are not the time of day")


def test_the_graph_is_not_asked_while_images_come(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from v2v_ros.nodes import pose_node

    calls: list[Any] = []

    def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return look(*arguments)

    monkeypatch.setattr(pose_node, "look", counted)
    bench.assert_recovers()
    seen = len(bench.diagnostics)
    bench.ros.wait(lambda: len(bench.diagnostics) > seen + 5)
    assert not calls


def test_an_error_is_not_hidden_by_a_throttled_topic(make_bench: MakeBench) -> None:
    bench = make_bench()
    large: dict[str, Any] = {"width": 640, "height": 480, "step": 1280, "data": array.array("B", bytes(640 * 480 * 2))}
    p = [480.0, 0.0, 319.5, 0.0, 0.0, 480.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    sizes: dict[str, Any] = {"width_of_info": 640, "height_of_info": 480, "p": p}
    sent, due = 0, time.monotonic()
    level, message = b"", ""

    def play() -> bool:
        """Images at 5 Hz, camera_info at 20 Hz."""
        nonlocal sent, due, level, message
        if time.monotonic() >= due:
            due += 0.05
            sent += 1
            if sent % 4 == 0:
                bench.send(**large, **sizes, encoding=encoding)
            else:
                bench.infos.publish(camera_info(bench.header(), bench.camera))
        status = bench.diagnostics[-1].status[0] if bench.diagnostics else None
        if status is not None:
            level, message = status.level, status.message
        return status is not None and text in message

    encoding, text = "16UC1", "they are lost, or throttled on the way; if nothing throttles them, "
    bench.ros.wait(play, 40.0, text)
    assert level == b"\x01"
    encoding, text = "rgb8", "'rgb8' is not an encoding of depth"
    bench.ros.wait(play, 40.0, text)
    assert level == b"\x02"
