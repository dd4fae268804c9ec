# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Keep-out hulls against the surfaces of synthetic hands and bodies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from v2v_ros.geometry import hull as hull_module
from v2v_ros.geometry.hull import Hull, keep_out_hull
from v2v_ros.geometry.skeletons import BODY15, HAND21, SKELETONS, Skeleton
from v2v_ros.synthetic.body.kinematics import pose_body
from v2v_ros.synthetic.body.poses import sample_body_pose
from v2v_ros.synthetic.body.shape import sample_body_shape
from v2v_ros.synthetic.hand.kinematics import elbow, pose_hand, sample_shape
from v2v_ros.synthetic.hand.poses import sample_families, sample_pose


def sure(skeleton: Skeleton) -> np.ndarray:
    return np.zeros((len(skeleton.joint_names), 6))


def sticks_out(hull: Hull, centers: np.ndarray, radii: np.ndarray | float = 0.0) -> np.ndarray:
    """By how many metres spheres reach beyond a hull; negative inside."""
    distances = [
        np.linalg.norm(centers - center, axis=1) - radius
        for center, radius in zip(hull.centers, hull.radii, strict=True)
    ]
    for start, end, width in zip(hull.starts, hull.ends, hull.widths, strict=True):
        axis = end - start
        along = (centers - start) @ axis / (axis @ axis)
        distance = np.linalg.norm(centers - start - along[:, None] * axis, axis=1) - width
        distances.append(np.where((along >= 0) & (along <= 1), distance, np.inf))
    return np.asarray(np.min(distances, axis=0) + radii)


def random_points(skeleton: Skeleton, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(skeleton.joint_names), 3))


def test_hands_are_inside() -> None:
    """All of a hand from the wrist on."""
    random = torch.Generator().manual_seed(1)
    shape = sample_shape(150, random)
    pose = sample_pose(shape, sample_families(150, random), random)
    joints, surface = pose_hand(shape, pose)
    worst = []
    for points, centers, radii, end in zip(
        joints.numpy(), surface.centers.numpy(), surface.radii.numpy(), elbow(shape, pose).numpy(), strict=True
    ):
        hand = ((centers - points[0]) @ (end - points[0]) < 0) & (radii > 0)
        worst.append(sticks_out(keep_out_hull(points, sure(HAND21), HAND21, 0.0), centers[hand], radii[hand]).max())
    assert max(worst) < 0.005
    assert np.mean(np.array(worst) > 0.001) < 0.05


def test_bodies_are_inside() -> None:
    """In trousers; skirts and open coats hang where no joint is."""
    random = torch.Generator().manual_seed(1)
    shape = sample_body_shape(100, random)
    joints, surface = pose_body(shape, sample_body_pose(shape, random))
    trousers = shape.skirt.numpy() == 0
    assert trousers.sum() > 60
    worst = []
    for points, centers, radii in zip(
        joints.numpy()[trousers], surface.centers.numpy()[trousers], surface.radii.numpy()[trousers], strict=True
    ):
        there = radii > 0
        worst.append(sticks_out(keep_out_hull(points, sure(BODY15), BODY15, 0.0), centers[there], radii[there]).max())
    assert max(worst) < 0.02
    assert np.mean(np.array(worst) > 0.005) < 0.05


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)
def test_every_joint_and_every_bone_has_a_thickness(skeleton: Skeleton) -> None:
    points = random_points(skeleton)
    hull = keep_out_hull(points, sure(skeleton), skeleton, 2.0)
    assert hull.joints.tolist() == list(range(len(points)))
    assert sorted(hull.children.tolist()) == sorted(child for _, child in skeleton.bones)
    parents = {child: parent for parent, child in skeleton.bones}
    np.testing.assert_array_equal(hull.starts, points[[parents[child] for child in hull.children]])
    np.testing.assert_array_equal(hull.ends, points[hull.children])
    thinnest = 0.015 if skeleton.kind == "hand" else 0.09
    assert hull.widths.min() >= thinnest and hull.radii.min() >= thinnest
    # Spheres close the cylinders.
    for child, width in zip(hull.children, hull.widths, strict=True):
        assert min(hull.radii[child], hull.radii[parents[child]]) >= width


def test_uncertain_joints_grow_by_their_largest_deviation() -> None:
    points, covariances = random_points(HAND21), sure(HAND21)
    # 10 mm along the diagonal of x and y, 1 mm across it, 2 mm along z.
    far, near = 0.010**2, 0.001**2
    covariances[2] = ((far + near) / 2, (far - near) / 2, 0, (far + near) / 2, 0, 0.002**2)
    covariances[3] = np.nan  # not known
    before, after = (keep_out_hull(points, covariances, HAND21, sigmas) for sigmas in (0.0, 3.0))
    grown = after.radii - before.radii
    assert grown[2] == pytest.approx(0.030)
    assert grown[20] == 0
    widths = dict(zip(after.children.tolist(), after.widths - before.widths, strict=True))
    assert (widths[2], widths[3]) == (pytest.approx(0.030), pytest.approx(0.030))  # the bones at index_pip
    assert widths[4] == 0
    assert after.radii[1] >= after.widths[after.children.tolist().index(2)]  # its neighbour still closes the cylinder


def test_a_missing_joint_leaves_no_gap() -> None:
    points = random_points(HAND21)
    points[[2, 3]] = np.nan  # index_pip and index_dip
    points[13] = (np.nan, 0.0, 0.0)
    hull = keep_out_hull(points, sure(HAND21), HAND21, 2.0)
    assert set(hull.joints.tolist()) == set(range(21)) - {2, 3, 13}
    bridge = hull.children.tolist().index(4)
    np.testing.assert_array_equal(hull.starts[bridge], points[1])
    assert hull.widths[bridge] == pytest.approx(0.023)  # as thick as the proximal phalanx
    np.testing.assert_array_equal(hull.starts[hull.children.tolist().index(14)], points[0])


def test_without_the_root_fingers_stand_alone() -> None:
    points = random_points(HAND21)
    points[0] = np.nan
    hull = keep_out_hull(points, sure(HAND21), HAND21, 2.0)
    assert len(hull.joints) == 20
    assert len(hull.children) == 15


def test_nothing_seen_is_an_empty_hull() -> None:
    hull = keep_out_hull(np.full((15, 3), np.nan), np.full((15, 6), np.nan), BODY15, 2.0)
    assert hull.centers.shape == hull.starts.shape == (0, 3)
    assert hull.radii.shape == hull.widths.shape == (0,)


def test_a_joint_without_a_radius_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(hull_module._BONES["body"], "knee")
    hull_module._radii.cache_clear()
    with pytest.raises(ValueError, match="no radius is known of the joints right_knee, left_knee of body15"):
        keep_out_hull(np.zeros((15, 3)), np.zeros((15, 6)), BODY15, 0.0)
    hull_module._radii.cache_clear()
