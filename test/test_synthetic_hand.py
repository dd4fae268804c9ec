# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Synthetic hands: anatomy, families of poses, worlds, motion."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.synthetic.chance import Draw
from v2v_ros.synthetic.hand.held import KINDS, Ball, HeldRod, Pen, held_things
from v2v_ros.synthetic.hand.kinematics import UPRIGHT, HandPose, pose_hand, sample_shape
from v2v_ros.synthetic.hand.poses import (
    FAMILIES,
    HIGH,
    LOW,
    NAMES,
    family_fingers,
    penetration,
    sample_families,
    sample_fingers,
    sample_pose,
)
from v2v_ros.synthetic.hand.surface import HandShape
from v2v_ros.synthetic.hand.worlds import mirrored, sample_hand_worlds
from v2v_ros.synthetic.scenes.one import SyntheticSequence
from v2v_ros.synthetic.worlds import Worlds, crop_cameras, render_worlds

JOINT = {name: index for index, name in enumerate(HAND21.joint_names)}
SMALL = Intrinsics(237.5, 237.5, 159.5, 119.5, 320, 240)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shapes_and_poses(batch: int, seed: int = 0) -> tuple[HandShape, HandPose]:
    random = generator(seed)
    shape = sample_shape(batch, random)
    return shape, sample_pose(shape, sample_families(batch, random), random)


def upright(shape: HandShape, fingers: torch.Tensor) -> HandPose:
    batch = fingers.shape[0]
    position = torch.tensor([0.0, 0.0, 0.6]).expand(batch, 3)
    return HandPose(fingers, torch.zeros(batch, 2), UPRIGHT.expand(batch, 3, 3), position)


def members(name: str, batch: int = 64) -> tuple[HandShape, torch.Tensor, torch.Tensor]:
    """Shapes, finger angles and joints (hand frame, metres) of members of a family that stand upright."""
    random = generator(11)
    shape = sample_shape(batch, random)
    fingers = family_fingers(torch.full((batch,), NAMES.index(name)), random)
    joints = pose_hand(shape, upright(shape, fingers))[0]
    return shape, fingers, (joints - joints[:, :1]) * torch.tensor([1.0, -1.0, -1.0])


def bone_lengths(joints: torch.Tensor) -> torch.Tensor:
    parents, children = torch.tensor(HAND21.bones).T
    return (joints[:, children] - joints[:, parents]).norm(dim=-1)


def equal(first: Worlds, second: Worlds) -> bool:
    def flat(worlds: Worlds) -> list[torch.Tensor]:
        parts = [getattr(worlds, f.name) for f in fields(worlds)]
        return [t for p in parts for t in ([p] if isinstance(p, torch.Tensor) else vars(p).values())]

    return all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(flat(first), flat(second), strict=True))


def test_hands_are_as_large_as_hands() -> None:
    shape = sample_shape(2000, generator())
    lengths = shape.bones[:, 1].sum(1) + shape.bases[:, 1].norm(dim=-1)
    assert lengths.min() > 0.12 and lengths.max() < 0.23
    assert 0.17 < lengths.median() < 0.19  # adults are the most
    assert (lengths < 0.16).float().mean() > 0.05  # children
    breadth = shape.bases[:, 0, 0] - shape.bases[:, 3, 0] + shape.radii[:, 0, 0] + shape.radii[:, 3, 0]
    assert (breadth / lengths).mean().item() == pytest.approx(0.45, abs=0.02)
    bare = shape.cuff.isinf().float().mean().item()
    assert bare == pytest.approx(0.55, abs=0.05)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_poses_do_not_stretch_bones(seed: int) -> None:
    shape = sample_shape(1, generator(seed)).repeat(20)
    random = generator(seed + 1)
    pose = sample_pose(shape, sample_families(20, random), random)
    lengths = bone_lengths(pose_hand(shape, pose)[0])
    assert torch.allclose(lengths, lengths[:1].expand_as(lengths), atol=1e-5)
    turned = pose.orientation @ pose.orientation.transpose(1, 2)
    assert torch.allclose(turned, torch.eye(3).expand_as(turned), atol=1e-5)


def test_poses_between_two_poses_do_not_stretch_bones() -> None:
    shape, pose = shapes_and_poses(20)
    other = shapes_and_poses(20, seed=5)[1]
    lengths = bone_lengths(pose_hand(shape, pose)[0])
    assert torch.allclose(bone_lengths(pose_hand(shape, pose.lerp(other, 0.4))[0]), lengths, atol=1e-5)


def test_a_left_hand_is_a_mirrored_right_hand() -> None:
    shape, pose = shapes_and_poses(4)
    pose = upright(shape, pose.fingers)
    right, surface = pose_hand(shape, pose)
    left, reflected = pose_hand(shape, pose, left=torch.ones(4, dtype=torch.bool))
    flip = torch.tensor([-1.0, 1.0, 1.0])
    assert torch.allclose(left, right * flip, atol=1e-6)
    assert torch.allclose(reflected.centers, surface.centers * flip, atol=1e-6)
    assert torch.equal(surface.radii, reflected.radii)


def test_an_upright_right_hand_shows_its_palm_with_the_thumb_to_the_right() -> None:
    shape = sample_shape(1, generator())
    joints = pose_hand(shape, upright(shape, torch.zeros(1, 5, 4)))[0][0]
    tip = joints[JOINT["middle_tip"]]
    assert tip[1] < joints[0, 1] - 0.1  # up is -y
    assert joints[JOINT["thumb_tip"], 0] > joints[JOINT["little_tip"], 0]
    bent = pose_hand(shape, upright(shape, torch.full((1, 5, 4), 0.5)))[0][0]
    assert bent[JOINT["middle_tip"], 2] < tip[2] - 0.02  # towards the camera


@pytest.mark.parametrize("name", NAMES)
def test_every_family_keeps_within_the_limits(name: str) -> None:
    _, fingers, _ = members(name, 200)
    degrees = torch.rad2deg(fingers)
    assert (degrees >= LOW - 1e-3).all() and (degrees <= HIGH + 1e-3).all()


def test_families_look_like_their_names() -> None:
    shape, _, joints = members("open")
    length = shape.bones[:, 1].sum(1) + shape.bases[:, 1, 1]
    assert (joints[:, JOINT["middle_tip"], 1] > 0.8 * length).all()
    assert (joints[:, JOINT["thumb_tip"], 0] - joints[:, JOINT["index_mcp"], 0]).mean() > 0.03

    _, _, joints = members("fist")
    for finger in ("index", "middle", "ring", "little"):
        tip, knuckle = joints[:, JOINT[f"{finger}_tip"]], joints[:, JOINT[f"{finger}_mcp"]]
        assert (tip[:, 1] < knuckle[:, 1]).float().mean() > 0.95  # folded back
        assert (tip[:, 2] > 0).all()  # on the side of the palm

    _, _, joints = members("ok")
    apart = (joints[:, JOINT["thumb_tip"]] - joints[:, JOINT["index_tip"]]).norm(dim=-1)
    assert apart.median() < 0.025
    _, _, joints = members("open")
    assert (joints[:, JOINT["thumb_tip"]] - joints[:, JOINT["index_tip"]]).norm(dim=-1).median() > 0.08

    _, _, joints = members("point")
    assert (joints[:, JOINT["index_tip"], 1] - joints[:, JOINT["middle_tip"], 1]).min() > 0.05


def test_counting_has_all_subsets_of_fingers() -> None:
    subsets = {name[6:] for name in NAMES if name.startswith("count_")}
    assert subsets == {"".join(bits) for bits in itertools.product("01", repeat=5)}
    assert len(set(NAMES)) == len(FAMILIES)


def test_the_thumb_turns_about_itself_to_meet_the_fingers() -> None:
    """Without the turn that comes with bending its saddle joint, its tip would miss the index finger's by 2 cm."""
    shape, fingers, _ = members("ok", 400)
    mean = fingers.mean(0, keepdim=True)
    average = HandShape(**{f.name: getattr(shape, f.name).mean(0, keepdim=True) for f in fields(shape)})
    joints = pose_hand(average, upright(average, mean))[0][0]
    assert (joints[JOINT["thumb_tip"]] - joints[JOINT["index_tip"]]).norm() < 0.012


def test_fingers_do_not_go_through_each_other() -> None:
    random = generator(6)
    shape, family = sample_shape(1000, random), sample_families(1000, random)
    unchecked = penetration(shape, family_fingers(family, random))
    checked = penetration(shape, sample_fingers(shape, family, random))
    assert (checked < 0.005).float().mean() > 0.94
    assert (checked > 0.005).float().mean() < 0.4 * (unchecked > 0.005).float().mean()


def test_fingers_through_fingers_are_noticed() -> None:
    shape = sample_shape(1, generator())
    straight = torch.zeros(1, 5, 4)
    assert penetration(shape, straight).item() < 0.003
    crossed = straight.clone()
    crossed[:, 0, 0], crossed[:, 1, 0] = 0.3, -0.1
    assert penetration(shape, crossed).item() > 0.005
    through = straight.clone()
    through[:, 1, 1:] = torch.tensor([1.9, 2.2, 1.5])
    assert penetration(shape, through).item() > 0.005


def test_joints_lie_under_the_surface() -> None:
    joints, surface = pose_hand(*shapes_and_poses(60))
    gap = (torch.cdist(joints, surface.centers) - surface.radii[:, None]).amin(-1)
    tips = [index for name, index in JOINT.items() if name.endswith("tip")]
    inner = [index for index in range(21) if index not in tips]
    assert gap[:, inner].max() < -0.003
    assert gap[:, tips].max() < 0.0005 and gap[:, tips].min() > -0.03


def test_the_palm_has_no_holes() -> None:
    shape = sample_shape(8, generator(3))
    joints, surface = pose_hand(shape, upright(shape, members("open", 8)[1]))
    knuckles = [JOINT[f"{finger}_mcp"] for finger in ("index", "middle", "ring", "little")]
    share = torch.rand(8, 300, 5, generator=generator(4))
    weights = share / share.sum(-1, keepdim=True)
    points = weights @ joints[:, [0, *knuckles]]
    depth = (surface.radii[:, None] - torch.cdist(points, surface.centers)).amax(-1)
    assert depth.min() > 0.002


def test_arms_come_from_people_not_from_the_camera() -> None:
    shape, pose = shapes_and_poses(1000)
    joints = pose_hand(shape, pose)[0]
    forearm = torch.nn.functional.normalize(joints[:, JOINT["middle_mcp"]] - joints[:, 0], dim=-1)
    assert (forearm[:, 1] < -0.5).float().mean() > 0.35  # raised
    assert (forearm[:, 2] < -0.5).float().mean() > 0.15  # towards the camera
    assert (forearm[:, 1] > 0.5).float().mean() > 0.05  # hanging
    assert (forearm[:, 2] > 0.8).float().mean() < 0.06


def test_worlds_are_reproducible_and_differ_with_the_seed() -> None:
    first, second, other = (sample_hand_worlds(8, generator(seed), left=0.5) for seed in (10, 10, 11))
    assert equal(first, second)
    assert not equal(first, other)


def test_worlds_hold_what_they_say() -> None:
    worlds = sample_hand_worlds(1500, generator(12), near=0.3, far=0.9, empty=0.2, left=0.3)
    present = worlds.present
    assert present.float().mean().item() == pytest.approx(0.8, abs=0.04)
    assert worlds.joints[~present].isnan().all() and worlds.joints[present].isfinite().all()
    assert worlds.left.float().mean().item() == pytest.approx(0.3, abs=0.04)
    assert torch.allclose(worlds.joints[present].mean(1), worlds.centers[present], atol=1e-5)
    x, y, z = worlds.centers.T
    assert z.min() >= 0.3 and z.max() <= 0.9
    assert (x.abs() <= 0.3001 * z).all() and (y.abs() <= 0.2201 * z).all()
    shown = worlds.spheres.radii > 0
    assert (worlds.spheres.centers[..., 2] - worlds.spheres.radii)[shown].min() > 0.05
    assert ((worlds.joints - worlds.centers[:, None])[present].abs().amax(dim=(1, 2)) < 0.15).all()


def test_hands_hold_things_and_meet_other_hands() -> None:
    worlds = sample_hand_worlds(400, generator(13), empty=0.0)
    boxes = (worlds.boxes.halves > 0).all(-1)
    assert 0.04 < boxes[:, 0].float().mean() < 0.3  # the first is the one in the hand
    grip = (worlds.boxes.centers[:, 0] - worlds.centers).norm(dim=-1)[boxes[:, 0]]
    assert grip.median() < 0.08
    hand = pose_hand(*shapes_and_poses(1))[1].radii.shape[1]
    held = (worlds.spheres.radii[:, hand : hand + 22] > 0).any(1).float().mean()
    assert 0.1 < held < 0.4
    second = (worlds.spheres.radii[:, hand + 22 : 2 * hand + 22] > 0).any(1).float().mean()
    assert 0.07 < second < 0.18
    person = (worlds.spheres.radii[:, 2 * hand + 22 :] > 0.085).any(1).float().mean()
    assert 0.3 < person < 0.8
    walls = (worlds.plane_normals.norm(dim=-1) > 0).float().mean()
    assert 0.3 < walls < 0.6


def test_empty_worlds_show_something_else_where_a_hand_would_be() -> None:
    worlds = sample_hand_worlds(100, generator(14), empty=1.0, near=0.4, far=0.8)
    assert not worlds.present.any()
    depth = render_worlds(worlds, crop_cameras(worlds.centers, 0.25, 56))
    inside = (depth - worlds.centers[:, 2, None, None]).abs() < 0.125
    assert (inside.flatten(1).sum(1) > 10).float().mean() > 0.8


def test_most_hands_are_seen_where_their_joints_are() -> None:
    worlds = sample_hand_worlds(150, generator(15), empty=0.0)
    cameras = crop_cameras(worlds.centers, 0.25, 112)
    depth = render_worlds(worlds, cameras)
    pixels = worlds.joints[..., :2] / worlds.joints[..., 2:] * cameras.focal[:, None, None]
    pixels = (pixels + cameras.principal[:, None]).round().long()
    inside = ((pixels >= 0) & (pixels < 112)).all(-1)
    assert inside.float().mean() > 0.98
    u, v = pixels.clamp(0, 111).unbind(-1)
    behind = worlds.joints[..., 2] - depth[torch.arange(150)[:, None], v, u]
    assert (behind[inside] > -0.002).float().mean() > 0.98  # the surface is never behind its joints
    assert (behind[inside] < 0.03).float().mean() > 0.6  # and mostly little before them


def test_mirrored_worlds_look_mirrored() -> None:
    worlds = sample_hand_worlds(12, generator(16), left=0.0)
    centered = replace(worlds, centers=worlds.centers * torch.tensor([0.0, 0.0, 1.0]))
    reflected = mirrored(centered, torch.ones(12, dtype=torch.bool))
    assert reflected.left.all()
    cameras = crop_cameras(centered.centers, 0.4, 64)
    first, second = render_worlds(centered, cameras), render_worlds(reflected, cameras).flip(-1)
    same = torch.isclose(first, second, atol=1e-3) | (first.isinf() & second.isinf())
    assert same.float().mean() > 0.98
    assert torch.equal(reflected.joints[..., 0], -worlds.joints[..., 0])


def test_gestures_follow_each_other_smoothly() -> None:
    sequence = SyntheticSequence("hand", seed=4, intrinsics=SMALL, noise=0.0)
    joints = np.stack([sequence.frame(index / 30).joints for index in range(95)])
    steps = np.diff(joints, axis=0)
    assert np.linalg.norm(steps, axis=-1).max() < 0.03  # metres in a 30th of a second
    assert np.linalg.norm(np.diff(steps, axis=0), axis=-1).max() < 0.004  # and no jerks at the keyframes
    assert np.linalg.norm(joints[90] - joints[0], axis=-1).max() > 0.02  # yet it moves
    again = SyntheticSequence("hand", seed=4, intrinsics=SMALL).frame(60 / 30)
    assert np.array_equal(joints[60], again.joints)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hand_holds_what_its_family_can_hold_in_its_sizes(kind: str) -> None:
    family = torch.full((200,), next(index for index, one in enumerate(FAMILIES) if one.holds == kind))
    random = generator(5)
    shape = sample_shape(200, random)
    pose = sample_pose(shape, family, random)
    spheres, boxes = held_things(Draw(200, random), shape, pose, family, share=1.0, mismatched=0.0)
    assert ((spheres.radii > 0).sum(1) == {"rod": 22, "pen": 22, "ball": 1}.get(kind, 0)).all()
    assert ((boxes.halves > 0).all(-1).any(1) == (kind in ("box", "flat"))).all()
    if kind in ("rod", "pen", "ball"):
        low, high = {"rod": HeldRod().radius, "pen": Pen().radius, "ball": Ball().radius}[kind]
        radii = spheres.radii.amax(1)
        assert radii.min() > low - 1e-6 and radii.max() < high + 1e-6
    if kind in ("box", "flat"):
        thin = boxes.halves[:, 0, 2] < 0.009
        assert thin.all() if kind == "flat" else not thin.all()
    middle = torch.cat((spheres.centers, boxes.centers), dim=1)
    reach = (middle - pose.position[:, None]).norm(dim=-1).amin(1)
    assert reach[spheres.radii.gt(0).any(1) | boxes.halves.gt(0).all(-1).any(1)].lt(0.2).all()
