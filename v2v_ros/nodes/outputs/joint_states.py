"""Angles of hands as joint states, for teleoperation: a topic per side, with names that do not depend on the track."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from v2v_ros.geometry.angles import ANGLE_NAMES, hand_angles
from v2v_ros.geometry.estimate import Side, SkeletonEstimate, TrackingState

from ..support.pose_parameters import PoseSettings
from ..support.transport import reliable
from .optional_outputs import Advertise

_SIDES = {Side.LEFT: "left", Side.RIGHT: "right"}


def joint_state(header: Header, hand: SkeletonEstimate) -> JointState:
    """Return the angles of a hand whose side is known, in radians; those that are not known are left out."""
    angles = hand_angles(hand.points, hand.side == Side.LEFT)
    known = np.flatnonzero(np.isfinite(angles))
    return JointState(
        header=header,
        name=[f"{_SIDES[hand.side]}_{ANGLE_NAMES[index]}" for index in known],
        position=angles[known].tolist(),
    )


class JointStates:
    """``~/left/joint_states`` and ``~/right/joint_states``.

    Of several hands of a side, the one that was taken first is kept for as long as it is tracked: a robot must not
    jump from one person's hand to another's. A hand that is only predicted has no joint states, so the robot waits.
    """

    def __init__(self, advertise: Advertise) -> None:
        self._publishers = {
            side: advertise(JointState, f"~/{name}/joint_states", reliable()) for side, name in _SIDES.items()
        }
        self._followed: dict[Side, str] = {}

    def wanted(self) -> bool:
        return any(publisher.get_subscription_count() for publisher in self._publishers.values())

    def publish(self, header: Header, skeletons: tuple[SkeletonEstimate, ...], settings: PoseSettings) -> None:
        for side, publisher in self._publishers.items():
            hand = self._choose(side, skeletons)
            if hand is not None and publisher.get_subscription_count():
                message = joint_state(header, hand)
                if message.name:
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
