# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The setting of hands without their people."""

from __future__ import annotations

import torch

from ..chance import Draw
from ..hand.decoys import decoys
from ..hand.held import held_things
from ..hand.kinematics import HandPose, sample_shape
from ..hand.poses import sample_families, sample_fingers, sample_pose
from ..hand.skins import pose_hands
from ..hand.surroundings import clutter, walls
from ..hand.worlds import mirrored
from ..spheres import Spheres
from ..worlds import Boxes, Worlds
from .stage import Stage


def hand_alone(draw: Draw, skinned: float = 0.0) -> Stage:
    """Sample one or two hands with forearms, before things and walls or before nothing.

    Args:
        draw: Random numbers [B].
        skinned: Share of the hands that are those of MakeHuman's people.
    """
    batch, generator = draw.batch, draw.generator
    shape, family = sample_shape(batch, generator), sample_families(batch, generator)
    pose = sample_pose(shape, family, generator, 0.15, 1.5)
    joints, hand = pose_hands(shape, pose, skinned, generator)
    things, thing_boxes = held_things(draw, shape, pose, family)
    centers = joints.mean(1)
    # The other hand: beside, in front, behind or touching; mostly that of the same person.
    apart = draw.directions() * draw.uniform(0.06, 0.3, 1) * centers.new_tensor([1.0, 0.7, 0.6])
    other_pose = sample_pose(shape, sample_families(batch, generator), generator, 0.15, 1.5)
    other_pose = HandPose(
        sample_fingers(shape, sample_families(batch, generator), generator),
        other_pose.wrist,
        other_pose.orientation,
        pose.position + apart,
    )
    is_left = draw.some(0.75)
    other_joints, other = pose_hands(shape, other_pose, skinned, generator, left=is_left)
    two = draw.some(0.25)
    present = ~draw.some(0.12)
    decoy_spheres, decoy_boxes = decoys(draw, centers, ~present)
    loose_spheres, loose_boxes = clutter(draw, centers)
    points, normals = walls(draw, centers, hand, ~present)
    bare = draw.some(0.3)
    kept = ~bare | ~present
    world = Worlds(
        Spheres.join(
            [
                things.where(present),
                decoy_spheres,
                loose_spheres.where(kept),
                hand.where(present),
                other.where(present & two),
            ]
        ),
        Boxes.join([thing_boxes.where(present), decoy_boxes, loose_boxes.where(kept)]),
        points,
        normals * kept[:, None, None],
        torch.cat((joints, other_joints), dim=1),
        centers,
        torch.zeros_like(present),
    )
    world = mirrored(world, draw.some(0.5))
    both = world.joints.view(batch, 2, 21, 3)
    count = hand.radii.shape[1]
    parts = [
        Spheres(world.spheres.centers[:, part], world.spheres.radii[:, part])
        for part in (slice(0, -2 * count), slice(-2 * count, -count), slice(-count, None))
    ]
    return Stage(
        surroundings=parts[0],
        boxes=world.boxes,
        points=world.plane_points,
        normals=world.plane_normals,
        hands=parts[1:],
        hand_centers=both.mean(2),
        hand_joints=both,
        hand_left=torch.stack((world.left, is_left ^ world.left), dim=1),
        bodies=[],
        body_joints=joints.new_zeros(batch, 0, 15, 3),
        target=world.centers,
        is_near=True,
        any_roll=True,
        level=False,
    )
