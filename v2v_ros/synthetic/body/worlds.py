# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Worlds around a body: where the camera is, other people, and what the border of the image hides.

A world is built level (x right, y down, z forward, the camera at the origin) and then tilted into the camera frame.
"""

from __future__ import annotations

import math

import torch

from ..chance import Draw, about_axis
from ..render import Cameras
from ..spheres import Spheres
from ..worlds import Boxes, Worlds
from .decoys import decoys
from .furniture import chairs, furniture
from .poses import sample_body_pose, seated
from .rooms import Place, room
from .shape import sample_body_shape
from .skins import pose_bodies

VIEWS = ("front", "top", "mixed")
_BARE = 0.1, 0.25  # shares of the worlds whose background was removed, far and close
_CLOSE = 0.18  # share of the front views from 0.8 to 1.5 m, where the image ends at the hips
_NECK, _HIPS = 1, slice(9, 11)  # joints of body15


def sample_body_worlds(
    batch: int,
    generator: torch.Generator,
    *,
    view: str = "front",
    near: float = 1.2,
    far: float = 5.0,
    empty: float = 0.08,
    before_wall: float = 0.0,
    skinned: float = 0.0,
) -> Worlds:
    """Sample people in random rooms, in the camera frame.

    Args:
        batch: Number of worlds.
        generator: Source of the random numbers.
        view: View ``front``, ``top`` (from the ceiling, as ITOP calls it) or ``mixed`` (four fifths front).
        near, far: Range in metres of the distance along the floor in front views; a sixth of them is at 0.8 to 1.5 m.
        empty: Share of the worlds in which something else stands where a person would be.
        before_wall: Share of the worlds in which they stand right before a wall, if there is one.
        skinned: Share of the people who have the skin of one of MakeHuman's people; the others are made of capsules.

    Raises:
        ValueError: The view is none of these.
    """
    if view not in VIEWS:
        raise ValueError(f"unknown view '{view}'; choose one of: {', '.join(VIEWS)}")
    draw = Draw(batch, generator)
    top = draw.some({"front": 0.0, "top": 1.0, "mixed": 0.2}[view])
    present, close = ~draw.some(empty), draw.some(_CLOSE)
    bare = torch.where(close, draw.some(_BARE[1]), draw.some(_BARE[0]))
    distance = torch.where(close, draw.uniform(0.8, 1.5), draw.uniform(near, far))
    ground = torch.stack((distance * draw.uniform(-0.5, 0.5).tan(), distance), dim=1)
    ground = torch.where(top[:, None], draw.normal(0.4, 2).clamp(-0.8, 0.8), ground)
    floor = torch.where(top, draw.uniform(2.5, 3.2), draw.uniform(0.6, 2.0))
    beside, company = _other_people(draw, ground)

    shape = sample_body_shape(2 * batch, generator)
    pose = sample_body_pose(shape, generator)
    joints, bodies = pose_bodies(shape, pose, skinned, generator)
    lowest = (bodies.centers[..., 1] + bodies.radii).amax(1)
    grounds = torch.cat((ground, beside))
    shift = torch.stack((grounds[:, 0], floor.repeat(2) - lowest, grounds[:, 1]), dim=1)[:, None]
    joints, bodies = (joints + shift)[:batch], Spheres(bodies.centers + shift, bodies.radii)
    people = [
        Spheres(bodies.centers[:batch], bodies.radii[:batch]).where(present),
        Spheres(bodies.centers[batch:], bodies.radii[batch:]).where(company & ~top),
    ]

    place = Place(ground, floor, pose.yaw[:batch], top)
    middle = torch.stack((ground[:, 0], floor - draw.uniform(0.6, 1.1), ground[:, 1]), dim=1)
    centers = torch.where(present[:, None], joints.mean(1), middle)
    rods, stand_ins = decoys(draw, place, present)
    hidden = bare & present  # a removed background leaves the person alone
    sits = present & seated(pose)[:batch]
    seat = chairs(draw, place, joints[:, _HIPS].mean(1), shape.height[:batch], sits)
    boxes = Boxes.join([stand_ins, seat, furniture(draw, place)]).where(~hidden)
    points, normals = room(draw, place, draw.some(before_wall) if before_wall else None)
    tilt = _tilt(draw, centers, top)
    return Worlds(
        spheres=_tilted_spheres(Spheres.join([*people, rods.where(~hidden)]), tilt),
        boxes=Boxes(boxes.centers @ tilt.transpose(1, 2), tilt[:, None] @ boxes.axes, boxes.halves),
        plane_points=points @ tilt.transpose(1, 2),
        plane_normals=(normals * ~bare[:, None, None]) @ tilt.transpose(1, 2),
        joints=torch.where(present[:, None, None], joints @ tilt.transpose(1, 2), torch.nan),
        centers=(tilt @ centers[..., None])[..., 0],
        left=torch.zeros_like(present),
    )


def border_mask(worlds: Worlds, cameras: Cameras, generator: torch.Generator) -> torch.Tensor:
    """Sample which pixels, bool [B, H, W], are beyond the border of the image that crops were cut from.

    A side, the top or the bottom hides up to a third of the subject in 15 % of the samples; the image ends at the hips
    of people who stand or sit upright nearer than 1.5 m, and of some farther ones, about 10 % in all.

    Args:
        worlds: Worlds [B] in the camera frame.
        cameras: Cameras of the crops.
        generator: Source of the random numbers.
    """
    draw = Draw(worlds.centers.shape[0], generator)
    corners = worlds.centers.new_tensor([[-0.35, -0.8, 0.0], [0.35, 0.8, 0.0]])
    points = torch.where(
        worlds.present[:, None, None], worlds.joints, (worlds.centers[:, None] + corners).repeat(1, 8, 1)[:, :15]
    )
    pixels = points[..., :2] / points[..., 2:].clamp_min(0.1)
    pixels = pixels * cameras.focal[:, None, None] + cameras.principal[:, None]
    low, high = pixels.amin(1), pixels.amax(1)
    edge = draw.integers(4)  # left, top, right, bottom
    share = draw.uniform(0.0, 0.33)[:, None]
    inset = torch.cat((low + share * (high - low), high - share * (high - low)), dim=1).gather(1, edge[:, None])[:, 0]
    cut = draw.some(0.15)
    neck, hips = points[:, _NECK], points[:, _HIPS].mean(1)
    upright = worlds.present & (hips[:, 1] - neck[:, 1] > 0.7 * (hips - neck).norm(dim=1))
    waist = upright & ((worlds.centers[:, 2] < 1.5) | draw.some(0.03))
    hip_line = torch.lerp(pixels[:, _HIPS, 1].mean(1), pixels[:, _NECK, 1], draw.uniform(-0.3, 0.25))

    u = torch.arange(cameras.width, device=draw.device)[None, None, :]
    v = torch.arange(cameras.height, device=draw.device)[None, :, None]
    which, line = edge[:, None, None], inset[:, None, None]
    beyond = torch.where(which == 0, u < line, (which == 2) & (u > line))
    beyond = beyond | torch.where(which == 1, v < line, (which == 3) & (v > line))
    return (beyond & cut[:, None, None]) | ((v > hip_line[:, None, None]) & waist[:, None, None])


def _other_people(draw: Draw, ground: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where on the floor somebody else stands [B, 2], beside, behind or partly in front; and whether [B]."""
    away = torch.nn.functional.normalize(ground, dim=1)
    across = torch.stack((away[:, 1], -away[:, 0]), dim=1)
    sign = torch.where(draw.some(0.5), -1.0, 1.0)
    behind = draw.some(0.8)
    far = torch.where(behind, draw.uniform(0.0, 1.5), -draw.uniform(0.3, 0.8))
    apart = torch.where(behind & (far > 0.6), draw.uniform(0.15, 1.0), draw.uniform(0.6, 1.2))
    other = ground + far[:, None] * away + (sign * apart)[:, None] * across
    return other, draw.some(0.22) & (other[:, 1] > 0.6)


def _tilt(draw: Draw, centers: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
    """Return rotations [B, 3, 3] from the level frame to the camera's, which looks about at the subject."""
    aim = torch.atan2(centers[:, 1], centers[:, 2]) + draw.normal(0.14)
    down = aim.clamp(-math.radians(20), math.radians(25))
    pitch = torch.where(top, 0.5 * math.pi + draw.uniform(-0.26, 0.26), down)
    roll = torch.where(top, draw.uniform(-0.15, 0.15), draw.normal(0.04))
    return about_axis(2, roll) @ about_axis(0, pitch)


def _tilted_spheres(spheres: Spheres, tilt: torch.Tensor) -> Spheres:
    return Spheres(spheres.centers @ tilt.transpose(1, 2), spheres.radii)
