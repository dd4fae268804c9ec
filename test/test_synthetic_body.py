# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Synthetic people: anatomy, poses, worlds, and what the image's border hides."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from v2v_ros.geometry.skeletons import BODY15
from v2v_ros.synthetic.body.kinematics import BodyPose, pose_body, solve_arm
from v2v_ros.synthetic.body.motion import walking_pose
from v2v_ros.synthetic.body.poses import ARMS, LEGS, LIMITS, TRUNKS, sample_body_pose, seated
from v2v_ros.synthetic.body.shape import BodyShape, sample_body_shape
from v2v_ros.synthetic.body.worlds import border_mask, sample_body_worlds
from v2v_ros.synthetic.spheres import Spheres
from v2v_ros.synthetic.worlds import Worlds, crop_cameras, render_worlds

JOINT = {name: index for index, name in enumerate(BODY15.joint_names)}
SWAPPED = torch.tensor(BODY15.mirrored)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def repeated(shape: BodyShape, count: int) -> BodyShape:
    return BodyShape(**{f.name: getattr(shape, f.name)[:1].repeat_interleave(count, 0) for f in fields(shape)})


def standing(count: int, seed: int = 0) -> tuple[BodyShape, BodyPose]:
    """People who stand upright, face the camera and let their arms hang."""
    draws = generator(seed)
    shape = sample_body_shape(count, draws)
    pose = sample_body_pose(shape, draws, legs="stand", arms="hang", trunk="upright")
    return shape, replace(pose, yaw=torch.zeros(count))


def lowest(surface: Spheres) -> torch.Tensor:
    return (surface.centers[..., 1] + surface.radii).amax(1)


def test_people_are_as_tall_as_they_should_be_and_children_have_larger_heads() -> None:
    shape, pose = standing(400)
    pose = BodyPose(**{f.name: torch.zeros_like(getattr(pose, f.name)) for f in fields(pose)})
    shape = replace(shape, hair=0 * shape.hair)
    joints, surface = pose_body(shape, pose)
    assert surface.radii.shape[1] <= 250
    top = torch.where(surface.radii > 0, surface.centers[..., 1] - surface.radii, 9.0).amin(1)
    assert torch.allclose(lowest(surface) - top, shape.height, rtol=0.035)
    child = shape.height < 1.45
    assert 0.1 < child.float().mean() < 0.3 and shape.height.min() >= 1.0 and shape.height.max() <= 2.0
    head, legs = shape.skull / shape.height, (shape.thigh + shape.shank) / shape.height
    assert head[child].mean() > 1.1 * head[~child].mean() and legs[child].mean() < legs[~child].mean()
    # Where a tracker has the joints of a person of 1.75 m, to a few centimetres: Drillis and Contini.
    height = (lowest(surface)[:, None] - joints[..., 1])[~child] / shape.height[~child, None]
    for name, share in (("head", 0.93), ("left_shoulder", 0.81), ("left_hip", 0.53), ("left_knee", 0.285)):
        assert height[:, JOINT[name]].mean().item() == pytest.approx(share, abs=0.02), name


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_pose_stretches_a_bone(seed: int) -> None:
    shape = repeated(sample_body_shape(1, generator(seed)), 16)
    joints, _ = pose_body(shape, sample_body_pose(shape, generator(seed + 1)))
    hips = joints[:, [JOINT["right_hip"], JOINT["left_hip"]]]
    torso = joints[:, JOINT["torso"]]
    bones = [bone for bone in BODY15.bones if not (bone[0] == JOINT["torso"] and "hip" in BODY15.joint_names[bone[1]])]
    bones = [bone for bone in bones if bone[1] != JOINT["head"]]  # the neck bends between its two joints
    lengths = torch.stack([(joints[:, a] - joints[:, b]).norm(dim=1) for a, b in bones], dim=1)
    lengths = torch.cat((lengths, (hips[:, 0] - hips[:, 1]).norm(dim=1)[:, None]), dim=1)
    lengths = torch.cat((lengths, (hips.mean(1) - torso).norm(dim=1)[:, None]), dim=1)
    assert torch.allclose(lengths, lengths[:1].expand_as(lengths), atol=1e-5)


def test_a_mirrored_pose_has_mirrored_joints() -> None:
    shape = sample_body_shape(64, generator())
    pose = sample_body_pose(shape, generator(1))
    joints, surface = pose_body(shape, pose)
    mirrored, other = pose_body(shape, pose.mirrored())
    flip = torch.tensor([-1.0, 1.0, 1.0])
    assert torch.allclose(mirrored[:, SWAPPED], joints * flip, atol=1e-5)
    assert not torch.allclose(mirrored, joints * flip, atol=1e-2)
    for index in range(4):  # the surface, too, sphere by sphere in some order
        gap = torch.cdist(other.centers[index], surface.centers[index] * flip).amin(0)
        assert gap.max() < 1e-3


def test_a_person_who_faces_the_camera_has_the_right_hand_on_the_left_of_the_image() -> None:
    joints, surface = pose_body(*standing(50))
    assert (joints[:, JOINT["right_hand"], 0] < joints[:, JOINT["left_hand"], 0]).all()
    assert (joints[:, JOINT["head"], 1] < joints[:, JOINT["torso"], 1] - 0.2).all()
    toes = surface.centers[surface.centers[..., 1] > 0.9 * lowest(surface)[:, None]]
    assert toes[:, 2].mean() < joints[:, JOINT["left_foot"], 2].mean() - 0.02  # shoes point to the camera
    shape, pose = standing(1)
    reaching = solve_arm(torch.tensor([[[0.0, 0.0, -0.3]]]).expand(1, 2, 3), torch.tensor([0.5, 1.0, 0.0]))
    hands = pose_body(shape, replace(pose, shoulders=reaching[..., :3], elbows=reaching[..., 3], spine=0 * pose.spine))[
        0
    ]
    ahead = hands[0, JOINT["left_shoulder"], 2] - hands[0, JOINT["left_hand"], 2]
    assert ahead.item() == pytest.approx(0.3 * shape.height.item(), rel=0.15)


def test_joints_lie_inside_the_surface() -> None:
    shape = sample_body_shape(200, generator(2))
    joints, surface = pose_body(shape, sample_body_pose(shape, generator(3)))
    gap = (torch.cdist(joints, surface.centers) - surface.radii[:, None]).amin(-1)
    assert gap.max() < 0


def test_a_turned_person_is_turned_about_the_vertical() -> None:
    shape, pose = standing(8)
    front, _ = pose_body(shape, pose)
    back, _ = pose_body(shape, replace(pose, yaw=torch.full((8,), torch.pi)))
    assert torch.allclose(back, front * torch.tensor([-1.0, 1.0, -1.0]), atol=1e-5)
    yaw = sample_body_pose(sample_body_shape(4000, generator()), generator(4)).yaw
    shares = torch.histc(yaw, 8, -torch.pi, torch.pi) / 4000
    assert shares.min() > 0.03 and shares[3:5].sum() > 0.4  # every direction, the front most often


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, names in (("legs", LEGS), ("arms", ARMS), ("trunk", TRUNKS)) for name in names],
)
def test_every_family_is_within_the_limits(kind: str, name: str) -> None:
    shape = sample_body_shape(40, generator(5))
    pose = sample_body_pose(shape, generator(6), **{kind: name})
    for field, limits in LIMITS.items():
        angles = getattr(pose, field)
        angles = angles if len(limits) > 1 else angles[..., None]
        low, high = torch.tensor(limits).unbind(-1)
        assert (angles >= low - 1e-6).all() and (angles <= high + 1e-6).all(), field
    joints, surface = pose_body(shape, pose)
    assert joints.isfinite().all() and surface.centers.isfinite().all()


def heights(joints: torch.Tensor, name: str, above: str) -> torch.Tensor:
    return joints[:, JOINT[above], 1] - joints[:, JOINT[name], 1]


def test_families_are_what_their_names_say() -> None:
    shape = sample_body_shape(200, generator(7))

    def joints(seed: int = 8, **families: str) -> torch.Tensor:
        named = {"legs": "stand", "arms": "hang", "trunk": "upright", **families}
        return pose_body(shape, replace(sample_body_pose(shape, generator(seed), **named), yaw=torch.zeros(200)))[0]

    def share(condition: torch.Tensor) -> float:
        return condition.float().mean().item()

    assert share(heights(joints(arms="overhead"), "left_hand", "head") > 0) > 0.9
    assert share(heights(joints(), "left_hand", "left_shoulder") < -0.2) > 0.95
    crossed = joints(arms="crossed")
    over = crossed[:, JOINT["left_hand"], 0] < crossed[:, JOINT["right_hand"], 0]
    assert share(over) > 0.8
    behind = joints(arms="behind")
    assert share(behind[:, JOINT["left_hand"], 2] > behind[:, JOINT["torso"], 2]) > 0.7
    wide = joints(arms="sideways")
    assert share((wide[:, JOINT["left_hand"], 0] - wide[:, JOINT["left_shoulder"], 0]) > 0.25 * shape.height) > 0.8
    face = joints(arms="face")
    assert share((face[:, JOINT["left_hand"]] - face[:, JOINT["head"]]).norm(dim=1) < 0.2 * shape.height) > 0.8
    bent = joints(trunk="forward")
    assert share(bent[:, JOINT["head"], 2] < bent[:, JOINT["torso"], 2] - 0.1) > 0.8
    sitting = sample_body_pose(shape, generator(9), legs="sit")
    assert share(seated(sitting)) > 0.9 and not seated(sample_body_pose(shape, generator(9), legs="stand")).any()
    with pytest.raises(ValueError, match=r"'fly'.*stand"):
        sample_body_pose(shape, generator(), legs="fly")


def test_all_families_occur_unasked() -> None:
    pose = sample_body_pose(sample_body_shape(3000, generator(10)), generator(11))
    assert seated(pose).float().mean() > 0.05
    assert (pose.shoulders[..., 1] > 2.0).any(1).float().mean() > 0.05  # arms overhead
    assert (pose.spine[:, 0] > 0.6).float().mean() > 0.03
    assert (pose.knees > 2.0).all(1).float().mean() > 0.02  # squatting or cross-legged


def test_the_solved_arm_brings_the_hand_to_its_target() -> None:
    shape = repeated(sample_body_shape(1, generator(12)), 30)
    mean = replace(shape, upper_arm=0.186 * shape.height, forearm=0.194 * shape.height)
    target = torch.randn(30, 2, 3, generator=generator(13))
    target = target / target.norm(dim=-1, keepdim=True) * 0.3
    arms = solve_arm(target, torch.tensor([0.7, 1.0, 0.3]))
    shoulders = arms[..., :3]
    pose = sample_body_pose(mean, generator(14))
    pose = replace(pose, spine=0 * pose.spine, yaw=0 * pose.yaw, shoulders=shoulders, elbows=arms[..., 3])
    joints, _ = pose_body(mean, pose)
    reached = (joints[:, JOINT["left_hand"]] - joints[:, JOINT["left_shoulder"]]) / mean.height[:, None]
    assert torch.allclose(reached, target[:, 1], atol=1e-4)


def test_a_walking_person_moves_smoothly_and_waves() -> None:
    seconds = torch.arange(0, 20, 1 / 30)
    shape = repeated(sample_body_shape(1, generator(15), children=0), len(seconds))
    joints, surface = pose_body(shape, walking_pose(seconds))
    grounded = joints[..., 1] - lowest(surface)[:, None]
    steps = torch.stack((joints[..., 0], grounded, joints[..., 2]), dim=-1).diff(dim=0).norm(dim=-1)
    assert steps.max() < 0.12  # metres in a 30th of a second
    raised = joints[:, JOINT["left_hand"], 1] < joints[:, JOINT["left_shoulder"], 1]
    assert 0.2 < raised.float().mean() < 0.8


def part(worlds: Worlds, chosen: torch.Tensor) -> Worlds:
    """The chosen worlds, the people in them alone."""
    return replace(
        worlds,
        spheres=Spheres(worlds.spheres.centers[chosen], worlds.spheres.radii[chosen]),
        boxes=replace(worlds.boxes, **{f.name: getattr(worlds.boxes, f.name)[chosen] for f in fields(worlds.boxes)}),
        **{
            name: getattr(worlds, name)[chosen]
            for name in ("plane_points", "plane_normals", "joints", "centers", "left")
        },
    )


@pytest.mark.parametrize("view", ["front", "top", "mixed"])
def test_the_same_seed_gives_the_same_worlds(view: str) -> None:
    first, second = (sample_body_worlds(32, generator(16), view=view) for _ in range(2))
    other = sample_body_worlds(32, generator(17), view=view)
    assert torch.equal(first.spheres.centers, second.spheres.centers)
    assert torch.equal(first.boxes.halves, second.boxes.halves)
    assert torch.equal(first.joints.nan_to_num(), second.joints.nan_to_num())
    assert not torch.equal(first.centers, other.centers)


def test_empty_worlds_have_no_joints_but_something_at_their_centres() -> None:
    worlds = sample_body_worlds(400, generator(18), empty=0.5)
    present = worlds.present
    assert 0.4 < present.float().mean() < 0.6
    assert worlds.joints[~present].isnan().all() and worlds.centers.isfinite().all()
    assert torch.allclose(worlds.joints[present].mean(1), worlds.centers[present], atol=1e-5)
    empty = part(worlds, (~present).nonzero()[:40, 0])
    empty = replace(empty, plane_normals=0 * empty.plane_normals)
    depth = render_worlds(empty, crop_cameras(empty.centers, 2.0, 64))
    near = (depth - empty.centers[:, None, None, 2]).abs() < 1.0
    assert (near.flatten(1).any(1)).float().mean() > 0.95


@pytest.mark.parametrize("view", ["front", "top"])
def test_people_stand_on_the_floor_and_are_seen(view: str) -> None:
    worlds = sample_body_worlds(60, generator(19), view=view, empty=0.0)
    floor, normal = worlds.plane_points[:, 0], worlds.plane_normals[:, 0]
    there = normal.norm(dim=1) > 0.5
    assert there.float().mean() > 0.6
    people = worlds.spheres.centers[:, :246]
    above = ((people - floor[:, None]) * normal[:, None]).sum(-1) - worlds.spheres.radii[:, :246]
    assert above[there].amin(1).abs().max() < 1e-3

    cameras = crop_cameras(worlds.centers, 2.0, 112)
    depth = render_worlds(worlds, cameras)
    pixels = worlds.joints[..., :2] / worlds.joints[..., 2:] * cameras.focal[:, None, None] + cameras.principal[:, None]
    pixels = pixels.round().long()
    inside = ((pixels >= 0) & (pixels < 112)).all(-1)
    pixels = pixels.clamp(0, 111)
    seen = depth.flatten(1).gather(1, pixels[..., 1] * 112 + pixels[..., 0])
    behind = worlds.joints[..., 2] - seen
    assert (behind[inside] > -0.03).float().mean() > 0.93
    assert (behind[inside] < 0.5).float().mean() > 0.75  # most are not hidden by furniture or others


@pytest.mark.parametrize("view", ["front", "top"])
def test_camera_and_subject_are_on_the_same_side_of_every_wall(view: str) -> None:
    worlds = sample_body_worlds(300, generator(24), view=view)
    points, normals = worlds.plane_points, worlds.plane_normals
    there = normals.norm(dim=-1) > 0.5
    camera = -(points * normals).sum(-1)
    subject = ((worlds.centers[:, None] - points) * normals).sum(-1)
    assert there.any(0).all()
    assert camera[there].min() > 0.04 and subject[there].min() > -0.05  # who bends may lean through a wall


def test_who_stands_right_before_a_wall_has_it_within_half_a_metre() -> None:
    worlds = sample_body_worlds(200, generator(27), view="front", empty=0.0, before_wall=1.0)
    points, normals = worlds.plane_points[:, 1], worlds.plane_normals[:, 1]
    there = normals.norm(dim=-1) > 0.5
    gap = ((worlds.joints.mean(1) - points) * normals).sum(-1)[there]
    assert there.float().mean() > 0.4
    assert gap.quantile(0.9) < 0.75 and gap.min() > -0.3  # the middle of who leans or sits is off the feet


def test_some_have_company_and_some_no_background() -> None:
    worlds = sample_body_worlds(600, generator(25), empty=0.0)
    company = (worlds.spheres.radii[:, 246:492] > 0).any(1).float().mean()
    bare = ~(worlds.plane_normals.flatten(1).any(1) | (worlds.boxes.halves > 0).all(-1).any(1))
    assert 0.1 < company < 0.3
    assert 0.06 < bare.float().mean() < 0.2
    assert not (sample_body_worlds(50, generator(26), view="top").spheres.radii[:, 246:492] > 0).any()


def test_from_the_ceiling_the_head_of_a_standing_person_is_nearest() -> None:
    worlds = sample_body_worlds(300, generator(20), view="top", empty=0.0)
    z = worlds.joints[..., 2]
    hips, head = z[:, JOINT["left_hip"]], z[:, JOINT["head"]]
    upright = (z[:, JOINT["left_foot"]] - hips > 0.6) & (hips - head > 0.5)
    assert upright.float().mean() > 0.3
    trunk_and_legs = [j for name, j in JOINT.items() if name != "head" and "hand" not in name and "elbow" not in name]
    assert (z[upright][:, trunk_and_legs] > head[upright, None]).float().mean() > 0.98
    assert (worlds.centers[:, 2] > 1.0).all() and (worlds.centers[:, 2] < 3.2).all()


def test_front_views_are_at_the_distances_that_were_asked_for() -> None:
    worlds = sample_body_worlds(500, generator(21), near=2.0, far=3.0, empty=0.0)
    level = worlds.centers.norm(dim=1)
    assert 0.1 < (level < 1.9).float().mean() < 0.3 and level.max() < 4.2
    angle = torch.atan2(worlds.centers[:, 0], worlds.centers[:, 2]).abs()
    assert angle.max() < 0.8 and angle.mean() > 0.1
    with pytest.raises(ValueError, match=r"'side'.*front"):
        sample_body_worlds(1, generator(), view="side")


def test_the_border_cuts_what_it_says() -> None:
    worlds = sample_body_worlds(1000, generator(22), empty=0.05)
    cameras = crop_cameras(worlds.centers, 2.0, 64)
    mask = border_mask(worlds, cameras, generator(23))
    again = border_mask(worlds, cameras, generator(23))
    assert mask.shape == (1000, 64, 64) and mask.dtype == torch.bool and torch.equal(mask, again)
    cut = mask.flatten(1).any(1)
    assert 0.15 < cut.float().mean() < 0.45
    # What is left is a rectangle.
    rows, columns = (~mask).any(2), (~mask).any(1)
    assert torch.equal(~mask, rows[:, :, None] & columns[:, None, :])
    pixels = worlds.joints[..., :2] / worlds.joints[..., 2:] * cameras.focal[:, None, None] + cameras.principal[:, None]
    pixels = pixels.nan_to_num().round().long().clamp(0, 63)
    hidden = mask.flatten(1).gather(1, pixels[..., 1] * 64 + pixels[..., 0])
    head = hidden[:, JOINT["head"]]
    chosen = worlds.present & cut
    assert hidden[chosen].any(1).float().mean() > 0.6
    assert head[chosen].float().mean() < 0.3
    close = worlds.present & (worlds.centers[:, 2] < 1.4)
    upright = worlds.joints[:, JOINT["left_hip"], 1] - worlds.joints[:, JOINT["neck"], 1] > 0.35
    assert hidden[close & upright][:, [JOINT["left_knee"], JOINT["left_foot"]]].float().mean() > 0.7
    assert 0.05 < (close & upright).float().mean() < 0.25
