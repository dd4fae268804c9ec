# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A hand's joints as packages for retargeting want them: in MediaPipe's order, in the axes of MANO's palm.

Retargeting brings the fingers of a robot to where a person's are. Its inputs are easily mixed up, and nothing but a
hand that moves wrongly tells: joints in another order, a camera's axes, or the constants of the other hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .palm import palm_axes
from .skeletons import HAND21

MEDIAPIPE_NAMES = (
    "wrist",
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    *(
        f"{finger}_{joint}"
        for finger in ("index", "middle", "ring", "little")
        for joint in ("mcp", "pip", "dip", "tip")
    ),
)
"""Joints of ``hand21`` in the order of MediaPipe's hand landmarks, which dex-retargeting's configurations count in."""

_LEFT, _RIGHT = 1, 2  # sides in messages
_ORDER = [HAND21.joint_names.index(name) for name in MEDIAPIPE_NAMES]
MANO_AXES = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Axes of MANO's palm, in columns, in those of ``palm_axes``."""


def mano_points(points: NDArray[np.floating], left: bool) -> NDArray[np.float64] | None:
    """Return the joints of a hand [21, 3] in MediaPipe's order, from the wrist, in the axes of MANO's palm.

    x points out of the palm, z to the fingers, y towards the thumb of a right hand and the little finger of a left one:
    what dex-retargeting calls joint positions in the MANO frame.

    Args:
        points: float [21, 3] metres, joints of ``hand21`` in any right-handed frame.
        left: Whether it is a left hand.

    Returns:
        None where a joint that the palm's axes need is not estimated. Other joints may be NaN.
    """
    axes = palm_axes(points, left)
    if axes is None:
        return None
    joints: NDArray[np.float64] = np.asarray(points, dtype=np.float64)
    return (joints[_ORDER] - joints[HAND21.root]) @ axes @ MANO_AXES


class HandMessage(Protocol):
    """Parts of a message ``v2v_ros/msg/Skeleton`` that retargeting needs."""

    side: int
    points: Sequence[Any]


def mano_points_of(message: HandMessage) -> NDArray[np.float64] | None:
    """Return :func:`mano_points` of a message ``v2v_ros/msg/Skeleton`` of a hand with the joints of ``hand21``.

    Returns:
        None where the side is not known, or a joint that the palm's axes need is not estimated.

    Raises:
        ValueError: It has another number of joints.
    """
    if len(message.points) != len(_ORDER):
        raise ValueError(
            f"retargeting needs the {len(_ORDER)} joints of hand21, but the skeleton has {len(message.points)}"
        )
    if message.side not in (_LEFT, _RIGHT):
        return None
    return mano_points(np.array([(p.x, p.y, p.z) for p in message.points]), message.side == _LEFT)
