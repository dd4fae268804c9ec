# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Anatomical angles of a hand from its 21 joints, as teleoperation and retargeting use them.

All angles are radians, and the same for a right hand and its mirror image. They are 0 where the four fingers are
stretched and parallel to the middle finger's metacarpal in the plane of the palm, and the thumb's metacarpal is
parallel to them.

- *Flexion* is positive when a finger bends into the palm, negative when it is stretched beyond the straight line.
- *Abduction* of a finger is positive when it moves away from the middle finger, of the middle finger towards the thumb.
- Flexion at the thumb's base (cmc) turns its metacarpal across the palm, towards the little finger; so it is negative
  while the thumb stands off to the side. Abduction there lifts the metacarpal out of the plane of the palm.

A finger bends at the knuckle first and moves sideways about the axis that bending has turned (the order of Wu et al.,
ISB recommendation on definitions of joint coordinate systems, Part II, J. Biomech. 38, 2005). In the other order the
sideways angle of a finger bent by 90 degrees would mean nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .skeletons import HAND21

_FINGERS = ("index", "middle", "ring", "little")
ANGLE_NAMES = (
    *(
        f"{finger}_{angle}"
        for finger in _FINGERS
        for angle in ("mcp_flexion", "mcp_abduction", "pip_flexion", "dip_flexion")
    ),
    "thumb_cmc_flexion",
    "thumb_cmc_abduction",
    "thumb_mcp_flexion",
    "thumb_ip_flexion",
)
"""Names of the angles, in the order of :func:`hand_angles`."""

_JOINT = {name: index for index, name in enumerate(HAND21.joint_names)}
_AWAY = np.array([1.0, 1.0, -1.0, -1.0])  # index and middle finger abduct towards the thumb, the others away from it
# Where the tip of the thumb bends to, in the palm's frame: across the palm and into it.
THUMB_BENDS_TO = np.array([-0.8, 0.0, 0.6])


def hand_angles(points: NDArray[np.floating], left: bool) -> NDArray[np.float64]:
    """Angles of hands.

    Turning, moving or scaling a hand does not change them.

    Args:
        points: float [..., 21, 3], joints of ``hand21`` in any right-handed frame; NaN for a joint that is not
            estimated.
        left: Whether the hands are left ones.

    Returns:
        float64 [..., 20] radians, in the order of :data:`ANGLE_NAMES`. NaN for an angle one of whose joints is
        missing: its own, those nearer to the palm in the same finger, and the palm's own (wrist and the knuckles of
        index, middle and little finger). Values lie in -pi to pi.
    """
    joints: NDArray[np.float64] = np.asarray(points, dtype=np.float64)
    palm = palm_frame(joints, left)
    with np.errstate(invalid="ignore"):
        fingers = [_finger(joints, palm, name, away) for name, away in zip(_FINGERS, _AWAY, strict=True)]
        return np.concatenate((*fingers, _thumb(joints, palm)), axis=-1)


def palm_frame(points: NDArray[np.floating], left: bool) -> NDArray[np.float64]:
    """Axes of the palm [..., 3, 3], in rows: towards the thumb, towards the fingers, out of the palm.

    The second is the line from the wrist to the knuckle of the middle finger; the first is as near as possible to the
    line from the little finger's knuckle to the index finger's. Those of a left hand are left-handed.

    Args:
        points: float [..., 21, 3], joints of ``hand21``.
    """
    joints: NDArray[np.float64] = np.asarray(points, dtype=np.float64)
    distal = _unit(joints[..., _JOINT["middle_mcp"], :] - joints[..., _JOINT["wrist"], :])
    across = joints[..., _JOINT["index_mcp"], :] - joints[..., _JOINT["little_mcp"], :]
    radial = _unit(across - _dot(across, distal)[..., None] * distal)
    palmar = np.cross(radial, distal) * (-1 if left else 1)
    return np.stack((radial, distal, palmar), axis=-2)


def _finger(points: NDArray[np.float64], palm: NDArray[np.float64], name: str, away: float) -> NDArray[np.float64]:
    """Flexion and abduction at the knuckle, and the flexions of the two outer joints [..., 4]."""
    bones = _bones(points, palm, (f"{name}_mcp", f"{name}_pip", f"{name}_dip", f"{name}_tip"))
    x, y, z = np.moveaxis(bones[..., 0, :], -1, 0)
    flexion = np.arctan2(z, y)
    aside = np.arctan2(x, np.hypot(y, z))
    # The plane in which the finger bends goes through its first bone and the direction in which this moves.
    sin, cos = np.sin(flexion), np.cos(flexion)
    ahead = bones[..., 0, :]
    inward = np.stack((np.zeros_like(sin), -sin, cos), axis=-1)
    pip, dip = (np.arctan2(_dot(bones[..., i, :], inward), _dot(bones[..., i, :], ahead)) for i in (1, 2))
    return np.stack((flexion, away * aside, pip, _wrapped(dip - pip)), axis=-1)


def _thumb(points: NDArray[np.float64], palm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flexion and abduction at the base, and the flexions of the two outer joints [..., 4]."""
    bones = _bones(points, palm, ("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"))
    x, y, z = np.moveaxis(bones[..., 0, :], -1, 0)
    flexions = []
    for before, after in ((bones[..., 0, :], bones[..., 1, :]), (bones[..., 1, :], bones[..., 2, :])):
        # How far the thumb is turned about itself is hard to see: the angle between the bones is taken, whatever plane
        # it lies in, and only its sign depends on where the thumb is thought to bend to.
        along = _dot(after, before)
        bend = after - along[..., None] * before
        angle = np.arctan2(np.linalg.norm(bend, axis=-1), along)
        flexions.append(np.copysign(angle, _dot(bend, THUMB_BENDS_TO)))
    return np.stack((np.arctan2(-x, y), np.arctan2(z, np.hypot(x, y)), *flexions), axis=-1)


def _bones(points: NDArray[np.float64], palm: NDArray[np.float64], chain: tuple[str, ...]) -> NDArray[np.float64]:
    """Return unit vectors [..., 3, 3] along the three bones between four joints, in the palm's frame."""
    joints = points[..., [_JOINT[name] for name in chain], :]
    return np.einsum("...bi,...ji->...bj", _unit(np.diff(joints, axis=-2)), palm)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors [..., 3] of length 1; NaN for those without a length."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: NDArray[np.float64] = vectors / np.where(length > 1e-9, length, np.nan)
    return result


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (a * b).sum(axis=-1)
    return result


def _wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same angle in -pi to pi."""
    result: NDArray[np.float64] = (angle + np.pi) % (2 * np.pi) - np.pi
    return result
