# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Watches a synthetic camera and the pose node from outside, and brings estimates and truth together."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from v2v_ros.msg import InferenceStats, SkeletonArray

from ...nodes.pose.inputs import Pairs, decode, to_seconds
from ...nodes.support.transport import newest_only, reliable

_KEPT = 60  # messages that wait for their counterpart

Stamp = tuple[int, int]


@dataclass(frozen=True)
class AnsweredImage:
    """An image that skeletons came back for.

    Attributes:
        stamp: Seconds and nanoseconds.
        latency: Seconds from the stamp to the arrival of the skeletons.
        truth: float32 [J, 3] metres, the true joints.
        joints: float32 [J, 3] metres, the estimated joints, NaN where not estimated; None when nothing was detected.
        depth: float32 [H, W] metres; None when it was not asked for.
    """

    stamp: Stamp
    latency: float
    truth: NDArray[np.float32]
    joints: NDArray[np.float32] | None
    depth: NDArray[np.float32] | None

    @property
    def error(self) -> float:
        """Mean distance of the joints from the truth in metres; NaN when nothing was detected."""
        if self.joints is None:
            return math.nan
        return float(np.nanmean(np.linalg.norm(self.joints - self.truth, axis=-1)))


class SkeletonListener:
    """A node in this process with a context of its own.

    Args:
        namespace: Namespace of the camera and the pose node.
        with_images: Whether to subscribe to the depth images too.

    Attributes:
        frames, stats: Frames and messages ``stats`` received since :meth:`begin`.
        images: Number of images that the camera has published since then.
        failure: Reason why the pose node cannot start; empty while it can.
    """

    def __init__(self, namespace: str, with_images: bool) -> None:
        self.frames: list[AnsweredImage] = []
        self.stats: list[InferenceStats] = []
        self.images = 0
        self.failure = ""
        self._pairs = Pairs(_KEPT)
        self._depths: OrderedDict[Stamp, Image] = OrderedDict()
        self._depth_period = math.inf
        self._next_depth = math.inf
        self._context = rclpy.Context()
        self._context.init()
        self._node = rclpy.create_node("v2v_observer", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        subscribe = self._node.create_subscription
        subscribe(SkeletonArray, "synthetic_camera/truth", self._on_truth, reliable(30))
        subscribe(SkeletonArray, "v2v_pose/skeletons", self._on_skeletons, reliable(30))
        subscribe(InferenceStats, "v2v_pose/stats", self._on_stats, reliable(30))
        subscribe(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable())
        if with_images:
            subscribe(Image, "depth/image_rect", self._on_image, newest_only())

    def begin(self, depth_period: float) -> None:
        """Forget what has come so far, and from now on keep a depth image every ``depth_period`` seconds."""
        self.frames, self.stats, self.images = [], [], 0
        self._depth_period = depth_period
        self._next_depth = time.monotonic() + depth_period / 2

    def spin_once(self, timeout: float) -> None:
        self._executor.spin_once(timeout_sec=timeout)

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def _on_truth(self, message: SkeletonArray) -> None:
        self.images += 1
        self._pair(0, message, _points(message))

    def _on_image(self, message: Image) -> None:
        self._depths[_stamp_of(message)] = message
        while len(self._depths) > _KEPT:
            self._depths.popitem(last=False)

    def _on_stats(self, message: InferenceStats) -> None:
        self.stats.append(message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            state = {pair.key: pair.value for pair in status.values}.get("lifecycle state")
            if status.level == DiagnosticStatus.ERROR and state == "unconfigured":
                self.failure = status.message

    def _on_skeletons(self, message: SkeletonArray) -> None:
        latency = 1e-9 * self._node.get_clock().now().nanoseconds - to_seconds(message.header.stamp)
        self._pair(1, message, (latency, _points(message) if message.skeletons else None))

    def _pair(self, side: int, message: SkeletonArray, content: Any) -> None:
        stamp = _stamp_of(message)
        pair = self._pairs.add(side, stamp, content)
        if pair is None:
            return
        truth, (latency, joints) = pair
        image = self._depths.pop(stamp, None)
        depth = None
        if image is not None and time.monotonic() >= self._next_depth:
            self._next_depth += self._depth_period
            depth = decode(image, "depth/image_rect", 0.0)
        self.frames.append(AnsweredImage(stamp, latency, truth, joints, depth))


def wait(
    observer: SkeletonListener,
    seconds: float,
    check: Callable[[], None],
    until: Callable[[], bool] = lambda: False,
    on_progress: Callable[[float], object] = lambda seconds: None,
) -> float:
    """Let an observer see what comes for a time, or until something holds.

    Args:
        check: Function called again and again, which raises when there is nothing left to wait for.
        on_progress: Callback that gets the seconds that have passed, again and again.

    Returns:
        Seconds that have passed.
    """
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds and not until():
        on_progress(passed)
        observer.spin_once(min(seconds - passed, 0.1))
        check()
    return passed


def _stamp_of(message: Image | SkeletonArray) -> Stamp:
    return message.header.stamp.sec, message.header.stamp.nanosec


def _points(message: SkeletonArray) -> NDArray[np.float32]:
    return np.array([(point.x, point.y, point.z) for point in message.skeletons[0].points], np.float32)
