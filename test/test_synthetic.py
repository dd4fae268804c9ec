"""Synthetic hands and bodies: anatomy, rendering, noise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from v2v_ros.camera import Intrinsics
from v2v_ros.skeletons import BODY15, HAND21
from v2v_ros.synthetic.hand import pose_hand, sample_fingers, sample_pose, sample_shape
from v2v_ros.synthetic.noise import NoiseFields, SensorNoise, apply_noise
from v2v_ros.synthetic.render import Cameras, render_planes, render_spheres
from v2v_ros.synthetic.scenes import sample_hand_scenes
from v2v_ros.synthetic.sequence import SyntheticSequence
from v2v_ros.synthetic.spheres import Spheres


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bone_lengths(joints: torch.Tensor) -> torch.Tensor:
    parents, children = torch.tensor(HAND21.bones).T
    return (joints[:, children] - joints[:, parents]).norm(dim=-1)


def test_hands_are_as_large_as_hands() -> None:
    shape = sample_shape(500, generator())
    joints, _ = pose_hand(shape, sample_pose(500, generator(1)))
    lengths = bone_lengths(joints)
    middle_finger = lengths[:, 4:8].sum(1)  # wrist to tip along the bones
    assert middle_finger.min() > 0.14 and middle_finger.max() < 0.24
    assert middle_finger.mean().item() == pytest.approx(0.185, abs=0.01)
    assert lengths.min() > 0.010


def test_poses_do_not_stretch_bones() -> None:
    shape = sample_shape(1, generator())
    many = type(shape)(**{name: value.expand(50, *value.shape[1:]) for name, value in vars(shape).items()})
    lengths = bone_lengths(pose_hand(many, sample_pose(50, generator(2)))[0])
    assert torch.allclose(lengths, lengths[:1].expand_as(lengths), atol=1e-5)


def test_fingers_bend_towards_the_palm_only() -> None:
    fingers = sample_fingers(2000, generator(3))
    degrees = torch.rad2deg(fingers)
    assert degrees[:, :4, 2:].min() > -0.01 and degrees.max() < 105.0 and degrees.min() > -23.0
    assert degrees[:, :4, 0].abs().max() < 18.1  # fingers do not cross over each other
    shares = (degrees[:, :4, 1] > 45).float().mean(1)
    assert (shares == 0).any() and (shares == 1).any()  # open hands and fists


def test_a_left_hand_is_a_mirrored_right_hand() -> None:
    shape, pose = sample_shape(2, generator()), sample_pose(2, generator(4))
    pose = type(pose)(pose.fingers, pose.wrist, 0 * pose.orientation, pose.position)
    right, surface = pose_hand(shape, pose)
    left, mirrored = pose_hand(shape, pose, left=torch.tensor([True, True]))
    flipped = right.clone()
    flipped[..., 0] = 2 * pose.position[:, None, 0] - right[..., 0]
    assert torch.allclose(left, flipped, atol=1e-6)
    assert torch.equal(surface.radii, mirrored.radii)


def test_an_upright_right_hand_shows_its_palm_with_the_thumb_to_the_right() -> None:
    shape, pose = sample_shape(1, generator()), sample_pose(1, generator(5))
    still = type(pose)(torch.zeros(1, 5, 4), 0 * pose.wrist, 0 * pose.orientation, torch.tensor([[0.0, 0.0, 0.5]]))
    joints = pose_hand(shape, still)[0][0]
    names = HAND21.joint_names
    tip, wrist = joints[names.index("middle_tip")], joints[names.index("wrist")]
    assert tip[1] < wrist[1] - 0.1  # up is -y
    assert joints[names.index("thumb_tip"), 0] > joints[names.index("little_tip"), 0]
    bent = type(pose)(torch.full((1, 5, 4), 0.5), *[getattr(still, f) for f in ("wrist", "orientation", "position")])
    assert pose_hand(shape, bent)[0][0, names.index("middle_tip"), 2] < tip[2] - 0.02  # towards the camera


def test_joints_lie_under_the_surface() -> None:
    joints, surface = pose_hand(sample_shape(20, generator()), sample_pose(20, generator(6)))
    gap = (torch.cdist(joints, surface.centers) - surface.radii[:, None]).amin(-1)
    tips = [index for index, name in enumerate(HAND21.joint_names) if name.endswith("tip")]
    inner = [index for index in range(21) if index not in tips]
    assert gap[:, inner].max() < 0
    assert gap[:, tips].max() < 0.001


def camera(focal: float = 100.0, pixels: int = 64) -> Cameras:
    return Cameras(torch.tensor([focal]), torch.tensor([[(pixels - 1) / 2] * 2]), pixels, pixels)


@pytest.mark.parametrize("radius", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("center", [(0.0, 0.0, 0.6), (0.1, -0.12, 0.5), (0.3, 0.0, 0.8)])
def test_a_sphere_is_rendered_where_rays_meet_it(radius: float, center: tuple[float, float, float]) -> None:
    cameras = camera()
    middle = torch.tensor(center)
    depth = render_spheres(Spheres(middle[None, None], torch.tensor([[radius]])), cameras)[0].double()
    rays = cameras.rays()[0].double()
    a, b, c = (rays**2).sum(-1), rays @ middle.double(), (middle.double() ** 2).sum() - radius**2
    discriminant = b**2 - a * c
    expected = torch.where(discriminant > 0, (b - discriminant.sqrt()) / a, torch.inf)
    both = depth.isfinite() & expected.isfinite()
    assert (depth.isfinite() ^ expected.isfinite()).sum() <= 2  # rays that just touch
    assert torch.allclose(depth[both], expected[both], atol=1e-4)


def test_the_nearer_sphere_hides_the_farther_and_absent_ones_are_absent() -> None:
    centers = torch.tensor([[[0.0, 0.0, 1.0], [0.0, 0.0, 0.6], [0.0, 0.0, 0.3]]])
    depth = render_spheres(Spheres(centers, torch.tensor([[0.2, 0.05, 0.0]])), camera())
    assert depth[0, 32, 32].item() == pytest.approx(0.55, abs=2e-3)
    behind = Spheres(torch.tensor([[[0.0, 0.0, -0.5]]]), torch.tensor([[0.1]]))
    assert render_spheres(behind, camera()).isinf().all()


def test_a_batch_is_rendered_as_its_members_are_alone() -> None:
    shape, pose = sample_shape(3, generator()), sample_pose(3, generator(7))
    _, surface = pose_hand(shape, pose)
    cameras = Cameras(torch.tensor([150.0, 200.0, 90.0]), torch.full((3, 2), 31.5), 64, 64)
    together = render_spheres(surface, cameras)
    assert together.isfinite().any()
    for i in range(3):
        one = slice(i, i + 1)
        alone = render_spheres(
            Spheres(surface.centers[one], surface.radii[one]),
            Cameras(cameras.focal[one], cameras.principal[one], 64, 64),
        )
        assert torch.equal(alone[0], together[i])


def test_a_plane_has_the_depth_of_its_equation() -> None:
    cameras = camera()
    point, normal = torch.tensor([[[0.0, 0.0, 1.0]]]), torch.tensor([[[0.3, 0.1, -1.0]]])
    depth = render_planes(point, normal, cameras)
    hits = cameras.rays() * depth[..., None]
    assert ((hits[0] - point[0, 0]) @ normal[0, 0]).abs().max() < 1e-5
    assert render_planes(point, 0 * normal, cameras).isinf().all()


def off() -> torch.Tensor:
    return torch.zeros(1)


def test_without_noise_depth_stays_and_missing_surfaces_become_nan() -> None:
    depth = torch.full((1, 40, 40), 0.7)
    depth[:, :10] = torch.inf
    clean = apply_noise(depth, SensorNoise(*[off()] * 6), NoiseFields.draw(1, 40, 40, generator()))
    assert clean[:, :10].isnan().all()
    assert torch.allclose(clean[:, 10:], depth[:, 10:], atol=1e-5)


def test_noise_has_the_strength_that_it_says() -> None:
    depth = torch.full((1, 400, 400), 2.0)
    draws = NoiseFields.draw(1, 400, 400, generator(8))
    white = SensorNoise(off() + 0.003, off(), off(), off(), off(), off())
    assert apply_noise(depth, white, draws).std().item() == pytest.approx(0.003 * 4, rel=0.05)
    steps = SensorNoise(off() + 0.003, off(), off() + 0.01, off(), off(), off())
    assert len(apply_noise(depth, steps, draws).unique()) < 10
    holes = SensorNoise(off(), off(), off(), off(), off(), off() + 0.1)
    assert 0.02 < apply_noise(depth, holes, draws).isnan().float().mean() < 0.25


def test_edges_fray() -> None:
    depth = torch.full((1, 100, 100), 1.5)
    depth[:, 30:70, 30:70] = 0.5
    draws = NoiseFields.draw(1, 100, 100, generator(9))
    lost = apply_noise(depth, SensorNoise(off(), off(), off(), off() + 1, off(), off()), draws)
    assert lost[0, 29:31, 40:60].isnan().all() and lost[0, 45:55, 45:55].isfinite().all()
    flying = apply_noise(depth, SensorNoise(off(), off(), off(), off(), off() + 1, off()), draws)
    between = (flying > 0.55) & (flying < 1.45)
    assert between[0, 29:31, 40:60].float().mean() > 0.5 and not between[0, 45:55, 45:55].any()


def test_scenes_are_reproducible_and_hold_the_hand_in_the_cube() -> None:
    first, second = (sample_hand_scenes(64, generator(10)) for _ in range(2))
    assert torch.equal(first.depth.nan_to_num(), second.depth.nan_to_num())
    present = first.joints.isfinite().all(dim=(1, 2))
    assert 0.75 < present.float().mean() < 1.0
    reach = (first.joints - first.centers[:, None]).abs().amax(dim=(1, 2))[present]
    assert reach.max() < 0.15
    for index in present.nonzero()[:10, 0].tolist():  # visible joints project onto the hand
        joints = first.joints[index]
        pixels = (joints[:, :2] / joints[:, 2:] * first.cameras.focal[index] + first.cameras.principal[index]).round()
        assert (pixels >= 0).all() and (pixels < 112).all()
        seen = first.depth[index, pixels[:, 1].long(), pixels[:, 0].long()]
        behind = (joints[:, 2] - seen)[seen.isfinite()]
        assert (behind > -0.03).float().mean() > 0.8


@pytest.mark.parametrize(("kind", "skeleton"), [("hand", HAND21), ("body", BODY15)])
def test_sequences_move_smoothly_and_their_joints_lie_behind_the_surface(kind: str, skeleton: object) -> None:
    camera = Intrinsics(237.5, 237.5, 159.5, 119.5, 320, 240)
    sequence = SyntheticSequence(kind, seed=3, intrinsics=camera, noise=0.3)
    assert sequence.skeleton is skeleton
    frames = [sequence.frame(index / 30) for index in range(12)]
    again = SyntheticSequence(kind, seed=3, intrinsics=camera).frame(5 / 30)
    assert np.array_equal(frames[5].joints, again.joints)
    for before, after in itertools.pairwise(frames):
        assert np.linalg.norm(after.joints - before.joints, axis=1).max() < 0.15  # metres in a 30th of a second
    frame = frames[6]
    assert frame.depth.shape == (240, 320) and frame.depth.dtype == np.float32
    x, y, z = frame.joints.T
    u, v = np.rint(x / z * 237.5 + 159.5).astype(int), np.rint(y / z * 237.5 + 119.5).astype(int)
    seen = frame.depth[v, u]
    assert np.nanmedian(z - seen) > 0
    assert np.isfinite(seen).mean() > 0.6


def test_an_unknown_kind_and_pixels_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="'hand' or 'body'"):
        SyntheticSequence("foot")
    with pytest.raises(ValueError, match="square pixels"):
        SyntheticSequence("hand", intrinsics=Intrinsics(475.0, 380.0, 319.5, 239.5, 640, 480))
