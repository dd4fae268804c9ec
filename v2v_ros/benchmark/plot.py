# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The figures as a picture, with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..evaluation.reports.plots import save
from .networks import EAGER
from .results import BenchmarkFigures, NetworkRow, SubjectRow
from .stages import STAGES

_BARS = 24  # more rows than that cannot be read


def plot(figures: BenchmarkFigures, path: Path) -> None:
    """Three panels: where a frame's time goes, the networks by runtime, and what more subjects cost."""
    from matplotlib.figure import Figure  # without pyplot, which would look for a display

    rows = figures.networks[:_BARS]
    figure = Figure(figsize=(15, 3.5 + 0.16 * len(rows)), layout="constrained")
    machine = figures.machine
    figure.suptitle(f"{machine.device_name}, {machine.threads} threads")
    frame, networks, subjects = figure.subplots(1, 3, width_ratios=(1, 1.5, 1))
    _frame(frame, figures)
    _networks(networks, rows)
    _subjects(subjects, figures.subjects)
    save(figure, path)


def _frame(axes: Any, figures: BenchmarkFigures) -> None:
    """Bars of the stages' medians, on top of each other."""
    bars = dict(figures.stages.kinds)
    bars |= {f"node, {row.camera_hz:.0f} Hz": row.ms for row in figures.ros or []}
    bottoms = [0.0] * len(bars)
    for index, stage in enumerate(("transport", *STAGES[:-1], "publish")):
        heights = [values[stage].p50 if stage in values else 0.0 for values in bars.values()]
        if any(heights):
            axes.bar(list(bars), heights, 0.6, bottom=bottoms, label=stage, color=f"C{index}")
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    axes.set(ylabel="median of the stages / ms", title=f"a frame: {figures.machine.weights}")
    axes.legend(reverse=True, fontsize=8)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)


def _networks(axes: Any, rows: list[NetworkRow]) -> None:
    """Draw a point for each row with a line to its p90, the baseline in grey, and beside it the share of the peak."""
    labels = [f"{row.network} x{row.batch} {row.device}, {row.runtime}" for row in rows]
    colors = ["0.7" if row.runtime == EAGER else "C0" for row in rows]
    places = range(len(rows))
    axes.hlines(places, [row.ms.p50 for row in rows], [row.ms.p90 for row in rows], colors=colors)
    axes.scatter([row.ms.p50 for row in rows], places, c=colors)
    for place, row in zip(places, rows, strict=True):
        text = f"{row.ms.p50:.1f} ms, {100 * row.efficiency.of_peak:.0f} %"
        axes.annotate(text, (row.ms.p90, place), (5, -3), textcoords="offset points", fontsize=8)
    axes.set_yticks(places, labels, fontsize=8)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="median of a batch to its p90 / ms (and % of the matrix peak)", title="network alone")
    axes.margins(x=0.3, y=0.1)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)


def _subjects(axes: Any, rows: list[SubjectRow]) -> None:
    """Draw a line for each network."""
    for name in dict.fromkeys(row.network for row in rows):
        of_network = [row for row in rows if row.network == name]
        axes.plot(
            [row.subjects for row in of_network],
            [row.ms["total"].p50 for row in of_network],
            marker="o",
            label=name,
        )
    counts = sorted({row.subjects for row in rows})
    axes.set(xlabel="subjects", ylabel="image to joints, median / ms", title="several subjects", xticks=counts)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    axes.grid(color="0.9")
