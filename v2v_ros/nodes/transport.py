"""Quality of service, in one place, and what large images need from the middleware."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

LARGE_MESSAGE = 512 * 1024
"""With its default transports, Fast DDS loses many best-effort messages over this size between two processes."""

_LARGE_MEMORY = 'FASTDDS_BUILTIN_TRANSPORTS="DEFAULT?sockets_size=4MB"'
_PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE="$(ros2 pkg prefix --share v2v_ros)/config/fastdds.xml"'


def large_message_remedy() -> str:
    """What to set in the environment of the sending process, so that Fast DDS carries large messages."""
    remedy = _PROFILE if os.environ.get("ROS_DISTRO") == "humble" else _LARGE_MEMORY
    for variable, harmless in (("ROS_LOCALHOST_ONLY", "0"), ("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")):
        if os.environ.get(variable, harmless) not in ("", harmless):
            # With these, rmw_fastrtps chooses the transports itself.
            return f"unset {variable}, which makes Fast DDS ignore the following, and set {remedy}"
    return f"set {remedy}"


def newest_only() -> QoSProfile:
    """For sensor data: the newest message, best effort. It matches every publisher."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


def reliable(depth: int = 10) -> QoSProfile:
    """For results: reliable, so that it matches every subscription."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )


def latched() -> QoSProfile:
    """Reliable, and late subscribers receive the last message too."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def overridable() -> QoSOverridingOptions:
    """Lets parameters ``qos_overrides.<topic>.<publisher|subscription>.<policy>`` change a profile."""
    return QoSOverridingOptions.with_default_policies()


def subscribe(
    node: Node, kind: type, topic: str, callback: Callable[[Any], None], group: CallbackGroup | None = None
) -> Subscription:
    """Subscribe to the newest message of a topic."""
    return node.create_subscription(
        kind, topic, callback, newest_only(), callback_group=group, qos_overriding_options=overridable()
    )
