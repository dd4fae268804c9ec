# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Poses of palms, for robots that move as a hand does: a topic per side."""

from __future__ import annotations

from geometry_msgs.msg import PoseStamped
from std_msgs.msg import Header

from v2v_ros.geometry.estimate import Side, SkeletonEstimate
from v2v_ros.geometry.palm import palm_pose

from .geometry import to_pose
from .one_hand import OneHand
from .optional_outputs import Advertise


def palm(header: Header, hand: SkeletonEstimate) -> PoseStamped | None:
    """Return the palm of a hand of ``hand21`` whose side is known; None where one of its joints is not estimated."""
    pose = palm_pose(hand.points, hand.side == Side.LEFT)
    return None if pose is None else PoseStamped(header=header, pose=to_pose(*pose))


def palms(advertise: Advertise) -> OneHand:
    """Return the outputs ``~/left/palm`` and ``~/right/palm``."""
    return OneHand(advertise, PoseStamped, "palm", palm)
