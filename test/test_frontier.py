# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v frontier``: several networks on the same crops and the same machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from v2v_ros.benchmark.frontier import FrontierFigures, FrontierRow, plot, table
from v2v_ros.benchmark.results import Noise, TimePercentiles
from v2v_ros.cli import main
from v2v_ros.evaluation.synthetic_sets import SETS


def row(milliseconds: float, error: float, best: bool, noisy: bool = False, **changes: Any) -> FrontierRow:
    values = {"grid": 48, "width": 8, "depth": 3, "parameters": 860_000, "gflop": 3.2, **changes}
    return FrontierRow(
        weights="some.safetensors",
        **values,
        mean_mm=error,
        median_mm=error,
        success_30mm=0.5,
        ms=TimePercentiles(milliseconds, milliseconds, milliseconds),
        noise=Noise(3, 0, None, noisy),
        best=best,
    )


def test_networks_that_another_one_beats_are_told(
    make_weights: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = make_weights("small"), make_weights("large", grid=48, width=4, depth=2)
    weights = ["--weights", str(large), str(small)]
    arguments = ["--samples", "4", "--rounds", "3", "--runtime", "torch", "--quiet", "--output", str(tmp_path)]
    assert main(["frontier", *weights, *arguments]) == 0
    figures = json.loads((tmp_path / "frontier.json").read_text())
    first, second = figures["networks"]
    assert (first["weights"], first["grid"], first["width"], first["depth"]) == (str(small), 16, 1, 3)
    assert (second["grid"], second["width"], second["depth"]) == (48, 4, 2)
    assert first["p50"] < second["p50"] and first["parameters"] < second["parameters"]
    assert first["best"] is True and second["best"] == (second["mean_mm"] < first["mean_mm"])
    assert 0 < first["mean_mm"] < 500 and figures["test_set"].startswith("hand_crops")
    printed = capsys.readouterr().out
    assert "| 16 | 1 | 3 |" in printed and printed.strip() == (tmp_path / "frontier.txt").read_text().strip()


def test_the_table_and_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [row(2.0, 20.0, True), row(3.0, 22.0, False, depth=1), row(5.0, 15.0, True, grid=64, noisy=True)]
    figures = FrontierFigures(
        test_set="hand_crops",
        device="cpu",
        device_name="a processor",
        threads=2,
        runtime="torch",
        noisy=True,
        networks=rows,
    )
    lines = table(figures).splitlines()
    assert [line.count("none is nearer and faster") for line in lines[-3:]] == [1, 0, 1] and "noisy" in lines[-1]
    plot(figures, tmp_path / "frontier.png")
    assert (tmp_path / "frontier.png").read_bytes()[:4] == b"\x89PNG"


def test_sets_of_images_are_refused(make_weights: Callable[..., Path]) -> None:
    from v2v_ros.benchmark.frontier import measure

    images = next(each for each in SETS.values() if each.form != "crops" and each.skeleton.name == "hand21")
    with pytest.raises(ValueError, match="not one of crops"):
        measure([str(make_weights())], images)
