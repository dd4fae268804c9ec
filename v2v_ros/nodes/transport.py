"""Quality of service, in one place, and what large images need from the middleware."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

FASTDDS_VARIABLE = "FASTDDS_BUILTIN_TRANSPORTS"
FASTDDS_LARGE_DATA = "LARGE_DATA?max_msg_size=4MB&sockets_size=4MB&non_blocking=true"
"""With its default transports, Fast DDS loses most best-effort messages over 512 KiB between two processes.
This value cures it, when the processes on both sides have it."""

LARGE_MESSAGE = 512 * 1024


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
