# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Synthetic hands and bodies: anatomy, rendering."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.skeletons import BODY15, HAND21
from v2v_ros.synthetic.render import Cameras, render_planes, render_spheres
from v2v_ros.synthetic.scenes.one import SyntheticSequence
from v2v_ros.synthetic.spheres import Spheres


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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
    random = generator(7)
    centers = torch.rand(3, 40, 3, generator=random) * torch.tensor([0.3, 0.3, 0.5]) + torch.tensor([-0.15, -0.15, 0.3])
    surface = Spheres(centers, 0.03 * torch.rand(3, 40, generator=random))
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
