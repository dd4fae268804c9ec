"""Weights against the fixed test sets, and the fitting of their calibration."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..estimator import PoseEstimator, SkeletonEstimate
from ..tracking import Side, TrackingState
from ..weights import Weights
from . import metrics
from .calibration import RADIUS, apply, covariance_coverage, fit, reliability
from .contact_sheet import Tile
from .cubes import CubeNetwork, CubeResults
from .test_sets import CALIBRATION_SETS, PART, Part, SyntheticSet, generate, is_recorded

SUCCESS_MM = 30.0
PRECISION_MM = 100.0
_WORST = 24  # crops that are kept for a picture
CURVE_MM = {"hand": tuple(range(0, 81, 2)), "body": tuple(range(0, 401, 10))}

Tick = Callable[[], object]


def evaluate(
    weights: Weights,
    test_set: SyntheticSet,
    *,
    source: str,
    center_weights: str | None = "auto",
    device: str = "auto",
    samples: int | None = None,
    tick: Tick = lambda: None,
    worst: list[Tile] | None = None,
) -> dict[str, Any]:
    """Evaluate weights on a test set.

    Args:
        weights: Of the set's skeleton.
        source: Name or path of the same weights, for the estimator.
        center_weights: What :class:`~v2v_ros.estimator.PoseEstimator` finds the subject with, in whole images.
        samples: Only so many, the first ones.
        tick: Called after every part of the set.
        worst: Takes the crops with the largest mean errors, the worst first, for a contact sheet.

    Returns:
        Figures that JSON can hold: ``test_set``, ``samples``, whether the set is as ``recorded`` (None: no record), and
        what the form of the set gives. None stands for what could not be measured.

    Raises:
        ValueError: The set is of another skeleton.
    """
    if test_set.skeleton != weights.skeleton:
        raise ValueError(
            f"the test set '{test_set.name}' is of skeleton '{test_set.skeleton.name}', but the weights "
            f"'{weights.id}' are for '{weights.skeleton.name}': choose another set"
        )
    run: _Crops | _Images
    if test_set.form == "crops":
        run = _Crops(weights, device)
    else:
        estimator = PoseEstimator(source, device=device, center_weights=center_weights, side=Side.UNKNOWN)
        run = _Images(estimator, test_set)
    hashes, count = [], 0
    for part in generate(test_set, samples):
        run.add(part)
        count += len(part.units)
        if len(part.units) == PART or count == test_set.samples:
            hashes.append(part.hash())
        tick()
    if worst is not None and isinstance(run, _Crops):
        worst += run.worst()
    figures = {"test_set": test_set.name, "samples": count, "recorded": is_recorded(test_set, hashes)}
    return plain({**figures, **run.figures()})


def calibrate(
    weights: Weights, *, device: str = "auto", samples: int | None = None, tick: Tick = lambda: None
) -> Weights:
    """The same weights with a calibration, fitted on synthetic data that neither training nor a test set holds.

    Raises:
        ValueError: There are too few samples.
        RuntimeError: SciPy is missing.
    """
    run = _Crops(dataclasses.replace(weights, calibration=None), device)
    for part in generate(CALIBRATION_SETS[weights.skeleton.kind], samples):
        run.add(part)
        tick()
    peaks, errors, moments = run.joints()
    return dataclasses.replace(weights, calibration=fit(peaks, errors, moments, RADIUS[weights.skeleton.kind]))


def plain(value: Any) -> Any:
    """A copy in which numbers that are not finite are None, as JSON knows neither, and the others are short."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


class _Crops:
    """The pose network alone."""

    def __init__(self, weights: Weights, device: str) -> None:
        self._weights = weights
        self._network = CubeNetwork(weights, device)
        self._errors: list[torch.Tensor] = []
        self._vectors: list[torch.Tensor] = []
        self._peaks: list[torch.Tensor] = []
        self._moments: list[torch.Tensor] = []
        self._sensors: list[str] = []
        self._views: list[str] = []
        self._seconds = 0.0
        self._worst: list[tuple[float, int, Tile]] = []

    def add(self, part: Part) -> None:
        results = self._network(part)
        self._keep_worst(part, results)
        self._errors.append(1000 * metrics.joint_errors(results.joints, part.joints))
        self._vectors.append(results.joints - part.joints)
        self._peaks.append(results.peaks)
        self._moments.append(results.moments)
        self._sensors += [part.sensor] * len(part.units)
        self._views += [part.view] * len(part.units)
        self._seconds += results.seconds

    def _keep_worst(self, part: Part, results: CubeResults) -> None:
        errors = 1000 * metrics.joint_errors(results.joints, part.joints).mean(1)
        first = sum(len(each) for each in self._errors)
        for index, error in enumerate(errors.tolist()):
            if len(self._worst) == _WORST and error <= self._worst[-1][0]:
                continue
            center = part.cube_centers[index].double().numpy()
            found = SkeletonEstimate(
                id="",
                side=Side.UNKNOWN,
                tracking_state=TrackingState.DETECTED,
                score=float(results.peaks[index].mean()),
                center=center,
                cube_edge=self._weights.cube_edge,
                points=results.joints[index].numpy(),
                scores=results.peaks[index].numpy(),
                covariances=results.moments[index].numpy(),
            )
            name = f"{first + index:04d} {part.sensor} {center[2]:.1f} m"
            truth = part.joints[index].numpy()
            depth = part.depth[index].numpy()
            tile = Tile(name, depth, part.intrinsics(index), found, truth, f"{error:.0f} mm")
            self._worst.append((error, first + index, tile))
        self._worst = sorted(self._worst, key=lambda each: each[:2], reverse=True)[:_WORST]

    def worst(self) -> list[Tile]:
        """The crops with the largest mean errors, the worst first."""
        return [tile for _, _, tile in self._worst]

    def joints(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Peaks [N], errors [N, 3] and moments [N, 6], float64, of all joints with a truth."""
        vectors = torch.cat(self._vectors).flatten(0, 1)
        labelled = vectors.isfinite().all(1)
        peaks, moments = torch.cat(self._peaks).flatten(), torch.cat(self._moments).flatten(0, 1)
        peaks_, vectors_, moments_ = (each[labelled].double().numpy() for each in (peaks, vectors, moments))
        return peaks_, vectors_, moments_

    def figures(self) -> dict[str, Any]:
        errors = torch.cat(self._errors)
        skeleton = self._weights.skeleton
        precision = metrics.precision(errors, PRECISION_MM)
        columns = {name: index for index, name in enumerate(skeleton.joint_names)}
        peaks, vectors, moments = self.joints()
        scores, covariances = apply(self._weights.calibration, peaks, moments)
        radius = RADIUS[skeleton.kind]
        thresholds = CURVE_MM[skeleton.kind]
        return {
            "mean_mm": metrics.mean_error(errors),
            "median_mm": metrics.median_error(errors),
            "success_30mm": metrics.success_rate(errors, SUCCESS_MM),
            "map_10cm": metrics.mean_precision(errors, PRECISION_MM),
            "ms_per_crop": 1000 * self._seconds / len(errors),
            "joints": {
                name: {**_errors(errors[:, index]), "precision_10cm": precision[index]}
                for name, index in columns.items()
            },
            "parts": {
                name: {
                    **_errors(errors[:, [columns[joint] for joint in joints]]),
                    "precision_10cm": float(np.mean([precision[columns[joint]] for joint in joints])),
                }
                for name, joints in metrics.parts(skeleton.kind).items()
            },
            "sensors": _by_group(errors, self._sensors),
            **({"views": _by_group(errors, self._views)} if skeleton.kind == "body" else {}),
            "curve": {
                "threshold_mm": list(thresholds),
                "success": metrics.success_curve(errors, torch.tensor(thresholds)),
            },
            "calibrated": self._weights.calibration is not None,
            "reliability": reliability(scores, np.linalg.norm(vectors, axis=1), radius),
            "covariance": covariance_coverage(vectors, covariances),
        }


class _Images:
    """The whole estimator, each frame alone, told neither where the subject is nor which hand it is."""

    def __init__(self, estimator: PoseEstimator, test_set: SyntheticSet) -> None:
        self._estimator = estimator
        self._empty = test_set.form == "empty"
        self._rows: list[dict[str, Any]] = []
        self._errors: list[torch.Tensor] = []
        self._seconds: list[float] = []

    def add(self, part: Part) -> None:
        for index, depth in enumerate(part.depth):
            self._estimator.reset()
            estimate = self._estimator.estimate(depth.numpy(), part.intrinsics(index), 0.0)
            self._seconds.append(sum(estimate.seconds.values()))
            row: dict[str, Any] = {"sensor": part.sensor, "found": bool(estimate.skeletons)}
            if estimate.skeletons:
                one = estimate.skeletons[0]
                row["score"] = one.score
                if not self._empty:
                    off = np.abs(one.center - part.centers[index].double().numpy())
                    row["centered"] = bool((off < one.cube_edge / 2).all())
                    row["side"] = one.side == (Side.LEFT if part.left[index] else Side.RIGHT)
                    points = torch.from_numpy(one.points)
                    self._errors.append(1000 * metrics.joint_errors(points, part.joints[index]))
            self._rows.append(row)

    def figures(self) -> dict[str, Any]:
        found = [row for row in self._rows if row["found"]]
        figures: dict[str, Any] = {
            "found_share": _share(self._rows, "found"),
            "scores": {f"p{q}": _percentile([row["score"] for row in found], q) for q in (5, 50, 95)},
            "ms_per_image": 1000 * float(np.mean(self._seconds)),
        }
        if self._empty:
            figures["nobody_share"] = 1 - figures["found_share"]
        else:
            errors = torch.stack(self._errors) if self._errors else torch.full((1, 1), torch.nan)
            figures["centered_share"] = _share(self._rows, "centered")
            if self._estimator.skeleton.kind == "hand":
                figures["side_right_share"] = _share(found, "side")
            figures |= {**_errors(errors), "success_30mm": metrics.success_rate(errors, SUCCESS_MM)}
        sensors = sorted({row["sensor"] for row in self._rows})
        figures["sensors"] = {}
        for name in sensors:
            rows = [row for row in self._rows if row["sensor"] == name]
            figures["sensors"][name] = {"samples": len(rows), "found_share": _share(rows, "found")}
            if not self._empty:
                figures["sensors"][name]["centered_share"] = _share(rows, "centered")
        return figures


def _by_group(errors: torch.Tensor, groups: list[str]) -> dict[str, dict[str, Any]]:
    """Figures of the samples of every group."""
    result: dict[str, dict[str, Any]] = {}
    for name in sorted(set(groups)):
        some = errors[torch.tensor([group == name for group in groups])]
        result[name] = {
            "samples": len(some),
            **_errors(some),
            "success_30mm": metrics.success_rate(some, SUCCESS_MM),
            "map_10cm": metrics.mean_precision(some, PRECISION_MM),
        }
    return result


def _errors(errors: torch.Tensor) -> dict[str, float]:
    return {
        "mean_mm": metrics.mean_error(errors),
        "median_mm": metrics.median_error(errors),
        "missed_share": metrics.missed_share(errors),
    }


def _share(rows: list[dict[str, Any]], key: str) -> float:
    """Of all rows, those in which the key is true; NaN when there are none."""
    return sum(bool(row.get(key)) for row in rows) / len(rows) if rows else math.nan


def _percentile(values: list[float], q: float) -> float:
    return float(np.percentile(values, q)) if values else math.nan
