# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Cameras that are mounted turned: the image upright, all results back in the camera's own frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from v2v_ros.cli import main
from v2v_ros.cli import predict as command
from v2v_ros.estimator import PoseEstimator
from v2v_ros.geometry.camera import Intrinsics, deproject
from v2v_ros.geometry.camera_roll import ROLLS, CameraRoll
from v2v_ros.geometry.covariances import as_matrices
from v2v_ros.geometry.estimate import Estimate
from v2v_ros.model import weights
from v2v_ros.synthetic.render import Cameras, render_spheres
from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence
from v2v_ros.synthetic.spheres import Spheres

TURNED = ROLLS[1:]
UNEVEN = Intrinsics(50.0, 70.0, 9.5, 20.25, 40, 30)


def rotation(degrees: int) -> np.ndarray:
    """float64 [3, 3] from the frame of a camera rolled by so much to the upright one: about z, from x to y."""
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]).round(12)


def as_seen_by(degrees: int, depth: np.ndarray, camera: Intrinsics) -> tuple[np.ndarray, Intrinsics]:
    """Turn an upright image into that of a rolled camera, without :class:`CameraRoll`."""
    right, bottom = camera.width - 1, camera.height - 1
    image = np.ascontiguousarray(np.rot90(depth, degrees // 90))  # the scene turns the other way round
    height, width = image.shape
    # Where the upright image's principal point comes to lie: u to the right becomes v upwards, and so on.
    cx, cy = {90: (camera.cy, right - camera.cx), 180: (right - camera.cx, bottom - camera.cy)}.get(
        degrees, (bottom - camera.cy, camera.cx)
    )
    fx, fy = (camera.fx, camera.fy) if degrees == 180 else (camera.fy, camera.fx)
    return image, Intrinsics(fx, fy, cx, cy, width, height)


@pytest.mark.parametrize("roll", TURNED)
def test_a_rolled_camera_sees_the_scene_where_the_rotation_about_z_puts_it(roll: int) -> None:
    """Rendered by a camera that is turned, and by one that is not: the same image, turned."""
    spheres = torch.tensor([[0.1, -0.05, 0.6], [-0.15, 0.1, 0.9], [0.0, 0.2, 0.7]])
    radii = torch.tensor([[0.05, 0.12, 0.08]])

    def picture(centers: torch.Tensor, camera: Intrinsics) -> np.ndarray:
        cameras = Cameras(
            torch.tensor([camera.fx]), torch.tensor([[camera.cx, camera.cy]]), camera.width, camera.height
        )
        return render_spheres(Spheres(centers[None], radii), cameras)[0].numpy()

    upright = replace(CAMERA, cx=300.25, cy=220.5)
    expected = picture(spheres, upright)
    _, own = as_seen_by(roll, expected, upright)
    image = picture(spheres @ torch.from_numpy(rotation(roll)).float(), own)  # the inverse, on rows
    turned, camera = CameraRoll(roll).upright_image(image), CameraRoll(roll).upright_intrinsics(own)
    assert camera == upright
    both = np.isfinite(turned) & np.isfinite(expected)
    assert both.sum() > 5000 and (np.isfinite(turned) != np.isfinite(expected)).sum() < 20
    assert np.quantile(np.abs(turned[both] - expected[both]), 0.999) < 1e-5


@pytest.mark.parametrize("roll", ROLLS)
def test_pixels_intrinsics_and_points_are_turned_alike(roll: int) -> None:
    turn = CameraRoll(roll)
    depth = np.random.default_rng(0).uniform(0.3, 3.0, (30, 40)).astype(np.float32)
    upright, camera = turn.upright_image(depth), turn.upright_intrinsics(UNEVEN)
    assert upright.flags.c_contiguous and upright.shape == (camera.height, camera.width)
    points = deproject(torch.from_numpy(depth), UNEVEN).numpy().reshape(-1, 3)
    same = deproject(torch.from_numpy(upright), camera).numpy().reshape(-1, 3)
    expected = points @ rotation(roll).T
    np.testing.assert_allclose(turn.upright_points(points), expected, atol=1e-6)
    np.testing.assert_array_equal(turn.camera_points(turn.upright_points(points)), points)
    order, other = np.lexsort(expected.T.round(4)), np.lexsort(same.T.round(4))
    np.testing.assert_allclose(same[other], expected[order], atol=1e-5)


def test_a_camera_turned_clockwise_sees_up_to_the_left() -> None:
    """The convention of the documentation, in one line for each roll."""
    up = np.array([0.0, -1.0, 0.0])
    seen = {roll: CameraRoll(roll).camera_points(up).tolist() for roll in ROLLS}
    assert seen == {0: [0, -1, 0], 90: [-1, 0, 0], 180: [0, 1, 0], 270: [1, 0, 0]}


@pytest.mark.parametrize("roll", ROLLS)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (130, 65)])
def test_images_of_every_size_and_layout_are_turned(roll: int, size: tuple[int, int]) -> None:
    depth = np.random.default_rng(0).random(size).astype(np.float32)
    for image in (depth, depth[::-1], depth.astype(np.float64)):
        upright = CameraRoll(roll).upright_image(image)
        assert upright.dtype == image.dtype
        np.testing.assert_array_equal(np.rot90(upright, roll // 90), image)


@pytest.mark.parametrize("roll", ROLLS)
def test_covariances_are_turned_as_matrices_are(roll: int) -> None:
    roots = np.random.default_rng(0).normal(size=(2, 7, 3, 3))
    matrices = roots @ roots.swapaxes(-1, -2)
    rows, columns = np.triu_indices(3)
    turned = rotation(roll).T @ matrices @ rotation(roll)
    found = CameraRoll(roll).camera_covariances(matrices[..., rows, columns])
    np.testing.assert_allclose(found, turned[..., rows, columns], atol=1e-9)
    unknown = np.full((1, 6), np.nan, np.float32)
    assert np.isnan(CameraRoll(roll).camera_covariances(unknown)).all()


@pytest.mark.parametrize("degrees", [45, -90, 360])
def test_other_angles_are_refused(degrees: int, untrained_weights: Path) -> None:
    with pytest.raises(ValueError, match=f"camera_roll must be one of 0, 90, 180, 270 degrees, got {degrees}"):
        PoseEstimator(untrained_weights, camera_roll=degrees)


@pytest.mark.parametrize("kind", ["body", "hand"])
def test_a_turned_camera_gives_the_skeletons_of_an_upright_one(kind: str) -> None:
    sequence = SyntheticSequence(kind, seed=2)
    frames = [sequence.frame(index / 15) for index in range(3)]
    upright_camera = replace(CAMERA, cy=230.5)  # off the middle, though the picture was made for another
    estimator = PoseEstimator(weights.default_for(sequence.skeleton.name), filter="kalman")

    def run(roll: int) -> list[Estimate]:
        estimator.camera_roll = roll
        estimator.reset()
        found = []
        for index, frame in enumerate(frames):
            depth, camera = (
                (frame.depth, upright_camera) if roll == 0 else as_seen_by(roll, frame.depth, upright_camera)
            )
            before = depth.copy()
            found.append(estimator.estimate(depth, camera, index / 15))
            np.testing.assert_array_equal(depth, before)
        return found

    expected = run(0)
    assert all(len(each.skeletons) == 1 for each in expected)
    for roll in TURNED:
        back = rotation(roll)
        for frame, upright, turned in zip(frames, expected, run(roll), strict=True):
            (one,), (other,) = upright.skeletons, turned.skeletons
            points = other.points @ back.T
            np.testing.assert_allclose(points, one.points, atol=1e-5)
            np.testing.assert_allclose(back @ other.center, one.center, atol=1e-5)
            np.testing.assert_allclose(other.velocities @ back.T, one.velocities, atol=1e-4)
            np.testing.assert_allclose(
                back @ as_matrices(other.covariances) @ back.T, as_matrices(one.covariances), rtol=1e-4, atol=1e-9
            )
            np.testing.assert_allclose(other.scores, one.scores, atol=1e-5)
            assert (other.side, other.tracking_state) == (one.side, one.tracking_state)
            errors = [np.linalg.norm(each - frame.joints, axis=1).mean() for each in (points, one.points)]
            assert errors[0] == pytest.approx(errors[1], abs=1e-5)


def test_hints_are_in_the_frame_of_the_image() -> None:
    """Find the one of two hands that a hint points at."""
    frame = SyntheticSequence("hand", seed=2).frame(0.0)
    depth = np.where(frame.depth < 0.8, frame.depth, np.nan)
    middle = frame.joints.mean(0).astype(np.float64)
    u = int(CAMERA.fx * middle[0] / middle[2] + CAMERA.cx)
    shift = 200 if u < 320 else -200
    depth = np.fmin(depth, np.roll(depth, shift, axis=1))
    places = middle, middle + np.array([shift * middle[2] / CAMERA.fx, 0.0, 0.0])
    estimator = PoseEstimator(weights.default_for("hand21"), camera_roll=90)
    image, camera = as_seen_by(90, depth, CAMERA)
    for place in places:
        hint = place @ rotation(90)
        estimator.reset()
        (found,) = estimator.estimate(image, camera, 0.0, hint).skeletons
        assert np.linalg.norm(found.points.mean(0) - hint) < 0.04


def test_turning_the_camera_forgets_who_was_there(untrained_weights: Path) -> None:
    estimator = PoseEstimator(untrained_weights)
    forgotten: list[bool] = []
    estimator.reset = lambda: forgotten.append(True)  # type: ignore[method-assign]
    estimator.camera_roll = 0
    assert not forgotten
    estimator.camera_roll = 270
    assert forgotten and estimator.camera_roll == 270
    with pytest.raises(ValueError, match="got 45"):
        estimator.camera_roll = 45
    assert estimator.camera_roll == 270


def test_recordings_of_turned_cameras_are_predicted(tmp_path: Path) -> None:
    frame = SyntheticSequence("hand", seed=2).frame(0.0)
    results = {}
    for roll in (0, 90):
        depth, camera = (frame.depth, CAMERA) if roll == 0 else as_seen_by(roll, frame.depth, CAMERA)
        np.save(tmp_path / "0.npy", depth)
        intrinsics = {name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy")}
        frames = {"frames": [{"id": "0", "path": "0.npy", "mm_per_unit": 1000.0, "K": intrinsics}]}
        (tmp_path / "frames.json").write_text(json.dumps(frames))
        output = tmp_path / f"{roll}.json"
        options = ["--output", str(output), "--weights", weights.default_for("hand21"), "--quiet"]
        assert main(["predict", str(tmp_path / "frames.json"), *options, "--camera-roll", str(roll)]) == 0
        (found,) = json.loads(output.read_text())["frames"][0]["skeletons"]
        results[roll] = np.array(found["joints_mm"])
    np.testing.assert_allclose(results[90] @ rotation(90).T, results[0], atol=0.1)
    with pytest.raises(SystemExit):
        main(["predict", "frames.json", "--output", "out.json", "--camera-roll", "45"])
    assert command.ROLLS == ROLLS
