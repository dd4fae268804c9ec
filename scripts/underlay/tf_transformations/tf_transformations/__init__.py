# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Homogeneous matrices, quaternions and Euler angles, as in tf_transformations.

Matrices are float64 [4,4] and act on column vectors. Quaternions are float64 [x, y, z, w].
Angles are in radians. Euler angles turn about the fixed x, y and z axes in this order ("sxyz", the default).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "euler_from_matrix",
    "euler_from_quaternion",
    "euler_matrix",
    "identity_matrix",
    "quaternion_about_axis",
    "quaternion_conjugate",
    "quaternion_from_euler",
    "quaternion_from_matrix",
    "quaternion_inverse",
    "quaternion_matrix",
    "quaternion_multiply",
    "translation_from_matrix",
    "translation_matrix",
]

Array = NDArray[np.float64]


def identity_matrix() -> Array:
    """Matrix [4,4] that changes nothing."""
    return np.identity(4)


def translation_matrix(direction: ArrayLike) -> Array:
    """Matrix [4,4] that moves by a vector [3]."""
    matrix = np.identity(4)
    matrix[:3, 3] = np.asarray(direction, dtype=np.float64)[:3]
    return matrix


def translation_from_matrix(matrix: ArrayLike) -> Array:
    """Vector [3] by which a matrix [4,4] moves."""
    return np.array(matrix, dtype=np.float64)[:3, 3]


def quaternion_about_axis(angle: float, axis: ArrayLike) -> Array:
    """Quaternion [4] of a turn by an angle about an axis [3] of any length but zero."""
    vector = np.asarray(axis, dtype=np.float64)[:3]
    return np.append(vector / np.linalg.norm(vector) * math.sin(angle / 2), math.cos(angle / 2))


def quaternion_multiply(quaternion1: ArrayLike, quaternion0: ArrayLike) -> Array:
    """Quaternion [4] of turning by quaternion0 first and by quaternion1 then."""
    q1, q0 = np.asarray(quaternion1, dtype=np.float64), np.asarray(quaternion0, dtype=np.float64)
    vector = q1[3] * q0[:3] + q0[3] * q1[:3] + np.cross(q1[:3], q0[:3])
    return np.append(vector, q1[3] * q0[3] - q1[:3] @ q0[:3])


def quaternion_conjugate(quaternion: ArrayLike) -> Array:
    """Quaternion [4] with its vector part negated."""
    return np.asarray(quaternion, dtype=np.float64) * (-1, -1, -1, 1)


def quaternion_inverse(quaternion: ArrayLike) -> Array:
    """Quaternion [4] whose product with the given one is (0, 0, 0, 1)."""
    q = np.asarray(quaternion, dtype=np.float64)
    return quaternion_conjugate(q) / (q @ q)


def quaternion_matrix(quaternion: ArrayLike) -> Array:
    """Rotation matrix [4,4] of a quaternion [4] of any length; the identity if that is zero."""
    q = np.asarray(quaternion, dtype=np.float64)
    matrix = np.identity(4)
    norm = q @ q
    if norm < np.finfo(np.float64).eps:
        return matrix
    x, y, z, w = q
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix[:3, :3] += 2 / norm * (w * cross + cross @ cross)
    return matrix


def quaternion_from_matrix(matrix: ArrayLike) -> Array:
    """Return the unit quaternion [4] with w >= 0 of the rotation in a matrix [4,4] (or [3,3])."""
    r = np.asarray(matrix, dtype=np.float64)[:3, :3]
    trace = np.trace(r)
    # Each row is the quaternion times four times one of its components; the longest is the best conditioned.
    rows = np.array(
        [
            [1 + 2 * r[0, 0] - trace, r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], 1 + 2 * r[1, 1] - trace, r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 1 + 2 * r[2, 2] - trace, r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], 1 + trace],
        ]
    )
    q = rows[np.argmax(np.diag(rows))]
    return q / np.linalg.norm(q) * (-1 if q[3] < 0 else 1)


def euler_matrix(ai: float, aj: float, ak: float, axes: str = "sxyz") -> Array:
    """Rotation matrix [4,4] of Euler angles. Raises ValueError for other axes than "sxyz"."""
    return quaternion_matrix(quaternion_from_euler(ai, aj, ak, axes))


def euler_from_matrix(matrix: ArrayLike, axes: str = "sxyz") -> tuple[float, float, float]:
    """Euler angles of a rotation matrix [4,4] (or [3,3]). Raises ValueError for other axes than "sxyz"."""
    _require_sxyz(axes)
    r = np.asarray(matrix, dtype=np.float64)[:3, :3]
    cosine = math.hypot(r[0, 0], r[1, 0])
    if cosine < 4 * np.finfo(np.float64).eps:  # x and z turn about one line, so z may stay 0
        return math.atan2(-r[1, 2], r[1, 1]), math.atan2(-r[2, 0], cosine), 0.0
    return math.atan2(r[2, 1], r[2, 2]), math.atan2(-r[2, 0], cosine), math.atan2(r[1, 0], r[0, 0])


def quaternion_from_euler(ai: float, aj: float, ak: float, axes: str = "sxyz") -> Array:
    """Quaternion [4] of Euler angles. Raises ValueError for other axes than "sxyz"."""
    _require_sxyz(axes)
    x = quaternion_about_axis(ai, (1, 0, 0))
    y = quaternion_about_axis(aj, (0, 1, 0))
    z = quaternion_about_axis(ak, (0, 0, 1))
    return quaternion_multiply(z, quaternion_multiply(y, x))


def euler_from_quaternion(quaternion: ArrayLike, axes: str = "sxyz") -> tuple[float, float, float]:
    """Euler angles of a quaternion [4]. Raises ValueError for other axes than "sxyz"."""
    return euler_from_matrix(quaternion_matrix(quaternion), axes)


def _require_sxyz(axes: str) -> None:
    if axes != "sxyz":
        raise ValueError(f'axes "{axes}" need the tf_transformations of a ROS installation; use "sxyz"')
