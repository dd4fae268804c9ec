# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The palm of a hand as a frame that robots can follow, and the frames of the hand's joints.

Axes are as REP 103 has them of a hand that lies palm down and points ahead: x towards the fingers, z out of the back of
the hand, y across to the left, which is towards the thumb of a right hand and towards the little finger of a left one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .angles import THUMB_BENDS_TO, palm_frame
from .skeletons import HAND21

_PALM = [
    HAND21.joint_names.index(name) for name in ("wrist", *(f"{f}_mcp" for f in ("index", "middle", "ring", "little")))
]
_THUMB = {index for index, name in enumerate(HAND21.joint_names) if name.startswith("thumb_")}
_PARENTS = {child: parent for parent, child in HAND21.bones}
_SHORTEST = 1e-6  # metres, of a bone
_CROOKED = 1e-6  # cosine between axes that should be square
_STEEPEST = 0.1  # sine of the angle between a bone and the axis that it bends about


def palm_axes(points: NDArray[np.floating], left: bool) -> NDArray[np.float64] | None:
    """Return the axes of a palm [3, 3], in columns; None where a joint that they need is not estimated.

    Args:
        points: float [21, 3], joints of ``hand21``.
        left: Whether it is a left hand.
    """
    thumbward, distal, palmar = palm_frame(points, left)
    if not abs(thumbward @ distal) < _CROOKED:  # joints in one line, or NaN
        return None
    return np.stack((distal, -thumbward if left else thumbward, -palmar), axis=-1)


def palm_pose(points: NDArray[np.floating], left: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return where a palm is: the middle [3] of wrist and knuckles, and its axes [3, 3] in columns.

    Args:
        points: float [21, 3], joints of ``hand21`` in any frame.
        left: Whether it is a left hand.

    Returns:
        None where one of the five joints is not estimated.
    """
    middle = np.asarray(points, dtype=np.float64)[_PALM].mean(axis=0)
    axes = palm_axes(points, left)
    return None if axes is None or not np.isfinite(middle).all() else (middle, axes)


def joint_axes(points: NDArray[np.floating], joint: int, left: bool) -> NDArray[np.float64] | None:
    """Return the axes [3, 3], in columns, of a joint's frame: x along its bone, and flexion a positive turn about y.

    The wrist's are those of the palm.

    Args:
        points: float [21, 3], joints of ``hand21``.
        joint: Index of the joint.
        left: Whether it is a left hand.

    Returns:
        None where palm or bone are not estimated, or the bone lies along the axis of flexion.
    """
    palm = palm_axes(points, left)
    if palm is None or joint == HAND21.root:
        return palm
    bone = np.asarray(points[joint], dtype=np.float64) - points[_PARENTS[joint]]
    length = np.linalg.norm(bone)
    if not length > _SHORTEST:
        return None
    along = bone / length
    if joint in _THUMB:
        thumbward, distal, palmar = palm_frame(points, left)
        across = np.cross(along, THUMB_BENDS_TO @ np.stack((thumbward, distal, palmar)))
    else:  # a finger bends about the palm's own axis, however far it is bent
        across = palm[:, 1] - (palm[:, 1] @ along) * along
    sine = np.linalg.norm(across)
    if not sine > _STEEPEST:
        return None
    across = across / sine
    return np.stack((along, across, np.cross(along, across)), axis=-1)
