# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Who else is seen with a hand: another hand beside it, and the person whose hand it is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from ..chance import Draw, Range
from ..spheres import Spheres
from .kinematics import HandPose, pose_hand
from .poses import sample_arm, sample_families, sample_fingers
from .surface import HandShape, forearm_frame


class Person(NamedTuple):
    """Sizes of a person behind a hand in metres: upper arm, shoulder, torso, neck and head."""

    upper_arm: float = 0.29
    elbow_radius: float = 0.042
    shoulder_radius: float = 0.06
    shoulder_to_side: Range = (0.14, 0.20)  # from the shoulder to the middle of the chest
    shoulder_to_chest: Range = (0.15, 0.25)  # the same, downwards
    sway: float = 0.03  # of the chest, towards the camera
    behind: Range = (0.12, 0.6)  # its square is the way from the hand to the torso's front
    depth: float = 0.22  # from that front to the middle of the chest
    roughness: float = 0.006
    surface: float = 0.06  # from the middles of the spheres to the point that is looked at


class Face(NamedTuple):
    """Sizes of a face, shoulder or leg close behind a hand in metres."""

    radius: Range = (0.06, 0.12)
    gap: Range = (0.10, 0.20)
    aside: float = 0.06


class Apart(NamedTuple):
    """Ways from one hand to another in metres."""

    beside: Range = (0.10, 0.18)
    touching: Range = (0.05, 0.09)
    before: Range = (0.05, 0.12)


_PERSON, _FACE, _APART = Person(), Face(), Apart()
_ARM_SPHERES = 13
# A torso, about the middle of the chest: chest and belly, shoulders, neck, head.
_TRUNK = [(x, y, 0.0) for y in (-0.12, -0.04, 0.04, 0.12, 0.20, 0.28) for x in (-0.085, 0.0, 0.085)]
_BODY_OFFSETS = [
    *_TRUNK,
    *((x, -0.16, 0.02) for x in (-0.17, -0.12, 0.12, 0.17)),
    *((0.0, y, z) for y, z in ((-0.24, 0.02), (-0.29, 0.01), (-0.36, -0.02), (-0.40, 0.0), (-0.45, 0.02))),
]
_BODY_RADII = [*([0.105] * len(_TRUNK)), 0.065, 0.08, 0.08, 0.065, 0.06, 0.055, 0.07, 0.08, 0.09]


def second_hand(draw: Draw, centers: torch.Tensor, shape: HandShape, share: float = 0.12) -> Spheres:
    """Sample another hand, mostly the other one of the same person.

    It is beside the hand, partly in front of or behind it, or clasps it.

    Args:
        draw: Random numbers [B].
        centers: Middles of the hands, float [B, 3] metres in the camera frame.
        shape: Hands [B].
        share: Share of the worlds with another hand.
    """
    family = sample_families(draw.batch, draw.generator)
    wrist = draw.normal(0.2, 2)
    orientation = sample_arm(draw.batch, draw.generator) @ forearm_frame(wrist).transpose(1, 2)
    how = draw.rand(1)
    sideways = normalize(draw.normal(1.0, 3) * centers.new_tensor([1.0, 0.6, 0.3]), dim=-1)
    apart = torch.where(how < 0.55, draw.uniform(*_APART.beside, 1), draw.uniform(*_APART.touching, 1))
    offset = sideways * apart
    # In front of it, a hand hides a part of the subject; clasping, it touches.
    front = centers.new_tensor([0.0, 0.0, -1.0]) * draw.uniform(*_APART.before, 1)
    offset = torch.where((how > 0.55) & (how < 0.8), offset + front, offset)
    pose = HandPose(sample_fingers(shape, family, draw.generator), wrist, orientation, centers + offset)
    # Hands that are mirrored along with the world stay the other hand.
    _, surface = pose_hand(shape, pose, left=draw.some(0.75))
    return surface.where(draw.some(share))


def person_behind(
    draw: Draw, centers: torch.Tensor, elbows: torch.Tensor, empty: torch.Tensor, share: float = 0.6
) -> Spheres:
    """Sample the person whose hand it is, and faces close behind hands.

    Args:
        draw: Random numbers [B].
        centers: Middles of the hands, float [B, 3] metres in the camera frame.
        elbows: Ends of their forearms, float [B, 3].
        empty: Worlds without the hand, bool [B], where some part of the person may be in its place.
        share: Share of the persons that are there, among those that can be.
    """
    ahead = centers.new_tensor([0.0, 0.0, 1.0])
    upwards = normalize(centers.new_tensor([0.05, -0.55, 0.75]) + draw.normal(0.3, 3), dim=-1)
    shoulder = elbows + _PERSON.upper_arm * upwards
    to_torso = (
        draw.uniform(*_PERSON.shoulder_to_side, 1),
        draw.uniform(*_PERSON.shoulder_to_chest, 1),
        draw.normal(_PERSON.sway, 1),
    )
    torso = shoulder + torch.cat(to_torso, dim=-1)
    # The front of the torso stays behind the hand; the shoulder goes along.
    wanted = centers[:, 2:] + draw.uniform(*_PERSON.behind, 1).square() + _PERSON.depth
    push = (wanted - torso[:, 2:]).clamp_min(0) * ahead
    torso, shoulder = torso + push, shoulder + push
    arm, size = _upper_arm(elbows, shoulder), draw.uniform(0.85, 1.15, 1)
    body = _torso_and_head(draw, torso, size)
    # Where no hand is, the cube may be about some part of the person.
    part = (len(_BODY_RADII) * draw.rand()).long()
    surface = body.centers[torch.arange(draw.batch, device=draw.device), part] - _PERSON.surface * ahead
    moved = ((centers - surface) * (empty & draw.some(0.35))[:, None])[:, None]
    # Only behind the hand is a person; a hand that reaches away from the camera belongs to the viewer.
    behind = (elbows[:, 2] > centers[:, 2] - 0.08) & draw.some(share)
    person = Spheres.join([arm, body])
    person = Spheres(person.centers + moved, person.radii).where(behind)
    return Spheres.join([person, _face_behind(draw, centers)])


def _upper_arm(elbow: torch.Tensor, shoulder: torch.Tensor) -> Spheres:
    """Return the upper arm between two points [B, 3]."""
    t = torch.linspace(0, 1, _ARM_SPHERES, device=elbow.device)[:, None]
    radii = torch.linspace(_PERSON.elbow_radius, _PERSON.shoulder_radius, _ARM_SPHERES, device=elbow.device)
    return Spheres(torch.lerp(elbow[:, None], shoulder[:, None], t), radii.expand(elbow.shape[0], -1))


def _torso_and_head(draw: Draw, middle: torch.Tensor, size: torch.Tensor) -> Spheres:
    """Return chest, belly, shoulders, neck and head about the middle of the chest [B, 3], of a size [B, 1]."""
    offsets, radii = middle.new_tensor(_BODY_OFFSETS), middle.new_tensor(_BODY_RADII)
    rough = draw.normal(_PERSON.roughness, len(_BODY_RADII), 3)
    return Spheres(middle[:, None] + offsets * size[..., None] + rough, radii * size)


def _face_behind(draw: Draw, centers: torch.Tensor, share: float = 0.12) -> Spheres:
    """Return a face, a shoulder or a leg close behind the hand: spheres [B, 1]."""
    there, radius = draw.some(share), draw.uniform(*_FACE.radius, 1)
    z = centers[:, 2:] + draw.uniform(*_FACE.gap, 1) + radius
    middle = torch.cat((centers[:, :2] + draw.normal(_FACE.aside, 2), z), dim=-1)
    return Spheres(middle[:, None], radius).where(there)
