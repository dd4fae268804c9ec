# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Cameras, clocks and neighbours of the pose node that do not behave; it is in a process with the test."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest
from ros_faults import ERROR, OK, START, came, heals, send_picture

from v2v_ros.geometry.camera import Intrinsics

if TYPE_CHECKING:
    from ros_bench import Bench, Ros


def test_a_camera_that_stops_and_comes_back(make_bench: Callable[..., Bench]) -> None:
    from sensor_msgs.msg import CameraInfo, Image

    bench = make_bench(camera_info_timeout=0.3)
    heals(bench)
    for publishers_too in (False, True):  # the driver hangs; the driver ends
        if publishers_too:
            bench.ros.call(lambda: bench.ros.node.destroy_publisher(bench.images))
            bench.ros.call(lambda: bench.ros.node.destroy_publisher(bench.infos))
        level, message, values = bench.wait_diagnosis("no depth images on /depth/image_rect for")
        assert level == ERROR
        assert values["lifecycle state"] == "active"
        assert "camera" in message
        if publishers_too:
            bench.images = bench.ros.publisher(Image, "depth/image_rect")
            bench.infos = bench.ros.publisher(CameraInfo, "depth/camera_info")
            bench.wait_connected()
        heals(bench)
    assert bench.estimator.resets == 0  # whether it is the same subject is for the stamps to say


def test_the_rate_changes_from_5_to_90_hz_and_back(bench: Bench) -> None:
    sent = 0
    for rate, count in ((5, 4), (90, 90), (5, 4)):
        before, due = len(bench.skeletons), time.monotonic()
        for _ in range(count):
            due += 1 / rate
            time.sleep(max(due - time.monotonic(), 0))
            stamp = send_picture(bench, bench.camera)
        sent += count
        bench.ros.wait(came(bench, stamp), what=f"the last image at {rate} Hz")
        # A busy machine may lose some of the fast ones, never those of a slow camera.
        assert len(bench.skeletons) - before >= (count if rate == 5 else count // 3)
        if rate == 90:
            _, _, values = bench.wait_diagnosis()
            assert float(values["rate in (Hz)"]) > 10
    assert bench.results() == sorted(set(bench.results()))
    _, _, values = bench.wait_diagnosis()
    assert values["images failed"] == values["images too old"] == values["duplicate images"] == "0"
    assert len(bench.skeletons) <= sent


def test_size_and_intrinsics_change_while_it_runs(bench: Bench) -> None:
    small = Intrinsics(60.0, 60.0, 39.5, 29.5, 80, 60)
    zoomed = Intrinsics(90.0, 90.0, 39.5, 29.5, 80, 60)
    large = Intrinsics(120.0, 121.0, 80.0, 60.0, 160, 120)
    for camera in (small, zoomed, large, small):
        stamp = send_picture(bench, camera)
        bench.ros.wait(came(bench, stamp))
        assert bench.estimator.cameras[-1] == camera
        assert bench.estimator.depths[-1].shape == (camera.height, camera.width)
    assert bench.estimator.resets == 0
    # The image overtakes the camera_info of its new size: that one cannot be used, the next one can.
    send_picture(bench, large, with_info=False)
    bench.wait_diagnosis("/depth/camera_info: it is for images of 80x60, but the depth image has 160x120")
    stamp = send_picture(bench, large)
    bench.ros.wait(came(bench, stamp))
    assert bench.estimator.cameras[-1] == large


def test_time_leaps_forward_and_one_stamp_is_far_off(bench: Bench) -> None:
    for stamp, resets in ((START, 0), (START + 3600, 0), (START + 3600.1, 0), (9 * START, 0), (START + 3600.2, 1)):
        bench.send(stamp)
        bench.ros.wait(came(bench, stamp))
        assert bench.estimator.resets == resets, stamp
    bench.wait_values(lambda values: values["images processed"] == "5")


def test_a_bag_loops_in_simulated_time(make_bench: Callable[..., Bench]) -> None:
    from rosgraph_msgs.msg import Clock

    bench = make_bench(use_sim_time=True, max_age=0.5)
    clock = bench.ros.publisher(Clock, "/clock")

    def tick(seconds: float) -> None:
        def ticked() -> bool:
            clock.publish(Clock(clock=bench.header(seconds).stamp))
            return bool(bench.node.get_clock().now().nanoseconds == round(1e9 * seconds))

        bench.ros.wait(ticked)

    def play(stamp: float) -> None:
        tick(stamp + 0.01)
        before = len(bench.skeletons)
        bench.send(stamp)
        bench.ros.wait(lambda: len(bench.skeletons) > before)
        assert bench.results()[-1] == pytest.approx(stamp)

    for loop in range(3):
        for stamp in (START, START + 5, START + 9):
            play(stamp)
        assert bench.estimator.resets == loop
    # The first image of the next round comes before /clock has gone back: it looks as old as the bag is long.
    bench.send(START + 0.1)
    bench.wait_values(lambda values: values["images too old"] == "1")
    play(START + 0.2)
    level, _, values = bench.wait_values(lambda values: values["images processed"] == "10")
    assert (level, values["images failed"]) == (OK, "0")


def test_two_nodes_with_namespaces_in_one_graph(ros: Ros) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.parameter import Parameter
    from ros_bench import CAMERA, FakeEstimator, depth_picture
    from sensor_msgs.msg import CameraInfo, Image
    from std_srvs.srv import SetBool
    from tf2_msgs.msg import TFMessage

    from v2v_ros.msg import SkeletonArray
    from v2v_ros.nodes.pose_node import PoseNode
    from v2v_ros.nodes.synthetic_camera_node import camera_info, image_message

    sides = ("left", "right")
    fakes = {side: FakeEstimator() for side in sides}
    cameras = {}
    for side in sides:
        overrides = {"max_age": 0.0, "diagnostics_period": 0.1, "frame_prefix": f"{side}_"}
        node = ros.add(
            PoseNode(
                context=ros.context,
                namespace=f"/{side}",
                make_estimator=lambda node, side=side: cast(Any, fakes[side]),
                parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
            )
        )
        cameras[side] = (
            ros.publisher(CameraInfo, f"/{side}/depth/camera_info"),
            ros.publisher(Image, f"/{side}/depth/image_rect"),
        )
        ros.call(node.autostart)
    arrays = {side: ros.collect(SkeletonArray, f"/{side}/v2v_pose/skeletons") for side in sides}
    transforms = ros.collect(TFMessage, "/tf")
    diagnostics = ros.collect(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: all(one.get_subscription_count() for pair in cameras.values() for one in pair))
    ros.wait(lambda: all(ros.node.count_publishers(f"/{side}/v2v_pose/skeletons") for side in sides))
    ros.wait(lambda: ros.node.count_publishers("/tf") == 2)

    def send(side: str) -> None:
        from std_msgs.msg import Header

        header = Header(stamp=ros.node.get_clock().now().to_msg(), frame_id=f"{side}_camera_optical")
        infos, images = cameras[side]
        infos.publish(camera_info(header, CAMERA))
        images.publish(image_message(header, depth_picture(), "16UC1"))

    def came_to(side: str, count: int) -> bool:
        return len(arrays[side]) == count

    for count in (1, 2):
        for side in sides:
            send(side)
            ros.wait(partial(came_to, side, count))
    assert [len(fakes[side].depths) for side in sides] == [2, 2]
    for side in sides:
        assert {one.header.frame_id for one in arrays[side]} == {f"{side}_camera_optical"}
    # One frame has one parent: were the names the same, TF would jump to and fro between the cameras.
    ros.wait(lambda: len(transforms) == 4)
    parents = {(one.child_frame_id, one.header.frame_id) for message in transforms for one in message.transforms}
    assert len({child for child, _ in parents}) == len(parents)
    assert ("left_hand_1_wrist", "left_camera_optical") in parents

    # What is said to one does not reach the other.
    assert ros.request(SetBool, "/left/v2v_pose/enable", SetBool.Request(data=False)).success
    send("left")
    send("right")
    ros.wait(lambda: len(arrays["right"]) == 3)

    def said() -> dict[str, str]:
        return {one.status[0].name: one.status[0].message for one in diagnostics}

    ros.wait(lambda: said().get("left/v2v_pose: depth to skeletons") == "paused by ~/enable" and len(said()) == 2)
    assert "paused" not in said()["right/v2v_pose: depth to skeletons"]
    assert len(fakes["left"].depths) == 2
