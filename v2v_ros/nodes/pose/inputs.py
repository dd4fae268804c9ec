# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""From sensor messages to what the estimator takes, with errors that name the topic."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.clock import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.distortion import Rectifier
from v2v_ros.io.depth import DepthError, decode_compressed_depth, decode_image
from v2v_ros.io.headers import frame_name

_KEPT = 30  # camera_info messages; an image comes at most a few frames after its own


class FrameError(ValueError):
    """An image cannot be processed. The message names the topic and the remedy."""


class MissingInfo(FrameError):
    """An image came, but no camera_info yet."""


def to_seconds(stamp: Time) -> float:
    return float(stamp.sec + 1e-9 * stamp.nanosec)


def age(clock: Clock, stamp: Time) -> float:
    """Seconds since a stamp; NaN while the clock has no time."""
    now = clock.now().nanoseconds
    return 1e-9 * now - to_seconds(stamp) if now else math.nan


def decode(message: Image | CompressedImage, topic: str, unit: float) -> NDArray[np.float32]:
    """Depth in metres, float32 [H, W], NaN where invalid.

    Args:
        unit: Metres that one unit of the message stands for; 0: by its encoding.

    Raises:
        FrameError: The message does not hold a depth image.
    """
    try:
        if isinstance(message, CompressedImage):
            return decode_compressed_depth(message.format, message.data, unit)
        sizes = message.height, message.width, message.step
        return decode_image(message.encoding, *sizes, message.is_bigendian, message.data, unit)
    except DepthError as error:
        raise FrameError(f"{topic}: {error}") from error


def rectified(
    rectifier: Rectifier, depth: NDArray[np.float32], info: CameraInfo, rectify: bool, topic: str
) -> tuple[NDArray[np.float32], Intrinsics]:
    """Return the image as a pinhole camera would have taken it, and its intrinsics
    (:mod:`v2v_ros.geometry.distortion`).

    Args:
        topic: Name of the topic of the camera_info.

    Raises:
        FrameError: The camera_info is not usable, or is for an image of another size.
    """
    try:
        return rectifier(depth, info, rectify)
    except ValueError as error:
        raise FrameError(f"{topic}: {error} (remap depth/camera_info to take another topic)") from error


class CameraInfos:
    """The newest camera_info messages; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_stamp: OrderedDict[tuple[int, int, str], CameraInfo] = OrderedDict()

    def add(self, info: CameraInfo) -> None:
        key = (info.header.stamp.sec, info.header.stamp.nanosec, frame_name(info.header.frame_id))
        with self._lock:
            self._by_stamp.pop(key, None)
            self._by_stamp[key] = info
            while len(self._by_stamp) > _KEPT:
                self._by_stamp.popitem(last=False)

    @property
    def empty(self) -> bool:
        """No message has come."""
        return not self._by_stamp

    def find(self, stamp: Time, frame_id: str = "") -> CameraInfo | None:
        """Return the message of this frame, if there is any, with this stamp, else the latest received, else None."""
        with self._lock:
            newest_first = list(reversed(self._by_stamp.items()))
        own = [pair for pair in newest_first if pair[0][2] == frame_id] or newest_first
        exact = [info for key, info in own if key[:2] == (stamp.sec, stamp.nanosec)]
        return exact[0] if exact else own[0][1] if own else None

    def forget_after(self, stamp: Time) -> None:
        """Forget what is of a later time, recorded before time went back; but keep the last one for want of another."""
        latest = (stamp.sec, stamp.nanosec)
        with self._lock:
            for key in [key for key in self._by_stamp if key[:2] > latest]:
                if len(self._by_stamp) > 1:
                    del self._by_stamp[key]


class Order:
    """Watches the stamps of the images one after the other."""

    TOLERANCE = 0.1  # seconds; a larger step back is a new beginning, such as that of a bag

    def __init__(self) -> None:
        self._last = math.nan

    def check(self, stamp: float) -> str:
        """``next``, ``duplicate``, ``late`` (a little earlier than the image before), or ``restart``."""
        last = self._last
        if stamp == last:
            return "duplicate"
        if stamp < last and last - stamp <= self.TOLERANCE:
            return "late"
        self._last = stamp
        return "restart" if stamp < last else "next"


class Pairs:
    """Brings two messages of the same stamp together, whichever comes first.

    Args:
        kept: Number of messages that may wait on each side; the oldest are dropped first.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._waiting: tuple[OrderedDict[Hashable, Any], OrderedDict[Hashable, Any]] = (
            OrderedDict(),
            OrderedDict(),
        )

    def add(self, side: int, stamp: Hashable, message: Any) -> tuple[Any, Any] | None:
        """Add a message of side 0 or 1; returns (message of side 0, message of side 1) when both are there."""
        other = self._waiting[1 - side].pop(stamp, None)
        if other is not None:
            return (message, other) if side == 0 else (other, message)
        own = self._waiting[side]
        own[stamp] = message
        while len(own) > self._kept:
            own.popitem(last=False)
        return None
