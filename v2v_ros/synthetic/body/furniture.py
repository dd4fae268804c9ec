# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Furniture in rooms: crates, cupboards and tables, low walls and beds, door frames, chairs that people sit on.

Level: x right, y down, z forward, the camera at the origin.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from ..chance import Draw, Range, about_axis
from ..worlds import Boxes
from .rooms import Place


class BoxSizes(NamedTuple):
    """Halves of the edges of a piece of furniture in metres."""

    wide: Range
    tall: Range
    deep: Range


class LowWall(NamedTuple):
    """Sizes of a low wall, a railing or a bed in metres."""

    half_tall: Range = (0.3, 0.6)
    half_thick: Range = (0.03, 0.15)
    half_long: Range = (0.5, 2.0)
    aside: Range = (0.5, 1.1)  # distance from the subject


class DoorFrame(NamedTuple):
    """Sizes of a door frame in metres."""

    half_wide: Range = (0.45, 0.6)
    half_tall: float = 1.05
    half_thick: float = 0.05
    half_deep: float = 0.08
    behind: Range = (-0.3, 0.8)  # the subject


class OccupiedChair(NamedTuple):
    """Sizes of a chair that somebody sits on, in metres or heights of the person."""

    half_wide: Range = (0.2, 0.35)
    half_deep: Range = (0.2, 0.26)
    half_thick: Range = (0.015, 0.05)  # of the seat, unless it is solid down to the floor
    lowest: float = 0.12
    below_hips: float = 0.055  # heights
    back_half_tall: Range = (0.15, 0.35)
    back_half_thick: Range = (0.012, 0.04)
    back_behind_hips: float = 0.06  # and as much as the person is deep
    person_depth: float = 0.11  # heights


_CRATE = BoxSizes(wide=(0.1, 0.35), tall=(0.1, 0.45), deep=(0.1, 0.35))
_CUPBOARD = BoxSizes(wide=(0.2, 0.6), tall=(0.5, 1.1), deep=(0.15, 0.35))
_TABLE_TOP = BoxSizes(wide=(0.3, 0.9), tall=(0.012, 0.03), deep=(0.25, 0.5))
_TABLE_HEIGHT: Range = (0.6, 0.9)  # metres
_LOW_WALL, _DOOR, _CHAIR = LowWall(), DoorFrame(), OccupiedChair()
_PIECES = 4


def furniture(draw: Draw, place: Place) -> Boxes:
    """Sample furniture around subjects, low walls beside them, and door frames: boxes [B, 9]."""
    return Boxes.join([_pieces(draw, place), _low_walls(draw, place), _door_frame(draw, place)])


def _halves(draw: Draw, sizes: BoxSizes) -> torch.Tensor:
    """Return halves of the edges [B, 4, 3]."""
    return torch.stack([draw.uniform(*bounds, _PIECES) for bounds in sizes], dim=-1)


def _pieces(draw: Draw, place: Place) -> Boxes:
    """Return crates, cupboards and tables around the subject: boxes [B, 4]."""
    angle, kind = draw.uniform(-math.pi, math.pi, _PIECES), draw.rand(_PIECES)
    crate, cupboard, table_top = _halves(draw, _CRATE), _halves(draw, _CUPBOARD), _halves(draw, _TABLE_TOP)
    # Whatever stands between the camera and the subject is low.
    front = (angle.cos() > 0.3) & ~place.top[:, None]
    is_crate, is_table = (kind < 0.4) | front, kind > 0.65
    halves = torch.where(is_crate[..., None], crate, cupboard)
    halves = torch.where(is_table[..., None], table_top, halves)
    up = torch.where(is_table, draw.uniform(*_TABLE_HEIGHT, _PIECES), halves[..., 1])
    away = halves[..., [0, 2]].amax(-1) + 0.25 + 1.5 * draw.rand(_PIECES).square()
    ground = place.ground[:, None] + away[..., None] * torch.stack((angle.sin(), -angle.cos()), dim=-1)
    there = draw.some(0.35, _PIECES) & ((ground[..., 1] - halves.amax(-1) > 0.35) | place.top[:, None])
    turned = about_axis(1, draw.uniform(-math.pi, math.pi, _PIECES))
    return Boxes(place.at(ground, up), turned, halves).where(there)


def _low_walls(draw: Draw, place: Place) -> Boxes:
    """Return low walls, railings and beds on both sides of the subject, along the view: boxes [B, 2]."""
    offset = draw.uniform(*_LOW_WALL.aside, 2) * draw.tensor([-1.0, 1.0])
    tall = draw.uniform(*_LOW_WALL.half_tall, 2)
    thick, long = draw.uniform(*_LOW_WALL.half_thick, 2), draw.uniform(*_LOW_WALL.half_long, 2)
    halves = torch.stack((thick, tall, long), dim=-1)
    ground = place.ground[:, None] + torch.stack((offset, draw.normal(0.3, 2)), dim=-1)
    there = draw.some(0.25, 1) & draw.some(0.7, 2)
    return Boxes(place.at(ground, tall), about_axis(1, draw.normal(0.15, 2)), halves).where(there)


def _door_frame(draw: Draw, place: Place) -> Boxes:
    """Return two posts and a lintel around the subject: boxes [B, 3]."""
    turned, wide = draw.normal(0.4), draw.uniform(*_DOOR.half_wide)
    across = torch.stack((turned.cos(), -turned.sin()), dim=1)
    middle = place.ground + torch.stack((0 * turned, draw.uniform(*_DOOR.behind)), dim=1)
    sides = wide[:, None] * draw.tensor([-1.0, 1.0, 0.0])
    ground = middle[:, None] + sides[..., None] * across[:, None]
    thick, tall = torch.full_like(wide, _DOOR.half_thick), torch.full_like(wide, _DOOR.half_tall)
    halves = torch.stack(
        (
            torch.stack((thick, thick, wide), dim=1),
            torch.stack((tall, tall, thick), dim=1),
            torch.full_like(ground[..., 0], _DOOR.half_deep),
        ),
        dim=-1,
    )
    up = torch.stack((tall, tall, 2 * tall), dim=1)
    axes = about_axis(1, turned[:, None].expand(-1, 3))
    return Boxes(place.at(ground, up), axes, halves).where(draw.some(0.06))


def chairs(draw: Draw, place: Place, hips: torch.Tensor, height: torch.Tensor, sits: torch.Tensor) -> Boxes:
    """Sample chairs under those who sit.

    Args:
        draw: Random numbers [B].
        place: Places of the people.
        hips: Middles of their hips, float [B, 3] metres.
        height: Heights of the people, float [B] metres.
        sits: People who sit, bool [B].

    Returns:
        A seat and a back each: boxes [B, 2].
    """
    axes = about_axis(1, place.yaw)
    back = axes[..., 2]  # away from where the subject faces
    above = (place.floor - hips[:, 1] - _CHAIR.below_hips * height).clamp_min(_CHAIR.lowest)
    solid = draw.some(0.4)
    thick = torch.where(solid, above / 2, draw.uniform(*_CHAIR.half_thick))
    wide, deep = draw.uniform(*_CHAIR.half_wide), draw.uniform(*_CHAIR.half_deep)
    seat_up = above - thick
    ground = hips[:, [0, 2]] - 0.08 * back[:, [0, 2]]
    seat = place.at(ground[:, None], seat_up[:, None])
    tall = torch.where(draw.some(0.7), draw.uniform(*_CHAIR.back_half_tall), torch.zeros_like(above))
    behind = hips[:, [0, 2]] + (_CHAIR.person_depth * height + _CHAIR.back_behind_hips)[:, None] * back[:, [0, 2]]
    rest = place.at(behind[:, None], (above + tall)[:, None])
    rest_halves = torch.stack((wide, tall, draw.uniform(*_CHAIR.back_half_thick)), dim=1)
    halves = torch.stack((torch.stack((wide, thick, deep), dim=1), rest_halves), dim=1)
    return Boxes(torch.cat((seat, rest), dim=1), axes[:, None].expand(-1, 2, 3, 3), halves).where(sits)
