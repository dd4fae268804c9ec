# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What is around a hand: sticks and boxes beside and behind it, a wall and a table."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from ..chance import Draw, Range
from ..spheres import Spheres
from ..worlds import Boxes


class Stick(NamedTuple):
    """Sizes of sticks, cables, edges and arms that lead away from a hand, in metres."""

    radius: Range = (0.005, 0.04)  # most are thin
    length: Range = (0.05, 0.3)
    gap: Range = (0.13, 0.2)  # from the middle of the hand
    shown: float = 0.2  # share


class Crate(NamedTuple):
    """Sizes of boxes and furniture in metres."""

    half: Range = (0.03, 0.28)  # most are small
    gap: Range = (0.13, 0.3)  # from the middle of the hand
    shown: float = 0.22  # share


class Plane(NamedTuple):
    """Ways from hands to walls and tables in metres."""

    resting: Range = (0.0, 0.02)
    free: Range = (0.02, 0.5)  # its square, beyond the nearest
    nearest: float = 0.03
    through: Range = (-0.1, 0.1)  # where the cube is about the wall or table itself


_STICK, _CRATE, _PLANE = Stick(), Crate(), Plane()
_COUNT, _IN_ROW = 2, 14


def clutter(draw: Draw, centers: torch.Tensor) -> tuple[Spheres, Boxes]:
    """Sample furniture and loose things beside and behind hands, clear of them.

    Args:
        draw: Random numbers [B].
        centers: Middles of the hands, float [B, 3] metres in the camera frame.

    Returns:
        Spheres [B, 28] and boxes [B, 2].
    """
    return _sticks(draw, centers), _crates(draw, centers)


def _beside_or_behind(directions: torch.Tensor) -> torch.Tensor:
    """Return directions [..., 3] that lead away from the camera, if need be mirrored."""
    return torch.cat((directions[..., :2], directions[..., 2:].abs()), dim=-1)


def _sticks(draw: Draw, centers: torch.Tensor) -> Spheres:
    """Return rows of spheres that start outside the hand and lead away from it."""
    aside = normalize(draw.normal(1.0, _COUNT, 3) * centers.new_tensor([1.0, 1.0, 0.5]), dim=-1)
    aside = _beside_or_behind(aside)
    thin, thick = _STICK.radius
    radii = (thin + (thick - thin) * draw.rand(_COUNT).square()) * draw.some(_STICK.shown, _COUNT)
    start = centers[:, None] + aside * (draw.uniform(*_STICK.gap, _COUNT) + radii)[..., None]
    course = aside + draw.normal(0.7, _COUNT, 3)
    course = course - ((course * aside).sum(-1, keepdim=True).clamp_max(0)) * aside
    t = torch.linspace(0, 1, _IN_ROW, device=draw.device)[:, None]
    length = torch.minimum(draw.uniform(*_STICK.length, _COUNT), (_IN_ROW - 1) * radii)  # no gaps between the spheres
    rows = start[:, :, None] + t * (normalize(course, dim=-1) * length[..., None])[:, :, None]
    return Spheres(rows.flatten(1, 2), radii[..., None].expand(-1, -1, _IN_ROW).flatten(1, 2))


def _crates(draw: Draw, centers: torch.Tensor) -> Boxes:
    """Return boxes that stand about upright, wholly outside a sphere around the hand."""
    small, large = _CRATE.half
    halves = small + (large - small) * draw.rand(_COUNT, 3).square()
    away = _beside_or_behind(normalize(draw.normal(1.0, _COUNT, 3), dim=-1))
    axes = draw.frames(normalize(centers.new_tensor([0.0, -1.0, 0.0]) + draw.normal(0.25, _COUNT, 3), dim=-1))
    extent = ((axes.transpose(-1, -2) @ away[..., None])[..., 0].abs() * halves).sum(-1)
    middle = centers[:, None] + away * (extent + draw.uniform(*_CRATE.gap, _COUNT))[..., None]
    return Boxes(middle, axes, halves).where(draw.some(_CRATE.shown, _COUNT))


def walls(draw: Draw, centers: torch.Tensor, hand: Spheres, empty: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sample a wall behind hands and a table; camera and table may be turned. Some hands rest on one of them.

    Args:
        draw: Random numbers [B].
        centers: Middles of the hands, float [B, 3] metres in the camera frame.
        hand: Surfaces of the hands.
        empty: Worlds without a hand, bool [B], where a wall or table may be in its place.

    Returns:
        Points and normals, float [B, 2, 3]; a normal of zero: not there.
    """
    wall = centers.new_tensor([0.0, 0.0, -1.0]) + draw.normal(0.35, 3)
    table = centers.new_tensor([0.0, -0.8, -0.6]) + draw.normal(0.35, 3)
    normals = normalize(torch.stack((wall, table), dim=1), dim=-1)
    # They face the camera, else it would stand inside the wall.
    normals = torch.where((normals * centers[:, None]).sum(-1, keepdim=True) > 0, -normals, normals)
    # Clear of the hand and its forearm, measured along the normal; touching it where the hand rests.
    shown = hand.radii > 0
    reach = (centers[:, None, None] - hand.centers[:, None]) @ normals[..., None]
    reach = (reach[..., 0] + hand.radii[:, None]).masked_fill(~shown[:, None], 0.0).amax(-1)
    resting = draw.some(0.09, 2)
    touching, free = draw.uniform(*_PLANE.resting, 2), draw.uniform(*_PLANE.free, 2).square() + _PLANE.nearest
    points = centers[:, None] - normals * (reach + torch.where(resting, touching, free))[..., None]
    # Where no hand is, the cube may be about a wall or the edge of a table.
    through = centers[:, None] - normals * draw.uniform(*_PLANE.through, 2)[..., None]
    points = torch.where((empty[:, None] & draw.some(0.4, 2))[..., None], through, points)
    seen = resting | draw.some(0.35, 2)
    return points, normals * seen[..., None]
