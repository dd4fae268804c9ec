# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The way of one image through the pose node, run by its worker thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PointStamped
from numpy.typing import NDArray
from rclpy.clock import Clock
from rclpy.duration import Duration
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from v2v_ros.estimator import PoseEstimator
from v2v_ros.geometry.distortion import Rectifier
from v2v_ros.geometry.estimate import Estimate
from v2v_ros.io.depth_checks import doubt
from v2v_ros.io.headers import FrameWatch, frame_name
from v2v_ros.msg import InferenceStats

from ..health.depth_summary import summarize
from ..health.diagnostics import too_old
from ..health.statistics import Statistics
from ..outputs.outputs import Outputs, ProcessedFrame
from ..support.pose_parameters import PoseSettings
from .inputs import CameraInfos, FrameError, MissingInfo, Order, age, decode, rectified, to_seconds
from .recovery import Recovery
from .reports import Reports

_LONGEST_PREDICTION = 0.1  # seconds; hands do not go straight on for longer
_HINT_AGE = 0.5  # seconds by which a hint and an image may be apart


@dataclass(frozen=True)
class Topics:
    """Resolved names of the inputs."""

    image: str
    info: str
    center: str


class Processing:
    """Decides whether an image is processed, and does it.

    Attributes:
        infos: Latest messages camera_info, filled by the callback of their topic.
        hint: Last message on ``center``.
    """

    def __init__(
        self,
        recovery: Recovery,
        outputs: Outputs,
        statistics: Statistics,
        reports: Reports,
        clock: Clock,
        topics: Topics,
        read_settings: Callable[[], PoseSettings],
        losses: Callable[[], tuple[int, int]],
    ) -> None:
        self.infos = CameraInfos()
        self.hint: PointStamped | None = None
        self._recovery = recovery
        self._outputs = outputs
        self._statistics = statistics
        self._reports = reports
        self._clock = clock
        self._topics = topics
        self._read_settings = read_settings
        self._losses = losses
        self._rectifier = Rectifier(topics.image)
        self._order = Order()
        self._frame_watch = FrameWatch()
        self._reset = False

    def reset(self) -> None:
        """Forget all tracks before the next image."""
        self._reset = True

    def process(self, message: Image | CompressedImage) -> None:
        """Take a message all the way to the published skeletons.

        Raises:
            FrameError: The image cannot be processed.
        """
        began = time.perf_counter()
        settings = self._read_settings()
        header = Header(stamp=message.header.stamp, frame_id=frame_name(message.header.frame_id))
        if not self._is_next(header):
            return
        old = age(self._clock, message.header.stamp)
        if 0 < settings.max_age < old:
            self._statistics.stale(old)
            self._reports.warn("age", too_old(self._topics.image, old))
            return
        if self._reset:
            self._reset = False
            self._recovery.reset()

        self._watch_frame(header.frame_id)
        info = self.infos.find(header.stamp, header.frame_id)
        if info is None:
            raise MissingInfo(
                f"{self._topics.image}: no camera_info has come on {self._topics.info}: "
                "remap depth/camera_info to the camera's topic, or make the camera publish it"
            )
        image = decode(message, self._topics.image, settings.depth_unit)
        if self._statistics.summary_is_due:
            summary = summarize(image, settings.estimator.min_depth, settings.estimator.max_depth)
            encoding = message.encoding if isinstance(message, Image) else message.format
            self._statistics.summarized(summary, doubt(image, encoding, settings.depth_unit))
        depth, camera = rectified(self._rectifier, image, info, settings.rectify, self._topics.info)
        self._statistics.info_of(frame_name(info.header.frame_id), header.frame_id, self._rectifier.note)
        decoded = time.perf_counter()
        estimator = self._ready(settings.on_runtime_error)
        estimator.settings = settings.estimator
        center = self._center(header)
        with self._recovery.watch():
            estimate = estimator.estimate(depth, camera, to_seconds(message.header.stamp), center)
        estimated = time.perf_counter()
        stamp = header.stamp
        if settings.predict_to_now:
            header, estimate = self._moved_to_now(header, estimate)
        total = self._outputs.publish(ProcessedFrame(header, depth, camera, estimate, began), settings)
        seconds = {
            "decode": decoded - began,
            **estimate.seconds,
            "publish": began + total - estimated,
            "total": total,
        }
        self._statistics.processed(old, seconds, len(estimate.skeletons), estimate.best_detection)
        taken = Header(stamp=stamp, frame_id=header.frame_id)
        self._outputs.publish_stats(lambda: self._stats(taken, old, seconds))

    def _moved_to_now(self, header: Header, estimate: Estimate) -> tuple[Header, Estimate]:
        """Return the estimate as it should be by now, and a header with this time."""
        elapsed = min(age(self._clock, header.stamp), _LONGEST_PREDICTION)
        if not elapsed > 0:  # also while no simulated time has come
            return header, estimate
        stamp = Time.from_msg(header.stamp) + Duration(seconds=elapsed)
        return Header(frame_id=header.frame_id, stamp=stamp.to_msg()), estimate.moved(elapsed)

    def _ready(self, policy: str) -> PoseEstimator:
        """Return the estimator, a new one where it was given up."""
        estimator = self._recovery.estimator
        if estimator is None:
            estimator = self._recovery.renew(policy)
            self._reports.warn("renewed", f"the network was restarted on {estimator.device} ({estimator.runtime})")
            self._outputs.announce(estimator)
        return estimator

    def _is_next(self, header: Header) -> bool:
        """Return whether an image is newer than the last one; forget all tracks when time has gone back."""
        if header.stamp.sec == 0 and header.stamp.nanosec == 0:
            raise FrameError(f"{self._topics.image}: the images have no time stamp (it is 0): the driver must set it")
        if not header.frame_id:
            raise FrameError(f"{self._topics.image}: the images have no frame_id (it is empty): the driver must set it")
        order = self._order.check(to_seconds(header.stamp))
        if order == "duplicate":
            self._statistics.duplicate()
        elif order == "late":
            self._statistics.stale()
        elif order == "restart":
            self._reports.warn(
                "restart",
                f"time went back on {self._topics.image} (a bag that starts again?): all tracks are forgotten",
            )
            self.infos.forget_after(header.stamp)
            self._recovery.reset()
        return order in ("next", "restart")

    def _watch_frame(self, frame_id: str) -> None:
        """Forget all tracks where the images come from another camera."""
        left = self._frame_watch.left(frame_id)
        if left is not None:
            self._reports.warn(
                "frame",
                f"the images on {self._topics.image} change from frame '{left}' to '{frame_id}': "
                "all tracks are forgotten",
            )
            self._statistics.frame_changed(left, frame_id)
            self._recovery.reset()

    def _center(self, header: Header) -> NDArray[np.float64] | None:
        hint = self.hint
        if hint is None or abs(to_seconds(hint.header.stamp) - to_seconds(header.stamp)) > _HINT_AGE:
            return None
        if frame_name(hint.header.frame_id) != header.frame_id:
            self._reports.warn(
                "hint",
                f"points on {self._topics.center} are ignored: they are in frame '{hint.header.frame_id}', "
                f"but the images are in '{header.frame_id}'; transform them before they are published",
            )
            return None
        center = np.array((hint.point.x, hint.point.y, hint.point.z))
        if not np.isfinite(center).all():
            self._reports.warn("hint", f"points on {self._topics.center} are ignored: they are not finite numbers")
            return None
        return center

    def _stats(self, header: Header, age: float, seconds: dict[str, float]) -> InferenceStats:
        counts = self._statistics.counts()
        dropped, failed = self._losses()
        stages = ("decode", "locate", "voxelize", "network", "joints", "track", "publish", "total")
        return InferenceStats(
            header=header,
            input_age=age,
            **{stage: seconds.get(stage, 0.0) for stage in stages},
            received=counts["images"],
            processed=counts["processed"],
            dropped=dropped + counts["stale"],
            failed=failed,
        )
