"""A body of 15 joints: pose, forward kinematics and surface, batched.

The body frame is that of a person who faces the camera: x towards the person's left (right in the image), y down,
z away from the camera; the origin is the middle of the hips.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .rotations import about_axis
from .spheres import Spheres, sheet, tapered_capsule

# Segment lengths and radii as shares of the body height: Drillis and Contini, Body Segment Parameters, 1966.
_TORSO, _CHEST, _NECK, _HEAD = 0.12, 0.288, 0.06, 0.07
_SHOULDER, _HIP = 0.118, 0.055
_UPPER_ARM, _FOREARM, _THIGH, _SHANK = 0.186, 0.20, 0.245, 0.246


@dataclass(frozen=True)
class BodyPose:
    """Poses of a batch of bodies, in radians and metres; right limb first.

    Attributes:
        height: float [B].
        yaw: float [B], turn about the vertical; 0 faces the camera.
        swing, spread, elbow: float [B, 2], upper arms forward and outward, elbows bent.
        stride, knee: float [B, 2], thighs forward, knees bent.
        position: float [B, 3], middle of the hips in the camera frame.
    """

    height: torch.Tensor
    yaw: torch.Tensor
    swing: torch.Tensor
    spread: torch.Tensor
    elbow: torch.Tensor
    stride: torch.Tensor
    knee: torch.Tensor
    position: torch.Tensor


def pose_body(pose: BodyPose) -> tuple[torch.Tensor, Spheres]:
    """Forward kinematics: joints float [B, 15, 3] in the order of ``body15`` and the surface, camera frame, metres."""
    height = pose.height[:, None]

    def up(share: float) -> torch.Tensor:
        return height * height.new_tensor([0.0, -share, 0.0])

    def radius(share: float) -> torch.Tensor:
        return height[:, 0] * share

    down = height.new_tensor([0.0, 1.0, 0.0])
    neck, head = up(_TORSO + _CHEST - 0.02), up(_TORSO + _CHEST + _NECK + _HEAD)
    torso = up(_TORSO + 0.06)
    limbs: dict[str, list[torch.Tensor]] = {name: [] for name in ("shoulder", "elbow", "hand", "hip", "knee", "foot")}
    for index, side in enumerate((-1.0, 1.0)):  # right, left
        across = height.new_tensor([side, 0.0, 0.0]) * height
        arm = about_axis(2, -side * pose.spread[:, index]) @ about_axis(0, -pose.swing[:, index])
        forearm = arm @ about_axis(0, -pose.elbow[:, index])
        shoulder = neck + up(-0.03) + _SHOULDER * across
        elbow = shoulder + _UPPER_ARM * height * (arm @ down)
        thigh = about_axis(0, -pose.stride[:, index])
        hip = _HIP * across
        knee = hip + _THIGH * height * (thigh @ down)
        foot = knee + _SHANK * height * (thigh @ about_axis(0, pose.knee[:, index]) @ down)
        points = (shoulder, elbow, elbow + _FOREARM * height * (forearm @ down), hip, knee, foot)
        for name, point in zip(limbs, points, strict=True):
            limbs[name].append(point)

    order = [head, neck, *limbs["shoulder"], *limbs["elbow"], *limbs["hand"], torso]
    joints = torch.stack([*order, *limbs["hip"], *limbs["knee"], *limbs["foot"]], dim=1)

    parts = [
        tapered_capsule(head + up(0.02), head - up(0.025), radius(0.056), radius(0.048), 4),
        tapered_capsule(neck, head, radius(0.034), radius(0.034), 5),
        sheet(
            (limbs["shoulder"][0], limbs["hip"][0]),
            (limbs["shoulder"][1], limbs["hip"][1]),
            (radius(0.045), radius(0.062)),
            (radius(0.045), radius(0.062)),
            rows=14,
            columns=9,
        ),
    ]
    for index in range(2):
        parts += [
            tapered_capsule(limbs["shoulder"][index], limbs["elbow"][index], radius(0.034), radius(0.027), 12),
            tapered_capsule(limbs["elbow"][index], limbs["hand"][index], radius(0.026), radius(0.022), 14),
            tapered_capsule(limbs["hip"][index], limbs["knee"][index], radius(0.055), radius(0.037), 14),
            tapered_capsule(limbs["knee"][index], limbs["foot"][index], radius(0.036), radius(0.027), 14),
        ]
    surface = Spheres.join(parts)
    turn = about_axis(1, pose.yaw).transpose(1, 2)

    def place(points: torch.Tensor) -> torch.Tensor:
        return points @ turn + pose.position[:, None]

    return place(joints), Spheres(place(surface.centers), surface.radii)
