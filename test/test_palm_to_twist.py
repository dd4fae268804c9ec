# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The example that turns a palm's motion into a twist: it follows, keeps to limits, and stops when it should."""

from __future__ import annotations

import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_bench import Ros
from scipy.spatial.transform import Rotation

EXAMPLE = Path(__file__).parents[1] / "examples" / "teleoperation" / "palm_to_twist.py"
NO_TURN = np.array([0.0, 0.0, 0.0, 1.0])


def follower(**settings: float) -> Any:
    return runpy.run_path(str(EXAMPLE))["PalmFollower"](**settings)


def move(one: Any, velocity: float, turn: float = 0.0, seconds: float = 1.0, start: float = 0.0) -> float:
    """Let a palm move along x and turn about z at 30 Hz, with the switch on; return the time of the last image."""
    now = start
    for step in range(int(30 * seconds)):
        now = start + step / 30
        one.enable(True, now)
        quaternion = Rotation.from_rotvec([0, 0, turn * step / 30]).as_quat()
        one.see(now, np.array([velocity * step / 30, 0.0, 0.5]), quaternion)
    return now


def test_the_twist_is_the_palms_own_up_to_the_limits() -> None:
    one = follower()
    now = move(one, 0.1, 0.5)
    linear, angular = one.twist(now + 0.01)
    assert linear == pytest.approx([0.1, 0, 0], abs=1e-3) and angular == pytest.approx([0, 0, 0.5], abs=1e-3)
    fast = follower(linear=0.2, angular=0.4)
    linear, angular = fast.twist(move(fast, 2.0, 3.0) + 0.01)
    assert np.linalg.norm(linear) == pytest.approx(0.2) and np.linalg.norm(angular) == pytest.approx(0.4)


def test_nothing_moves_without_the_switch() -> None:
    one = follower()
    now = move(one, 0.1)
    one.enable(False, now)
    assert not one.twist(now).linear.any()
    now = move(one, 0.1, start=2.0)
    one.see(now + 0.19, np.array([0.2, 0.0, 0.5]), NO_TURN)
    one.see(now + 0.32, np.array([0.2, 0.0, 0.5]), NO_TURN)
    assert not one.twist(now + 0.33).linear.any()  # its last word is too old


@pytest.mark.parametrize("later", [0.25, -0.1])
def test_a_palm_that_is_gone_or_of_another_time_stops_the_robot(later: float) -> None:
    one = follower()
    now = move(one, 0.1)
    assert one.twist(now + 0.01).linear.any()
    assert not one.twist(now + later).linear.any()
    assert not one.twist(now + 0.01).linear.any()  # and it does not go on by itself


def test_another_hand_does_not_throw_the_robot() -> None:
    one = follower()
    now = move(one, 0.1)
    one.see(now + 1 / 30, np.array([1.0, 0.0, 0.5]), NO_TURN)
    assert not one.twist(now + 1 / 30).linear.any()
    one.see(now + 2 / 30, np.array([1.0, 0.0, 0.5]), NO_TURN)
    assert np.linalg.norm(one.twist(now + 2 / 30).linear) < 1e-6


def test_it_publishes_twists_over_ros(ros: Ros) -> None:
    from geometry_msgs.msg import PoseStamped, TwistStamped
    from std_msgs.msg import Bool

    palms, switch = ros.publisher(PoseStamped, "palm"), ros.publisher(Bool, "enable")
    got: list[Any] = ros.collect(TwistStamped, "twist")
    process = subprocess.Popen([sys.executable, str(EXAMPLE)])
    started = time.monotonic()

    def moves() -> bool:
        switch.publish(Bool(data=True))
        palm = PoseStamped()
        palm.header.stamp = ros.node.get_clock().now().to_msg()
        palm.header.frame_id = "camera"
        palm.pose.position.x = 0.1 * (time.monotonic() - started)
        palm.pose.orientation.w = 1.0
        palms.publish(palm)
        time.sleep(0.02)
        return any(message.twist.linear.x > 0.05 for message in got)

    try:
        ros.wait(moves, 90, "a twist")
        assert got[-1].header.frame_id == "camera"
    finally:
        process.terminate()
        process.wait(20)
