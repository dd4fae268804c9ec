# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The frame of every joint of an estimate, as TF and recordings have them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .estimate import Side, SkeletonEstimate
from .palm import joint_axes, palm_pose
from .skeletons import HAND21, Skeleton

_X = np.array((1.0, 0.0, 0.0))


class NamedFrame(NamedTuple):
    """A frame: its name, its origin [3] in metres, and its axes [3, 3] in columns."""

    name: str
    point: NDArray[np.floating]
    axes: NDArray[np.float64]


def named_frames(one: SkeletonEstimate, skeleton: Skeleton) -> list[NamedFrame]:
    """Return the frame ``<id>_<joint>`` of every estimated joint, and ``<id>_palm`` of a hand whose palm is known."""
    frames = [
        NamedFrame(f"{one.id}_{skeleton.joint_names[joint]}", one.points[joint], joint_rotation(one, skeleton, joint))
        for joint in np.flatnonzero(valid_joints(one.points)).tolist()
    ]
    if (palm := palm_of(one, skeleton)) is not None:
        frames.append(NamedFrame(f"{one.id}_palm", *palm))
    return frames


def valid_joints(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which joints [J] of points [J, 3] are estimated."""
    valid: NDArray[np.bool_] = np.all(np.isfinite(points), axis=-1)
    return valid


def joint_rotation(one: SkeletonEstimate, skeleton: Skeleton, joint: int) -> NDArray[np.float64]:
    """Return the axes of a joint's frame [3, 3], in columns, in the frame of its points.

    x points along the joint's bone, away from the parent joint. In a hand of 21 joints whose side and palm are known,
    flexion is a positive turn about y, and the wrist has the axes of the palm. Elsewhere joint positions do not show
    the roll about a bone: x is reached by the shortest way from the frame of the points, so that the roll changes
    smoothly; at the root, and where the parent is not estimated, x points along the first bone that leads away.
    Without any bone the axes are those of the points.
    """
    points = one.points
    if skeleton.name == HAND21.name and one.side != Side.UNKNOWN:
        axes = joint_axes(points, joint, one.side == Side.LEFT)
        if axes is not None:
            return axes
    to_joint = [(parent, child) for parent, child in skeleton.bones if child == joint]
    from_joint = [(parent, child) for parent, child in skeleton.bones if parent == joint]
    for parent, child in to_joint + from_joint:
        direction = unit(points[child].astype(np.float64) - points[parent])
        if direction is not None:
            return shortest_turn(_X, direction)
    return np.identity(3)


def palm_of(one: SkeletonEstimate, skeleton: Skeleton) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the middle [3] and the axes [3, 3] of a hand's palm; None where side or palm are not known."""
    if skeleton.name != HAND21.name or one.side == Side.UNKNOWN:
        return None
    return palm_pose(one.points, one.side == Side.LEFT)


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return a vector [3] of length 1; None for one that is not finite or has no length."""
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-6 else None  # NaN is not


def shortest_turn(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation [3, 3] that takes one unit vector [3] to another by the shortest way."""
    cosine = float(start @ end)
    if cosine < -1 + 1e-9:  # every way is as short as the others: half a turn about any axis across
        axis = np.cross(start, np.identity(3)[np.abs(start).argmin()])
        half_turn: NDArray[np.float64] = 2 * np.outer(axis, axis) / (axis @ axis) - np.identity(3)
        return half_turn
    # Rodrigues' formula for the turn about the cross product.
    x, y, z = np.cross(start, end)
    cross = np.array(((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0)))
    turn: NDArray[np.float64] = np.identity(3) + cross + cross @ cross / (1 + cosine)
    return turn
