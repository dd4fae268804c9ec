# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Settings with whole people: near and far before the camera, and the viewer's own arms."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from ..body.decoys import decoys
from ..body.furniture import chairs, furniture
from ..body.rooms import Place, room
from ..chance import Draw, Range, about_axis
from ..hand.surroundings import clutter
from ..spheres import Spheres
from ..worlds import Boxes
from .people import People, sample_people
from .scattered import scattered
from .stage import Stage

_TORSO, _HIPS = 8, slice(9, 11)  # joints of body15


class Table(NamedTuple):
    """Sizes of a table top below hands in metres."""

    half_wide: Range = (0.2, 0.9)
    half_thick: Range = (0.01, 0.03)
    half_deep: Range = (0.15, 0.4)
    resting: Range = (-0.005, 0.01)  # below the hand, if it rests on it
    below: Range = (0.02, 0.15)  # below the hand, if not


_TABLE = Table()
_NEAR_AND_FAR = {"toward": (0.5, 2.2), "near": (0.45, 2.4), "far": (1.5, 5.3), "wall": (2.0, 5.3)}


def people_in_room(draw: Draw, setting: str, skinned: float = 0.0) -> Stage:
    """Sample one or two people in a room; nearer than 2.4 m they have hands in detail.

    Args:
        draw: Random numbers [B].
        setting: Setting ``toward``, ``near``, ``far`` or ``wall``.
        skinned: Share of the people who have the skin of one of MakeHuman's people.
    """
    near, far = _NEAR_AND_FAR[setting]
    is_far = setting in ("far", "wall")
    distance = near + (far - near) * (draw.rand() if is_far else draw.rand() ** 1.4)
    ground = torch.stack((distance * draw.normal(0.25).clamp(-0.5, 0.5), distance), dim=1)
    near_floor = draw.uniform(0.6, 1.9)
    floor = torch.where(draw.some(0.25), draw.uniform(0.15, 2.7), near_floor)
    present = ~draw.some(0.1)
    main = sample_people(
        draw,
        ground,
        floor,
        toward=0.6 if setting == "toward" else 0.1,
        facing=0.9 if setting == "toward" else 0.35,
        lying=0.15 if setting == "far" else 0.0,
        detailed=not is_far,
        skinned=skinned,
    )
    apart = draw.uniform(0.5, 1.3) * torch.where(draw.some(0.5), -1.0, 1.0)
    beside = ground + torch.stack((apart, draw.uniform(-0.4, 1.8)), dim=1)
    company = draw.some(0.3) & (beside[:, 1] > 1.0) & present
    other = sample_people(draw, beside, floor, toward=0.2, facing=0.4, detailed=False, skinned=skinned)
    bare = draw.some(0.15) & present  # a removed background leaves the people alone
    place = Place(ground, floor, main.yaw, torch.zeros_like(bare))
    rods, stand_ins = decoys(draw, place, present)
    loose_spheres, loose_boxes = scattered(draw, floor, torch.full_like(floor, 0.8), distance + 1.5, 0.25, 1.0)
    seat = chairs(draw, place, main.joints[:, _HIPS].mean(1), main.height, main.sits & present)
    table = _table_below(draw, main, share=0.1 if is_far else 0.22)
    points, normals = room(draw, place, torch.ones_like(present) if setting == "wall" else None)
    near_spheres, near_boxes = clutter(draw, main.hand_centers[:, 0])
    some = draw.some(0.3) & ~bare
    shown = Boxes.join([stand_ins, furniture(draw, place), loose_boxes, seat, table])
    surroundings = Spheres.join(
        [
            Spheres.join([rods, loose_spheres]).where(~bare),
            near_spheres.where(some),
            main.things.where(present),
        ]
    )
    boxes = Boxes.join([shown.where(~bare), near_boxes.where(some), main.boxes.where(present)])
    hand = torch.where(draw.some(0.5)[:, None], main.hand_centers[:, 0], main.hand_centers[:, 1])
    at_hand = draw.some(0.6 if setting == "toward" else 0.3 if setting == "near" else 0.0)
    target = torch.where(at_hand[:, None], hand, main.joints.mean(1) if is_far else main.joints[:, _TORSO])
    side = torch.tensor([False, True], device=draw.device).expand(draw.batch, 2)
    return Stage(
        surroundings=surroundings,
        boxes=boxes,
        points=points,
        normals=normals * ~bare[:, None, None],
        hands=[*(hand.where(present) for hand in main.hands), *(hand.where(company) for hand in other.hands)],
        hand_centers=torch.cat((main.hand_centers, other.hand_centers), dim=1),
        hand_joints=torch.cat((main.hand_joints, other.hand_joints), dim=1),
        hand_left=torch.cat((side, side), dim=1),
        bodies=[main.body.where(present), other.body.where(company)],
        body_joints=torch.stack((main.joints, other.joints), dim=1),
        target=target,
        is_near=not is_far,
    )


def own_arms(draw: Draw, skinned: float = 0.0) -> Stage:
    """Sample arms of the viewer, seen from head or chest, over a table or before a room; or of somebody below.

    Args:
        draw: Random numbers [B].
        skinned: Share of the people who have the skin of one of MakeHuman's people.
    """
    above = draw.some(0.35)
    ground = torch.stack((draw.normal(0.06), torch.where(above, draw.uniform(0.2, 0.7), 0.0)), dim=1)
    floor = torch.where(above, draw.uniform(1.3, 2.3), 1.5)
    yaw = torch.where(above, draw.uniform(-math.pi, math.pi), math.pi + draw.normal(0.15))
    people = sample_people(draw, ground, floor, yaw=yaw, toward=0.75, ahead=True, skinned=skinned)
    # Cameras on heads, on chests, and on robots of that height, a little before the body.
    eye = torch.lerp(people.joints[:, 0], people.joints[:, _TORSO], draw.uniform(-0.2, 0.7)[:, None])
    move = torch.stack((draw.normal(0.05), 0 * floor, -draw.uniform(0.02, 0.14)), dim=-1) - eye
    move = torch.where(above[:, None], torch.zeros_like(move), move)
    people, floor = people.moved(move), floor + move[:, 1]
    # What is about the camera is not seen by it.
    near = (people.body.centers.norm(dim=-1) - people.body.radii < 0.12) | (people.body.centers[..., 1] < 0.02)
    body = people.body.where(above[:, None] | ~near)
    ahead = torch.full_like(floor, 0.3)
    on_table, table_boxes = scattered(draw, floor - draw.uniform(0.7, 0.9), ahead, ahead + 0.7, 0.2, 0.3)
    on_floor, floor_boxes = scattered(draw, floor, ahead + 0.5, ahead + 3.0, 0.2, 1.0)
    table = _table_below(draw, people, share=0.5)
    place = Place(ground + draw.tensor([0.0, 1.5]), floor, people.yaw, torch.zeros_like(above))
    points, normals = room(draw, place)
    present, bare = ~draw.some(0.1), draw.some(0.1)
    side = torch.tensor([False, True], device=draw.device).expand(draw.batch, 2)
    hand = torch.where(draw.some(0.5)[:, None], people.hand_centers[:, 0], people.hand_centers[:, 1])
    return Stage(
        surroundings=Spheres.join([Spheres.join([on_table, on_floor]).where(~bare), people.things.where(present)]),
        boxes=Boxes.join([Boxes.join([table_boxes, floor_boxes, table]).where(~bare), people.boxes.where(present)]),
        points=points,
        normals=normals * ~bare[:, None, None],
        hands=[hand.where(present) for hand in people.hands],
        hand_centers=people.hand_centers,
        hand_joints=people.hand_joints,
        hand_left=side,
        bodies=[body.where(present)],
        body_joints=people.joints[:, None],
        target=hand,
        is_near=True,
    )


def _table_below(draw: Draw, people: People, share: float) -> Boxes:
    """Return a slab that hands or forearms rest on or hang over: boxes [B, 1]."""
    lowest = torch.stack([(h.centers[..., 1] + h.radii).amax(1) for h in people.hands], dim=1)
    which = draw.some(0.5)[:, None]
    level = torch.where(which, lowest[:, :1], lowest[:, 1:])[:, 0]
    hand = torch.where(which, people.hand_centers[:, 0], people.hand_centers[:, 1])
    wide, thick, deep = (draw.uniform(*size) for size in (_TABLE.half_wide, _TABLE.half_thick, _TABLE.half_deep))
    halves = torch.stack((wide, thick, deep), dim=-1)
    gap = torch.where(draw.some(0.6), draw.uniform(*_TABLE.resting), draw.uniform(*_TABLE.below))
    # Mostly between the person and the camera.
    middle = torch.stack(
        (
            hand[:, 0] + draw.normal(0.2),
            level + gap + halves[:, 1],
            hand[:, 2] - draw.uniform(-0.5, 1.0) * halves[:, 2],
        ),
        dim=-1,
    )
    turned = about_axis(1, draw.normal(0.15))
    return Boxes(middle[:, None], turned[:, None], halves[:, None]).where(draw.some(share))
