# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What a joint refiner is worth on held-out samples, and what its confidences mean there."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...evaluation.calibration import covariance_coverage, fit_calibration, reliability
from ...evaluation.metrics import mean_precision, success_rate
from ...model.calibration import Calibration
from ...model.joint_refiner import JointRefiner, RefinedJoints, covariance_of, peak_features
from ...model.peaks import Peaks
from ...model.weights import Weights
from ..cubes import Label
from .peak_sets import PeakSet


class Judgement:
    """Refines held-out samples once, and answers questions about the result.

    Args:
        network: Refiner in evaluation mode.
        data: Samples of the held-out set.
        weights: Weights of the pose network whose peaks these are.
    """

    def __init__(self, network: JointRefiner, data: PeakSet, weights: Weights) -> None:
        self.data, self.weights = data, weights
        self.refined = _refine(network, data, weights.config.heatmap)
        self._known = (data.labels == Label.SUBJECT) & data.joints.isfinite().all(-1).all(-1)
        self._radius = weights.skeleton.subject.near

    def figures(self) -> dict[str, float]:
        """Return figures of the refiner, and of the highest peaks alone."""
        data, refined, subject = self.data, self.refined, self._known
        half = self.weights.config.heatmap / 2
        truth = (data.joints[subject] - half) / half
        millimetres = 500 * self.weights.cube_edge
        errors = (refined.points[subject] - truth).norm(dim=-1) * millimetres
        peaks = ((data.places[subject][:, :, 0] - half) / half - truth).norm(dim=-1) * millimetres
        figures = {**_errors("", errors), **_errors("peaks_", peaks)}
        present = 1 - refined.classes.softmax(-1)[:, Label.NOTHING]
        subject, left, others = (data.labels == label for label in (Label.SUBJECT, Label.LEFT_HAND, Label.NOTHING))
        figures["found"] = float((present[subject | left] > 0.5).float().mean())
        if others.any():
            figures["false_alarms"] = float((present[others] > 0.5).float().mean())
        if left.any():
            told = refined.classes[:, Label.LEFT_HAND] > refined.classes[:, Label.SUBJECT]
            figures["side_right"] = float((told == left)[subject | left].float().mean())
        return figures

    def calibration(self) -> Calibration:
        """Return the tables that make probabilities and covariances right on these samples."""
        return fit_calibration(*self._columns(), self._radius)

    def confidence(self, calibration: Calibration) -> dict[str, float]:
        """Return how right probabilities and covariances are once they are calibrated."""
        confidences, errors, covariances = self._columns()
        calibrated = calibration.apply(torch.from_numpy(confidences), torch.from_numpy(covariances))
        scores, covariances = (each.numpy() for each in calibrated)
        distances = (errors**2).sum(1) ** 0.5
        return {
            "calibration error of the scores": reliability(scores, distances, self._radius).expected_calibration_error,
            "components within one sigma": covariance_coverage(errors, covariances).components_within_1_sigma,
        }

    def _columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return confidences [N], errors [N, 3] in metres and covariances [N, 6] in square metres of all joints."""
        half, edge = self.weights.config.heatmap / 2, self.weights.cube_edge
        refined, subject = self.refined, self._known
        errors = (refined.points[subject] - (self.data.joints[subject] - half) / half).flatten(0, 1) * (edge / 2)
        covariances = covariance_of(refined.precisions[subject]).flatten(0, 1) * (edge / 2) ** 2
        confidences = refined.nearness[subject].sigmoid().flatten()
        return confidences.double().numpy(), errors.double().numpy(), covariances.double().numpy()


@torch.inference_mode()
def _refine(network: JointRefiner, data: PeakSet, size: int) -> RefinedJoints:
    refined: RefinedJoints = network(*peak_features(Peaks(*data[:4]), network.config.peaks, size))
    return refined


def _errors(prefix: str, errors: torch.Tensor) -> dict[str, float]:
    """Return figures of errors [S, J] in millimetres."""
    return {
        f"{prefix}mean_mm": float(errors.mean()),
        f"{prefix}median_mm": float(errors.median()),
        f"{prefix}success_30mm": success_rate(errors, 30.0),
        f"{prefix}success_300mm": success_rate(errors, 300.0),
        f"{prefix}map_10cm": mean_precision(errors, 100.0),
    }
