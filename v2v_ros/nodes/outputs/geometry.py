# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Points and rotations as ROS messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3
from numpy.typing import NDArray
from tf_transformations import quaternion_from_matrix

Z = np.array((0.0, 0.0, 1.0))


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
