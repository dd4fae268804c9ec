# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Subjects at rest and in motion, and the figures of the filters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from v2v_ros import cli
from v2v_ros.estimator.tracking.filters import NAMES
from v2v_ros.evaluation import motion
from v2v_ros.evaluation.motion import MOTIONS, RATE, SPEED, MovingSubject, Recording, apply_filter, lag
from v2v_ros.geometry.skeletons import HAND21


def middles(kind: str, name: str, seconds: np.ndarray, seed: int = 4) -> np.ndarray:
    """float [N, 3]: the mean joint of a subject at times."""
    subject = MovingSubject(kind, name, seed)
    return np.array([subject.frame(second).joints.mean(0) for second in seconds.tolist()], np.float64)


@pytest.mark.parametrize("kind", ["hand", "body"])
def test_motions_are_what_their_names_say(kind: str) -> None:
    subject = MovingSubject(kind, "still", 4)
    first, second = subject.frame(0.0), subject.frame(0.5)
    np.testing.assert_array_equal(first.joints, second.joints)
    assert not np.array_equal(first.depth, second.depth, equal_nan=True)  # the sensor's noise is new
    for name in ("swing", "shuttle"):
        dt = 0.01
        seconds = np.arange(0.0, 0.05, dt)  # from the middle, where a sine is fastest
        path = middles(kind, name, seconds)
        speeds = np.linalg.norm(np.diff(path, axis=0), axis=1) / dt
        np.testing.assert_allclose(speeds, SPEED, rtol=0.1)
        assert abs(path[0, 2] - middles(kind, "still", seconds[:1])[0, 2]) < 1e-4


def test_lag_is_the_shift_in_time_and_does_not_mind_constant_errors() -> None:
    stamps = np.arange(90) / RATE
    joints = np.random.default_rng(0).normal(0, 0.05, (1, 21, 3))
    truth = joints + 0.1 * np.sin(6 * stamps)[:, None, None] * np.array([1.0, 0.0, 0.5])
    late = joints + 0.01 + 0.1 * np.sin(6 * (stamps - 0.02))[:, None, None] * np.array([1.0, 0.0, 0.5])
    velocities = np.gradient(truth, stamps, axis=0)
    errors = late - truth
    errors[3, 4] = np.nan
    assert abs(lag(errors, velocities) - 0.02) < 0.001


def test_a_recording_goes_through_any_filter() -> None:
    stamps = np.arange(5) / RATE
    points = np.random.default_rng(0).normal(0, 0.1, (5, 21, 3)).astype(np.float32)
    points[2, 3] = np.nan
    covariances = np.tile(np.array([1e-4, 0, 0, 1e-4, 0, 1e-4], np.float32), (5, 21, 1))
    recording = Recording(stamps, points, points, covariances)
    raw, unknown = apply_filter("none", HAND21, recording)
    np.testing.assert_array_equal(raw, points)
    assert np.isnan(unknown).all()
    for name in NAMES[1:]:
        filtered, velocities = apply_filter(name, HAND21, recording)
        assert np.isfinite(filtered).all() and np.isfinite(velocities[1:]).all()


def test_the_command_compares_all_filters_on_the_shipped_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(motion, "MOTIONS", dict.fromkeys(MOTIONS, 10))
    monkeypatch.setattr(motion, "SEEDS", (1,))
    monkeypatch.setattr(motion, "_SETTLE", 4)
    path = tmp_path / "motion.json"
    choice = ["--device", "cpu", "--threads", "1", "--quiet"]
    assert cli.main(["evaluate", "motion", "--weights", "hand21_lite", *choice, "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "hand21_lite" in printed and "1.0" in printed and "nan" not in printed
    figures = json.loads(path.read_text())["hand21_lite"]
    assert figures["frames"] == motion.frame_count() == 4 * 10
    rows = figures["filters"]
    assert list(rows) == list(NAMES)
    assert rows["none"]["jitter_ratio"] == rows["none"]["spread_ratio"] == 1.0
    assert rows["none"]["velocity_error_ms"] is None
    assert rows["kalman"]["jitter_ratio"] > 1.5  # though it has hardly begun
    assert all(set(row["error_mm"]) == set(MOTIONS) for row in rows.values())


def test_options_that_mean_something_else_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "motion", "--samples", "3"])
    assert "--samples" in capsys.readouterr().err
