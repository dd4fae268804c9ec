# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A body of 15 joints: pose and forward kinematics, batched over any device.

The body frame is that of a person who faces the camera: x towards the person's left (right in the image), y down,
z away from the camera; the origin is the middle of the hips. Limbs are described as the left one; the right one is
its mirror image. In every tensor with a side, the right side comes first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch

from ..chance import about_axis
from ..spheres import Spheres
from .shape import BodyShape
from .surface import arm_surface, head_surface, leg_surface, shoulder_surface, skirt_surface, trunk_surface

_SIDES = (-1.0, 1.0)  # right, left


@dataclass(frozen=True)
class BodyPose:
    """Poses of a batch of bodies, in radians; right limb first.

    Attributes:
        spine, neck: float [B, 3]: bent forward, leaning to the person's left, turned to the person's right.
        shoulders, hips: float [B, 2, 3]: where the limb points to (0 forward, pi/2 outward), how far it is raised from
            hanging down, and its outward turn about itself.
        elbows, knees: float [B, 2], bent.
        curl: float [B, 2], fingers from open (0) to a fist (1).
        ankles: float [B, 2], toes down.
        yaw: float [B], turn about the vertical; 0 faces the camera.
    """

    spine: torch.Tensor
    neck: torch.Tensor
    shoulders: torch.Tensor
    elbows: torch.Tensor
    curl: torch.Tensor
    hips: torch.Tensor
    knees: torch.Tensor
    ankles: torch.Tensor
    yaw: torch.Tensor

    def mirrored(self) -> BodyPose:
        """Return the pose seen in a mirror that stands beside the person."""
        change = self.spine.new_tensor([1.0, -1.0, -1.0])
        flipped = {
            f.name: getattr(self, f.name).flip(1) for f in fields(self) if f.name not in ("spine", "neck", "yaw")
        }
        return BodyPose(spine=self.spine * change, neck=self.neck * change, yaw=-self.yaw, **flipped)


def turn(angles: torch.Tensor) -> torch.Tensor:
    """Rotations [..., 3, 3] of spine and neck: bend, lean and turn [..., 3]."""
    bend, lean, twist = angles.unbind(-1)
    return about_axis(1, twist) @ about_axis(2, lean) @ about_axis(0, bend)


def swing(angles: torch.Tensor) -> torch.Tensor:
    """Rotations [..., 3, 3] of a left upper arm or thigh: direction, elevation and outward turn [..., 3]."""
    direction, elevation, outward = angles.unbind(-1)
    return about_axis(1, -direction) @ about_axis(0, -elevation) @ about_axis(1, direction - outward)


@dataclass(frozen=True)
class Frames:
    """Axes of the segments of a batch of bodies, float [B, 3, 3] or, right side first, [B, 2, 3, 3].

    Column 1 of each points along the segment of somebody who stands upright with hanging arms.

    Attributes:
        lower, chest, skull: The lower and the upper half of the trunk, and the head.
        rise: float [B, 2], radians that the shoulders are turned up about the neck.
        upper_arms, forearms, thighs, shanks, soles: The limbs.
    """

    lower: torch.Tensor
    chest: torch.Tensor
    skull: torch.Tensor
    rise: torch.Tensor
    upper_arms: torch.Tensor
    forearms: torch.Tensor
    thighs: torch.Tensor
    shanks: torch.Tensor
    soles: torch.Tensor


def segment_frames(pose: BodyPose) -> Frames:
    """Return the axes of all segments in the body frame, before the turn about the vertical."""
    lower = turn(0.6 * pose.spine)
    chest = lower @ turn(0.4 * pose.spine)
    mirror = _mirror(lower)

    def limb(angles: torch.Tensor, bend: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Frames [B, 2, 3, 3] of the upper and the lower segments; the mirror image of a rotation is M R M."""
        upper = swing(angles)
        ends = upper, upper @ about_axis(0, bend)
        return tuple(mirror[:, :, None] * end * mirror[:, None] for end in ends)  # type: ignore[return-value]

    upper_arms, forearms = (chest[:, None] @ frame for frame in limb(pose.shoulders, -pose.elbows))
    thighs, shanks = limb(pose.hips, pose.knees)
    return Frames(
        lower=lower,
        chest=chest,
        skull=chest @ turn(pose.neck),
        rise=0.25 * (pose.shoulders[..., 1] - 0.7).clamp(0, 2),
        upper_arms=upper_arms,
        forearms=forearms,
        thighs=thighs,
        shanks=shanks,
        soles=shanks @ about_axis(0, pose.ankles),
    )


def _mirror(like: torch.Tensor) -> torch.Tensor:
    """Return [2, 3]: what makes points of a left limb those of the right and of the left one."""
    return like.new_tensor([[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])


def pose_body(shape: BodyShape, pose: BodyPose) -> tuple[torch.Tensor, Spheres]:
    """Forward kinematics: joints float [B, 15, 3] in the order of ``body15`` and the surface of fewer than 250 spheres.

    Both are in metres; x and z are those of the camera, the origin is the middle of the hips, the lowest point of the
    body is wherever the pose puts it.
    """
    frames = segment_frames(pose)
    lower, chest = frames.lower, frames.chest
    torso = -0.5 * shape.trunk[:, None] * lower[..., 1]
    neck = torso - 0.5 * shape.trunk[:, None] * chest[..., 1]
    head = neck - shape.head[:, None] * (0.35 * chest[..., 1] + 0.65 * frames.skull[..., 1])
    mirror = _mirror(lower)

    # Shoulders rise with the arms, about the neck.
    rise = frames.rise
    collar = torch.stack((shape.shoulder, 0.125 * shape.trunk), dim=-1)
    reach = torch.stack(
        (
            collar[:, :1] * rise.cos() + collar[:, 1:] * rise.sin(),
            collar[:, 1:] * rise.cos() - collar[:, :1] * rise.sin(),
            torch.zeros_like(rise),
        ),
        dim=-1,
    )
    shoulders = neck[:, None] + (reach * mirror) @ chest.transpose(1, 2)

    elbows = shoulders + shape.upper_arm[:, None, None] * frames.upper_arms[..., 1]
    hands = elbows + shape.forearm[:, None, None] * frames.forearms[..., 1]
    hips = shape.hip[:, None, None] * lower.new_tensor([1.0, 0.0, 0.0]) * mirror
    knees = hips + shape.thigh[:, None, None] * frames.thighs[..., 1]
    feet = knees + shape.shank[:, None, None] * frames.shanks[..., 1]

    joints = torch.cat(
        (head[:, None], neck[:, None], shoulders, elbows, hands, torso[:, None], hips, knees, feet), dim=1
    )
    parts = [head_surface(shape, neck, head, chest, frames.skull), trunk_surface(shape, torso, lower, chest)]
    parts.append(shoulder_surface(shape, neck, shoulders, chest))
    for side in range(2):
        points = shoulders[:, side], elbows[:, side], hands[:, side]
        parts += [*arm_surface(shape, *points, frames.forearms[:, side], pose.curl[:, side], _SIDES[side])]
        parts += [*leg_surface(shape, hips[:, side], knees[:, side], feet[:, side], frames.soles[:, side])]
    parts.append(skirt_surface(shape, hips, knees, feet))
    surface = Spheres.join(parts)
    facing = about_axis(1, pose.yaw).transpose(1, 2)
    return joints @ facing, Spheres(surface.centers @ facing, surface.radii)


def solve_arm(target: torch.Tensor, pole: torch.Tensor) -> torch.Tensor:
    """Return the left arm of mean proportions that brings the hand to a target, with the elbow towards the pole.

    Args:
        target: float [..., 3] from the shoulder in shares of the body height; brought into reach.
        pole: float [..., 3], a direction.

    Returns:
        float [..., 4]: direction, elevation and outward turn of the upper arm, bend of the elbow.
    """
    upper, fore = 0.186, 0.194
    distance = target.norm(dim=-1).clamp(0.09, 0.995 * (upper + fore))
    toward = torch.nn.functional.normalize(target, dim=-1)
    elbow = math.pi - ((upper**2 + fore**2 - distance**2) / (2 * upper * fore)).clamp(-1, 1).acos()
    inner = ((upper**2 + distance**2 - fore**2) / (2 * upper * distance)).clamp(-1, 1)
    out = torch.nn.functional.normalize(pole - (pole * toward).sum(-1, keepdim=True) * toward, dim=-1)
    along = inner[..., None] * toward + (1 - inner**2).sqrt()[..., None] * out
    bent = toward - (toward * along).sum(-1, keepdim=True) * along  # where the forearm leaves the upper arm's line
    raised = along[..., 1].clamp(-1, 1).acos()
    direction = torch.atan2(along[..., 0], -along[..., 2])
    zero = torch.zeros_like(raised)
    plain = swing(torch.stack((direction, raised, zero), dim=-1))
    outward = torch.atan2((bent * plain[..., 0]).sum(-1), -(bent * plain[..., 2]).sum(-1))
    return torch.stack((direction, raised, outward, elbow), dim=-1)
