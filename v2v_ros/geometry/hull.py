# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Keep-out hulls for collision checking: spheres around the joints of a subject and cylinders around its bones.

A cylinder with the spheres at its two ends is a capsule, which few planners know as a shape of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .covariances import as_matrices
from .skeletons import Skeleton, get_skeleton

# Metres around the bones that lead to joints, and around joints beyond which there is more: generous ones, for big
# hands and for people in coats, so that a synthetic hand or body sticks out by millimetres at most
# (test/test_hull.py). Joints of any finger or side are meant where none is named.
_BONES: dict[str, dict[str, float]] = {
    "hand": {
        "mcp": 0.035,
        "little_mcp": 0.042,
        "pip": 0.023,
        "dip": 0.015,
        "tip": 0.015,
        "thumb_cmc": 0.040,
        "thumb_mcp": 0.031,
        "thumb_ip": 0.018,
        "thumb_tip": 0.017,
        # Of the skeletons with fewer joints.
        "root": 0.035,
        "mid": 0.030,
        "wrist": 0.035,
        "wrist_back": 0.035,
    },
    "body": {
        "neck": 0.23,
        "head": 0.14,
        "shoulder": 0.15,
        "elbow": 0.10,
        "hand": 0.09,
        "hip": 0.25,
        "knee": 0.16,
        "foot": 0.13,
    },
}
_ENDS: dict[str, dict[str, float]] = {
    "hand": {"wrist": 0.042, "palm": 0.042},
    "body": {"head": 0.20, "hand": 0.16, "foot": 0.24},
}


@dataclass(frozen=True)
class Hull:
    """The hull of one subject, the union of its spheres and cylinders; metres in the frame of the joints.

    Attributes:
        joints: int64 [S], joints around which the spheres lie.
        centers: float64 [S, 3], centres of the spheres.
        radii: float64 [S], radii of the spheres.
        children: int64 [C], joints at the far ends of the cylinders.
        starts, ends: float64 [C, 3], ends of the cylinders' axes.
        widths: float64 [C], radii of the cylinders: never above those of the spheres at the ends.
    """

    joints: NDArray[np.int64]
    centers: NDArray[np.float64]
    radii: NDArray[np.float64]
    children: NDArray[np.int64]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    widths: NDArray[np.float64]


def keep_out_hull(
    points: NDArray[np.floating], covariances: NDArray[np.floating], skeleton: Skeleton, sigmas: float
) -> Hull:
    """Return what a robot must not enter.

    Args:
        points: float [J, 3] metres; NaN for a joint that is not estimated. The bones to and from it are bridged by
            one from the joint before it to those behind it, as thick as the thickest of them.
        covariances: float [J, 6] square metres: xx, xy, xz, yy, yz, zz; NaN counts as 0.
        sigmas: Number of standard deviations by which a radius grows: of its joint, in the direction where that is
            least certain; for a cylinder, of the less certain of its two ends.
    """
    bone_radii, joint_radii = _radii(skeleton.name)
    places: NDArray[np.float64] = np.asarray(points, dtype=np.float64)
    seen: NDArray[np.bool_] = np.all(np.isfinite(places), axis=-1)
    growth = sigmas * _deviation(covariances)
    parents = {child: parent for parent, child in skeleton.bones}
    bones = []
    for child in np.flatnonzero(seen).tolist():
        width, parent = bone_radii[child], parents.get(child)
        while parent is not None and not seen[parent]:
            width, parent = max(width, bone_radii[parent]), parents.get(parent)
        if parent is not None:
            bones.append((parent, child, width + max(growth[parent], growth[child])))
    start = np.array([parent for parent, _, _ in bones], dtype=np.int64)
    children = np.array([child for _, child, _ in bones], dtype=np.int64)
    widths = np.array([width for _, _, width in bones], dtype=np.float64)
    radii = joint_radii + growth
    np.maximum.at(radii, start, widths)
    np.maximum.at(radii, children, widths)
    joints = np.flatnonzero(seen)
    return Hull(joints, places[joints], radii[joints], children, places[start], places[children], widths)


def _deviation(covariances: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the standard deviation [J] in the least certain direction; 0 where it is not known."""
    matrices = as_matrices(np.nan_to_num(np.asarray(covariances, dtype=np.float64), nan=0.0))
    deviation: NDArray[np.float64] = np.sqrt(np.linalg.eigvalsh(matrices)[:, -1].clip(min=0.0))
    return deviation


@cache
def _radii(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radii [J] of the bones that lead to the joints of a skeleton, and of the spheres around the joints; metres.

    Raises:
        ValueError: The radius of a bone is not known.
    """
    skeleton = get_skeleton(name)
    bones, ends = (
        np.array([_look_up(table[skeleton.kind], joint) for joint in skeleton.joint_names]) for table in (_BONES, _ENDS)
    )
    thin = [name for index, name in enumerate(skeleton.joint_names) if index != skeleton.root and bones[index] == 0]
    if thin:  # a hull without them would let a robot in
        raise ValueError(f"no radius is known of the joints {', '.join(thin)} of {name}: add them to geometry/hull.py")
    for array in (bones, ends):
        array.setflags(write=False)
    return bones, ends


def _look_up(table: dict[str, float], joint: str) -> float:
    """Return the entry of a joint, or else that of its kind whatever finger or side it is of; 0 without any."""
    return table.get(joint, table.get(joint.rsplit("_", 1)[-1], 0.0))
