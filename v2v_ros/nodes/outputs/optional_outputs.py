# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the pose node publishes for other packages when it is asked to."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from v2v_ros.geometry.estimate import SkeletonEstimate

from ..support.output_switches import OutputSwitch
from ..support.pose_parameters import PoseSettings

Advertise = Callable[[type, str, QoSProfile], Publisher]
"""Makes a publisher of a message type on a topic; who gave it destroys the publisher."""


class OptionalOutput(Protocol):
    """One kind of message, from activation to deactivation."""

    def wanted(self) -> bool:
        """Somebody subscribes."""

    def publish(self, header: Header, skeletons: tuple[SkeletonEstimate, ...], settings: PoseSettings) -> None:
        """Publish what somebody subscribes to; ``header`` is that of the image."""

    def close(self) -> None:
        """Publish that nobody is there any more, to those who would remember."""


def maker_of(switch: OutputSwitch) -> Callable[..., OptionalOutput]:
    """Return what makes the output of a switch."""
    module, _, name = switch.maker.rpartition(".")
    maker: Callable[..., OptionalOutput] = getattr(import_module(f"{__package__}.{module}"), name)
    return maker


def optional_type(package: str, name: str, logger: RcutilsLogger, loss: str) -> Any | None:
    """Return a message type of a package that need not be installed; else None, and a warning that says what is
    lost."""
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except ImportError:
        debian = package.replace("_", "-")
        logger.warning(f"{package} is not installed: {loss} (sudo apt install ros-$ROS_DISTRO-{debian})")
        return None
