# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Worlds around a hand: what it holds, who and what else is there; and worlds without a hand."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..chance import Draw
from ..spheres import Spheres
from ..worlds import Boxes, Worlds
from .company import person_behind, second_hand
from .decoys import decoys
from .held import held_things
from .kinematics import elbow, sample_shape
from .poses import sample_families, sample_pose
from .skins import pose_hands
from .surroundings import clutter, walls


def sample_hand_worlds(
    batch: int,
    generator: torch.Generator,
    *,
    near: float = 0.2,
    far: float = 1.2,
    empty: float = 0.08,
    left: float = 0.0,
    skinned: float = 0.0,
) -> Worlds:
    """Sample hands in random surroundings, in the camera frame.

    Args:
        batch: Number of worlds.
        generator: Source of the random numbers.
        near, far: Range of the hands' distances in metres.
        empty: Share of the worlds that have something else where the hand would be.
        left: Share of left hands.
        skinned: Share of the hands that are those of MakeHuman's people; the others are made of spheres.
    """
    draw = Draw(batch, generator)
    shape, family = sample_shape(batch, generator), sample_families(batch, generator)
    pose = sample_pose(shape, family, generator, near, far)
    joints, hand = pose_hands(shape, pose, skinned, generator)
    # The mean joint, not the palm, lies where the pose was asked to be.
    shift = (pose.position - joints.mean(1))[:, None]
    pose = replace(pose, position=pose.position + shift[:, 0])
    joints, hand = joints + shift, Spheres(hand.centers + shift, hand.radii)
    centers = joints.mean(1)
    present = ~draw.some(empty)

    thing_spheres, thing_boxes = held_things(draw, shape, pose, family)
    second = second_hand(draw, centers, shape)
    person = person_behind(draw, centers, elbow(shape, pose), ~present)
    decoy_spheres, decoy_boxes = decoys(draw, centers, ~present)
    clutter_spheres, clutter_boxes = clutter(draw, centers)
    points, normals = walls(draw, centers, hand, ~present)

    subject = Spheres.join([hand, thing_spheres, second]).where(present)
    spheres = Spheres.join([subject, person, decoy_spheres, clutter_spheres])
    boxes = Boxes.join([thing_boxes.where(present), decoy_boxes, clutter_boxes])
    # Nothing may be so near to the camera that it fills the image.
    spheres = spheres.where(spheres.centers[..., 2] - spheres.radii > 0.06)
    worlds = Worlds(
        spheres,
        boxes,
        points,
        normals,
        torch.where(present[:, None, None], joints, torch.nan),
        centers,
        torch.zeros_like(present),
    )
    return mirrored(worlds, draw.some(left))


def mirrored(worlds: Worlds, which: torch.Tensor) -> Worlds:
    """Return worlds, the chosen ones (bool [B]) as seen in a mirror: right hands become left ones, and back."""
    flip = torch.ones(which.shape[0], 3, device=which.device)
    flip[:, 0] = torch.where(which, -1.0, 1.0)
    rows = flip[:, None]
    return Worlds(
        Spheres(worlds.spheres.centers * rows, worlds.spheres.radii),
        mirrored_boxes(worlds.boxes, flip),
        worlds.plane_points * rows,
        worlds.plane_normals * rows,
        worlds.joints * rows,
        worlds.centers * flip,
        worlds.left ^ which,
    )


def mirrored_boxes(boxes: Boxes, flip: torch.Tensor) -> Boxes:
    """Return boxes with their coordinates times the signs flip, [3] or [B, 3]."""
    rows = flip.expand(boxes.centers.shape[0], 3)[:, None]
    return Boxes(boxes.centers * rows, boxes.axes * rows[..., None], boxes.halves)
