# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Quality of service, in one place, and what large images need from the middleware."""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

_MOST_NAMED = 3  # overrides; the log has no room for a whole file

LARGE_MESSAGE = 512 * 1024
"""Bytes; with its default transports, Fast DDS loses many larger best-effort messages between two processes."""

_LARGE_MEMORY = 'FASTDDS_BUILTIN_TRANSPORTS="DEFAULT?sockets_size=4MB"'
_PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE="$(ros2 pkg prefix --share v2v_ros)/config/fastdds.xml"'


def large_message_remedy() -> str:
    """Return what to set in the environment of the sending process, so that Fast DDS carries large messages."""
    remedy = _PROFILE if os.environ.get("ROS_DISTRO") == "humble" else _LARGE_MEMORY
    for variable, harmless in (("ROS_LOCALHOST_ONLY", "0"), ("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")):
        if os.environ.get(variable, harmless) not in ("", harmless):
            # With these, rmw_fastrtps chooses the transports itself.
            return f"unset {variable}, which makes Fast DDS ignore the following, and set {remedy}"
    return f"set {remedy}"


def newest_only() -> QoSProfile:
    """Return the quality of service for sensor data: the newest message, best effort. It matches every publisher."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


def reliable(depth: int = 10) -> QoSProfile:
    """Return the quality of service for results: reliable, so that it matches every subscription."""
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


_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


def overridable() -> QoSOverridingOptions:
    """Lets parameters ``qos_overrides.<topic>.<publisher|subscription>.<policy>`` change a profile."""
    return QoSOverridingOptions(_POLICIES)


def untaken_overrides(node: Node) -> str:
    """Return what to say about parameters ``qos_overrides...`` given at the start that no topic has taken; empty:
    nothing.

    Call it when all topics have been made. ``/clock`` has one only with simulated time.
    """
    given = [name for name in getattr(node, "_parameter_overrides", {}) if name.startswith("qos_overrides.")]
    untaken = [name for name in given if not node.has_parameter(name) and not name.startswith("qos_overrides./clock.")]
    if not untaken:
        return ""
    known = [f"qos_overrides.{name}" for name in node.get_parameters_by_prefix("qos_overrides")]
    texts = []
    for name in sorted(untaken)[:_MOST_NAMED]:
        near = get_close_matches(name, known, 1)
        texts.append(f"'{name}'" + (f" (did you mean '{near[0]}'?)" if near else ""))
    more = f" and {len(untaken) - len(texts)} more" if len(untaken) > len(texts) else ""
    return (
        f"given at the start, but without effect: {', '.join(texts)}{more}; a topic is named in full, after remapping, "
        "and the policies are history, depth, reliability and durability"
    )


def subscribe_kept(node: Node, kind: type, topic: str, callback: Callable[[Any], None]) -> Subscription | None:
    """Subscribe to what a publisher keeps for late subscribers, beside :func:`subscribe`; None where nobody does.

    A subscription that asks for it (durability transient_local) hears no other publishers, and each of those would
    complain of it in its log: therefore it is made only where there is one to hear.
    """
    name = node.resolve_topic_name(topic)
    if all(one.qos_profile.durability != latched().durability for one in node.get_publishers_info_by_topic(name)):
        return None
    quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
    return node.create_subscription(kind, topic, callback, latched(), event_callbacks=quiet)


def subscribe(
    node: Node, kind: type, topic: str, callback: Callable[[Any], None], group: CallbackGroup | None = None
) -> Subscription:
    """Subscribe to the newest message of a topic."""
    return node.create_subscription(
        kind, topic, callback, newest_only(), callback_group=group, qos_overriding_options=overridable()
    )
