# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Scenes with several subjects: who is where, who can be seen, and whether the pictures agree."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.estimate import Side
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.synthetic.scenes.one import CAMERA
from v2v_ros.synthetic.scenes.paths import BODY_SCENES, HAND_SCENES, SmoothPath
from v2v_ros.synthetic.scenes.several import NAMES, SceneSubject, SyntheticScene, visible_shares
from v2v_ros.synthetic.spheres import Spheres

SMALL = Intrinsics(237.5, 237.5, 159.5, 119.5, 320, 240)
KINDS = ("hand", "body")
HIDDEN = 0.2


def course(kind: str, name: str, rate: float) -> list[tuple[SceneSubject, ...]]:
    scene = SyntheticScene(kind, name, intrinsics=SMALL)
    return [scene.truth(index / rate) for index in range(round(scene.seconds * rate) + 1)]


def shares(frames: list[tuple[SceneSubject, ...]]) -> np.ndarray:
    return np.array([[one.visible for one in frame] for frame in frames])


def pixels(frames: list[tuple[SceneSubject, ...]]) -> np.ndarray:
    """Means of the joints in pixels, [frames, 3, 2]."""
    middles = np.array([[one.joints.mean(axis=0) for one in frame] for frame in frames])
    in_front = np.where(middles[..., 2:] > 0.1, middles[..., 2:], np.nan)
    return middles[..., :2] / in_front * SMALL.fx + (SMALL.cx, SMALL.cy)


def longest(flags: np.ndarray) -> int:
    """Length of the longest run of true."""
    return max((len(run) for run in "".join("x" if flag else " " for flag in flags).split()), default=0)


@given(
    st.lists(st.tuples(st.floats(0.1, 3.0), st.floats(-2, 2), st.floats(-2, 2)), min_size=2, max_size=6),
    st.floats(0.0, 1.0),
)
def test_a_path_passes_its_knots_and_stays_between_them(knots: list[tuple[float, float, float]], share: float) -> None:
    table = np.array(knots)
    table[:, 0] = table[:, 0].cumsum()
    path = SmoothPath(table)
    for time, *place in table:
        np.testing.assert_allclose(path(time), place, atol=1e-9)
    for before, after in itertools.pairwise(table):
        place = path(before[0] + share * (after[0] - before[0]))
        low, high = np.minimum(before, after)[1:], np.maximum(before, after)[1:]
        assert (place >= low - 1e-9).all() and (place <= high + 1e-9).all()
    np.testing.assert_array_equal(path(table[0, 0] - 5), table[0, 1:])
    np.testing.assert_array_equal(path(table[-1, 0] + 5), table[-1, 1:])


def test_a_path_has_no_kinks_and_knows_its_velocity() -> None:
    path = SmoothPath(np.array([[0.0, 0.0], [1.0, 1.0], [3.0, 2.0], [4.0, 5.0]]))
    times = np.linspace(0, 4, 4001)
    velocities = np.diff([path(time)[0] for time in times]) / np.diff(times)
    assert np.abs(np.diff(velocities)).max() < 0.02
    assert path.velocity(0.5)[0] == pytest.approx(np.mean(velocities[400:600]))


def test_what_is_seen_of_spheres() -> None:
    # One in the open, one wholly behind it, one whose middle is on the border, one outside, one behind the camera.
    centers = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 0.8], [0.6737, 0.2, 1.0], [1.5, 0.0, 1.0], [0.0, 0.0, -0.5]])
    radii = torch.tensor([[0.10], [0.10], [0.10], [0.10], [0.10]])
    counted = torch.ones(5, 1, dtype=torch.bool)
    shares = visible_shares(Spheres(centers[:, None], radii), counted, CAMERA)
    assert shares == pytest.approx([1.0, 0.0, 0.5, 0.0, 0.0], abs=0.05)


def test_what_does_not_count_hides_others_but_not_itself() -> None:
    # Two subjects of two spheres each; the second sphere of the first one is before everything.
    centers = torch.tensor([[[0.0, 0.0, 0.6], [0.0, 0.0, 0.4]], [[0.05, 0.0, 0.8], [0.4, 0.0, 0.8]]])
    surfaces = Spheres(centers, torch.tensor([[0.05, 0.10], [0.05, 0.05]]))
    counted = torch.tensor([[True, False], [True, True]])
    assert visible_shares(surfaces, counted, CAMERA) == pytest.approx([1.0, 0.5], abs=0.05)
    assert visible_shares(surfaces, torch.ones(2, 2, dtype=torch.bool), CAMERA)[0] == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_a_motion_and_frames_can_be_asked_for_in_any_order(kind: str) -> None:
    scene, again = (SyntheticScene(kind, "crossing", seed=5, intrinsics=SMALL) for _ in range(2))
    other = SyntheticScene(kind, "crossing", seed=6, intrinsics=SMALL)
    first = scene.frame(1.0)
    np.testing.assert_array_equal(first.depth, again.frame(1.0).depth)
    scene.frame(2.0)
    later = scene.frame(1.0)
    for one, two, three in zip(first.subjects, later.subjects, other.truth(1.0), strict=True):
        np.testing.assert_array_equal(one.joints, two.joints)
        assert one.visible == two.visible
        assert not np.allclose(one.joints, three.joints, atol=1e-3)
    assert not np.array_equal(first.depth, later.depth, equal_nan=True)  # noise is new


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_shows_the_subjects_where_the_truth_has_them(kind: str) -> None:
    scene = SyntheticScene(kind, "crossing", noise=0.0)
    frame = scene.frame(0.5)
    assert frame.depth.shape == (480, 640) and frame.depth.dtype == np.float32
    for one in frame.subjects:
        assert one.joints.shape == (len(scene.skeleton.joint_names), 3) and one.joints.dtype == np.float32
        assert one.visible > 0.9
        u, v = np.rint(one.joints[:, :2].T / one.joints[:, 2] * 475 + [[319.5], [239.5]]).astype(int)
        inside = (u >= 0) & (u < 640) & (v >= 0) & (v < 480)
        behind = one.joints[inside, 2] - frame.depth[v[inside], u[inside]]
        assert 0 < np.nanmedian(behind) < {"hand": 0.03, "body": 0.15}[kind]


def test_hands_have_sides_and_left_ones_are_mirrored() -> None:
    joints = [HAND21.joint_names.index(name) for name in ("wrist", "index_mcp", "little_mcp")]
    tips = [HAND21.joint_names.index(f"{finger}_tip") for finger in ("index", "middle", "ring", "little")]
    sides, turns = [], []
    for frame in course("hand", "everything", 1.0):
        sides.append([one.side for one in frame])
        for one in frame:
            wrist, index, little = one.joints[joints]
            palm = np.cross(index - wrist, little - wrist)
            turns.append(palm @ (one.joints[tips].mean(axis=0) - (index + little) / 2))  # fingers bend to the palm
    assert all(row == [Side.RIGHT, Side.LEFT, Side.RIGHT] for row in sides)
    right, left, other = np.sign(turns).reshape(-1, 3).mean(axis=0)
    assert abs(right) > 0.5 and np.sign(right) == np.sign(other) == -np.sign(left)
    assert all(one.side == Side.UNKNOWN for one in course("body", "crossing", 0.2)[0])


def test_the_two_hands_of_one_person_are_alike() -> None:
    def lengths(joints: np.ndarray) -> np.ndarray:
        return np.array([np.linalg.norm(joints[child] - joints[parent]) for parent, child in HAND21.bones])

    right, left, other = (lengths(one.joints) for one in SyntheticScene("hand").truth(3.0))
    np.testing.assert_allclose(right, left, rtol=1e-4)
    assert not np.allclose(right, other, rtol=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_scenes_are_what_their_names_say(kind: str, name: str) -> None:
    rate = 4.0
    frames = course(kind, name, rate)
    seen, places = shares(frames), pixels(frames)
    assert 10.0 <= len(frames) / rate <= 20.2
    assert all([one.identity for one in frame] == [1, 2, 3] for frame in frames)
    assert (seen[0] > 0.3).all() and (seen > 0.9).any(axis=0).all()
    in_image = np.all((places > 0) & (places < (SMALL.width, SMALL.height)), axis=2)
    hidden = (seen < HIDDEN) & in_image
    away = (seen == 0) & ~in_image
    if name in ("crossing", "everything"):
        order = np.sign(places[:, 0, 0] - places[:, 1, 0])
        both = in_image[:, 0] & in_image[:, 1]
        assert (np.diff(order[both]) != 0).sum() >= 2
        assert seen[in_image].min() < 0.5
    if name in ("occlusion", "everything"):
        assert max(longest(column) for column in hidden.T) >= (3 if name == "occlusion" else 1)
    if name in ("leave_and_return", "everything"):
        back = [column for column, visible in zip(away.T, seen.T, strict=True) if column.any() and visible[-1] > 0.5]
        assert back and all(longest(column) >= 2.5 * rate for column in back)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_jumps(kind: str) -> None:
    for name in NAMES:
        scene = SyntheticScene(kind, name, intrinsics=SMALL)
        for start in np.arange(0, scene.seconds, 3.1):
            before, after = (scene.truth(start + step / 30) for step in range(2))
            for one, two in zip(before, after, strict=True):
                assert np.linalg.norm(two.joints.mean(0) - one.joints.mean(0)) < {"hand": 0.06, "body": 0.2}[kind]


def test_tables_have_three_subjects_of_one_duration() -> None:
    for scenes, columns in ((HAND_SCENES, 4), (BODY_SCENES, 3)):
        assert tuple(scenes) == NAMES
        for paths in scenes.values():
            assert len(paths) == 3 and len({path[-1][0] for path in paths}) == 1
            for path in paths:
                assert {len(knot) for knot in path} == {columns}
                assert path[0][0] == 0 and (np.diff([knot[0] for knot in path]) > 0).all()


def test_the_demo_knows_all_scenes() -> None:
    text = (Path(__file__).parent.parent / "launch" / "demo.launch.py").read_text()
    assert all(f'"{name}"' in text for name in NAMES)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="'hand' or 'body'"):
        SyntheticScene("foot")
    with pytest.raises(ValueError, match="crossing, occlusion"):
        SyntheticScene("hand", "dancing")
    with pytest.raises(ValueError, match="square pixels"):
        SyntheticScene("hand", intrinsics=Intrinsics(475.0, 380.0, 319.5, 239.5, 640, 480))
