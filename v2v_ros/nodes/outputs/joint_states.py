# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Angles of hands as joint states, for teleoperation: a topic per side, with names that do not depend on the track."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from v2v_ros.geometry.angles import ANGLE_NAMES, hand_angles
from v2v_ros.geometry.estimate import Side, SkeletonEstimate

from .one_hand import SIDE_NAMES, OneHand
from .optional_outputs import Advertise


def joint_state(header: Header, hand: SkeletonEstimate) -> JointState | None:
    """Return the angles of a hand whose side is known, in radians; without those that are not known, None without
    any."""
    angles = hand_angles(hand.points, hand.side == Side.LEFT)
    known = np.flatnonzero(np.isfinite(angles))
    if not len(known):
        return None
    return JointState(
        header=header,
        name=[f"{SIDE_NAMES[hand.side]}_{ANGLE_NAMES[index]}" for index in known],
        position=angles[known].tolist(),
    )


def joint_states(advertise: Advertise) -> OneHand:
    """Return the outputs ``~/left/joint_states`` and ``~/right/joint_states``."""
    return OneHand(advertise, JointState, "joint_states", joint_state)
