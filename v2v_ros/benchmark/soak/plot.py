# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The samples of a long run as a picture, with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...evaluation.reports.plots import save
from .samples import Sample
from .verdict import SoakFigures

_MEMORY = {"rss_mb": "resident", "anonymous_mb": "anonymous", "shared_mb": "shared memory"}


def plot(figures: SoakFigures, path: Path) -> None:
    """Four panels over time: growth of memory, handles and threads, latency, images. Events are grey."""
    from matplotlib.figure import Figure  # without pyplot, which would look for a display

    samples = figures.samples
    times = [one.at / 60 for one in samples]
    figure = Figure(figsize=(11, 11), layout="constrained")
    panels = figure.subplots(4, 1, sharex=True)
    memory, counts, latency, images = panels
    for key, name in _MEMORY.items():
        values = [float("nan") if (value := getattr(one, key)) is None else value for one in samples]
        start = next((value for one, value in zip(samples, values, strict=True) if _counts(one, figures)), values[0])
        memory.plot(times, [value - start for value in values], label=f"{name}, {start:.0f} MB after the warm-up")
    memory.set(ylabel="change of memory / MB")
    _zoom(memory, [line.get_ydata() for line in memory.lines], [_counts(one, figures) for one in samples])
    for key in ("handles", "threads"):
        counts.plot(times, [getattr(one, key) for one in samples], label=key)
    counts.set(ylabel="number")
    counts.set_ylim(0, 1.2 * max(max(one.handles, one.threads) for one in samples))
    for rank in ("p50", "p90", "p99"):
        values = [getattr(one.latency_ms, rank) if one.latency_ms else float("nan") for one in samples]
        latency.plot(times, values, label=rank)
    latency.set(ylabel="image to skeleton / ms", yscale="log")
    period = figures.sample_seconds
    for key, name in (("images", "published"), ("answers", "with skeletons"), ("lost", "lost"), ("dropped", "dropped")):
        images.plot(times, [getattr(one, key) / period for one in samples], label=name)
    images.set(ylabel="images per second", xlabel="minutes")
    for axes in panels:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        axes.grid(color="0.9")
        axes.axvline(figures.warm_up / 60, color="0.4", linestyle=":")
        for event in figures.events:
            axes.axvspan(event.at / 60, (event.at + event.seconds) / 60, color="0.9", zorder=0)
    save(figure, path, dots_per_inch=100)


def _counts(sample: Sample, figures: SoakFigures) -> bool:
    return sample.at >= figures.warm_up and not sample.event


def _zoom(axes: Any, curves: list[Any], shown: list[bool]) -> None:
    """Show what counts, and at least 5 MB of it; the warm-up may begin far below."""
    values = [value for curve in curves for value, one in zip(curve, shown, strict=True) if one and value == value]
    low, high = min(values, default=0.0), max(values, default=0.0)
    axes.set_ylim(min(low - 1, -2.5), max(high + 1, 2.5))
