# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Furniture and screens that stand about: chairs and tables with legs, office chairs, monitors and laptops.

Level: x right, y down, z forward. A piece of any kind is placed by a point on the surface that bears it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from ..chance import Draw, Range, about_axis
from ..spheres import Spheres, tapered_capsule
from ..worlds import Boxes
from .things import UP


class Chair(NamedTuple):
    """Sizes of a chair or stool with four legs, or of a table, in metres."""

    half_edge: Range = (0.18, 0.26)
    height: Range = (0.38, 0.5)
    half_leg: Range = (0.01, 0.03)
    half_slab: Range = (0.01, 0.03)
    half_back: Range = (0.15, 0.3)
    stool_share: float = 0.2  # without a back
    table_height: Range = (0.5, 0.8)
    table_width: float = 2.0  # against a chair
    table_depth: float = 1.5
    table_share: float = 0.35


class OfficeChair(NamedTuple):
    """Sizes of a padded chair on a star of five feet, in metres."""

    seat_height: Range = (0.38, 0.55)
    hub_height: float = 0.09
    tube: float = 0.018  # radius
    foot: float = 0.3  # length
    foot_height: float = 0.04
    half_wide: Range = (0.2, 0.27)
    half_cushion: Range = (0.025, 0.05)
    arms_share: float = 0.5
    arm_height: float = 0.2  # over the seat
    arm_aside: float = 0.04  # from the seat
    arm_half: float = 0.13  # length
    back_half_tall: Range = (0.15, 0.4)
    back_half_thick: Range = (0.02, 0.05)
    back_gap: float = 0.12  # over the seat
    back_before: float = 0.02  # the end of the seat
    lean: float = 0.15  # radians


class Monitor(NamedTuple):
    """Sizes of a screen on a foot, or of a laptop, in metres."""

    half_wide: Range = (0.12, 0.33)
    tall: Range = (0.5, 0.75)  # against its width
    half_thick: float = 0.012
    foot: Range = (0.05, 0.2)
    foot_share: float = 0.6  # the others are laptops
    keyboard: float = 0.6  # depth against the width


_CHAIR, _OFFICE, _MONITOR = Chair(), OfficeChair(), Monitor()


def chair_on(draw: Draw, point: torch.Tensor) -> Boxes:
    """Sample a chair, stool or table with four legs over a point [B, 3]: boxes [B, 6]."""
    turned = about_axis(1, draw.uniform(-math.pi, math.pi))
    wide, deep = draw.uniform(*_CHAIR.half_edge), draw.uniform(*_CHAIR.half_edge)
    is_table = draw.some(_CHAIR.table_share)
    wide = torch.where(is_table, _CHAIR.table_width * wide, wide)
    deep = torch.where(is_table, _CHAIR.table_depth * deep, deep)
    tall = torch.where(is_table, draw.uniform(*_CHAIR.table_height), draw.uniform(*_CHAIR.height))
    leg, slab = draw.uniform(*_CHAIR.half_leg), draw.uniform(*_CHAIR.half_slab)
    back = torch.where(is_table | draw.some(_CHAIR.stool_share), 0.0, draw.uniform(*_CHAIR.half_back))
    zero = torch.zeros_like(wide)
    middles, halves = [], []
    for x in (-1.0, 1.0):
        for z in (-1.0, 1.0):
            middles.append(torch.stack((x * (wide - leg), -tall / 2, z * (deep - leg)), dim=-1))
            halves.append(torch.stack((leg, tall / 2, leg), dim=-1))
    middles.append(torch.stack((zero, -tall, zero), dim=-1))
    halves.append(torch.stack((wide, slab, deep), dim=-1))
    middles.append(torch.stack((zero, -tall - back, deep), dim=-1))
    halves.append(torch.stack((wide, back, 0.5 * leg), dim=-1))
    local = torch.stack(middles, dim=1)
    return Boxes(
        point[:, None] + local @ turned.transpose(1, 2), turned[:, None].expand(-1, 6, 3, 3), torch.stack(halves, dim=1)
    )


def office_chair_on(draw: Draw, point: torch.Tensor) -> tuple[Spheres, Boxes]:
    """Sample an office chair over a point [B, 3], with arms or without: tubes, and a seat and a back, boxes [B, 2]."""
    heading = draw.uniform(-math.pi, math.pi)
    turned = about_axis(1, heading)
    right, back, up = turned[..., 0], turned[..., 2], point.new_tensor(UP)
    seat_height = draw.uniform(*_OFFICE.seat_height)
    hub, seat = point + _OFFICE.hub_height * up, point + seat_height[:, None] * up
    tube = torch.full_like(heading, _OFFICE.tube)
    parts = [tapered_capsule(hub, seat, 2 * tube, 2 * tube, 8)]
    for foot in range(5):
        angle = heading + foot * 2 * math.pi / 5
        end = point + _OFFICE.foot * torch.stack((angle.sin(), 0 * angle, angle.cos()), dim=-1)
        end = end + _OFFICE.foot_height * up
        parts.append(tapered_capsule(hub, end, 1.5 * tube, tube, 8))
    wide = draw.uniform(*_OFFICE.half_wide)
    armed = draw.some(_OFFICE.arms_share)
    for sign in (-1.0, 1.0):
        rest = seat + sign * (wide + _OFFICE.arm_aside)[:, None] * right + _OFFICE.arm_height * up
        ends = rest - _OFFICE.arm_half * back, rest + _OFFICE.arm_half * back
        parts.append(tapered_capsule(*ends, tube * armed, tube * armed, 7))
    tall, lean = draw.uniform(*_OFFICE.back_half_tall), draw.normal(_OFFICE.lean)
    middle = seat + (wide - _OFFICE.back_before)[:, None] * back + (_OFFICE.back_gap + tall)[:, None] * up
    parts.append(tapered_capsule(seat + wide[:, None] * back, middle, tube, tube, 6))
    cushion = torch.stack((wide, draw.uniform(*_OFFICE.half_cushion), wide), dim=-1)
    rest = torch.stack((0.95 * wide, tall, draw.uniform(*_OFFICE.back_half_thick)), dim=-1)
    axes = torch.stack((turned, turned @ about_axis(0, -lean)), dim=1)
    return Spheres.join(parts), Boxes(torch.stack((seat, middle), 1), axes, torch.stack((cushion, rest), 1))


def monitor_on(draw: Draw, point: torch.Tensor) -> Boxes:
    """Sample a screen on a foot, or a laptop, over a point [B, 3]: boxes [B, 3]."""
    turned = about_axis(1, draw.normal(0.8)) @ about_axis(0, draw.normal(0.2))
    wide = draw.uniform(*_MONITOR.half_wide)
    tall = wide * draw.uniform(*_MONITOR.tall)
    foot = torch.where(draw.some(_MONITOR.foot_share), draw.uniform(*_MONITOR.foot), 0.0)
    zero, thin = torch.zeros_like(wide), torch.full_like(wide, _MONITOR.half_thick)
    keyboard = _MONITOR.keyboard * wide
    middles = (
        torch.stack((zero, -foot - tall, zero), dim=-1),
        torch.stack((zero, -foot / 2, zero), dim=-1),
        torch.stack((zero, zero - 0.01, zero - keyboard * (foot == 0)), dim=-1),
    )
    halves = (
        torch.stack((wide, tall, thin), dim=-1),
        torch.stack((2 * thin, foot / 2, thin), dim=-1),
        torch.stack((wide, thin, keyboard), dim=-1),
    )
    local = torch.stack(middles, dim=1)
    axes = turned[:, None].expand(-1, 3, 3, 3)
    return Boxes(point[:, None] + local @ turned.transpose(1, 2), axes, torch.stack(halves, dim=1))
