# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Things that could be taken for a hand: fans of sticks, railings, limbs, blobs, heads, boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from ..chance import Draw, Range, frames_along
from ..spheres import Spheres
from ..worlds import Boxes

KINDS = ("fan", "railing", "limb", "blob", "head", "box", "")


class Fan(NamedTuple):
    """Sizes of a fan of sticks in metres."""

    length: Range = (0.06, 0.11)
    radius: Range = (0.005, 0.012)
    spread: Range = (0.2, 0.9)  # to either side, as a tangent
    shown: float = 0.85  # share of the sticks


class Railing(NamedTuple):
    """Sizes of a row of rods like those of the back of a chair, in metres; they are as thick as the sticks of a fan."""

    half_length: Range = (0.1, 0.25)
    width: Range = (0.05, 0.12)  # to either side


class Limb(NamedTuple):
    """Sizes of an arm, a leg or a bottle in metres."""

    length: Range = (0.15, 0.35)
    radius: Range = (0.025, 0.05)


class Blob(NamedTuple):
    """Sizes of a heap of spheres in metres."""

    spread: float = 0.03
    radius: Range = (0.008, 0.045)
    shown: float = 0.8  # share of the spheres


class Head(NamedTuple):
    """Sizes of a head with nose, chin and ears, or of an elbow, in metres."""

    radius: Range = (0.05, 0.1)
    behind: float = 0.03
    roughness: float = 0.08  # of the radius
    shown: float = 0.8  # share of its parts


class BoxPair(NamedTuple):
    """Sizes of two boxes in metres."""

    half: Range = (0.01, 0.09)
    spread: float = 0.03
    behind: float = 0.03


_FAN, _RAILING, _LIMB, _BLOB, _HEAD, _BOX_PAIR = Fan(), Railing(), Limb(), Blob(), Head(), BoxPair()
_ROWS, _IN_ROW, _IN_BLOB = 5, 14, 8
_TAPER: Range = (0.6, 1.3)  # how thick sticks and limbs begin, against their ends
# The parts of a head: where they are, and their radii, in radii of the largest.
_HEAD_PARTS: list[list[float]] = [
    [0, 0, 0, 1],
    [0, 0.5, 0.1, 0.9],
    [0, 0.3, -1, 0.2],
    [0, 0.9, -0.5, 0.35],
    [1, 0.2, 0, 0.25],
    [-1, 0.2, 0, 0.25],
]


@dataclass(frozen=True)
class _Course:
    """Course of long things.

    Attributes:
        root: float [B, 3] metres, where they begin.
        along: float [B, 3], unit vectors of their direction.
        side: float [B, 3], unit vectors across it.
    """

    root: torch.Tensor
    along: torch.Tensor
    side: torch.Tensor

    def beside(self, width: torch.Tensor) -> torch.Tensor:
        """Return five ways [B, 5, 3] to the side, from -width to width [B, 1]."""
        return width[..., None] * torch.linspace(-1, 1, _ROWS, device=width.device)[:, None] * self.side[:, None]


def decoys(draw: Draw, centers: torch.Tensor, which: torch.Tensor) -> tuple[Spheres, Boxes]:
    """Sample what could be taken for a hand, or nothing.

    Args:
        draw: Random numbers [B].
        centers: Places of the things, float [B, 3] metres in the camera frame.
        which: Worlds in which they are shown, bool [B].

    Returns:
        Spheres [B, 84] and boxes [B, 5].
    """
    kind = (len(KINDS) * draw.rand()).long()
    is_kind = {name: kind == index for index, name in enumerate(KINDS)}
    root, along = draw.normal(0.02, 3), draw.directions()
    course = _Course(root, along, normalize(torch.linalg.cross(along, draw.directions()), dim=-1))
    # Everything is drawn for every world, in an order that test sets on record rely on.
    spread, width = draw.uniform(*_FAN.spread, 1), draw.uniform(*_RAILING.width, 1)
    limb_length, stick_length = draw.uniform(*_LIMB.length, 1), draw.uniform(*_FAN.length, 1)
    limb_radius, stick_radius = draw.uniform(*_LIMB.radius, 1), draw.uniform(*_FAN.radius, 1)
    shown, taper = draw.some(_FAN.shown, _ROWS), draw.uniform(*_TAPER, 1)
    fan = _fan(course, spread, stick_length, stick_radius, taper).where(shown.repeat_interleave(_IN_ROW, 1))
    limb = _limb(course, limb_length, limb_radius, taper)
    long = Spheres.choose(is_kind["limb"].long(), [fan, limb]).where(is_kind["fan"] | is_kind["limb"])
    spheres = Spheres.join([long, _blob(draw).where(is_kind["blob"]), _head(draw).where(is_kind["head"])])

    halves, rod_length = draw.uniform(*_BOX_PAIR.half, _ROWS, 3), draw.uniform(*_RAILING.half_length, 1)
    middle, up, turn = draw.normal(_BOX_PAIR.spread, _ROWS, 3), draw.directions(_ROWS), draw.directions(_ROWS)
    parts = [_two_boxes(middle, up, turn, halves), _railing(course, width, rod_length, stick_radius, turn)]
    boxes = Boxes.choose(is_kind["railing"].long(), parts).where(is_kind["box"] | is_kind["railing"])
    return (
        Spheres(centers[:, None] + spheres.centers, spheres.radii).where(which),
        Boxes(centers[:, None] + boxes.centers, boxes.axes, boxes.halves).where(which),
    )


def _rows(
    starts: torch.Tensor, directions: torch.Tensor, length: torch.Tensor, radius: torch.Tensor, taper: torch.Tensor
) -> Spheres:
    """Return rows of spheres from starts [B, 5, 3] in directions [B, 5, 3], of a length, radius and taper [B, 1]."""
    t = torch.linspace(0, 1, _IN_ROW, device=starts.device)
    centers = starts[:, :, None] + (t * length)[:, None, :, None] * directions[:, :, None]
    radii = radius * torch.lerp(taper, torch.ones_like(taper), t)
    return Spheres(centers.flatten(1, 2), radii.repeat(1, _ROWS))


def _fan(
    course: _Course, spread: torch.Tensor, length: torch.Tensor, radius: torch.Tensor, taper: torch.Tensor
) -> Spheres:
    """Return five sticks that spread from one point, as fingers do."""
    starts = course.root[:, None].expand(-1, _ROWS, -1)
    return _rows(starts, course.along[:, None] + course.beside(spread), length, radius, taper)


def _limb(course: _Course, length: torch.Tensor, radius: torch.Tensor, taper: torch.Tensor) -> Spheres:
    """Return one thick row, in place of the third of five."""
    starts, directions = (point[:, None].expand(-1, _ROWS, -1) for point in (course.root, course.along))
    third = torch.arange(_ROWS, device=length.device).repeat_interleave(_IN_ROW) == _ROWS // 2
    return _rows(starts, directions, length, radius, taper).where(third.expand(length.shape[0], -1))


def _blob(draw: Draw) -> Spheres:
    """Return a heap of spheres [B, 8]."""
    centers = draw.normal(_BLOB.spread, _IN_BLOB, 3)
    return Spheres(centers, draw.uniform(*_BLOB.radius, _IN_BLOB)).where(draw.some(_BLOB.shown, _IN_BLOB))


def _head(draw: Draw) -> Spheres:
    """Return a head turned anyhow: spheres [B, 6]."""
    size, parts = draw.uniform(*_HEAD.radius, 1), draw.tensor(_HEAD_PARTS)
    rough = parts[:, :3] + draw.normal(_HEAD.roughness, len(_HEAD_PARTS), 3)
    centers = size[..., None] * rough @ draw.frames(draw.directions())
    centers = centers + draw.tensor([0.0, 0.0, _HEAD.behind])
    return Spheres(centers, size * parts[:, 3]).where(draw.some(_HEAD.shown, len(_HEAD_PARTS)))


def _two_boxes(middle: torch.Tensor, up: torch.Tensor, turn: torch.Tensor, halves: torch.Tensor) -> Boxes:
    """Return the first two of five boxes."""
    centers = middle + middle.new_tensor([0.0, 0.0, _BOX_PAIR.behind])
    first = torch.arange(_ROWS, device=middle.device) < 2
    return Boxes(centers, frames_along(up, turn), halves).where(first.expand(middle.shape[0], -1))


def _railing(
    course: _Course, width: torch.Tensor, half_length: torch.Tensor, half_thick: torch.Tensor, turn: torch.Tensor
) -> Boxes:
    """Return five parallel rods, side by side."""
    along = course.along[:, None].expand(-1, _ROWS, -1)
    halves = torch.stack((half_thick, half_length, half_thick), dim=-1).expand(-1, _ROWS, -1)
    return Boxes(course.root[:, None] + course.beside(width), frames_along(along, turn), halves)
