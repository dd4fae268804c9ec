# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""One hand a side, for robots that follow a person: a topic per side, whose name does not depend on the track."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from v2v_ros.geometry.angles import ANGLE_NAMES, hand_angles
from v2v_ros.geometry.estimate import Side, SkeletonEstimate, TrackingState
from v2v_ros.geometry.palm import palm_pose

from ..support.pose_parameters import PoseSettings
from ..support.transport import reliable
from .geometry import to_pose
from .optional_outputs import Advertise

SIDE_NAMES = {Side.LEFT: "left", Side.RIGHT: "right"}


class OneHand:
    """``~/left/<name>`` and ``~/right/<name>``.

    Of several hands of a side, the one that was taken first is kept for as long as it is tracked: a robot must not
    jump from one person's hand to another's. Of a hand that is only predicted nothing is published, so the robot waits.

    Args:
        advertise: Function that makes publishers.
        kind: Type of the messages.
        name: Last part of the topics' names.
        make: Function that makes the message of a hand with the header of the image; None: it cannot be told.
    """

    def __init__(
        self,
        advertise: Advertise,
        kind: type,
        name: str,
        make: Callable[[Header, SkeletonEstimate], Any],
    ) -> None:
        self._make = make
        self._publishers = {
            side: advertise(kind, f"~/{side_name}/{name}", reliable()) for side, side_name in SIDE_NAMES.items()
        }
        self._followed: dict[Side, str] = {}

    def wanted(self) -> bool:
        return any(publisher.get_subscription_count() for publisher in self._publishers.values())

    def publish(self, header: Header, skeletons: tuple[SkeletonEstimate, ...], settings: PoseSettings) -> None:
        for side, publisher in self._publishers.items():
            hand = self._choose(side, skeletons)
            if hand is not None and publisher.get_subscription_count():
                message = self._make(header, hand)
                if message is not None:
                    publisher.publish(message)

    def close(self) -> None:
        self._followed.clear()

    def _choose(self, side: Side, skeletons: Iterable[SkeletonEstimate]) -> SkeletonEstimate | None:
        hands = [one for one in skeletons if one.side == side]
        hand = next((one for one in hands if one.id == self._followed.get(side)), None)
        seen = [one for one in hands if one.tracking_state != TrackingState.PREDICTED]
        if hand is None and seen:
            hand = max(seen, key=lambda one: one.score)
            self._followed[side] = hand.id
        return hand if any(hand is one for one in seen) else None


def palm(header: Header, hand: SkeletonEstimate) -> PoseStamped | None:
    """Return the palm of a hand of ``hand21`` whose side is known; None where one of its joints is not estimated."""
    pose = palm_pose(hand.points, hand.side == Side.LEFT)
    return None if pose is None else PoseStamped(header=header, pose=to_pose(*pose))


def palms(advertise: Advertise) -> OneHand:
    """Return the outputs ``~/left/palm`` and ``~/right/palm``."""
    return OneHand(advertise, PoseStamped, "palm", palm)


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
