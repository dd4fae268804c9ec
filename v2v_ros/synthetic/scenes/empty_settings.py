# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Settings without anybody: rooms, floors and tables."""

from __future__ import annotations

import math

import torch

from ..body.decoys import decoys
from ..body.furniture import chairs, furniture
from ..body.rooms import Place, room
from ..chance import Draw
from ..hand.decoys import decoys as hand_decoys
from ..spheres import Spheres
from ..worlds import Boxes
from .scattered import scattered
from .stage import Stage


def empty_room(draw: Draw) -> Stage:
    """Sample rooms with furniture and what could be taken for a person.

    Args:
        draw: Random numbers [B].
    """
    distance, floor = draw.uniform(0.8, 5.0), draw.uniform(0.3, 2.2)
    ground = torch.stack((distance * draw.normal(0.25), distance), dim=1)
    place = Place(ground, floor, draw.uniform(-math.pi, math.pi), torch.zeros_like(draw.some(0.5)))
    rods, boxes = decoys(draw, place, draw.some(0.3))
    loose, loose_boxes = scattered(draw, floor, torch.full_like(floor, 0.7), distance + 2, 0.4, 1.2)
    points, normals = room(draw, place)
    target = torch.stack((ground[:, 0], floor - draw.uniform(0.0, 1.5), ground[:, 1]), dim=-1)
    empty_chair = chairs(draw, place, target, torch.full_like(floor, 1.7), draw.some(0.4))
    return _nobody(
        draw,
        Spheres.join([rods, loose]),
        Boxes.join([boxes, loose_boxes, furniture(draw, place), empty_chair]),
        points,
        normals,
        target,
        is_near=False,
    )


def bare_surface(draw: Draw, *, table: bool) -> Stage:
    """Sample floors seen by a low camera, or tables, with what stands and lies on them.

    Args:
        draw: Random numbers [B].
        table: Whether the surface is a table.
    """
    height = draw.uniform(0.12, 0.6) if table else draw.uniform(0.12, 1.5)
    near = height * draw.uniform(0.3, 1.0) + 0.15
    far = near + (draw.uniform(0.3, 0.9) if table else draw.uniform(0.5, 3.0))
    spheres, boxes = scattered(draw, height, near, far, 0.5, 0.25 if table else 0.9)
    more, more_boxes = scattered(draw, height, near, far, 0.3, 0.35 if table else 0.4)
    target = torch.stack((draw.normal(0.1), height, near + (far - near) * draw.rand()), dim=-1)
    around, around_boxes = hand_decoys(draw, target - draw.tensor([0.0, 0.05, 0.0]), draw.some(0.4))
    points, normals = room(
        draw, Place(target[:, [0, 2]], height, draw.uniform(-3, 3), torch.zeros_like(draw.some(0.5)))
    )
    return _nobody(
        draw,
        Spheres.join([spheres, more, around]),
        Boxes.join([boxes, more_boxes, around_boxes]),
        points,
        normals,
        target,
        is_near=table,
    )


def _nobody(
    draw: Draw,
    spheres: Spheres,
    boxes: Boxes,
    points: torch.Tensor,
    normals: torch.Tensor,
    target: torch.Tensor,
    *,
    is_near: bool,
) -> Stage:
    """Return a stage without hands and bodies."""
    return Stage(
        surroundings=spheres,
        boxes=boxes,
        points=points,
        normals=normals,
        hands=[],
        hand_centers=target.new_zeros(draw.batch, 0, 3),
        hand_joints=target.new_zeros(draw.batch, 0, 21, 3),
        hand_left=torch.zeros(draw.batch, 0, dtype=torch.bool, device=draw.device),
        bodies=[],
        body_joints=target.new_zeros(draw.batch, 0, 15, 3),
        target=target,
        is_near=is_near,
    )
