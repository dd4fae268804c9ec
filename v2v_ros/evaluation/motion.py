# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Steadiness and quickness of the filters, on the network's own output over synthetic sequences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..estimator import PoseEstimator
from ..estimator.tracking.filters import NAMES, make_filter
from ..geometry.estimate import Side, TrackingState
from ..geometry.skeletons import Skeleton
from ..synthetic.scenes.one import CAMERA, SyntheticSequence
from ..synthetic.spheres import Spheres
from .figures import FigureRecord

RATE = 30.0
"""Frames a second."""
SPEED = 1.0
"""Metres a second: the peak of ``swing``, and all of ``shuttle`` between its turns."""
MOTIONS = {"still": 75, "swing": 60, "shuttle": 60, "gestures": 90}
"""Motions that are shown, and for how many frames."""
SEEDS = (1, 2, 3)
"""Seeds of subjects, poses and directions; the filters' constants were chosen on others."""
_SETTLE = 15  # frames until a filter knows its subject; not counted
_AMPLITUDE = {"hand": 0.12, "body": 0.40}  # metres to either side
_DEPTH = {"hand": 0.5, "body": 2.8}  # metres; where still and swinging subjects are
_POSE_TIME = 1.5  # seconds between the poses that different seeds hold


class MovingSubject(SyntheticSequence):
    """A hand or body that holds one pose, at rest or carried to and fro; or moves by itself (``gestures``).

    Args:
        kind: ``hand`` or ``body``.
        motion: One of :data:`MOTIONS`: at rest; a sine of 1 m/s peak speed; 1 m/s with sudden turns; the sequence's
            own motion.
        seed: Seed of shape, pose and direction.
    """

    def __init__(self, kind: str, motion: str, seed: int) -> None:
        super().__init__(kind, seed=seed)
        self._motion = motion
        angle = 2.4 * seed  # the golden angle: directions of few seeds are well spread
        direction = [math.cos(angle), 0.5 * math.sin(angle), math.sin(angle)]
        if kind == "body":  # people walk on the floor
            direction[1] = 0.0
        self._direction = torch.nn.functional.normalize(torch.tensor(direction), dim=0)

    def _hand(self, seconds: float) -> tuple[torch.Tensor, Spheres]:
        return self._carried(super()._hand, seconds)

    def _body(self, seconds: float) -> tuple[torch.Tensor, Spheres]:
        return self._carried(super()._body, seconds)

    def _carried(
        self, posed: Callable[[float], tuple[torch.Tensor, Spheres]], seconds: float
    ) -> tuple[torch.Tensor, Spheres]:
        if self._motion == "gestures":
            return posed(seconds)
        joints, surface = posed(_POSE_TIME)
        middle = (joints.amin(1) + joints.amax(1)) / 2
        home = torch.tensor([0.0, float(middle[0, 1]) if self.kind == "body" else 0.0, _DEPTH[self.kind]])
        shift = home - middle + self._offset(seconds) * self._direction
        return joints + shift[:, None], Spheres(surface.centers + shift[:, None], surface.radii)

    def _offset(self, seconds: float) -> float:
        """Return metres along the direction."""
        amplitude = _AMPLITUDE[self.kind]
        if self._motion == "swing":
            return amplitude * math.sin(SPEED / amplitude * seconds)
        if self._motion == "shuttle":
            return amplitude * 2 / math.pi * math.asin(math.sin(math.pi / 2 * SPEED / amplitude * seconds))
        return 0.0


@dataclass(frozen=True)
class Recording:
    """Joints that the network found in a sequence of N frames.

    Attributes:
        stamps: float64 [N] seconds.
        truth: float32 [N, J, 3] metres.
        points: float32 [N, J, 3] metres; NaN where not estimated.
        covariances: float32 [N, J, 6] square metres.
    """

    stamps: NDArray[np.float64]
    truth: NDArray[np.float32]
    points: NDArray[np.float32]
    covariances: NDArray[np.float32]


def record(
    estimator: PoseEstimator, motion: str, seed: int, frames: int, tick: Callable[[], object] = lambda: None
) -> Recording:
    """Show a subject to the estimator, which is told where it is at first and, of hands, the side."""
    subject = MovingSubject(estimator.skeleton.kind, motion, seed)
    joints = len(estimator.skeleton.joint_names)
    stamps = np.arange(frames) / RATE
    truth = np.empty((frames, joints, 3), np.float32)
    points = np.full_like(truth, np.nan)
    covariances = np.full((frames, joints, 6), np.nan, np.float32)
    estimator.reset()
    estimator.side = Side.RIGHT
    for index, stamp in enumerate(stamps.tolist()):
        shown = subject.frame(stamp)
        truth[index] = shown.joints
        middle = (shown.joints.min(0) + shown.joints.max(0)) / 2
        found = estimator.estimate(shown.depth, CAMERA, stamp, middle.astype(np.float64)).skeletons
        if found and found[0].tracking_state != TrackingState.PREDICTED:
            points[index], covariances[index] = found[0].points, found[0].covariances
        tick()
    return Recording(stamps, truth, points, covariances)


@dataclass(frozen=True)
class FilterFigures(FigureRecord):
    """Figures of a filter; of ``none`` those of the network's own joints.

    Attributes:
        jitter_mm: RMS of the joints' motion from frame to frame, of a subject at rest.
        spread_mm: RMS of their distance from their mean, likewise.
        error_mm: Mean joint error, for every motion.
        lag_ms: Distance by which the joints lag along the true velocity at 1 m/s, over the speed, ms.
        velocity_error_ms: Mean error of the joints' velocities at 1 m/s, m/s; NaN where there are none.
        jitter_ratio, spread_ratio: Ratio of the network's own jitter and spread to these; above 1 the filter helps.
    """

    jitter_mm: float
    spread_mm: float
    error_mm: dict[str, float]
    lag_ms: float
    velocity_error_ms: float
    jitter_ratio: float
    spread_ratio: float


@dataclass(frozen=True)
class MotionFigures(FigureRecord):
    """Figures of all filters, by their names, and the number of frames in which the network missed joints."""

    frames: int
    frames_with_missed_joints: int
    filters: dict[str, FilterFigures]


def evaluate_motion(estimator: PoseEstimator, tick: Callable[[], object] = lambda: None) -> MotionFigures:
    """Compare the filters on what the network makes of subjects at rest and in motion.

    Args:
        estimator: Estimator whose network is run once; every filter gets the same joints.
        tick: Callback after every frame.
    """
    recordings = {
        motion: [record(estimator, motion, seed, frames, tick) for seed in SEEDS] for motion, frames in MOTIONS.items()
    }
    runs = {name: _run(estimator.skeleton, name, recordings) for name in NAMES}
    frames = sum(len(each.stamps) for group in recordings.values() for each in group)
    missed = sum(int(np.isnan(each.points[..., 0]).any(1).sum()) for group in recordings.values() for each in group)
    return MotionFigures(frames, missed, {name: _figures(run, runs["none"]) for name, run in runs.items()})


def frame_count() -> int:
    """Return how often :func:`evaluate_motion` ticks."""
    return len(SEEDS) * sum(MOTIONS.values())


@dataclass(frozen=True)
class _FilterRun:
    """Joints of a filter: their errors [N, J, 3] in metres, NaN where the network saw nothing, by the motions, and for
    every sequence at 1 m/s the lag in seconds and the mean error of the velocities in m/s."""

    errors: dict[str, list[NDArray[np.float64]]]
    lags: list[float]
    velocity_errors: list[float]

    @property
    def jitter_mm(self) -> float:
        return _rms([np.diff(off, axis=0) for off in self.errors["still"]])

    @property
    def spread_mm(self) -> float:
        return _rms([off - np.nanmean(off, axis=0) for off in self.errors["still"]])


def _run(skeleton: Skeleton, name: str, recordings: dict[str, list[Recording]]) -> _FilterRun:
    run = _FilterRun({motion: [] for motion in recordings}, [], [])
    for motion, group in recordings.items():
        for each in group:
            points, velocities = apply_filter(name, skeleton, each)
            off = (points - each.truth.astype(np.float64))[_SETTLE:]
            off[np.isnan(each.points[_SETTLE:])] = np.nan  # judged where the network saw something, for every filter
            run.errors[motion].append(off)
            if motion in ("swing", "shuttle"):
                true_velocities = np.gradient(each.truth.astype(np.float64), 1 / RATE, axis=0)[_SETTLE:]
                run.lags.append(lag(off, true_velocities))
                wrong = np.linalg.norm(velocities[_SETTLE:] - true_velocities, axis=-1)
                run.velocity_errors.append(float(wrong.mean()))
    return run


def _figures(run: _FilterRun, raw: _FilterRun) -> FilterFigures:
    """Return the figures of a filter beside those of the network's own joints."""
    return FilterFigures(
        jitter_mm=run.jitter_mm,
        spread_mm=run.spread_mm,
        error_mm={
            motion: 1000 * float(np.nanmean([np.linalg.norm(off, axis=-1) for off in group]))
            for motion, group in run.errors.items()
        },
        lag_ms=1000 * float(np.mean(run.lags)),
        velocity_error_ms=float(np.mean(run.velocity_errors)),
        jitter_ratio=raw.jitter_mm / run.jitter_mm,
        spread_ratio=raw.spread_mm / run.spread_mm,
    )


def apply_filter(
    name: str, skeleton: Skeleton, recording: Recording
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points and velocities [N, J, 3] of a filter that sees a recording from the start."""
    joint_filter = make_filter(name, skeleton)
    frames = zip(recording.points, recording.covariances, recording.stamps.tolist(), strict=True)
    results = [joint_filter.update(*frame) for frame in frames]
    return (
        np.array([result.points for result in results], np.float64),
        np.array([result.velocities for result in results], np.float64),
    )


def lag(errors: NDArray[np.float64], velocities: NDArray[np.float64]) -> float:
    """Return the seconds by which joints are behind: the slope of their error along the true velocity.

    Constant errors of a joint do not count. Both are [N, J, 3], in metres and m/s; NaN is left out.
    """
    errors = errors - np.nanmean(errors, axis=0)
    velocities = velocities - velocities.mean(axis=0)
    known = np.isfinite(errors)
    return -float((errors[known] * velocities[known]).sum() / (velocities[known] ** 2).sum())


def _rms(parts: list[NDArray[np.float64]]) -> float:
    """Return the RMS of vectors, in millimetres."""
    return 1000 * math.sqrt(float(np.nanmean(np.concatenate([(part**2).sum(-1) for part in parts]))))
