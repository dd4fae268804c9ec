# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Things between the palm and the fingers: rods and bottles, balls, boxes, flat things as phones and plates, pens.

They are made in the frame of a right hand: x towards the thumb, y from the wrist to the fingers, z out of the palm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from ..chance import Draw, Range
from ..spheres import Spheres
from ..worlds import Boxes
from .kinematics import HandPose, Placement, finger_joints
from .poses import FAMILIES
from .surface import HandShape

KINDS = ("", "rod", "ball", "box", "flat", "pen")
_OF_FAMILY = torch.tensor([KINDS.index(family.holds) for family in FAMILIES])
_MIDDLE_FINGER = 0.0923  # metres, of a mean hand; lengths are for such a hand
_ROW = 22  # spheres of a rod or a pen


class HeldRod(NamedTuple):
    """Sizes of a rod or bottle in metres."""

    length: Range = (0.08, 0.26)
    radius: Range = (0.006, 0.042)  # as there is room
    sway: float = 0.15  # of its direction, across the palm
    bottles: float = 0.5  # share of the rods that have a neck
    neck: float = 0.5  # of the radius


class Pen(NamedTuple):
    """Sizes of a pen in metres."""

    length: Range = (0.08, 0.16)
    radius: Range = (0.003, 0.006)
    sway: float = 0.2  # of its direction, back between thumb and index finger


class Ball(NamedTuple):
    """Sizes of a ball in metres."""

    radius: Range = (0.012, 0.045)  # as there is room


class HeldBox(NamedTuple):
    """Halves of the edges of a box or a flat thing in metres."""

    wide: Range = (0.02, 0.06)
    long: Range = (0.03, 0.08)
    thick: Range = (0.004, 0.04)  # as there is room
    flat: Range = (0.002, 0.006)  # of a phone, a plate or a card
    sway: float = 0.008  # of where it leans on, metres
    at_tips: float = 0.5  # share of the flat things that are held between the tips


_ROD, _PEN, _BALL, _BOX = HeldRod(), Pen(), Ball(), HeldBox()
_SLIDE: Range = (-0.25, 0.25)  # share of its length by which a rod or pen is off the middle of the hand


@dataclass(frozen=True)
class _Grip:
    """Places where hands close.

    Attributes:
        middle: float [B, 3] metres, between the palm and the middle phalanges of the four fingers.
        out: float [B, 3] metres, the way from the palm to those phalanges.
        room: float [B] metres, half the thickness that fits between them.
        pinch: float [B, 3] metres, between the tips of thumb and index finger.
        across: float [B, 3], unit vectors from the thumb's tip to that of the index finger.
        scale: float [B], size of the hand against a mean one.
    """

    middle: torch.Tensor
    out: torch.Tensor
    room: torch.Tensor
    pinch: torch.Tensor
    across: torch.Tensor
    scale: torch.Tensor

    @staticmethod
    def of(shape: HandShape, pose: HandPose) -> _Grip:
        fingers = finger_joints(shape, pose.fingers)
        palm = 0.8 * shape.bases[:, :4].mean(1) + 1.1 * shape.palm[:, None] * fingers.new_tensor([0.0, 0.0, 1.0])
        over = fingers[:, :4, 1:3].mean((1, 2))
        half = ((over - palm).norm(dim=-1) / 2).clamp(0.008, 0.05)
        index_tip, thumb_tip = fingers[:, 0, 3], fingers[:, 4, 3]
        return _Grip(
            middle=(palm + over) / 2,
            out=over - palm,
            room=half - 0.8 * shape.radii[:, 1, 2] * 0.9,
            pinch=(index_tip + thumb_tip) / 2,
            across=normalize(index_tip - thumb_tip, dim=-1),
            scale=shape.bones[:, 1].sum(1) / _MIDDLE_FINGER,
        )


def held_things(
    draw: Draw, shape: HandShape, pose: HandPose, family: torch.Tensor, share: float = 0.75, mismatched: float = 0.06
) -> tuple[Spheres, Boxes]:
    """Sample what right hands hold.

    Args:
        draw: Random numbers [B].
        shape: Hands [B].
        pose: Poses of the hands [B].
        family: Indices int64 [B] of the families of poses, which decide what fits.
        share: Share of the hands that hold something, among those that can.
        mismatched: Share of the hands that hold anything, whether it fits or not.

    Returns:
        Rods, balls and pens as spheres [B, 22], boxes and flat things as boxes [B, 1]; metres in the camera frame.
    """
    kind = torch.where(draw.some(share), _OF_FAMILY.to(draw.device)[family], 0)
    other = 1 + draw.weighted(torch.ones(len(KINDS) - 1, device=draw.device))
    kind = torch.where(draw.some(mismatched), other, kind)
    grip = _Grip.of(shape, pose)
    at_tips = draw.some(_BOX.at_tips)
    # Everything is drawn for every hand, in an order that test sets on record rely on.
    rod_sway, pen_sway = draw.normal(_ROD.sway, 3), draw.normal(_PEN.sway, 3)
    pen_radius, pen_length = draw.uniform(*_PEN.radius), draw.uniform(*_PEN.length)
    rod_length, slide = draw.uniform(*_ROD.length), draw.uniform(*_SLIDE, 1)
    is_bottle = draw.some(_ROD.bottles)
    wide, long = draw.uniform(*_BOX.wide), draw.uniform(*_BOX.long)
    flat, box_sway = draw.uniform(*_BOX.flat), draw.normal(_BOX.sway, 3)

    never = torch.zeros_like(at_tips)
    rows = {
        "rod": _rod(grip, rod_length, slide, rod_sway, is_bottle),
        "ball": _ball(grip),
        "pen": _pen(grip, pen_length, pen_radius, slide, pen_sway),
    }
    facing = normalize(grip.out + box_sway, dim=-1)
    slabs = {
        "box": _box(grip, wide, long, facing),
        "flat": _flat_thing(grip, wide, long, flat, facing, at_tips),
    }
    no_row, no_slab = rows["ball"].where(never), slabs["box"].where(never)
    spheres = Spheres.choose(kind, [rows.get(name, no_row) for name in KINDS])
    boxes = Boxes.choose(kind, [slabs.get(name, no_slab) for name in KINDS])
    place = Placement.of(shape, pose)
    return (
        Spheres(place(spheres.centers), spheres.radii),
        Boxes(place(boxes.centers), place.matrix[:, None] @ boxes.axes, boxes.halves),
    )


def _row(
    middle: torch.Tensor, along: torch.Tensor, length: torch.Tensor, radius: torch.Tensor, slide: torch.Tensor
) -> Spheres:
    """Return spheres [B, 22] in a row through the middle."""
    t = torch.linspace(-0.5, 0.5, _ROW, device=middle.device)
    centers = middle[:, None] + ((t + slide) * length[:, None])[..., None] * along[:, None]
    return Spheres(centers, radius[:, None].expand(-1, _ROW))


def _rod(
    grip: _Grip, length: torch.Tensor, slide: torch.Tensor, sway: torch.Tensor, is_bottle: torch.Tensor
) -> Spheres:
    """Return a rod across the palm, or a bottle."""
    x, y, _ = torch.eye(3, device=length.device)
    along = normalize(x - 0.25 * y + sway, dim=-1)
    rod = _row(grip.middle, along, length * grip.scale, grip.room.clamp(*_ROD.radius), slide)
    at_neck = torch.linspace(-0.5, 0.5, _ROW, device=length.device) > 0.3
    return Spheres(rod.centers, rod.radii * torch.where(is_bottle[:, None] & at_neck, _ROD.neck, 1.0))


def _pen(grip: _Grip, length: torch.Tensor, radius: torch.Tensor, slide: torch.Tensor, sway: torch.Tensor) -> Spheres:
    """Return a pen from the tips back between thumb and index finger."""
    x, y, z = torch.eye(3, device=length.device)
    back = normalize(0.5 * x - 0.75 * y + 0.3 * z + sway, dim=-1)
    return _row(grip.pinch, back, length * grip.scale, radius, slide)


def _ball(grip: _Grip) -> Spheres:
    """Return a ball in the palm: one sphere, in a row of others that are not there."""
    radius = (1.15 * grip.room).clamp(*_BALL.radius)
    center = grip.middle + 0.3 * radius[:, None] * radius.new_tensor([0.0, 0.0, 1.0])
    first = torch.arange(_ROW, device=radius.device) == 0
    return Spheres(center[:, None].expand(-1, _ROW, 3), radius[:, None] * first)


def _box(grip: _Grip, wide: torch.Tensor, long: torch.Tensor, facing: torch.Tensor) -> Boxes:
    """Return a box between palm and fingers that faces from one to the other."""
    halves = torch.stack((wide, long, grip.room.clamp(*_BOX.thick)), dim=-1) * grip.scale[:, None]
    return _slab(grip.middle, facing, halves)


def _flat_thing(
    grip: _Grip,
    wide: torch.Tensor,
    long: torch.Tensor,
    thick: torch.Tensor,
    facing: torch.Tensor,
    at_tips: torch.Tensor,
) -> Boxes:
    """Return a flat thing between palm and fingers, or between the tips, beyond which it sticks out."""
    halves = torch.stack((wide, long, thick), dim=-1) * grip.scale[:, None]
    tips = at_tips[:, None]
    beyond = 0.6 * halves[:, 1:2] * halves.new_tensor([0.0, 1.0, 0.0])
    middle = torch.where(tips, grip.pinch + beyond, grip.middle)
    return _slab(middle, torch.where(tips, grip.across, facing), halves)


def _slab(middle: torch.Tensor, normal: torch.Tensor, halves: torch.Tensor) -> Boxes:
    """Return a box [B, 1] whose third axis is the normal."""
    along = normal.new_tensor([0.0, 1.0, 0.0]).expand_as(normal)
    side = normalize(torch.linalg.cross(along, normal), dim=-1)
    axes = torch.stack((side, torch.linalg.cross(normal, side), normal), dim=-1)
    return Boxes(middle[:, None], axes[:, None], halves[:, None])
