# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The whole estimator on a set of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..estimator import PoseEstimator
from ..geometry.estimate import Side, SkeletonEstimate
from . import metrics
from .figures import FigureRecord
from .holes import HOLES
from .metrics import SUCCESS_MM, Percentiles, error_figures, share
from .processes import Processes
from .synthetic_sets import SetPart, SyntheticSet


@dataclass(frozen=True)
class SensorFigures(FigureRecord):
    """Figures of the images of a sensor; ``centered_share`` where there are subjects."""

    samples: int
    found_share: float
    centered_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class ImageFigures(FigureRecord):
    """Figures of an estimator on images.

    Attributes:
        found_share: Share of the images in which a subject was reported.
        scores: Scores of the reported subjects.
        nobody_share: Share of the images in which nothing was reported. It is for sets without subjects only, the
            others are for sets with subjects only.
        centered_share: Share of the images whose reported cube is less than half its edge off, per axis.
        side_right_share: Share of the reported hands whose side is right.
        mean_mm, median_mm, missed_share, success_30mm: Errors of the joints that were reported.
        sensors: Figures by name of the sensor.
    """

    found_share: float
    scores: Percentiles
    ms_per_image: float
    nobody_share: float | None = None
    centered_share: float | None = None
    side_right_share: float | None = None
    mean_mm: float | None = None
    median_mm: float | None = None
    missed_share: float | None = None
    success_30mm: float | None = None
    sensors: dict[str, SensorFigures]


@dataclass(frozen=True)
class _Found:
    """The subject that was reported in an image.

    Attributes:
        centered: Whether its cube is where the subject is.
        side_right: Whether it is of the subject's side.
        errors: [J], millimetres; None in an image without a subject.
    """

    score: float
    centered: bool
    side_right: bool
    errors: torch.Tensor | None


@dataclass(frozen=True)
class _Result:
    """The estimator's answer to an image, and the seconds that it took."""

    sensor: str
    seconds: float
    found: _Found | None


class Images:
    """Runs an estimator on images, each alone, told neither where the subject is nor which hand it is.

    Args:
        estimator: Estimator to judge.
        test_set: Set of images, with a subject or without.
        holes: Name of the holes that the images are given, a key of :data:`~v2v_ros.evaluation.holes.HOLES`.
    """

    def __init__(self, estimator: PoseEstimator, test_set: SyntheticSet, holes: str = "none") -> None:
        self._estimator, self._holes = estimator, HOLES[holes]
        self._empty = test_set.form == "empty"
        self._results: dict[int, list[_Result]] = {}

    def add(self, index: int, part: SetPart) -> None:
        """Take the part of an index in."""
        results = self._results.setdefault(index, [])
        for place, depth in enumerate(part.depth):
            self._estimator.reset()
            estimate = self._estimator.estimate(*self._holes(depth.numpy(), part.intrinsics(place)), 0.0)
            found = self._judge(estimate.skeletons[0], part, place) if estimate.skeletons else None
            results.append(_Result(part.sensor, sum(estimate.seconds.values()), found))

    def _judge(self, found: SkeletonEstimate, part: SetPart, place: int) -> _Found:
        if self._empty:
            return _Found(found.score, centered=False, side_right=False, errors=None)
        off = np.abs(found.center - part.centers[place].double().numpy())
        return _Found(
            found.score,
            centered=bool((off < found.cube_edge / 2).all()),
            side_right=found.side == (Side.LEFT if part.left[place] else Side.RIGHT),
            errors=1000 * metrics.joint_errors(torch.from_numpy(found.points), part.joints[place]),
        )

    def gather(self, processes: Processes) -> None:
        """Take in what the other processes have."""
        self._results = processes.gather(self._results)

    def figures(self) -> ImageFigures:
        """Return the metrics over all parts."""
        every = [result for results in self._results.values() for result in results]
        found = [result.found for result in every if result.found is not None]
        found_share = share(result.found is not None for result in every)
        scores = Percentiles.measure([each.score for each in found])
        milliseconds = 1000 * float(np.mean([result.seconds for result in every]))
        names = sorted({result.sensor for result in every})
        sensors = {name: self._sensor([result for result in every if result.sensor == name]) for name in names}
        if self._empty:
            return ImageFigures(
                found_share=found_share,
                scores=scores,
                ms_per_image=milliseconds,
                nobody_share=1 - found_share,
                sensors=sensors,
            )
        errors = [each.errors for each in found if each.errors is not None]
        stacked = torch.stack(errors) if errors else torch.full((1, 1), torch.nan)
        has_sides = self._estimator.skeleton.subject.has_sides
        return ImageFigures(
            found_share=found_share,
            scores=scores,
            ms_per_image=milliseconds,
            centered_share=_centered_share(every),
            side_right_share=share(each.side_right for each in found) if has_sides else None,
            **error_figures(stacked),
            success_30mm=metrics.success_rate(stacked, SUCCESS_MM),
            sensors=sensors,
        )

    def _sensor(self, results: list[_Result]) -> SensorFigures:
        found_share = share(result.found is not None for result in results)
        return SensorFigures(len(results), found_share, None if self._empty else _centered_share(results))


def _centered_share(results: list[_Result]) -> float:
    return share(result.found is not None and result.found.centered for result in results)
