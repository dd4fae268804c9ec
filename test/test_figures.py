# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Figures as types, and as JSON holds them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import torch

from v2v_ros.evaluation.figures import FigureRecord, plain
from v2v_ros.evaluation.on_datasets.dataset_figures import dataset_figures
from v2v_ros.evaluation.reports.tables import aligned
from v2v_ros.recorded.datasets.specs import ITOP_SIDE, NYU


@dataclass(frozen=True, kw_only=True)
class Row(FigureRecord):
    mean_mm: float
    samples: int
    precision: float | None = None
    recorded: bool | None


def test_what_does_not_apply_is_left_out_and_what_could_not_be_measured_is_null() -> None:
    assert Row(mean_mm=math.nan, samples=0, recorded=None).to_dict() == {
        "mean_mm": None,
        "samples": 0,
        "recorded": None,
    }
    row = Row(mean_mm=1.23456789, samples=2, precision=math.inf, recorded=True)
    assert list(row.to_dict().items()) == [
        ("mean_mm", 1.23457),
        ("samples", 2),
        ("precision", None),
        ("recorded", True),
    ]


def test_figures_within_figures_become_json() -> None:
    row = Row(mean_mm=1.0, samples=2, recorded=False)
    content = plain({"rows": (row, row), "named": {"a": row}})
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["rows"] == [row.to_dict()] * 2 and content["named"]["a"] == row.to_dict()


def test_the_names_of_a_dataset_s_figures_have_their_thresholds() -> None:
    hand = dataset_figures(torch.full((4, 14), 10.0), NYU).to_dict()
    assert list(hand) == [
        *("dataset", "frames", "complete", "mean_mm", "median_mm", "success_20mm", "success_30mm", "success_40mm"),
        *("auc_50mm", "auc_worst_50mm", "joints", "curve"),
    ]
    assert hand["success_20mm"] == 1.0 and hand["auc_50mm"] == 0.8
    body = dataset_figures(torch.full((4, 15), 10.0), ITOP_SIDE).to_dict()
    assert list(body)[3] == "map_10cm" and {"success_100mm", "auc_150mm", "auc_worst_150mm", "parts"} <= set(body)
    assert set(body["joints"]["head"]) == {"mean_mm", "median_mm", "precision_10cm"}


def test_columns_are_aligned_names_at_the_left_and_the_rest_at_the_right() -> None:
    assert aligned([("name", "x"), ("a", "10"), ("longer", "2")]) == ["name     x", "a       10", "longer   2"]
