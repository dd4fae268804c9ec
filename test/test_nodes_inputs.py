# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Camera info and the order of images; parameters as tables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Time
from rcl_interfaces.srv import DescribeParameters
from sensor_msgs.msg import CameraInfo

from v2v_ros.nodes.pose.inputs import CameraInfos, Order
from v2v_ros.nodes.support.parameters import declare
from v2v_ros.nodes.support.pose_parameters import POSE_PARAMETERS, check_pose
from v2v_ros.nodes.synthetic_camera_node import PARAMETERS

if TYPE_CHECKING:
    from ros_bench import Ros


def info_at(sec: int, nanosec: int = 0, width: int = 0) -> CameraInfo:
    info = CameraInfo(width=width)
    info.header.stamp.sec, info.header.stamp.nanosec = sec, nanosec
    return info


def test_the_exact_stamp_goes_before_the_latest() -> None:
    infos = CameraInfos()
    assert infos.find(Time(sec=1)) is None
    for index in range(3):
        infos.add(info_at(1, index, width=index))
    found = infos.find(Time(sec=1, nanosec=1))
    assert found is not None
    assert found.width == 1
    latest = infos.find(Time(sec=9))
    assert latest is not None
    assert latest.width == 2


def test_stamps_of_zero_replace_each_other_and_old_ones_are_forgotten() -> None:
    infos = CameraInfos()
    for width in range(1, 100):
        infos.add(info_at(0, width=width))
    found = infos.find(Time(sec=5))
    assert found is not None
    assert found.width == 99
    for second in range(1, 100):
        infos.add(info_at(second))
    assert len(infos._by_stamp) == 30


def test_after_a_step_back_only_infos_of_the_new_time_are_left() -> None:
    infos = CameraInfos()
    infos.add(info_at(100, width=1))
    infos.add(info_at(5, width=2))  # came before its image
    infos.forget_after(Time(sec=5))
    found = infos.find(Time(sec=100))
    assert found is not None
    assert found.width == 2
    infos.forget_after(Time(sec=1))  # the last one stays: it may be all that the camera ever sends
    assert infos.find(Time(sec=1)) is found


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_what_is_next_is_newer_and_what_restarts_is_much_older(stamps: list[float]) -> None:
    order, last = Order(), None
    for stamp in stamps:
        verdict = order.check(stamp)
        if last is None or stamp > last:
            assert verdict == "next"
        elif stamp == last:
            assert verdict == "duplicate"
        else:
            assert verdict == ("late" if last - stamp <= Order.TOLERANCE else "restart")
        if verdict in ("next", "restart"):
            last = stamp


def test_descriptors_come_from_the_table(ros: Ros) -> None:
    from rclpy.node import Node

    node = Node("described", context=ros.context)
    declare(node, POSE_PARAMETERS)
    ros.add(node)
    names = [spec.name for spec in POSE_PARAMETERS]
    request = DescribeParameters.Request(names=names)
    described = ros.request(DescribeParameters, "described/describe_parameters", request).descriptors
    by_name: dict[str, Any] = dict(zip(names, described, strict=True))
    assert all(one.description for one in described)
    assert by_name["weights"].read_only
    assert not by_name["side"].read_only
    assert by_name["side"].additional_constraints == "one of: either, right, left"
    (limits,) = by_name["score_threshold"].floating_point_range
    assert (limits.from_value, limits.to_value) == (0.0, 1.0)
    for spec in POSE_PARAMETERS:
        assert node.get_parameter(spec.name).value == spec.default


def test_integer_limits(ros: Ros) -> None:
    from rclpy.exceptions import InvalidParameterValueException
    from rclpy.node import Node
    from rclpy.parameter import Parameter

    with pytest.raises(InvalidParameterValueException, match="out of range"):
        declare(Node("small", context=ros.context, parameter_overrides=[Parameter("width", value=1)]), PARAMETERS)


def test_null_and_an_empty_list_in_a_file_leave_parameters_as_they_are(ros: Ros, tmp_path: Path) -> None:
    from rclpy.node import Node

    path = tmp_path / "parameters.yaml"
    values = ("max_subjects: 2", "pose_array_joints: []", "weights: null", "frame_prefix: null")
    text = "/**:\n  ros__parameters:\n" + "".join(f"    {value}\n" for value in values)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    node = Node("filed", context=ros.context, cli_args=["--ros-args", "--params-file", str(path)])
    declare(node, POSE_PARAMETERS, check_pose)
    names = ("max_subjects", "pose_array_joints", "weights", "frame_prefix")
    assert [node.get_parameter(name).value for name in names] == [2, [""], "", ""]


def test_without_a_home_the_remedy_is_named() -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "ROS_HOME", "ROS_LOG_DIR")}
    command = [sys.executable, "-c", "from v2v_ros.nodes.overlay_node import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "ROS cannot write its log: set HOME, or ROS_LOG_DIR to a folder that can be written to" in done.stderr
