# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The learning curves of a comparison as a picture, with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...evaluation.reports.plots import save


def learning_curves(figures: dict[str, Any], path: Path) -> None:
    """Error on held-out hands over the samples seen: a line for every network and seed, one colour a network."""
    from matplotlib.figure import Figure  # without pyplot, which would look for a display

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color="0.9")
    highest = 0.0
    for color, (name, row) in zip(("C0", "C1", "C2", "C3"), figures["rows"].items(), strict=True):
        for index, run in enumerate(row["runs"]):
            errors = [point["mean_mm"] for point in run["curve"]]
            samples = [point["samples"] / 1000 for point in run["curve"]]
            style = ("-", "--", ":", "-.")[index % 4]
            axes.plot(samples, errors, style, color=color, marker=".", label=None if index else name)
            highest = max(highest, *errors)
    axes.set(
        xlabel="thousands of training samples",
        ylabel="mean joint error / mm",
        ylim=(0, 1.05 * highest or 1),
        title=f"synthetic right hands, grid {figures['config']['grid']}, a line for each seed",
    )
    if highest:
        axes.legend()
    save(figure, path)
