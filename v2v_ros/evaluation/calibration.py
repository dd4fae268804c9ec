# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whether scores and covariances mean what they say, and how to make them do so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry.covariances import as_matrices
from ..model.calibration import Calibration
from .figures import FigureRecord

Floats = NDArray[np.float64]

ONE_SIGMA = 0.6827  # share of a normal distribution within one standard deviation
# Quantiles of the squared length of three independent normal variables (chi-squared, three degrees of freedom).
_CHI2_QUANTILES = {"68": (0.6827, 3.5267), "95": (0.95, 7.8147)}
_LEAST_VARIANCE = 1e-9  # square metres: a heatmap of a single cell has a moment of zero
_MOST_KNOTS = 16
_FEWEST_JOINTS = 60  # in a bin: its 68 % are known to 6 % then


@dataclass(frozen=True)
class ReliabilityBin(FigureRecord):
    """Joints of nearly the same score.

    Attributes:
        count: Number of joints.
        score: Mean of their scores.
        share: Share of them that lie within the radius.
    """

    count: int
    score: float
    share: float


@dataclass(frozen=True)
class Reliability(FigureRecord):
    """Shares of joints that are as near as their scores say.

    Attributes:
        radius_mm: Distance that a score speaks of.
        bins: Bins that are not empty, by rising scores.
        expected_calibration_error: Mean of |share - score| over the joints (Naeini et al., AAAI 2015).
    """

    radius_mm: float
    bins: tuple[ReliabilityBin, ...]
    expected_calibration_error: float


@dataclass(frozen=True)
class CovarianceCoverage(FigureRecord):
    """Shares of errors within what their covariances say.

    Attributes:
        joints: Number of the errors.
        components_within_1_sigma: Share of their components within one standard deviation, which should be 0.683.
        ellipsoid_68: Share inside the ellipsoids that should hold 68.3 %.
        ellipsoid_95: Share inside those that should hold 95 %.
    """

    joints: float
    components_within_1_sigma: float
    ellipsoid_68: float
    ellipsoid_95: float


def reliability(scores: Floats, distances: Floats, radius: float, bins: int = 10) -> Reliability:
    """Return what shares of joints are as near as their scores say.

    Args:
        scores: float [N] in [0, 1].
        distances: float [N] metres to the truth; infinite for joints that were not estimated.
        radius: Metres that a score speaks of.
        bins: Number of equally wide bins over [0, 1].
    """
    index = np.minimum((scores * bins).astype(int), bins - 1)
    within = distances <= radius
    rows = []
    for each in np.unique(index):
        inside = index == each
        rows.append(ReliabilityBin(int(inside.sum()), float(scores[inside].mean()), float(within[inside].mean())))
    error = sum(row.count * abs(row.share - row.score) for row in rows) / max(1, len(scores))
    return Reliability(1000 * radius, tuple(rows), error)


def whiten(errors: Floats, covariances: Floats) -> Floats:
    """Return errors [N, 3] in standard deviations of their covariances [N, 6]: independent and normal if these are
    right.

    Raises:
        ValueError: A covariance is not positive definite.
    """
    try:
        roots = np.linalg.cholesky(as_matrices(covariances) + _LEAST_VARIANCE * np.eye(3))
    except np.linalg.LinAlgError as error:
        raise ValueError("a covariance is not positive definite") from error
    return np.linalg.solve(roots, errors[..., None])[..., 0]


def covariance_coverage(errors: Floats, covariances: Floats) -> CovarianceCoverage:
    """Return how often errors [N, 3] stay within what their covariances [N, 6] say."""
    components = whiten(errors, covariances)
    squares = (components**2).sum(1)
    return CovarianceCoverage(
        joints=float(len(errors)),
        components_within_1_sigma=float((np.abs(components) < 1).mean()),
        **{f"ellipsoid_{name}": float((squares < limit).mean()) for name, (_, limit) in _CHI2_QUANTILES.items()},
    )


def fit_calibration(peaks: Floats, errors: Floats, moments: Floats, radius: float) -> Calibration:
    """Measure what peaks and moments mean.

    The probabilities are an isotonic regression over bins of peaks, which is the least squares fit among all that do
    not decrease (Zadrozny and Elkan, KDD 2002). The factor of a bin is the 68 % quantile of its squared whitened
    components, so that just these lie within one standard deviation.

    Args:
        peaks: float [N] of heatmaps.
        errors: float [N, 3] metres.
        moments: float [N, 6] second moments of the heatmaps in square metres.
        radius: Metres that a probability speaks of.

    Raises:
        ValueError: There are too few joints.
        RuntimeError: SciPy is not installed, or older than 1.12.
    """
    try:
        from scipy.optimize import isotonic_regression
    except ImportError as error:
        raise RuntimeError("to fit a calibration needs SciPy 1.12 or newer: pip install 'scipy>=1.12'") from error
    if len(peaks) < 2 * _FEWEST_JOINTS:
        raise ValueError(f"to fit a calibration takes {2 * _FEWEST_JOINTS} joints or more, got {len(peaks)}")
    within = np.linalg.norm(errors, axis=1) <= radius
    squares = whiten(errors, moments) ** 2
    groups = _bins(peaks)
    knots = np.array([peaks[group].mean() for group in groups])
    shares = np.array([within[group].mean() for group in groups])
    counts = np.array([len(group) for group in groups], dtype=np.float64)
    factors = [float(np.quantile(squares[group], ONE_SIGMA)) for group in groups]
    probabilities = isotonic_regression(shares, weights=counts).x.clip(0, 1)
    return Calibration(
        peaks=tuple(knots.round(6).tolist()),
        probabilities=tuple(np.maximum.accumulate(probabilities).round(6).tolist()),
        variance_factors=tuple(float(f"{max(factor, 1e-6):.6g}") for factor in factors),
    )


def _bins(peaks: Floats) -> list[NDArray[np.int64]]:
    """Return indices of the joints of each bin: narrow where there are many, yet none with too few of them."""
    halves = _MOST_KNOTS // 2
    # Even steps resolve the rare low peaks, quantiles the many high ones.
    steps = np.linspace(peaks.min(), peaks.max(), halves + 1)[1:-1]
    quantiles = np.quantile(peaks, np.linspace(0, 1, halves + 1)[1:-1])
    order = np.argsort(peaks, kind="stable")
    cuts = np.unique(np.searchsorted(peaks[order], np.union1d(steps, quantiles)))
    kept: list[int] = []
    for cut in cuts:
        if cut - (kept[-1] if kept else 0) >= _FEWEST_JOINTS and len(peaks) - cut >= _FEWEST_JOINTS:
            kept.append(int(cut))
    groups = np.split(order, kept)
    # Peaks that are all alike leave nothing to tell bins apart by.
    merged = [groups[0]]
    for group in groups[1:]:
        if peaks[group].mean() - peaks[merged[-1]].mean() < 1e-5:
            merged[-1] = np.concatenate((merged[-1], group))
        else:
            merged.append(group)
    return merged


def apply(calibration: Calibration | None, peaks: Floats, moments: Floats) -> tuple[Floats, Floats]:
    """Return scores [N] and covariances [N, 6] as the estimator reports them; both unchanged without a calibration."""
    if calibration is None:
        return peaks, moments
    scores, covariances = calibration.apply(torch.from_numpy(peaks), torch.from_numpy(moments))
    return scores.numpy(), covariances.numpy()
