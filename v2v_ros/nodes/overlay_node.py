# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Draws the skeletons on the depth images they were estimated from. Works only while somebody looks."""

from __future__ import annotations

from typing import Any

import numpy as np
from cv_bridge import CvBridge
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from v2v_ros.geometry.distortion import Rectifier
from v2v_ros.geometry.skeletons import Skeleton
from v2v_ros.io.draw import colorize, draw_skeletons
from v2v_ros.io.headers import frame_name
from v2v_ros.msg import SkeletonArray, SkeletonInfo

from .pose.inputs import CameraInfos, FrameError, Pairs, decode, rectified
from .pose.reports import Reports
from .pose.worker import Worker
from .support.parameters import Spec, declare
from .support.pose_parameters import DEPTH_UNIT, RECTIFY
from .support.process import run
from .support.transport import latched, newest_only, overridable, reliable, subscribe_kept, untaken_overrides

PARAMETERS = (
    DEPTH_UNIT,
    RECTIFY,
    Spec("near", 0.2, "Distance that is drawn lightest [m].", limits=(0.0, 20.0)),
    Spec("far", 2.0, "Distance that is drawn darkest [m].", limits=(0.01, 30.0)),
)

_KEPT = 30  # images that wait for their skeletons
_LOOK = 0.5  # seconds between looks for subscribers


class OverlayNode(Node):
    """Subscribes to images and skeletons while there are subscribers to ``~/image``.

    Args:
        options: Arguments of :class:`rclpy.node.Node`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("v2v_overlay", **options)
        declare(self, PARAMETERS, check)
        self._reports = Reports(self.get_logger())
        self._bridge = CvBridge()
        self._infos = CameraInfos()
        self._pairs = Pairs(_KEPT)
        self._skeleton: Skeleton | None = None
        self._inputs: list[Any] = []
        self._kept = False
        self._info_topic = self.resolve_topic_name("depth/camera_info")
        self._image_topic = self.resolve_topic_name("depth/image_rect")
        self._rectifier = Rectifier(self._image_topic)
        self._image = self.create_publisher(Image, "~/image", reliable(), qos_overriding_options=overridable())
        self._worker: Worker[tuple[Image, SkeletonArray]] = Worker(self._draw, self._on_error, "drawer")
        self._timer = self.create_timer(_LOOK, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def destroy_node(self) -> None:
        self._worker.stop(10.0)
        super().destroy_node()

    def _look(self) -> None:
        """Subscribe when somebody looks, and no longer than that: the pose node, too, works only on demand."""
        watched = self._image.get_subscription_count() > 0
        if watched and not self._inputs:
            self._pairs = Pairs(_KEPT)
            self._inputs = [
                self.create_subscription(kind, topic, callback, qos, qos_overriding_options=overridable())
                for kind, topic, callback, qos in (
                    (SkeletonInfo, "info", self._on_skeleton_info, latched()),
                    (CameraInfo, "depth/camera_info", self._infos.add, newest_only()),
                    (Image, "depth/image_rect", lambda message: self._on_message(0, message), newest_only()),
                    (SkeletonArray, "skeletons", lambda message: self._on_message(1, message), reliable()),
                )
            ]
            if untaken := untaken_overrides(self):
                self._reports.warn("overrides", untaken)
        elif self._inputs and watched and not self._kept and self._infos.empty:
            kept = subscribe_kept(self, CameraInfo, "depth/camera_info", self._infos.add)
            self._kept = kept is not None
            self._inputs += filter(None, (kept,))
        elif self._inputs and not watched:
            for subscription in self._inputs:
                self.destroy_subscription(subscription)
            self._inputs, self._kept = [], False

    def _on_skeleton_info(self, info: SkeletonInfo) -> None:
        if len(info.bones) % 2:
            topic = self.resolve_topic_name("info")
            self._reports.error("info", f"{topic}: bones must be pairs of joints, got {len(info.bones)} numbers")
            return
        self._skeleton = Skeleton(
            name=info.name,
            kind="",
            joint_names=tuple(info.joint_names),
            bones=tuple(zip(info.bones[0::2], info.bones[1::2], strict=True)),
            cube_edge=0.0,
        )

    def _on_message(self, side: int, message: Image | SkeletonArray) -> None:
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        pair = self._pairs.add(side, stamp, message)
        if pair is not None:
            self._worker.put(pair)

    def _draw(self, pair: tuple[Image, SkeletonArray]) -> None:
        image, skeletons = pair
        unit, rectify, near, far = (self.get_parameter(name).value for name in ("depth_unit", "rectify", "near", "far"))
        info = self._infos.find(image.header.stamp, frame_name(image.header.frame_id))
        if info is None or self._skeleton is None:
            missing = "depth/camera_info" if info is None else "info"
            raise FrameError(
                f"nothing has come on {self.resolve_topic_name(missing)}: "
                f"remap {missing} to the topic of the {'camera' if info is None else 'pose node'}"
            )
        points = [
            np.array([(point.x, point.y, point.z) for point in one.points], np.float32).reshape(-1, 3)
            for one in skeletons.skeletons
        ]
        raw = decode(image, self._image_topic, unit)
        depth, camera = rectified(self._rectifier, raw, info, rectify, self._info_topic)
        drawn = draw_skeletons(colorize(depth, near, far), points, self._skeleton, camera)
        self._image.publish(self._bridge.cv2_to_imgmsg(drawn[:, :, ::-1], "bgr8", header=image.header))

    def _on_error(self, error: Exception) -> None:
        if self.context.ok():
            text = str(error) if isinstance(error, FrameError | RuntimeError) else f"{type(error).__name__}: {error}"
            self._reports.error("draw", text)


def check(values: Any) -> str:
    """Return why these parameters do not go together; empty when they do."""
    near, far = values.get("near", 0.0), values.get("far", 30.0)
    return "" if near < far else f"parameter 'near' ({near:g} m) must be below 'far' ({far:g} m)"


def main(args: list[str] | None = None) -> None:
    run(OverlayNode, args)


if __name__ == "__main__":
    main()
