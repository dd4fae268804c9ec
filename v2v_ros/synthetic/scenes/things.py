# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Things that stand and lie about: boxes, bottles and posts, robot arms and lamps, plants, shoes, cups.

Level: x right, y down, z forward. A thing of any kind is placed by a point on the surface that bears it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from ..chance import Draw, Range, about_axis
from ..spheres import Spheres, tapered_capsule
from ..worlds import Boxes

UP = (0.0, -1.0, 0.0)


class Box(NamedTuple):
    """Sizes of a crate, a book, a parcel or a slab as shares of the largest."""

    smallest: float = 0.06
    flat: float = 0.2  # of the height
    flat_share: float = 0.3


class Rod(NamedTuple):
    """Sizes of a bottle, a mug, a post or a cone as shares of the largest."""

    length: Range = (0.15, 1.0)
    radius: Range = (0.06, 0.35)  # of the length
    taper: Range = (0.4, 1.3)  # of the radius
    lying_share: float = 0.35


class RobotArm(NamedTuple):
    """Sizes of a robot arm or a lamp as shares of the largest."""

    radius: Range = (0.03, 0.09)
    link: Range = (0.2, 0.5)
    taper: Range = (0.6, 1.1)  # of the radius, from link to link
    bend: Range = (0.2, 1.2)  # as a tangent
    opening: Range = (0.6, 1.6)  # of the gripper to either side, in radii
    finger_radius: Range = (0.15, 0.4)  # in radii
    finger_length: Range = (1.0, 3.0)  # in radii


class Plant(NamedTuple):
    """Sizes of a plant as shares of its height, and of that as a share of the largest."""

    height: Range = (0.3, 1.0)
    spread: Range = (0.15, 0.9)  # of the stems, as a tangent
    pot: Range = (0.1, 0.3)
    stem_length: Range = (0.4, 1.0)
    stem_radius: Range = (0.012, 0.06)
    taper: Range = (0.3, 1.5)  # of the radius


class Shoe(NamedTuple):
    """Sizes of a shoe in metres, of a mean one, but for the factor."""

    factor: Range = (0.7, 1.15)
    length: float = 0.19  # from the middle of the heel to that of the toes
    heel_radius: float = 0.042
    toe_radius: float = 0.036
    top_radius: float = 0.045
    above_floor: float = 0.045
    aside: float = 0.07  # to the middle between both
    shaft: Range = (0.03, 0.28)  # most are low


class Cup(NamedTuple):
    """Sizes of a mug, a tin, a pot or a bin as shares of its height, and of that as a share of the largest."""

    height: Range = (0.25, 1.0)
    radius: Range = (0.25, 0.65)
    handle_out: float = 0.28
    handle_half: float = 0.3
    handle_radius: float = 0.06
    handle_share: float = 0.6
    tilted_share: float = 0.15


_BOX, _ROD, _ROBOT_ARM, _PLANT, _SHOE, _CUP = Box(), Rod(), RobotArm(), Plant(), Shoe(), Cup()
_LINKS, _STEMS, _IN_HANDLE = 3, 8, 12


def boxes_on(draw: Draw, points: torch.Tensor, size: float) -> Boxes:
    """Sample a box on each of the points [B, K, 3], with half edges up to a size in metres."""
    count = points.shape[1]
    halves = size * (_BOX.smallest + (1 - _BOX.smallest) * draw.rand(count, 3).square())
    halves[..., 1] *= torch.where(draw.some(_BOX.flat_share, count), _BOX.flat, 1.0)
    turned = about_axis(1, draw.uniform(-math.pi, math.pi, count))
    middle = points + torch.stack((0 * halves[..., 1], -halves[..., 1], 0 * halves[..., 1]), dim=-1)
    return Boxes(middle, turned, halves)


def rod_on(draw: Draw, point: torch.Tensor, size: float) -> Spheres:
    """Sample a bottle, mug, post or cone on a point [B, 3], upright or lying, up to a size in metres long."""
    lies = draw.some(_ROD.lying_share)
    length = size * draw.uniform(*_ROD.length)
    radius = length * draw.uniform(*_ROD.radius)
    up = point.new_tensor(UP)
    aside = normalize(draw.normal(1.0, 3) * point.new_tensor([1.0, 0.0, 1.0]), dim=-1)
    direction = torch.where(lies[:, None], aside, up + draw.normal(0.04, 3))
    start = point + radius[:, None] * up
    end = start + (length - radius)[:, None] * direction
    return tapered_capsule(start, end, radius, radius * draw.uniform(*_ROD.taper), 14)


def robot_arm_on(draw: Draw, point: torch.Tensor, size: float) -> Spheres:
    """Sample a chain of links with two fingers at its end on a point [B, 3], as robot arms and lamps are."""
    parts = []
    direction = point.new_tensor(UP).expand(draw.batch, 3)
    radius, bend = size * draw.uniform(*_ROBOT_ARM.radius), draw.uniform(*_ROBOT_ARM.bend)
    for _ in range(_LINKS):
        end = point + (size * draw.uniform(*_ROBOT_ARM.link))[:, None] * direction
        thinner = radius * draw.uniform(*_ROBOT_ARM.taper)
        parts.append(tapered_capsule(point, end, radius, thinner, 12))
        point, radius = end, thinner
        direction = normalize(direction + bend[:, None] * draw.normal(1.0, 3), dim=-1)
    side = normalize(torch.linalg.cross(direction, draw.directions()), dim=-1)
    apart, thin = radius * draw.uniform(*_ROBOT_ARM.opening), radius * draw.uniform(*_ROBOT_ARM.finger_radius)
    for sign in (-1.0, 1.0):
        start = point + (sign * apart)[:, None] * side
        end = start + (radius * draw.uniform(*_ROBOT_ARM.finger_length))[:, None] * direction
        parts.append(tapered_capsule(start, end, thin, thin, 6))
    return Spheres.join(parts)


def plant_on(draw: Draw, point: torch.Tensor, size: float) -> Spheres:
    """Sample stems or leaves that spread from a pot on a point [B, 3], up to a size in metres high."""
    height, spread = size * draw.uniform(*_PLANT.height), draw.uniform(*_PLANT.spread)
    pot = height * draw.uniform(*_PLANT.pot)
    up = point.new_tensor(UP)
    root = point + (2 * pot)[:, None] * up
    parts = [tapered_capsule(point, root, 0.8 * pot, pot, 5)]
    for _ in range(_STEMS):
        direction = normalize(up + spread[:, None] * draw.normal(1.0, 3), dim=-1)
        thick = height * draw.uniform(*_PLANT.stem_radius)
        tip = thick * draw.uniform(*_PLANT.taper)
        end = root + (height * draw.uniform(*_PLANT.stem_length))[:, None] * direction
        parts.append(tapered_capsule(root, end, thick, tip, 12))
    return Spheres.join(parts)


def shoes_on(draw: Draw, point: torch.Tensor) -> Spheres:
    """Sample a pair of shoes about a point [B, 3], each where it was left."""
    parts = []
    size = draw.uniform(*_SHOE.factor)
    heel_radius, up = _SHOE.heel_radius * size, point.new_tensor(UP)
    low, high = _SHOE.shaft
    for sign in (-1.0, 1.0):
        heading = draw.uniform(-math.pi, math.pi) if sign < 0 else draw.uniform(-0.5, 0.5)
        ahead = torch.stack((heading.sin(), 0 * heading, heading.cos()), dim=-1)
        aside = torch.stack((heading.cos(), 0 * heading, -heading.sin()), dim=-1)
        heel = point + sign * _SHOE.aside * size[:, None] * aside + _SHOE.above_floor * size[:, None] * up
        toes = heel + _SHOE.length * size[:, None] * ahead
        parts.append(tapered_capsule(heel, toes, heel_radius, _SHOE.toe_radius * size, 10))
        shaft = low + (high - low) * draw.rand().square()
        top = heel + (shaft * size)[:, None] * up
        parts.append(tapered_capsule(heel, top, heel_radius, _SHOE.top_radius * size, 6))
    return Spheres.join(parts)


def cup_on(draw: Draw, point: torch.Tensor, size: float) -> tuple[Spheres, Boxes]:
    """Sample a cylinder on a point [B, 3], as mugs, tins, pots and bins are, with a handle or without.

    Args:
        draw: Random numbers [B].
        point: Places of the cups, float [B, 3] metres.
        size: Height of the largest in metres.

    Returns:
        The handle, and boxes [B, 4] that are turned against each other, so that they make it round.
    """
    high = size * draw.uniform(*_CUP.height)
    radius = high * draw.uniform(*_CUP.radius)
    tilt = about_axis(0, draw.normal(1.0) * draw.some(_CUP.tilted_share))
    turned = about_axis(1, draw.uniform(-math.pi, math.pi)) @ tilt
    up = -turned[..., 1]
    middle = point + (high / 2)[:, None] * up
    # Four slabs across each other have a regular octagon for an outline.
    wide, deep = 0.98 * radius, radius * math.tan(math.pi / 8)
    axes = torch.stack([turned @ about_axis(1, (k * math.pi / 4) + 0 * high) for k in range(4)], dim=1)
    halves = torch.stack((wide, high / 2, deep), dim=-1)[:, None].expand(-1, 4, 3)
    angle = torch.linspace(-0.5 * math.pi, 0.5 * math.pi, _IN_HANDLE, device=point.device)
    out = radius[:, None] + _CUP.handle_out * high[:, None] * angle.cos()
    along = _CUP.handle_half * high[:, None] * angle.sin()
    ring = middle[:, None] + out[..., None] * turned[:, None, :, 0] + along[..., None] * up[:, None]
    thick = (_CUP.handle_radius * high)[:, None].expand(-1, _IN_HANDLE)
    handle = Spheres(ring, thick).where(draw.some(_CUP.handle_share))
    return handle, Boxes(middle[:, None].expand(-1, 4, 3), axes, halves)
