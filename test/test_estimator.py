# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Locating, tracking and the whole way of a frame."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from v2v_ros.estimator import PoseEstimator
from v2v_ros.estimator.observe import Observer
from v2v_ros.estimator.search import CenterFinder, FoundCenters, Search, nearest_blobs, refine_center
from v2v_ros.estimator.settings import Settings
from v2v_ros.estimator.stopwatch import Stopwatch
from v2v_ros.estimator.tracking.track import Observation, Track, choose_side
from v2v_ros.estimator.tracking.tracker import Tracker
from v2v_ros.evaluation.on_datasets.locate import SIZES, locate
from v2v_ros.geometry.camera import Intrinsics, Region
from v2v_ros.geometry.estimate import Side, TrackingState
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.geometry.subject import HAND as HAND_SUBJECT
from v2v_ros.geometry.subject import SUBJECTS
from v2v_ros.model.calibration import Calibration
from v2v_ros.model.detector import Detections, Detector
from v2v_ros.model.heatmaps import encode
from v2v_ros.model.voxels import cube_occupancy
from v2v_ros.model.weights import WeightsError
from v2v_ros.synthetic.render import Cameras, render_planes, render_spheres
from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence
from v2v_ros.synthetic.spheres import Spheres

HAND, BODY = SIZES["hand"], SIZES["body"]


def rendered(spheres: list[tuple[float, float, float, float]], wall: float | None = None) -> np.ndarray:
    """Depth image of spheres (x, y, z, radius) before a wall."""
    cameras = Cameras(torch.tensor([CAMERA.fx]), torch.tensor([[CAMERA.cx, CAMERA.cy]]), CAMERA.width, CAMERA.height)
    table = torch.tensor([spheres or [(0.0, 0.0, 1.0, 0.0)]])
    depth = render_spheres(Spheres(table[..., :3], table[..., 3]), cameras)
    if wall is not None:
        plane = render_planes(torch.tensor([[[0.0, 0.0, wall]]]), torch.tensor([[[0.1, 0.0, -1.0]]]), cameras)
        depth = torch.minimum(depth, plane)
    return torch.where(depth.isfinite(), depth, torch.nan)[0].numpy()


def test_a_hand_sized_thing_before_a_torso_is_found_first() -> None:
    depth = rendered([(0.1, 0.05, 0.5, 0.05), (0.0, 0.1, 1.0, 0.25)], wall=2.0)
    centers = locate(depth, CAMERA, HAND, 0.15, 1.5)
    assert np.linalg.norm(centers[0] - [0.1, 0.05, 0.46]) < 0.03
    assert len(centers) <= 4


@pytest.mark.parametrize("wall", [None, 0.5, 0.9])
def test_walls_and_nothing_at_all_have_no_candidates(wall: float | None) -> None:
    assert locate(rendered([], wall), CAMERA, HAND, 0.15, 1.5).shape == (0, 3)


def test_things_too_small_or_out_of_range_are_passed_over() -> None:
    assert len(locate(rendered([(0.0, 0.0, 0.5, 0.015)], wall=1.4), CAMERA, HAND, 0.15, 1.5)) == 0
    near = rendered([(0.0, 0.0, 0.5, 0.05)], wall=1.4)
    assert len(locate(near, CAMERA, HAND, 0.15, 1.5)) == 1
    assert len(locate(near, CAMERA, HAND, 0.6, 1.3)) == 0


def test_candidates_come_nearest_first_and_keep_apart() -> None:
    spheres = [(x, 0.0, 0.9 - 0.3 * i, 0.05) for i, x in enumerate((-0.25, 0.0, 0.2))]
    centers = locate(rendered(spheres, wall=1.4), CAMERA, HAND, 0.15, 1.5)
    assert len(centers) == 3
    assert np.all(np.diff(centers[:, 2]) > 0.2)


@pytest.mark.parametrize("kind", ["hand", "body"])
def test_only_pixels_that_see_into_a_ball_are_looked_at(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        depth = SyntheticSequence(kind, seed=seed).frame(0.5).depth
        for limit, free in ((4, None), (24, 0.3)):
            windowed = locate(depth, CAMERA, SIZES[kind], *SUBJECTS[kind].depth_range, limit, free)
            with monkeypatch.context() as patch:
                patch.setattr(
                    "v2v_ros.evaluation.on_datasets.locate.cube_region",
                    lambda _, __, camera: Region(0, 0, camera.width, camera.height),
                )
                everywhere = locate(depth, CAMERA, SIZES[kind], *SUBJECTS[kind].depth_range, limit, free)
            assert len(windowed) and np.array_equal(windowed, everywhere)


def test_a_walking_body_is_found() -> None:
    sequence = SyntheticSequence("body", seed=1)
    for second in (0.0, 1.3, 2.6):
        frame = sequence.frame(second)
        centers = locate(frame.depth, CAMERA, BODY, 0.5, 5.0)
        middle = (frame.joints.min(0) + frame.joints.max(0)) / 2
        assert min(np.linalg.norm(centers - middle, axis=1)) < 0.4


# Pixels (u, v) in the palms of recorded frames, read off the pictures by eye.
PALMS = {"sr305_230536_110": (275, 245), "sr305_230536_30": (300, 320), "sr305_231615_0": (275, 300)}


def test_recorded_hands_are_among_the_candidates(test_data: Path) -> None:
    frames = {frame["id"]: frame for frame in json.loads((test_data / "hands_sr305.json").read_text())["frames"]}
    for name, (u, v) in PALMS.items():
        frame = frames[name]
        depth = np.asarray(Image.open(test_data / frame["path"])).astype(np.float32) * frame["mm_per_unit"] / 1000
        depth[depth == 0] = np.nan
        camera = Intrinsics(**frame["K"], width=depth.shape[1], height=depth.shape[0])
        z = np.nanmedian(depth[v - 10 : v + 10, u - 10 : u + 10])
        palm = np.array([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z])
        centers = locate(depth, camera, HAND, 0.15, 1.5)
        assert np.linalg.norm(centers - palm, axis=1).min() < 0.06


def test_speckle_all_over_the_image_is_given_up_on() -> None:
    """A covered lens or the sun: seeds everywhere, no subject anywhere."""
    random = np.random.default_rng(0)
    depth = np.where(random.random((480, 640)) < 0.3, random.uniform(0.2, 1.5, (480, 640)), np.nan).astype(np.float32)
    assert len(locate(depth, CAMERA, HAND, 0.15, 1.5)) <= 4


def test_refining_moves_onto_the_content_and_stays_without_any() -> None:
    points = np.random.default_rng(0).normal((0.1, 0.0, 0.5), 0.02, (500, 3))
    assert np.linalg.norm(refine_center(points, np.array([0.02, 0.05, 0.45]), 0.25) - [0.1, 0.0, 0.5]) < 0.01
    assert np.array_equal(refine_center(points, np.array([5.0, 0.0, 0.5]), 0.25), [5.0, 0.0, 0.5])


def observation(x: float, score: float = 0.8) -> Observation:
    points = np.full((21, 3), 0.5, dtype=np.float32)
    points[:, 0] = x
    spreads = np.full((21, 6), 1e-4, np.float32)
    return Observation(points, np.full(21, score, np.float32), spreads, np.zeros(3), score)


def test_a_track_predicts_steady_motion() -> None:
    track = Track(observation(0.0), 0.0, 0.25, HAND21)
    for step in range(1, 10):
        track.update(observation(0.01 * step), step / 30)
    assert track.state is TrackingState.TRACKED
    expected, deviation = track.predict(10 / 30)
    assert expected[0] == pytest.approx(0.10, abs=1e-3) and 0.005 < deviation < 0.03


def test_a_lost_subject_is_predicted_for_a_moment_with_falling_score() -> None:
    tracker = Tracker(HAND21, 0.25, Settings.usual(HAND_SUBJECT))
    hold = tracker.settings.hold_seconds
    for step in range(4):
        tracker.begin(step / 30)
        tracker.update([observation(0.01 * step)], step / 30)
        tracker.reports(step / 30)
    reports = []
    for unseen in (1 / 30, 0.8 * hold):
        tracker.begin(0.1 + unseen)
        ((track, report),) = tracker.reports(0.1 + unseen)
        assert track.state is TrackingState.PREDICTED
        reports.append(report)
    first, later = reports
    assert 0.8 > first.score > later.score > 0
    assert first.points[0, 0] > 0.03 and later.covariances[0, 0] > first.covariances[0, 0] > 1e-4
    assert np.isfinite(later.velocities).all() and 0 < later.velocities[0, 0] < first.velocities[0, 0] < 0.4
    tracker.begin(0.11 + hold)
    assert not tracker.reports(0.11 + hold)
    tracker.begin(-1.0)  # time went back
    assert not tracker.tracks


def test_same_stamps_and_leaps_do_not_break_the_velocity() -> None:
    track = Track(observation(0.0), 0.0, 0.25, HAND21)
    track.update(observation(0.1), 0.0)
    track.update(observation(5.0), 0.01)
    assert np.isfinite(track.predict(0.1)[0]).all()
    assert abs(track.predict(0.02)[0][0] - 5.0) < 0.05


class TrueHeatmaps:
    """Stands for a perfect network: returns the target heatmaps of the joints it is told."""

    description = "truth"

    def __init__(self, estimator: PoseEstimator) -> None:
        self.estimator = estimator
        self.joints = np.zeros((21, 3), np.float32)
        self.center = np.zeros(3)
        self.seen: torch.Tensor | None = None
        self.strength = 1.0

    def __call__(self, grids: torch.Tensor) -> torch.Tensor:
        self.seen = grids
        heatmaps = []
        for _ in grids:
            cells = (torch.from_numpy(self.joints) - torch.tensor(self.center)) / 0.25 * 24 + 12
            heatmaps.append(encode(cells[None].float(), 24, 1.7))
        return self.strength * torch.cat(heatmaps)


CLOCK = Stopwatch(torch.device("cpu"), ("voxelize", "network", "joints"))


@pytest.fixture
def estimator(make_weights: Callable[..., Path]) -> PoseEstimator:
    return PoseEstimator(make_weights(grid=48), device="cpu", detector_weights=None, side=Side.RIGHT)


def with_truth(estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch) -> TrueHeatmaps:
    truth = TrueHeatmaps(estimator)
    observe = estimator._observe

    def watch(
        image: torch.Tensor,
        intrinsics: Intrinsics,
        centers: np.ndarray,
        clock: Stopwatch,
        evidence: Sequence[float] | None = None,
    ) -> list[Observation | None]:
        found = []
        for center, known in zip(centers, evidence or [0.0] * len(centers), strict=True):
            truth.center = center
            found += observe(image, intrinsics, center[None], clock, [known])
        return found

    watch.side = observe.side  # type: ignore[attr-defined]

    monkeypatch.setattr(estimator, "_observe", watch)
    monkeypatch.setattr(estimator._pipeline, "_run", truth)
    return truth


def test_what_the_network_says_comes_out_in_metres(estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = with_truth(estimator, monkeypatch)
    sequence = SyntheticSequence("hand", seed=2, noise=0.5)
    for index in range(5):
        frame = sequence.frame(index / 30)
        truth.joints = frame.joints
        estimate = estimator.estimate(frame.depth, CAMERA, index / 30)
        (found,) = estimate.skeletons
        assert np.abs(found.points - frame.joints).max() < 1e-4
        assert found.id == "hand_1" and found.side is Side.RIGHT and found.cube_edge == 0.25
        assert found.tracking_state is (TrackingState.TRACKED if index else TrackingState.DETECTED)
        assert found.score > 0.7 and (found.scores > 0.5).all()
        variance = (1.7 * 0.25 / 24) ** 2
        assert found.covariances[:, 0] == pytest.approx(np.full(21, variance), rel=0.3)
        assert set(estimate.seconds) == {"locate", "voxelize", "network", "joints", "track"}
        assert (estimate.seconds["locate"] == 0) == (index > 0)  # a tracked subject is not searched for


def test_moving_the_scene_by_whole_voxels_moves_the_skeleton_by_just_that(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same grid is seen by the network when scene and cube move together."""
    truth = with_truth(estimator, monkeypatch)
    camera = Intrinsics(480.0, 480.0, 319.5, 239.5, 640, 480)  # 4 voxels at 0.5 m are just 20 pixels
    depth = np.full((480, 640), np.nan, np.float32)
    depth[200:280, 280:360] = 0.5
    truth.joints = np.tile(np.array([0.0, 0.0, 0.5], np.float32), (21, 1))
    (still,) = estimator.estimate(depth, camera, 0.0).skeletons
    first = truth.seen
    estimator.reset()
    step = np.array([20 * 0.5 / 480, 0, 0], np.float32)
    truth.joints = truth.joints + step
    (moved,) = estimator.estimate(np.roll(depth, 20, axis=1), camera, 0.0).skeletons
    # The network is a stand-in that is told where the joints are; what is tested is that it is shown the same grid, and
    # that what it says is put where the cube is.
    assert np.abs(moved.points - still.points - step).max() < 1e-5
    assert first is not None and truth.seen is not None
    assert (first != truth.seen).sum() <= 0.02 * first.sum()


def test_left_hands_are_seen_mirrored(estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth.joints = frame.joints
    (right,) = estimator.estimate(frame.depth, CAMERA, 0.0).skeletons
    plain, center = truth.seen, right.center
    estimator.reset()
    estimator.side = Side.LEFT
    # The network is told the mirrored joints, as it would say them of the mirrored grid.
    mirrored = frame.joints.copy()
    mirrored[:, 0] = 2 * center[0] - mirrored[:, 0]
    truth.joints = mirrored
    observe = Observer(estimator._pipeline)
    observe.side = Side.LEFT
    truth.center = center
    (left,) = observe(torch.from_numpy(frame.depth), CAMERA, center[None], CLOCK)
    assert left is not None and plain is not None and truth.seen is not None
    assert np.abs(left.points - right.points).max() < 1e-4
    assert torch.equal(truth.seen, plain.flip(-1))
    np.testing.assert_allclose(left.covariances, right.covariances, atol=1e-7)


def test_a_cube_that_is_looked_at_as_either_hand_is_voxelized_once_and_empty_ones_are_left_out(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = TrueHeatmaps(estimator)
    monkeypatch.setattr(estimator._pipeline, "_run", truth)
    voxelized: list[int] = []

    def count(depth: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, edge: float, grid: int) -> torch.Tensor:
        voxelized.append(len(centers))
        return cube_occupancy(depth, intrinsics, centers, edge, grid)

    monkeypatch.setattr("v2v_ros.estimator.pipeline.cube_occupancy", count)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    here = frame.joints.mean(0).astype(float)
    image = torch.from_numpy(frame.depth)
    centers = np.repeat([here, here - np.array([0.0, 0.0, 0.3]), here + 0.03], 2, axis=0)
    mirrored = np.array([False, True] * 3)
    looks = estimator._pipeline(image, CAMERA, centers, mirrored, CLOCK)
    assert voxelized == [3] and looks.empty.tolist() == [False, False, True, True, False, False]
    assert truth.seen is not None and len(truth.seen) == 4
    for index, (center, mirror) in enumerate(zip(centers[~looks.empty], mirrored[~looks.empty], strict=True)):
        alone = cube_occupancy(image, CAMERA, center[None], 0.25, 48)[0]
        assert torch.equal(truth.seen[index], alone.flip(-1) if mirror else alone)
    assert np.isnan(looks.points[2:4]).all() and (looks.scores[2:4] == 0).all()
    assert np.isnan(looks.covariances[2:4]).all()
    nothing = estimator._pipeline(image, CAMERA, np.zeros((0, 3)), np.zeros(0, bool), CLOCK)
    assert nothing.points.shape == (0, 21, 3) and nothing.empty.shape == (0,)


@pytest.mark.filterwarnings("error")
def test_a_cube_in_which_no_joint_is_estimated_holds_nobody(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_joints(*arguments: Any) -> Any:
        looks = call(*arguments)
        looks.points[:] = np.nan
        looks.subjects[:] = 0.9  # whatever else says that somebody is there
        return looks

    call = estimator._pipeline.__call__
    monkeypatch.setattr(estimator._observe, "_pipeline", no_joints)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    estimator.score_threshold = 0.0
    assert estimator.estimate(frame.depth, CAMERA, 0.0, center=frame.joints.mean(0)).skeletons == ()


def test_a_subject_that_goes_is_predicted_then_gone_and_known_again_for_a_while(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth.joints = frame.joints
    empty = np.full_like(frame.depth, np.nan)
    assert estimator.estimate(frame.depth, CAMERA, 0.0).skeletons[0].id == "hand_1"
    (predicted,) = estimator.estimate(empty, CAMERA, 0.03).skeletons
    assert (predicted.id, predicted.tracking_state) == ("hand_1", TrackingState.PREDICTED)
    assert estimator.estimate(frame.depth, CAMERA, 0.06).skeletons[0].id == "hand_1"
    assert estimator.estimate(empty, CAMERA, 0.06 + estimator.hold_seconds).skeletons == ()
    (again,) = estimator.estimate(frame.depth, CAMERA, 0.9).skeletons
    assert (again.id, again.tracking_state) == ("hand_1", TrackingState.TRACKED)
    (another,) = estimator.estimate(frame.depth, CAMERA, 0.91 + estimator.memory_seconds).skeletons
    assert (another.id, another.tracking_state) == ("hand_2", TrackingState.DETECTED)
    estimator.reset()
    assert estimator.estimate(frame.depth, CAMERA, 6.0).skeletons[0].id == "hand_3"


def test_skeletons_move_on_with_their_velocities(estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth.joints = frame.joints.copy()
    truth.joints[4] = np.nan
    estimate = estimator.estimate(frame.depth, CAMERA, 0.0)
    velocities = np.where(np.isfinite(truth.joints), [1.0, 0.0, -0.5], np.nan).astype(np.float32)
    (still,) = estimate.skeletons
    (moved,) = replace(estimate, skeletons=(replace(still, velocities=velocities),)).moved(0.1).skeletons
    np.testing.assert_allclose(moved.points - still.points, 0.1 * velocities, atol=1e-6)
    np.testing.assert_allclose(moved.center - still.center, [0.1, 0.0, -0.05], atol=1e-6)
    (unknown,) = estimate.moved(0.1).skeletons  # no filter: no velocities
    np.testing.assert_array_equal(unknown.points, still.points)


def test_a_filter_gives_velocities_and_can_change_while_it_runs(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    known = {}
    for index, name in enumerate(("none", "kalman", "kalman", "kalman", "one_euro", "one_euro")):
        truth.joints = frame.joints + np.array([0.01 * index, 0, 0], np.float32)  # 0.3 m/s
        estimator.filter = name
        (found,) = estimator.estimate(frame.depth, CAMERA, index / 30).skeletons
        assert np.linalg.norm(found.points - truth.joints, axis=1).mean() < 0.012
        known[name] = found.velocities
    assert np.isnan(known["none"]).all() and 0.1 < known["kalman"][0, 0] < 0.5
    assert found.id == "hand_1" and np.isfinite(known["one_euro"]).all()
    with pytest.raises(ValueError, match="unknown filter 'median'; choose one of: none, kalman, one_euro"):
        estimator.filter = "median"


def test_low_scores_are_not_reported_and_faint_joints_are_nan(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth.joints = frame.joints.copy()
    truth.joints[4] = np.nan
    (found,) = estimator.estimate(frame.depth, CAMERA, 0.0).skeletons
    assert np.isnan(found.points[4]).all() and np.isnan(found.covariances[4]).all() and found.scores[4] == 0
    assert np.isfinite(np.delete(found.points, 4, axis=0)).all()
    estimator.reset()
    truth.strength = 0.2
    assert estimator.estimate(frame.depth, CAMERA, 1.0).skeletons == ()
    estimator.score_threshold = 0.1
    assert len(estimator.estimate(frame.depth, CAMERA, 2.0).skeletons) == 1


def test_a_hint_is_taken_where_nothing_stands_out(estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = with_truth(estimator, monkeypatch)
    wall = rendered([], wall=0.6)
    truth.joints = np.tile(np.array([0.05, 0.0, 0.6], np.float32), (21, 1))
    assert estimator.estimate(wall, CAMERA, 0.0).skeletons == ()
    (found,) = estimator.estimate(wall, CAMERA, 0.03, np.array([0.05, 0.0, 0.6])).skeletons
    assert np.abs(found.points - truth.joints).max() < 1e-4


@pytest.mark.parametrize("hinted", [False, True])
def test_nobody_is_reported_whose_middle_is_out_of_range(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch, hinted: bool
) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth.joints = frame.joints
    middle = frame.joints.mean(0).astype(float)
    hint = middle if hinted else None
    for stamp, (least, most) in enumerate(((0.15, middle[2] - 0.001), (middle[2] + 0.001, 1.5))):
        estimator.reset()
        estimator.min_depth, estimator.max_depth = least, most  # the image has pixels in range all the same
        assert estimator.estimate(frame.depth, CAMERA, stamp, hint).skeletons == ()
    estimator.min_depth, estimator.max_depth = middle[2] - 0.001, middle[2] + 0.001
    assert len(estimator.estimate(frame.depth, CAMERA, 3.0, middle).skeletons) == 1


def test_a_hint_out_of_range_does_not_keep_others_from_being_found(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = rendered([(-0.2, 0.0, 1.2, 0.05), (0.2, 0.0, 0.5, 0.05)])

    def observe(
        image: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, clock: Stopwatch, evidence: list[float]
    ) -> list[Observation]:
        return [
            replace(observation(0.0, 0.9), points=np.tile(np.float32(center), (21, 1)), center=center)
            for center in centers
        ]

    monkeypatch.setattr(estimator, "_observe", observe)
    estimator.max_depth = 1.0
    (found,) = estimator.estimate(depth, CAMERA, 0.0, np.array([-0.2, 0.0, 1.2])).skeletons
    assert found.points[0, 2] < 0.6


def test_a_subject_that_leaves_the_range_is_nobody_until_it_is_back(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    distance = float(frame.joints[:, 2].mean())
    estimator.max_depth = distance + 0.05
    reported = []
    offsets = np.concatenate((np.arange(0.0, 0.18, 0.02), np.arange(0.18, -0.01, -0.02)))
    for index, offset in enumerate(offsets):
        truth.joints = frame.joints * np.float32(1 + offset / distance)
        image = frame.depth * np.float32(1 + offset / distance)
        skeletons = estimator.estimate(image, CAMERA, index / 10).skeletons
        assert all(one.id == "hand_1" for one in skeletons)
        assert all(np.nanmean(one.points[:, 2]) <= 1.1 * estimator.max_depth for one in skeletons)
        reported.append(bool(skeletons))
    outside = distance + offsets > 1.1 * estimator.max_depth
    assert outside.sum() > 3 and not any(np.array(reported)[outside])
    assert reported[:3] == [True] * 3 and reported[-2:] == [True] * 2


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 7.0])
def test_images_with_nothing_in_them_give_nobody(estimator: PoseEstimator, value: float) -> None:
    depth = np.full((480, 640), np.nan if value == 0 else value, np.float32)
    assert estimator.estimate(depth, CAMERA, 0.0).skeletons == ()


def test_a_threshold_of_zero_reports_anything_but_nothing(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    estimator.score_threshold = 0.0
    truth.joints = np.full((21, 3), np.nan, np.float32)
    assert estimator.estimate(frame.depth, CAMERA, 0.0).skeletons == ()
    truth.joints = frame.joints
    assert len(estimator.estimate(frame.depth, CAMERA, 0.03).skeletons) == 1


@pytest.mark.parametrize("stamp", [0.0 - 5.0, 600.0])
def test_a_track_ends_when_the_frames_stop_or_time_goes_back(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch, stamp: float
) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth.joints = frame.joints
    estimator.estimate(frame.depth, CAMERA, 0.0)
    (later,) = estimator.estimate(frame.depth, CAMERA, stamp).skeletons
    assert (later.id, later.tracking_state) == ("hand_2", TrackingState.DETECTED)


def test_a_hint_wins_over_a_better_candidate(estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def observe(
        image: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, clock: Stopwatch, evidence: list[float]
    ) -> list[Observation]:
        seen.append(centers)
        looks = []
        for center in centers:
            one = observation(float(center[0]), 0.5 if center[0] < 0 else 0.9)
            one.points[:] = center + np.array([0.06 if len(seen) % 2 else 0.0, 0.0, 0.0])  # off the middle at first
            looks.append(replace(one, center=center))
        return looks

    monkeypatch.setattr(estimator, "_observe", observe)
    estimator.score_threshold = 0.4
    depth = rendered([(-0.2, 0.0, 0.9, 0.05), (0.2, 0.0, 0.5, 0.05)], wall=1.4)
    (found,) = estimator.estimate(depth, CAMERA, 0.0, np.array([-0.2, 0.0, 0.87])).skeletons
    assert [len(each) for each in seen] == [1, 1] and found.points[0, 0] == pytest.approx(-0.14, abs=0.02)
    estimator.reset()
    seen.clear()
    (found,) = estimator.estimate(depth, CAMERA, 1.0).skeletons
    # All are looked at again where they seem to be, and the surest then is taken.
    np.testing.assert_allclose(seen[1][:, 0], seen[0][:, 0] + 0.06, atol=1e-6)
    assert found.score == pytest.approx(0.9) and found.points[0, 0] > 0


@pytest.mark.parametrize("hint", [[np.nan, 0.0, 0.5], [0.0, np.inf, 0.5], [0.0, 0.5]])
def test_hints_that_are_no_points_are_refused(estimator: PoseEstimator, hint: list[float]) -> None:
    with pytest.raises(ValueError, match="center must be three finite numbers"):
        estimator.estimate(np.zeros((480, 640), np.float32), CAMERA, 0.0, np.array(hint))


def test_millimetres_are_refused_and_any_layout_of_floats_is_taken(estimator: PoseEstimator) -> None:
    with pytest.raises(ValueError, match="divide millimetres by 1000"):
        estimator.estimate(np.zeros((480, 640), np.uint16), CAMERA, 0.0)
    frozen = np.full((480, 640), 0.7, np.float32)
    frozen.flags.writeable = False
    for depth in (frozen, frozen[::-1, ::-1], frozen.astype(">f4"), frozen.astype(np.float64)):
        assert estimator.estimate(depth, CAMERA, 0.0).skeletons == ()


def test_bodies_have_no_side(make_weights: Callable[..., Path]) -> None:
    estimator = PoseEstimator(make_weights(skeleton="body15"), side=Side.LEFT)
    assert estimator.side is Side.UNKNOWN
    estimator.side = Side.LEFT
    assert estimator.side is Side.UNKNOWN


def test_an_image_of_another_size_than_its_intrinsics_is_refused(estimator: PoseEstimator) -> None:
    with pytest.raises(ValueError, match="320x240 but the intrinsics are for 640x480"):
        estimator.estimate(np.zeros((240, 320), np.float32), CAMERA, 0.0)


def test_weights_of_another_skeleton_are_refused(make_weights: Callable[..., Path]) -> None:
    with pytest.raises(WeightsError, match="body15"):
        PoseEstimator(make_weights(skeleton="body15"), skeleton="hand21")


def test_an_estimator_says_what_it_runs(estimator: PoseEstimator) -> None:
    assert estimator.skeleton.name == "hand21" and estimator.weights_id == "untrained"
    assert "48/24 width 1" in estimator.network and estimator.device == "cpu"
    assert estimator.runtime.startswith(("openvino ", f"torch {torch.__version__} "))


def test_the_shipped_hand_weights_follow_a_hand(shipped_weights: str) -> None:
    estimator = PoseEstimator(shipped_weights)
    sequence = SyntheticSequence("hand", seed=11)
    errors = []
    for index in range(45):
        frame = sequence.frame(index / 15)
        for found in estimator.estimate(frame.depth, CAMERA, index / 15).skeletons:
            errors.append(np.linalg.norm(found.points - frame.joints, axis=1).mean())
    assert len(errors) >= 43
    assert np.mean(errors) < 0.015


def test_recorded_scenes_without_a_hand_give_nobody(shipped_weights: str, test_data: Path) -> None:
    estimator = PoseEstimator(shipped_weights)
    for frame in json.loads((test_data / "empty_scenes.json").read_text())["frames"]:
        depth = np.asarray(Image.open(test_data / frame["path"])).astype(np.float32) * frame["mm_per_unit"] / 1000
        depth[depth == 0] = np.nan
        intrinsics = Intrinsics(**frame["K"], width=depth.shape[1], height=depth.shape[0])
        assert estimator.estimate(depth, intrinsics, 0.0).skeletons == ()
        estimator.reset()


class TrueCenterFinder(CenterFinder):
    """Stands in for the network: knows where one subject is, and takes what is within its cube for it."""

    def __init__(self, truth: np.ndarray) -> None:
        self.truth = truth
        self.looks = 0

    def __call__(self, image: torch.Tensor, intrinsics: Intrinsics, guesses: np.ndarray) -> FoundCenters:
        self.looks += 1
        near = np.linalg.norm(guesses - self.truth, axis=1) < 0.2
        return FoundCenters(np.where(near[:, None], self.truth, guesses), np.where(near, 5.0, -5.0))


def test_guesses_that_end_at_one_subject_are_looked_at_once() -> None:
    truth = np.array([0.05, 0.0, 0.5])
    finder = TrueCenterFinder(truth)
    guesses = truth + np.array([[0.02, 0, 0], [0, 0.1, 0], [0.5, 0, 0.3], [0, 0, -0.08]])
    found = finder.find(torch.zeros(1, 1), CAMERA, guesses, separation=0.1, limit=4)
    np.testing.assert_allclose(found, truth[None])
    assert finder.looks == 2  # one batch of guesses, one of what they were moved to
    assert not len(finder.find(torch.zeros(1, 1), CAMERA, guesses + 5.0, separation=0.1, limit=4))


class TrueDetector(Detector):
    """Stands in for the network: knows where subjects are."""

    def __init__(self, centers: np.ndarray, scores: Sequence[float], left: float = 0.0) -> None:
        self.found = Detections(centers, np.array(scores, np.float32), np.full(len(centers), left, np.float32))
        self.limits: list[int] = []

    def __call__(
        self, depth: np.ndarray, intrinsics: Intrinsics, kind: str, depth_range: tuple[float, float], limit: int
    ) -> Detections:
        self.limits.append(limit)
        return self.found


def test_a_search_proposes_what_is_worth_a_look_and_nothing_that_is_known() -> None:
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth = frame.joints.mean(0).astype(float)
    centers = truth + np.array([[0.0, 0, 0], [0.3, 0, 0], [0.0, 0.3, 0]])
    search = Search(HAND_SUBJECT, 0.25, TrueDetector(centers, [0.9, 0.4, 0.01]))
    proposals = search(frame.depth, CAMERA, (0.15, 1.5))
    np.testing.assert_allclose(proposals.centers, centers[:2])
    assert proposals.best == pytest.approx(0.9)
    others = proposals.without(truth[None] + 0.02, 0.1)
    np.testing.assert_allclose(others.centers, centers[1:2])
    hinted = search.hinted(frame.depth, CAMERA, truth + 0.02)
    assert 0 < np.linalg.norm(hinted - truth) < 0.08
    nobody = Search(HAND_SUBJECT, 0.25, TrueDetector(np.zeros((0, 3)), []))(frame.depth, CAMERA, (0.15, 1.5))
    assert len(nobody.centers) == 0 and nobody.best == 0


def test_without_a_detector_the_nearest_things_are_proposed() -> None:
    spheres = [(-0.2, 0.0, 0.5, 0.05), (0.2, 0.05, 0.8, 0.06)]
    proposals = Search(HAND_SUBJECT, 0.25, None)(rendered(spheres, wall=1.4), CAMERA, (0.15, 1.3), limit=2)
    assert np.isnan(proposals.best) and len(proposals.centers) == 2
    for center, (x, y, z, radius) in zip(proposals.centers, spheres, strict=True):
        assert np.linalg.norm(center - (x, y, z - radius / 2)) < 0.03
    assert len(nearest_blobs(np.full((480, 640), np.nan, np.float32), CAMERA, (0.15, 1.5), 0.1, 0.1, 4)) == 0
    speck = rendered([], wall=1.4)
    speck[240, 320] = 0.3
    assert len(nearest_blobs(speck, CAMERA, (0.15, 1.0), 0.1, 0.1, 4)) == 0


def test_a_track_on_nobody_is_given_up_when_the_detector_sees_somebody_elsewhere(
    estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth.joints = frame.joints
    middle = frame.joints.mean(0).astype(float)
    detector = TrueDetector(middle[None], [0.9])
    monkeypatch.setattr(estimator, "_search", Search(HAND_SUBJECT, 0.25, detector))

    def ids(stamps: np.ndarray) -> list[str]:
        return [one.id for stamp in stamps for one in estimator.estimate(frame.depth, CAMERA, stamp).skeletons]

    assert set(ids(np.arange(0, 1, 0.05))) == {"hand_1"}
    assert len(detector.limits) < 6  # three times a second
    detector.found = Detections(middle[None] + 0.4, np.ones(1, np.float32), np.zeros(1, np.float32))
    ids(np.arange(1, 1.35, 0.05))
    assert not any(track.lost for track in estimator._tracker.tracks), "one search can be wrong"
    ids(np.arange(1.35, 2.5, 0.05))
    # Then the place is given up, though the network, which is a stand-in here, would go on seeing it.
    assert "hand_1" not in ids(np.arange(2.5, 3, 0.05))


def look(side: Side, score: float) -> Observation:
    joints, spreads = np.zeros((21, 3), np.float32), np.zeros((21, 6), np.float32)
    return Observation(joints, np.full(21, score, np.float32), spreads, np.zeros(3), score, side)


def test_the_side_is_that_of_the_higher_score_unless_much_was_seen_before() -> None:
    right, left = look(Side.RIGHT, 0.3), look(Side.LEFT, 0.6)
    chosen = choose_side(right, left, 0.0)
    assert chosen.side is Side.LEFT and chosen.left == pytest.approx(np.log(2), rel=0.01)
    assert choose_side(right, left, -3.0).side is Side.RIGHT
    assert choose_side(look(Side.RIGHT, 0.6), look(Side.LEFT, 0.3), 0.0).side is Side.RIGHT


def test_a_track_sums_up_what_looks_say_of_the_side() -> None:
    track = Track(choose_side(look(Side.RIGHT, 0.4), look(Side.LEFT, 0.5), 0.0), 0.0, 0.25, HAND21)
    assert track.side_evidence > 0
    for step in range(1, 9):
        track.update(choose_side(look(Side.RIGHT, 0.5), look(Side.LEFT, 0.1), track.side_evidence), step / 30)
    assert track.observation.side is Side.RIGHT and track.side_evidence < -6


def test_once_the_side_is_settled_the_network_looks_once(
    make_weights: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = PoseEstimator(make_weights(grid=48), device="cpu", detector_weights=None)
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth.joints = frame.joints
    looks = []
    for index in range(8):
        # The stand-in says the same of the grid and of its mirror image, and what it says fits a right hand's joints.
        (found,) = estimator.estimate(frame.depth, CAMERA, index / 30).skeletons
        assert truth.seen is not None
        looks.append(len(truth.seen))
        estimator._tracker.tracks[0].side_evidence -= 1.0
    assert looks[0] == 2 and looks[-1] == 1 and found.side is Side.RIGHT


def test_scores_and_covariances_are_calibrated(estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = with_truth(estimator, monkeypatch)
    frame = SyntheticSequence("hand", seed=2, noise=0.0).frame(0.0)
    truth.joints = frame.joints
    (plain,) = estimator.estimate(frame.depth, CAMERA, 0.0).skeletons
    estimator.reset()
    tables = Calibration((0.0, 1.0), (0.9, 0.9), (4.0, 4.0))
    monkeypatch.setattr(estimator._pipeline.read_out, "calibration", tables)
    (calibrated,) = estimator.estimate(frame.depth, CAMERA, 0.0).skeletons
    assert calibrated.scores == pytest.approx(np.full(21, 0.9))
    np.testing.assert_allclose(calibrated.covariances, 4 * plain.covariances, rtol=1e-5)
    np.testing.assert_array_equal(calibrated.points, plain.points)
