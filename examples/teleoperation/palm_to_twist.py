#!/usr/bin/env python3
# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Turn the motion of a palm into the twist that MoveIt Servo follows.

    python3 palm_to_twist.py --ros-args -r palm:=/v2v_pose/right/palm -r twist:=/servo_node/delta_twist_cmds

Nothing moves unless ``enable`` (std_msgs/Bool) says so, again and again: let the button of a joystick publish it.
"""

from __future__ import annotations

import argparse
import contextlib
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

_STILL = np.zeros(3)


class Twist(NamedTuple):
    """Velocities [3] in metres and radians a second, in the frame of the palm's poses."""

    linear: NDArray[np.float64]
    angular: NDArray[np.float64]


STOP = Twist(_STILL, _STILL)


@dataclass
class PalmFollower:
    """Velocities of a palm, as far as a robot may have them.

    Attributes:
        linear, angular: Highest speeds, metres and radians a second.
        smoothing: Seconds over which velocities are averaged.
        patience: Seconds without a palm, or without a word of the dead man's switch, after which the robot stops.
        jump: Metres between two images beyond which it was another hand.
    """

    linear: float = 0.25
    angular: float = 0.8
    smoothing: float = 0.1
    patience: float = 0.2
    switch_patience: float = 0.3
    jump: float = 0.15

    _last: tuple[float, NDArray[np.float64], Rotation] | None = None
    _enabled_at: float = -math.inf
    _twist: Twist = STOP

    def enable(self, on: bool, now: float) -> None:
        """Take a word of the dead man's switch."""
        self._enabled_at = now if on else -math.inf
        if not on:
            self._twist = STOP

    def see(self, stamp: float, position: NDArray[np.float64], quaternion: NDArray[np.float64]) -> None:
        """Take a pose of the palm: its time in seconds, position [3] and quaternion [4] (x, y, z, w)."""
        rotation = Rotation.from_quat(quaternion)
        before, self._last = self._last, (stamp, position, rotation)
        if before is None:
            return
        elapsed = stamp - before[0]
        way = position - before[1]
        if not 0 < elapsed < self.patience or np.linalg.norm(way) > self.jump:
            self._twist = STOP
            return
        turned = (rotation * before[2].inv()).as_rotvec()
        new = 1 - math.exp(-elapsed / self.smoothing)
        self._twist = Twist(
            self._twist.linear + new * (way / elapsed - self._twist.linear),
            self._twist.angular + new * (turned / elapsed - self._twist.angular),
        )

    def twist(self, now: float) -> Twist:
        """Return what the robot is to do at a time in seconds."""
        seen = self._last is not None and 0 <= now - self._last[0] < self.patience
        if not seen or not now - self._enabled_at < self.switch_patience:
            self._twist = STOP
            return STOP
        return Twist(_limited(self._twist.linear, self.linear), _limited(self._twist.angular, self.angular))


def _limited(vector: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    return vector if length <= most else vector * (most / length)


def main() -> None:
    import rclpy
    from geometry_msgs.msg import PoseStamped, TwistStamped
    from rclpy.executors import ExternalShutdownException
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.utilities import remove_ros_args
    from std_msgs.msg import Bool

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--linear", type=float, default=0.25, help="highest speed, metres a second (0.25)")
    parser.add_argument("--angular", type=float, default=0.8, help="highest rate of turn, radians a second (0.8)")
    parser.add_argument("--rate", type=float, default=50.0, help="twists a second (50)")
    rclpy.init()
    options = parser.parse_args(remove_ros_args()[1:])
    node = rclpy.create_node("palm_to_twist")
    follower = PalmFollower(options.linear, options.angular)
    frame = ""

    def now() -> float:
        return float(node.get_clock().now().nanoseconds) / 1e9

    def on_palm(palm: PoseStamped) -> None:
        nonlocal frame
        if frame and frame != palm.header.frame_id:
            follower.enable(False, now())
        frame = palm.header.frame_id
        p, q = palm.pose.position, palm.pose.orientation
        stamp = palm.header.stamp.sec + palm.header.stamp.nanosec / 1e9
        follower.see(stamp, np.array([p.x, p.y, p.z]), np.array([q.x, q.y, q.z, q.w]))

    def send() -> None:
        if not frame:
            return
        linear, angular = follower.twist(now())
        message = TwistStamped()
        message.header.stamp = node.get_clock().now().to_msg()
        message.header.frame_id = frame
        message.twist.linear.x, message.twist.linear.y, message.twist.linear.z = (float(v) for v in linear)
        message.twist.angular.x, message.twist.angular.y, message.twist.angular.z = (float(v) for v in angular)
        publisher.publish(message)

    publisher = node.create_publisher(TwistStamped, "twist", 10)
    node.create_subscription(PoseStamped, "palm", on_palm, qos_profile_sensor_data)
    node.create_subscription(Bool, "enable", lambda word: follower.enable(word.data, now()), 10)
    node.create_timer(1 / options.rate, send)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == "__main__":
    main()
