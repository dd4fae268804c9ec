# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Bodies in the form of REP 155 (ROS for human-robot interaction): frames ``body_<id>`` and ``/humans/bodies/tracked``.

What a depth image of joints cannot give is left out: faces, voices, persons, cropped images, and joint states, which
need a model of the person and inverse kinematics.
"""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.publisher import Publisher
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from v2v_ros.geometry.estimate import SkeletonEstimate
from v2v_ros.geometry.joint_frames import shortest_turn, unit
from v2v_ros.geometry.skeletons import BODY15

from ..support.pose_parameters import PoseSettings
from ..support.transport import reliable
from .geometry import Z, to_transform
from .optional_outputs import Advertise, optional_type

TRACKED = "/humans/bodies/tracked"  # absolute, as the REP asks
_JOINT = {name: index for index, name in enumerate(BODY15.joint_names)}
# Frames on limbs, the joint they lie at, and the bone along which their z axis points backwards.
_LIMBS = tuple(
    (f"{short}_{link}", f"{side}_{at}", (f"{side}_{start}", f"{side}_{end}"))
    for short, side in (("l", "left"), ("r", "right"))
    for link, at, start, end in (
        ("shoulder", "shoulder", "shoulder", "elbow"),
        ("elbow", "elbow", "elbow", "hand"),
        ("wrist", "hand", "elbow", "hand"),
        ("hip", "hip", "hip", "knee"),
        ("knee", "knee", "knee", "foot"),
        ("ankle", "foot", "knee", "foot"),
    )
)


def body_id(name: str) -> str:
    """Return the REP's identifier of a body: short, and with a letter first, since it becomes part of topic names;
    ``b1``."""
    return name.replace("body_", "b", 1)


def body_frames(header: Header, body: SkeletonEstimate) -> list[TransformStamped]:
    """TF frames of a body of 15 joints, named as in the REP; all but the first are children of the first.

    ``body_<id>``, child of the image's frame, lies in the middle of the hips, x out of the chest, y to the left, z to
    the neck. The axes of every other frame are those of the body, turned by the shortest way so that z points up the
    bone that hangs from the joint (from hand to elbow, from elbow to shoulder), or from the neck to the head. Frames
    whose joints are not estimated are left out, and all of them without hips and neck.
    """
    points = {name: body.points[index].astype(np.float64) for name, index in _JOINT.items()}
    axes = _body_axes(points)
    if axes is None:
        return []
    origin = (points["left_hip"] + points["right_hip"]) / 2
    name = body_id(body.id)
    root = f"body_{name}"
    frames = [TransformStamped(header=header, child_frame_id=root, transform=to_transform(origin, axes))]
    inside = Header(stamp=header.stamp, frame_id=root)

    def add(link: str, point: NDArray[np.float64], up: NDArray[np.float64]) -> None:
        direction = unit(up @ axes)
        if direction is not None and np.isfinite(point).all():
            transform = to_transform((point - origin) @ axes, shortest_turn(Z, direction))
            frames.append(TransformStamped(header=inside, child_frame_id=f"{link}_{name}", transform=transform))

    add("waist", origin, axes[:, 2])
    add("torso", points["neck"], axes[:, 2])
    add("head", points["head"], points["head"] - points["neck"])
    for link, joint, (start, end) in _LIMBS:
        add(link, points[joint], points[start] - points[end])
    return frames


def _body_axes(points: dict[str, NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """Axes of a body [3, 3], in columns: forward, left, up; None where hips or neck are not estimated."""
    up = unit(points["neck"] - (points["left_hip"] + points["right_hip"]) / 2)
    left = points["left_hip"] - points["right_hip"]
    shoulders = points["left_shoulder"] - points["right_shoulder"]
    if np.isfinite(shoulders).all():  # the longer line of the two is the surer one
        left = left + shoulders
    if up is None:
        return None
    left_ = unit(left - (left @ up) * up)
    return None if left_ is None else np.stack((np.cross(left_, up), left_, up), axis=-1)


class Humans:
    """Frames on TF and, when hri_msgs is installed, the list of tracked bodies.

    Args:
        tf: Publisher of ``/tf``.
    """

    def __init__(self, advertise: Advertise, tf: Publisher, logger: RcutilsLogger) -> None:
        self._tf = tf
        self._list = optional_type(
            "hri_msgs", "IdsList", logger, f"nothing is published on {TRACKED}, only the TF frames"
        )
        self._tracked = None if self._list is None else advertise(self._list, TRACKED, reliable())

    def wanted(self) -> bool:
        return self._tf.get_subscription_count() > 0 or self._list_wanted()

    def publish(self, header: Header, skeletons: tuple[SkeletonEstimate, ...], settings: PoseSettings) -> None:
        if self._tf.get_subscription_count():
            frames = [frame for one in skeletons for frame in body_frames(header, one)]
            if frames:
                self._tf.publish(TFMessage(transforms=frames))
        if self._list_wanted():
            self._publish_list(header, [body_id(one.id) for one in skeletons])

    def close(self) -> None:
        self._publish_list(Header(), [])

    def _list_wanted(self) -> bool:
        return self._tracked is not None and self._tracked.get_subscription_count() > 0

    def _publish_list(self, header: Header, ids: list[str]) -> None:
        if self._tracked is not None and self._list is not None:
            self._tracked.publish(self._list(header=header, ids=ids))
