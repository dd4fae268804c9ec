# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Points and rotations as ROS messages, and the frames of joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3
from numpy.typing import NDArray
from tf_transformations import quaternion_from_matrix

from v2v_ros.geometry.estimate import Side, SkeletonEstimate
from v2v_ros.geometry.palm import joint_axes, palm_pose
from v2v_ros.geometry.skeletons import HAND21, Skeleton

X, Z = np.array((1.0, 0.0, 0.0)), np.array((0.0, 0.0, 1.0))


def valid_joints(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which joints [J] of points [J, 3] are estimated."""
    valid: NDArray[np.bool_] = np.all(np.isfinite(points), axis=-1)
    return valid


def to_point(values: Sequence[float] | NDArray[np.floating]) -> Point:
    x, y, z = (float(value) for value in values)
    return Point(x=x, y=y, z=z)


def to_quaternion(rotation: NDArray[np.float64]) -> Quaternion:
    """Return a rotation matrix [3, 3] as a message."""
    matrix = np.identity(4)
    matrix[:3, :3] = rotation
    x, y, z, w = (float(value) for value in quaternion_from_matrix(matrix))
    return Quaternion(x=x, y=y, z=z, w=w)


def to_pose(point: NDArray[np.floating], rotation: NDArray[np.float64]) -> Pose:
    return Pose(position=to_point(point), orientation=to_quaternion(rotation))


def to_transform(point: NDArray[np.floating], rotation: NDArray[np.float64]) -> Transform:
    x, y, z = (float(value) for value in point)
    return Transform(translation=Vector3(x=x, y=y, z=z), rotation=to_quaternion(rotation))


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
            return shortest_turn(X, direction)
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
