# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Poses of some joints, for programs that know no skeletons."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import PoseArray
from std_msgs.msg import Header

from v2v_ros.geometry.estimate import SkeletonEstimate
from v2v_ros.geometry.joint_frames import joint_rotation, valid_joints
from v2v_ros.geometry.skeletons import Skeleton

from ..support.pose_parameters import PoseSettings
from ..support.transport import reliable
from .geometry import to_pose
from .optional_outputs import Advertise


def pose_array(
    header: Header, skeletons: Sequence[SkeletonEstimate], skeleton: Skeleton, joints: Sequence[int]
) -> PoseArray:
    """Poses of the chosen joints of every subject, one subject after the other, x along the bone.

    A subject one of whose chosen joints is not estimated is left out, so that the number of poses is always a
    multiple of the number of chosen joints and no pose holds NaN, with which RViz would refuse the whole message.
    """
    return PoseArray(
        header=header,
        poses=[
            to_pose(one.points[joint], joint_rotation(one, skeleton, joint))
            for one in skeletons
            if valid_joints(one.points[list(joints)]).all()
            for joint in joints
        ],
    )


class Poses:
    """``~/poses``; an empty message says that nobody is there.

    Args:
        names: Joints of the skeleton.
    """

    def __init__(self, advertise: Advertise, skeleton: Skeleton, names: Sequence[str]) -> None:
        self._skeleton = skeleton
        self._joints = [skeleton.joint_names.index(name) for name in names]
        self._publisher = advertise(PoseArray, "~/poses", reliable())

    def wanted(self) -> bool:
        return self._publisher.get_subscription_count() > 0

    def publish(self, header: Header, skeletons: tuple[SkeletonEstimate, ...], settings: PoseSettings) -> None:
        if self.wanted():
            self._publisher.publish(pose_array(header, skeletons, self._skeleton, self._joints))

    def close(self) -> None:
        pass
