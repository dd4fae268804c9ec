# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The publishers of the pose node. Nothing is computed for a topic that nobody subscribes to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from v2v_ros.estimator import PoseEstimator
from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.estimate import Estimate
from v2v_ros.msg import InferenceStats, SkeletonArray, SkeletonInfo

from ..support.output_switches import OUTPUT_SWITCHES
from ..support.pose_parameters import PoseSettings, chosen_joints
from ..support.transport import latched, overridable, reliable
from . import messages
from .optional_outputs import OptionalOutput, maker_of
from .pose_array import Poses


@dataclass(frozen=True)
class ProcessedFrame:
    """One processed image.

    Attributes:
        header: Header of the depth image.
        depth: float32 [H, W] metres, NaN where invalid.
        began: Time at the beginning of the processing, by ``time.perf_counter()``, seconds.
    """

    header: Header
    depth: NDArray[np.float32]
    intrinsics: Intrinsics
    estimate: Estimate
    began: float


class Outputs:
    """Publishers from activation to deactivation."""

    def __init__(self, node: Node, estimator: PoseEstimator) -> None:
        self._node = node
        self._skeleton = estimator.skeleton
        self._lifetime = messages.Lifetime()
        self._shown: set[str] = set()  # ids of the skeletons that have markers

        self._publishers: list[Publisher] = []
        self._optional: list[OptionalOutput] = []
        try:
            self._skeletons = self._publisher(SkeletonArray, "~/skeletons", reliable())
            self._markers = self._publisher(MarkerArray, "~/markers", reliable())
            self._cloud = self._publisher(PointCloud2, "~/cloud", reliable())
            self._stats = self._publisher(InferenceStats, "~/stats", reliable())
            self._tf = self._publisher(TFMessage, "/tf", reliable(100))
            self._info = self._publisher(SkeletonInfo, "~/info", latched())
            self._optional = self._make_optional()
        except Exception:
            self.destroy()
            raise
        self.announce(estimator)

    def announce(self, estimator: PoseEstimator) -> None:
        """Say what the skeletons are made with."""
        self._info.publish(messages.skeleton_info(estimator))

    def wanted(self, settings: PoseSettings) -> bool:
        """Somebody uses what an image would give."""
        return (
            self._tf_wanted(settings)
            or self._skeletons.get_subscription_count() > 0
            or self._cloud.get_subscription_count() > 0
            or self._stats.get_subscription_count() > 0
            or self._markers_wanted(settings)
            or any(output.wanted() for output in self._optional)
        )

    def publish(self, frame: ProcessedFrame, settings: PoseSettings) -> float:
        """Publish first the outputs that programs act on, then those for people to look at.

        Returns:
            Seconds from the beginning of the processing to the published skeletons.
        """
        if self._skeletons.get_subscription_count():
            self._skeletons.publish(messages.skeleton_array(frame.header, frame.estimate, self._skeleton))
        if self._tf_wanted(settings):
            transforms = messages.transforms(frame.header, frame.estimate, self._skeleton, settings.frame_prefix)
            if transforms:
                self._tf.publish(TFMessage(transforms=transforms))
        for output in self._optional:
            output.publish(frame.header, frame.estimate.skeletons, settings)
        total = time.perf_counter() - frame.began
        if self._markers_wanted(settings):
            self._publish_markers(frame)
        elif self._shown and self._markers.get_subscription_count():
            self._markers.publish(messages.delete_all_markers(frame.header))
            self._shown.clear()
        if self._cloud.get_subscription_count():
            self._cloud.publish(
                messages.point_cloud(frame.header, frame.depth, frame.intrinsics, frame.estimate.skeletons)
            )
        return total

    def publish_stats(self, make: Callable[[], InferenceStats]) -> None:
        if self._stats.get_subscription_count():
            self._stats.publish(make())

    def destroy(self) -> None:
        if self._node.context.ok():
            if self._shown:
                self._markers.publish(messages.delete_all_markers(Header()))
            for output in self._optional:
                output.close()
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)

    def _make_optional(self) -> list[OptionalOutput]:
        """Return what the parameters ask for beside the usual outputs."""
        node = self._node
        parts = {
            "advertise": self._publisher,
            "tf": self._tf,
            "skeleton": self._skeleton,
            "name": node.get_fully_qualified_name(),
            "logger": node.get_logger(),
        }
        outputs = [
            maker_of(switch)(*(parts[name] for name in switch.given))
            for switch in OUTPUT_SWITCHES
            if node.get_parameter(switch.name).value
        ]
        if joints := chosen_joints(node.get_parameter("pose_array_joints").value):
            outputs.append(Poses(self._publisher, self._skeleton, joints))
        return outputs

    def _publisher(self, kind: type, topic: str, qos: QoSProfile) -> Publisher:
        publisher = self._node.create_publisher(kind, topic, qos, qos_overriding_options=overridable())
        self._publishers.append(publisher)
        return publisher

    def _tf_wanted(self, settings: PoseSettings) -> bool:
        return settings.publish_tf and self._tf.get_subscription_count() > 0

    def _markers_wanted(self, settings: PoseSettings) -> bool:
        return settings.publish_markers and self._markers.get_subscription_count() > 0

    def _publish_markers(self, frame: ProcessedFrame) -> None:
        present = {one.id for one in frame.estimate.skeletons}
        gone, lifetime = sorted(self._shown - present), self._lifetime.after(frame.header)
        array = messages.markers(frame.header, frame.estimate, self._skeleton, gone, lifetime)
        if array.markers:
            self._markers.publish(array)
        self._shown = present
