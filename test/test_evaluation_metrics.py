# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Metrics and calibration against values computed by hand and against data of known reliability."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from v2v_ros.evaluation import metrics
from v2v_ros.evaluation.calibration import (
    _CHI2_QUANTILES,
    apply,
    covariance_coverage,
    fit_calibration,
    reliability,
    whiten,
)
from v2v_ros.evaluation.on_datasets.dataset_figures import dataset_figures
from v2v_ros.evaluation.on_datasets.dataset_report import dataset_report
from v2v_ros.geometry.skeletons import BODY15, HAND21, Skeleton
from v2v_ros.model.calibration import Calibration
from v2v_ros.recorded.datasets.specs import ICVL, ITOP_SIDE, MSRA, NYU, DatasetSpec

NAN, INF = float("nan"), float("inf")
# Three frames of three joints; one joint has no truth, one was missed.
ERRORS = torch.tensor([[1.0, 2.0, 3.0], [NAN, 10.0, 20.0], [5.0, INF, 1.0]])


def test_errors_tell_missed_joints_from_joints_without_truth() -> None:
    joints = torch.tensor([[[3.0, 4.0, 0.0], [NAN, 0.0, 0.0], [0.0, 0.0, 0.0], [NAN, 0.0, 0.0]]])
    truth = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [NAN, 0.0, 0.0], [NAN, 0.0, 0.0]]])
    errors = metrics.joint_errors(joints, truth)
    assert errors[0, :2].tolist() == [5.0, INF] and errors[0, 2:].isnan().all()


def test_missed_joints_are_failures_and_no_part_of_the_mean() -> None:
    assert metrics.mean_error(ERRORS) == pytest.approx(42 / 7)
    assert metrics.median_error(ERRORS) == 3.0  # of 1 1 2 3 5 10 20 inf, the lower one
    assert metrics.missed_share(ERRORS) == pytest.approx(1 / 8)
    assert metrics.success_rate(ERRORS, 4.0) == pytest.approx(1 / 3)
    assert metrics.success_curve(ERRORS, torch.tensor([3.0, 3.1, 20.5, 1e9])) == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3])
    assert metrics.precision(ERRORS, 5.0) == pytest.approx([1.0, 1 / 3, 2 / 3])
    assert metrics.mean_precision(ERRORS, 5.0) == pytest.approx(2 / 3)


def test_frames_and_joints_without_any_truth_are_left_out() -> None:
    errors = torch.tensor([[1.0, NAN], [NAN, NAN]])
    assert metrics.success_rate(errors, 2.0) == 1.0
    assert metrics.mean_precision(errors, 2.0) == 1.0
    assert np.isnan(metrics.mean_error(errors[1:])) and np.isnan(metrics.missed_share(errors[1:]))


def test_curves_and_areas_of_joints_and_of_worst_joints() -> None:
    assert metrics.worst_errors(ERRORS).tolist() == [3.0, 20.0, INF]
    shares = metrics.joint_curve(ERRORS, torch.tensor([0.5, 1.0, 3.0, 1e9]))  # of 1 1 2 3 5 10 20 inf
    assert shares == pytest.approx([0, 2 / 8, 4 / 8, 7 / 8])
    assert metrics.area_under_curve(ERRORS, 10.0) == pytest.approx((0.9 + 0.9 + 0.8 + 0.7 + 0.5) / 8)
    assert metrics.area_under_curve(metrics.worst_errors(ERRORS), 40.0) == pytest.approx((37 / 40 + 20 / 40) / 3)
    assert np.isnan(metrics.joint_curve(torch.full((2, 2), NAN), torch.tensor([1.0]))).all()


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_the_area_is_that_under_the_curve(values: list[float]) -> None:
    errors = torch.tensor(values, dtype=torch.float64)[:, None]
    steps = torch.arange(0, 50.001, 0.05, dtype=torch.float64)
    curve = torch.tensor(metrics.joint_curve(errors, steps))
    assert metrics.area_under_curve(errors, 50.0) == pytest.approx(torch.trapezoid(curve, steps).item() / 50, abs=1e-3)


@pytest.mark.parametrize(
    ("spec", "pieces"),
    [
        (ICVL, {"sequence 1": 702, "sequence 2": 894}),
        (NYU, {"subject 1": 2440, "subject 2": 5812}),
        (MSRA, {f"subject {index}": 8499 for index in (0, 1)} | {"subject 2": 8406, "subject 8": 8496}),
    ],
)
def test_complete_test_sets_are_told_apart_by_their_pieces(spec: DatasetSpec, pieces: dict[str, int]) -> None:
    errors = torch.zeros(spec.test_frames, len(spec.skeleton.joint_names))
    errors[: pieces[next(iter(pieces))]] = 3.0
    errors[0] = NAN
    figures = dataset_figures(errors, spec)
    found = figures.sequences
    assert found is not None and {name: found[name].frames for name in pieces} == pieces
    means = [row.mean_mm for row in found.values()]
    assert means == [3.0] + [0.0] * (len(means) - 1)
    assert not figures.complete and dataset_figures(errors.nan_to_num(), spec).complete
    assert "sequences" not in dataset_figures(errors[1:], spec).to_dict()
    assert f"\n{next(iter(pieces))} " in dataset_report({"mine": figures}, spec)


def test_missed_joints_of_a_dataset_are_reported_and_nothing_measured_is_no_error() -> None:
    errors = torch.full((4, 15), 20.0)
    errors[0, 6] = INF
    errors[1] = NAN
    figures = dataset_figures(errors, ITOP_SIDE).to_dict()
    assert figures["frames"] == 3 and figures["missed_share"] == pytest.approx(1 / 45, rel=1e-5)
    assert figures["joints"]["right_hand"]["precision_10cm"] == pytest.approx(2 / 3, rel=1e-5)
    assert figures["map_10cm"] == pytest.approx(44 / 45, rel=1e-5)
    empty = dataset_figures(torch.full((2, 15), NAN), ITOP_SIDE)
    assert empty.to_dict()["mean_mm"] is None and empty.to_dict()["map_10cm"] is None
    assert dataset_report({"nothing": empty}, ITOP_SIDE).splitlines()[-1].startswith("> nothing")


@pytest.mark.parametrize("skeleton", [HAND21, BODY15], ids=lambda skeleton: skeleton.name)
def test_the_parts_are_of_the_skeleton_and_hold_all_its_joints(skeleton: Skeleton) -> None:
    grouped = metrics.joint_groups(skeleton.kind)
    assert {joint for joints in grouped.values() for joint in joints} == set(skeleton.joint_names)


def test_reliability_of_scores_worked_out_by_hand() -> None:
    scores = np.array([0.05, 0.95, 0.95, 1.0])
    distances = np.array([0.5, 0.01, 0.01, INF])
    result = reliability(scores, distances, 0.02)
    assert [row.count for row in result.bins] == [1, 3]
    assert result.bins[1].score == pytest.approx(2.9 / 3) and result.bins[1].share == pytest.approx(2 / 3)
    assert result.expected_calibration_error == pytest.approx((0.05 + 3 * 0.3) / 4)


def _normal(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Errors [N, 3] and the covariances [N, 6] that they were drawn with."""
    generator = np.random.default_rng(seed)
    roots = np.tril(generator.normal(size=(count, 3, 3)) * 0.002) + 0.005 * np.eye(3)
    errors = (roots @ generator.normal(size=(count, 3, 1)))[..., 0]
    full = roots @ roots.transpose(0, 2, 1)
    return errors, full[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]


def test_whitened_errors_are_standard_normal_if_the_covariances_are_right() -> None:
    errors, covariances = _normal(20_000)
    assert np.cov(whiten(errors, covariances).T) == pytest.approx(np.eye(3), abs=0.03)
    right, small = covariance_coverage(errors, covariances), covariance_coverage(errors, covariances / 4)
    assert right.components_within_1_sigma == pytest.approx(0.6827, abs=0.01)
    assert right.ellipsoid_68 == pytest.approx(0.6827, abs=0.01)
    assert right.ellipsoid_95 == pytest.approx(0.95, abs=0.01)
    assert small.components_within_1_sigma == pytest.approx(0.383, abs=0.01)  # half a sigma


def test_the_quantiles_are_those_of_three_degrees_of_freedom() -> None:
    for share, limit in _CHI2_QUANTILES.values():
        assert limit == pytest.approx(chi2.ppf(share, 3), abs=2e-3)


def test_covariances_of_single_cells_do_no_harm_and_impossible_ones_are_named() -> None:
    assert np.isfinite(whiten(np.ones((1, 3)), np.zeros((1, 6)))).all()
    with pytest.raises(ValueError, match="positive definite"):
        whiten(np.ones((1, 3)), -np.ones((1, 6)))


def test_fitting_finds_probabilities_that_are_known() -> None:
    generator = np.random.default_rng(1)
    peaks = generator.beta(5, 1.5, 40_000)
    errors, covariances = _normal(40_000)
    # A joint is near with a probability of its peak squared, and far off otherwise.
    near = generator.random(40_000) < peaks**2
    errors = np.where(near[:, None], errors, errors + 1.0)
    fitted = fit_calibration(peaks, errors, covariances, radius=0.5)
    assert 8 <= len(fitted.peaks) <= 16
    scores, _ = apply(fitted, peaks, covariances)
    result = reliability(scores, np.linalg.norm(errors, axis=1), 0.5)
    assert result.expected_calibration_error < 0.01
    grid = np.linspace(0.4, 0.95, 12)
    wanted, _ = apply(fitted, grid, np.ones((12, 6)))
    assert wanted == pytest.approx(grid**2, abs=0.04)


def test_fitted_covariances_hold_68_percent_in_every_range_of_peaks() -> None:
    generator = np.random.default_rng(2)
    peaks = generator.uniform(0.2, 1.0, 30_000)
    errors, covariances = _normal(30_000)
    errors *= (1.5 - peaks)[:, None] * 3  # surer joints err less, which the moments do not say
    fitted = fit_calibration(peaks, errors, covariances, radius=0.02)
    _, right = apply(fitted, peaks, covariances)
    for low in (0.2, 0.4, 0.6, 0.8):
        some = (peaks >= low) & (peaks < low + 0.2)
        share = covariance_coverage(errors[some], right[some]).components_within_1_sigma
        assert share == pytest.approx(0.6827, abs=0.02)


def test_fitting_needs_joints() -> None:
    errors, covariances = _normal(50)
    with pytest.raises(ValueError, match="joints"):
        fit_calibration(np.linspace(0, 1, 50), errors, covariances, 0.02)
    errors, covariances = _normal(500)
    fitted = fit_calibration(np.full(500, 0.7), errors, covariances, 0.02)
    assert len(fitted.peaks) == 1  # nothing to tell joints apart by


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_calibrated_scores_are_probabilities_in_the_order_of_the_peaks(peaks: list[float], table: list[float]) -> None:
    knots = tuple((index + 1) / 8 for index in range(len(table)))
    calibration = Calibration(knots, tuple(sorted(table)), tuple(1.0 + value for value in table))
    scores, covariances = calibration.apply(torch.tensor(sorted(peaks)), torch.ones(len(peaks), 6))
    assert ((scores >= 0) & (scores <= 1)).all() and (scores.diff() >= -1e-6).all()
    assert (covariances >= 1 - 1e-6).all()


def test_calibration_is_linear_between_knots_and_survives_json() -> None:
    calibration = Calibration((0.2, 0.6), (0.0, 1.0), (1.0, 3.0))
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    moments = torch.ones(5, 6)
    moments[4] = NAN
    scores, covariances = calibration.apply(torch.tensor([0.0, 0.3, 0.6, 1.0, 0.5]), moments)
    assert scores.tolist() == pytest.approx([0.0, 0.25, 1.0, 1.0, 0.75])
    assert covariances[:4, 0].tolist() == pytest.approx([1.0, 1.5, 3.0, 3.0]) and covariances[4].isnan().all()


@pytest.mark.parametrize(
    "tables",
    [
        ((), (), ()),
        ((0.1,), (0.1, 0.2), (1.0,)),
        ((0.2, 0.1), (0.1, 0.2), (1.0, 1.0)),
        ((0.1, 0.2), (0.3, 0.2), (1.0, 1.0)),
        ((0.1, 0.2), (0.1, 1.2), (1.0, 1.0)),
        ((0.1, 0.2), (0.1, 0.2), (1.0, 0.0)),
        ((0.1, NAN), (0.1, 0.2), (1.0, 1.0)),
    ],
)
def test_tables_that_are_none_are_refused(tables: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ValueError, match="calibration"):
        Calibration(*tables)
