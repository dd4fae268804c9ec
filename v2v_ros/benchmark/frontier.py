# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How near and how fast: several networks on one test set and one machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..evaluation.crops import Crops
from ..evaluation.reports.plots import save
from ..evaluation.synthetic_sets import SyntheticSet, make, part_count
from ..model.runtime import choose_device, make_runtime
from ..model.weights import load
from .machine import device_name, synchronize
from .networks import cost, grids
from .noise import take_turns
from .results import Noise, Result, TimePercentiles, flat
from .scene import BenchmarkScene


@dataclass(frozen=True)
class FrontierRow(Result):
    """How near and how fast a network is.

    Attributes:
        ms: Times of one grid.
        best: Whether no other network is both nearer and faster.
    """

    weights: str
    grid: int
    width: int
    depth: int
    parameters: int
    gflop: float
    mean_mm: float
    median_mm: float
    success_30mm: float
    ms: TimePercentiles
    noise: Noise
    best: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by their names; those of the times stand beside the others."""
        return flat(super().to_dict(), "ms", "noise")


@dataclass(frozen=True)
class FrontierFigures(Result):
    """A comparison of networks; the fastest come first."""

    test_set: str
    device: str
    device_name: str
    threads: int
    runtime: str
    noisy: bool
    networks: list[FrontierRow]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by their names."""
        return {**super().to_dict(), "networks": [row.to_dict() for row in self.networks]}


def measure(
    names: Sequence[str],
    test_set: SyntheticSet,
    *,
    device: str = "auto",
    runtime: str = "auto",
    threads: int = 0,
    samples: int | None = None,
    rounds: int = 60,
    tick: Callable[[], object] = lambda: None,
) -> FrontierFigures:
    """Return errors on the same crops, and times turn by turn.

    Args:
        names: Names or paths of weights, all of the set's skeleton.
        test_set: Set of crops.
        device, runtime, threads: Device, runtime and CPU threads of the networks, as for
            :class:`~v2v_ros.estimator.PoseEstimator`.
        samples: Number of crops of the set, its first ones; None: all.
        rounds: Number of turns in which each network is timed.
        tick: Callback after every part of the set.

    Raises:
        ValueError: Weights are of another skeleton, or the set is not one of crops.
        WeightsError: There are no such weights.
    """
    if test_set.form != "crops":
        raise ValueError(f"the test set '{test_set.name}' is not one of crops")
    where = choose_device(device)
    loaded = [load(name, test_set.skeleton.name) for name in names]
    crops = [Crops(weights, device, runtime, threads) for weights in loaded]
    for index in range(part_count(test_set, samples)):
        part = make(test_set, index, samples)
        for run in crops:
            run.add(index, part)
        tick()
    scene = BenchmarkScene.render(test_set.skeleton.kind)
    calls: dict[str, Callable[[], object]] = {}
    for name, weights in zip(names, loaded, strict=True):
        network = make_runtime(runtime, weights, where, threads)
        calls[name] = partial(network, grids(scene, weights.config, weights.cube_edge, 1, where))
        description = network.description
    with torch.inference_mode():
        timings = take_turns(calls, rounds, wait=partial(synchronize, where))
    rows = []
    for name, weights, run in zip(names, loaded, crops, strict=True):
        figures, config, size = run.figures(), weights.config, cost(weights.config)
        row = FrontierRow(
            weights=name,
            grid=config.grid,
            width=config.width,
            depth=config.depth,
            parameters=size.parameters,
            gflop=round(size.flops / 1e9, 3),
            mean_mm=figures.mean_mm,
            median_mm=figures.median_mm,
            success_30mm=figures.success_30mm,
            ms=timings[name].percentiles(),
            noise=timings[name].noise(),
            best=True,
        )
        rows.append(row)
    rows.sort(key=lambda row: row.ms.p50)
    nearest = [min([math.inf, *(row.mean_mm for row in rows[:index])]) for index in range(len(rows))]
    return FrontierFigures(
        test_set=test_set.name,
        device=str(where),
        device_name=device_name(where),
        threads=threads or torch.get_num_threads(),
        runtime=description,
        noisy=any(row.noise.noisy for row in rows),
        networks=[replace(row, best=row.mean_mm < limit) for row, limit in zip(rows, nearest, strict=True)],
    )


def table(figures: FrontierFigures) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        f"{figures.test_set} on {figures.device_name}, {figures.threads} threads, {figures.runtime}",
        "",
        "| weights | cells | width | depth | M parameters | GFLOP | mean mm | median mm | ms p50 | p90 | |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in figures.networks:
        cells = (
            Path(row.weights).stem,
            *map(str, (row.grid, row.width, row.depth)),
            *(f"{value:.2f}" for value in (row.parameters / 1e6, row.gflop)),
            *(f"{value:.1f}" for value in (row.mean_mm, row.median_mm)),
            *(f"{value:.2f}" for value in (row.ms.p50, row.ms.p90)),
            ("none is nearer and faster" if row.best else "") + (" (noisy)" if row.noise.noisy else ""),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(figures: FrontierFigures, path: Path) -> None:
    """Millimetres over milliseconds, with matplotlib."""
    from matplotlib.figure import Figure  # without pyplot, which would look for a display

    picture = Figure(figsize=(8, 5.5), layout="constrained")
    axes = picture.subplots()
    rows = figures.networks
    best = [row for row in rows if row.best]
    axes.plot([row.ms.p50 for row in best], [row.mean_mm for row in best], color="0.8", zorder=0)
    for row in rows:
        axes.plot(row.ms.p50, row.mean_mm, marker="o", color="C0" if row.best else "0.6")
        axes.annotate(Path(row.weights).stem, (row.ms.p50, row.mean_mm), (6, 4), textcoords="offset points", fontsize=9)
    axes.set(
        xlabel=f"network alone, median / ms ({figures.device_name}, {figures.runtime})",
        ylabel=f"mean joint error on {figures.test_set} / mm",
    )
    axes.margins(x=0.2, y=0.1)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    save(picture, path)
