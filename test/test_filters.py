# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Filters of joints over time, and the lengths of bones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2v_ros.estimator.tracking.filters import NAMES, Filtered, JointFilter, make_filter
from v2v_ros.estimator.tracking.joint_filter import HOLD_SECONDS, LONGEST_GAP
from v2v_ros.estimator.tracking.kalman import BoneLengths
from v2v_ros.geometry.skeletons import BODY15, HAND21, SKELETONS, Skeleton

FILTERS = [name for name in NAMES if name != "none"]
ROUND = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 1.0])
FULL = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])


def pose(skeleton: Skeleton, seed: int = 0) -> np.ndarray:
    """float64 [J, 3] metres: joints here and there in a cube."""
    joints = np.random.default_rng(seed).uniform(-0.4, 0.4, (len(skeleton.joint_names), 3))
    return joints * skeleton.cube_edge + np.array([0.1, -0.05, 0.6])


def spread(skeleton: Skeleton, share: float = 0.02) -> np.ndarray:
    """float64 [J, 6]: round covariances of a share of the cube's edge."""
    return np.tile((share * skeleton.cube_edge) ** 2 * ROUND, (len(skeleton.joint_names), 1))


def run(joint_filter: JointFilter, poses: np.ndarray, covariances: np.ndarray, dt: float = 1 / 30) -> list[Filtered]:
    return [joint_filter.update(points, covariances, index * dt) for index, points in enumerate(poses)]


def positive_definite(covariances: np.ndarray) -> bool:
    return bool((np.linalg.eigvalsh(covariances.astype(np.float64)[:, FULL]) > 0).all())


def test_an_unknown_filter_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown filter 'median'; choose one of: none, kalman, one_euro"):
        make_filter("median", HAND21)


def test_none_passes_everything_through() -> None:
    joint_filter = make_filter("none", HAND21)
    points, covariances = pose(HAND21).astype(np.float32), spread(HAND21).astype(np.float32)
    points[3] = np.nan
    found = joint_filter.update(points, covariances, 0.0)
    np.testing.assert_array_equal(found.points, points)
    np.testing.assert_array_equal(found.covariances, covariances)
    assert np.isnan(found.velocities).all()
    np.testing.assert_array_equal(joint_filter.predict(1.0).points, points)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))
def test_results_have_the_skeletons_shapes(name: str, skeleton: Skeleton) -> None:
    joint_filter = make_filter(name, skeleton)
    count = len(skeleton.joint_names)
    assert np.isnan(joint_filter.predict(3.0).points).all()
    found = joint_filter.update(pose(skeleton), spread(skeleton), 3.0)
    for values, width in ((found.points, 3), (found.velocities, 3), (found.covariances, 6)):
        assert values.shape == (count, width)
        assert values.dtype == np.float32
    np.testing.assert_allclose(found.points, pose(skeleton), atol=1e-6)


@pytest.mark.parametrize("name", FILTERS)
def test_bad_arrays_and_stamps_are_refused(name: str) -> None:
    joint_filter = make_filter(name, HAND21)
    with pytest.raises(ValueError, match="points and covariances must be"):
        joint_filter.update(pose(BODY15), spread(HAND21), 0.0)
    with pytest.raises(ValueError, match="stamp must be finite"):
        joint_filter.update(pose(HAND21), spread(HAND21), math.nan)


@given(
    skeleton=st.sampled_from([HAND21, BODY15]),
    velocity=st.tuples(*[st.floats(-2, 2)] * 3),
    rate=st.floats(5, 90),
)
@settings(max_examples=12, deadline=None)
def test_kalman_ends_exact_on_constant_velocity(
    skeleton: Skeleton, velocity: tuple[float, float, float], rate: float
) -> None:
    """Without noise: place and velocity become exact, and the prediction with them."""
    dt, steps = 1 / rate, 60
    moved = dt * np.arange(steps)[:, None, None] * np.array(velocity)
    poses = pose(skeleton) + moved
    joint_filter = make_filter("kalman", skeleton)
    last = run(joint_filter, poses, spread(skeleton), dt)[-1]
    tolerance = 0.005 * skeleton.cube_edge
    np.testing.assert_allclose(last.points, poses[-1], atol=tolerance)
    np.testing.assert_allclose(last.velocities, np.tile(velocity, (len(last.points), 1)), atol=0.05)
    ahead = joint_filter.predict((steps - 1) * dt + 0.1)
    np.testing.assert_allclose(ahead.points, poses[-1] + 0.1 * np.array(velocity), atol=2 * tolerance)


@given(seed=st.integers(0, 1000), name=st.sampled_from(FILTERS), angles=st.tuples(*[st.floats(-3, 3)] * 2))
@settings(max_examples=12, deadline=None)
def test_filters_do_not_depend_on_the_frame(seed: int, name: str, angles: tuple[float, float]) -> None:
    """Turning and shifting all that is measured turns and shifts the result."""
    rng = np.random.default_rng(seed)
    poses = pose(HAND21, seed) + np.cumsum(rng.normal(0, 0.004, (20, 1, 3)), 0) + rng.normal(0, 0.003, (20, 21, 3))
    factors = rng.normal(0, 0.004, (21, 3, 3))
    matrices = factors @ factors.transpose(0, 2, 1) + 1e-6 * np.eye(3)
    (c, s), (k, z) = ((math.cos(a), math.sin(a)) for a in angles)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ np.array([[1.0, 0, 0], [0, k, -z], [0, z, k]])
    shift = np.array([0.3, -0.2, 0.5])
    upper = np.triu_indices(3)
    plain = run(make_filter(name, HAND21), poses, matrices[:, upper[0], upper[1]])[-1]
    turned_matrices = turn @ matrices @ turn.T
    turned = run(make_filter(name, HAND21), poses @ turn.T + shift, turned_matrices[:, upper[0], upper[1]])[-1]
    np.testing.assert_allclose(turned.points, plain.points @ turn.T + shift, atol=2e-6)
    np.testing.assert_allclose(turned.velocities, plain.velocities @ turn.T, atol=2e-5)
    expected = turn @ plain.covariances.astype(np.float64)[:, FULL] @ turn.T
    np.testing.assert_allclose(turned.covariances[:, FULL], expected, atol=1e-9)


@given(data=st.data(), name=st.sampled_from(FILTERS), skeleton=st.sampled_from([HAND21, BODY15]))
@settings(max_examples=20, deadline=None)
def test_covariances_stay_positive_definite_and_all_known_joints_finite(
    data: st.DataObject, name: str, skeleton: Skeleton
) -> None:
    """At any rate, with joints and frames missing, duplicate stamps, jumps of the clock and of the joints."""
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    gaps = data.draw(
        st.lists(st.sampled_from([0.0, 1e-6, 1 / 90, 1 / 30, 0.2, 0.9, 1.5, -0.5]), min_size=1, max_size=40)
    )
    joint_filter = make_filter(name, skeleton)
    count = len(skeleton.joint_names)
    stamp, base = 1e9, pose(skeleton)
    for gap in gaps:
        stamp += gap
        points = base + rng.normal(0, 10 ** rng.uniform(-4, 0), (count, 3))
        points[rng.random(count) < rng.choice([0.0, 0.3, 1.0], p=[0.5, 0.4, 0.1])] = np.nan
        covariances = spread(skeleton, 1) * 10 ** rng.uniform(-8, 0, (count, 1))
        found = joint_filter.update(points, covariances, stamp)
        known = np.isfinite(found.points[:, 0])
        if gap:
            assert known[~np.isnan(points[:, 0])].all()
        assert not np.isinf(found.velocities).any() and np.isnan(found.velocities[~known]).all()
        assert np.isnan(found.covariances[~known]).all()
        assert positive_definite(found.covariances[known])
        ahead = joint_filter.predict(stamp + 0.1)
        assert positive_definite(ahead.covariances[np.isfinite(ahead.points).all(1)])


@pytest.mark.parametrize("skeleton", [HAND21, BODY15], ids=["hand", "body"])
@pytest.mark.parametrize("rate", [5, 15, 30, 90])
def test_kalman_quietens_white_noise_and_follows_a_swing(skeleton: Skeleton, rate: int) -> None:
    rng = np.random.default_rng(0)
    share, steps = 0.006, 120
    noise = share * skeleton.cube_edge * rng.normal(size=(steps, len(skeleton.joint_names), 3)) / math.sqrt(3)
    covariances = spread(skeleton)
    poses = pose(skeleton) + noise
    still = np.array([found.points for found in run(make_filter("kalman", skeleton), poses, covariances, 1 / rate)])
    settled = slice(40, None)
    assert np.std(np.diff(still[settled], axis=0)) < np.std(np.diff(poses[settled], axis=0)) / 3
    assert np.std(still[settled], axis=0).mean() < np.std(poses[settled], axis=0).mean() / (3 if rate > 5 else 2)
    if rate < 15:
        return  # a swing of 1 Hz has too few frames
    # 1 m/s at most, 4 rad/s.
    swing = 0.25 * np.sin(4 * np.arange(steps) / rate)[:, None, None] * np.array([0.6, 0.0, 0.8])
    found = run(make_filter("kalman", skeleton), poses + swing, covariances, 1 / rate)
    errors = [np.linalg.norm(each.points - (pose(skeleton) + swing)[i], axis=1) for i, each in enumerate(found)]
    raw = np.linalg.norm(noise, axis=-1)
    assert np.mean(errors[40:]) < raw[40:].mean()


def test_a_finger_on_a_hand_at_rest_is_followed() -> None:
    """One finger that bends does not wait until the hand moves."""
    stamps = np.arange(90) / 30
    poses = np.tile(pose(HAND21), (90, 1, 1))
    poses[:, 2:5, 2] += (0.03 * np.sin(8 * stamps))[:, None] * np.array([0.3, 0.7, 1.0])
    noisy = poses + np.random.default_rng(1).normal(0, 0.001, poses.shape)
    found = run(make_filter("kalman", HAND21), noisy, spread(HAND21, 0.02))
    errors = np.array([np.linalg.norm(each.points - true, axis=1) for each, true in zip(found, poses, strict=True)])
    assert errors[30:, 4].mean() < 0.006  # moves by 30 mm to either side
    assert np.delete(errors[30:], [2, 3, 4], axis=1).mean() < 0.0015


@pytest.mark.parametrize("name", FILTERS)
def test_time_that_goes_back_or_a_long_gap_starts_anew(name: str) -> None:
    first, second = pose(HAND21, 1), pose(HAND21, 2)
    for gap in (-3.0, LONGEST_GAP + 0.01):
        joint_filter = make_filter(name, HAND21)
        joint_filter.update(first, spread(HAND21), 10.0)
        joint_filter.update(first + 0.01, spread(HAND21), 10.03)
        anew = joint_filter.update(second, spread(HAND21), 10.03 + gap)
        fresh = make_filter(name, HAND21).update(second, spread(HAND21), 10.03 + gap)
        np.testing.assert_allclose(anew.points, fresh.points, atol=1e-7)
        np.testing.assert_allclose(anew.velocities, fresh.velocities)
        np.testing.assert_allclose(anew.covariances, fresh.covariances, rtol=1e-5)


@pytest.mark.parametrize("name", FILTERS)
def test_a_joint_has_a_velocity_once_it_was_measured_twice(name: str) -> None:
    joint_filter = make_filter(name, HAND21)
    late = pose(HAND21)
    late[7] = np.nan
    known = [
        np.isfinite(joint_filter.update(points, spread(HAND21), 10 + index / 30).velocities[:, 0])
        for index, points in enumerate((late, pose(HAND21), late, pose(HAND21)))
    ]
    assert not known[0].any()
    for each in known[1:3]:  # a prediction is no measurement
        assert not each[7] and np.delete(each, 7).all()
    assert known[3].all()


@pytest.mark.parametrize("name", FILTERS)
def test_a_stamp_seen_already_changes_nothing(name: str) -> None:
    joint_filter = make_filter(name, HAND21)
    joint_filter.update(pose(HAND21), spread(HAND21), 1.0)
    once = joint_filter.update(pose(HAND21) + 0.01, spread(HAND21), 1.03)
    twice = joint_filter.update(pose(HAND21) + 0.5, spread(HAND21), 1.03)
    np.testing.assert_array_equal(once.points, twice.points)
    np.testing.assert_array_equal(once.covariances, twice.covariances)


@pytest.mark.parametrize("name", FILTERS)
def test_missing_joints_are_predicted_with_growing_covariance_and_then_given_up(name: str) -> None:
    joint_filter = make_filter(name, HAND21)
    poses = pose(HAND21) + 0.5 / 30 * np.arange(30)[:, None, None] * np.array([1.0, 0.0, 0.0])
    seen = poses.copy()
    seen[:, 7] = np.nan
    last = run(joint_filter, seen, spread(HAND21))[-1]
    assert np.isnan(last.points[7]).all()  # never seen
    traces = [last.covariances[8, [0, 3, 5]].sum()]
    for index in range(30, 60):
        points = pose(HAND21) + index * 0.5 / 30 * np.array([1.0, 0.0, 0.0])
        points[8] = np.nan
        found = joint_filter.update(points, spread(HAND21), index / 30)
        if (index - 29) / 30 > HOLD_SECONDS + 1e-6:
            assert np.isnan(found.points[8]).all()
        elif (index - 29) / 30 < HOLD_SECONDS - 1e-6:
            traces.append(found.covariances[8, [0, 3, 5]].sum())
            assert np.linalg.norm(found.points[8] - (pose(HAND21)[8] + index * 0.5 / 30 * np.array([1, 0, 0]))) < 0.03
    assert (np.diff(traces) > 0).all()
    back = joint_filter.update(pose(HAND21), spread(HAND21), 2.1)
    assert np.linalg.norm(back.points[8] - pose(HAND21)[8]) < 0.01


@pytest.mark.parametrize("name", FILTERS)
def test_joints_that_others_replace_stay_where_they_were(name: str) -> None:
    joint_filter, first, second = make_filter(name, HAND21), pose(HAND21), pose(HAND21)
    first[5:], second[:5] = np.nan, np.nan
    joint_filter.update(first, spread(HAND21), 0.0)
    np.testing.assert_allclose(joint_filter.update(second, spread(HAND21), 1 / 30).points, pose(HAND21), atol=1e-6)


@pytest.mark.parametrize("name", FILTERS)
def test_prediction_changes_nothing(name: str) -> None:
    one, other = make_filter(name, HAND21), make_filter(name, HAND21)
    rng = np.random.default_rng(3)
    for index in range(20):
        points = pose(HAND21) + rng.normal(0, 0.003, (21, 3))
        found = one.update(points, spread(HAND21), index / 30)
        expected = other.update(points, spread(HAND21), index / 30)
        other.predict(index / 30 + 0.4)
        np.testing.assert_array_equal(found.points, expected.points)
    np.testing.assert_array_equal(one.predict(0.0).points, found.points)  # times before the last frame are it


def test_a_joint_that_the_heatmap_is_unsure_of_is_believed_less() -> None:
    """Two joints jump alike; the one with the larger covariance is taken along later."""
    covariances = spread(HAND21, 0.02)
    covariances[8] *= 25
    poses = np.tile(pose(HAND21), (33, 1, 1))
    poses[30:, [4, 8], 2] += 0.01
    found = run(make_filter("kalman", HAND21), poses, covariances)[-1]
    sure, unsure = (found.points - pose(HAND21))[[4, 8], 2]
    assert 0 < unsure < 0.8 * sure


def test_bone_lengths_are_learned_whatever_a_joint_does_now_and_then() -> None:
    rng = np.random.default_rng(5)
    lengths, true = BoneLengths(BODY15), pose(BODY15)
    assert np.isnan(lengths.lengths).all()
    for index in range(200):
        points = true + rng.normal(0, 0.01, true.shape)
        if index % 10 == 9:
            points[6] += 1.0  # a hand somewhere else
        points[14] = np.nan
        lengths.learn(points, np.full(15, 1e-3))
    bones = np.array(BODY15.bones)
    expected = np.linalg.norm(true[bones[:, 1]] - true[bones[:, 0]], axis=1)
    missing = (bones == 14).any(1)
    np.testing.assert_allclose(lengths.lengths[~missing], expected[~missing], atol=0.02)
    assert np.isnan(lengths.lengths[missing]).all()


def test_bones_are_brought_nearer_to_their_lengths_and_the_middle_stays() -> None:
    lengths, true = BoneLengths(HAND21), pose(HAND21)
    for _ in range(400):
        lengths.learn(true, np.full(21, 1e-5))
    bones, known = np.array(HAND21.bones), np.ones(21, bool)
    shrunk = true.mean(0) + 0.8 * (true - true.mean(0))
    kept = lengths.keep(shrunk, known)

    def off(points: np.ndarray) -> np.ndarray:
        return np.abs(np.linalg.norm(points[bones[:, 1]] - points[bones[:, 0]], axis=1) - lengths.lengths)

    assert (off(kept) < 0.8 * off(shrunk)).all()
    np.testing.assert_allclose(kept.mean(0), shrunk.mean(0), atol=1e-9)
    np.testing.assert_allclose(lengths.keep(true, known), true, atol=1e-9)
    known[4] = False
    elsewhere = true.copy()
    elsewhere[4] = 99.0
    np.testing.assert_allclose(np.delete(lengths.keep(elsewhere, known), 4, 0), np.delete(true, 4, 0), atol=1e-9)
