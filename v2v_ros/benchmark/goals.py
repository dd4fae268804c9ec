# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What is asked of the speed, and whether a run shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .results import BenchmarkFigures, NodeRow, Result


@dataclass(frozen=True)
class Judgement(Result):
    """Whether a goal is reached; ``measured`` and ``reached`` are None when it was not measured."""

    goal: str
    asked: str
    measured: float | None
    reached: bool | None


@dataclass(frozen=True)
class Goal:
    """One figure to reach.

    Attributes:
        device: ``cpu`` or ``cuda``.
        name: Name for people.
        bound: Value to reach: a ceiling, or with ``at_least`` a floor.
        unit: Unit of the bound.
        at_least: Whether the bound is a floor, not a ceiling.
        read: Function that reads the measured value from the figures of a run; None when the run did not measure it.
        how: Options that measure it.
        part: Part of the figures that it is read from.
    """

    device: str
    name: str
    bound: float
    unit: str
    read: Callable[[BenchmarkFigures], float | None]
    how: str
    part: str
    at_least: bool = False

    @property
    def asked(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g} {self.unit}".strip()

    def judge(self, figures: BenchmarkFigures) -> Judgement:
        """Return whether a run reached the goal."""
        on_device = figures.machine.device.split(":")[0] == self.device
        value = self.read(figures) if on_device else None
        reached = None if value is None else (value >= self.bound if self.at_least else value <= self.bound)
        measured = None if value is None else round(value, 3)
        return Judgement(f"{self.device}: {self.name}", self.asked, measured, reached)

    def row(self, figures: BenchmarkFigures) -> str:
        """Return a line of a Markdown table."""
        judged = self.judge(figures)
        if judged.measured is None:
            return f"| {judged.goal} | {self.asked} | - | not measured: {self.how} |"
        value = f"{judged.measured:g} {self.unit}".strip()
        verdict = ("reached" if judged.reached else "missed") + (
            ", but it was noisy" if _noisy(self.part, figures) else ""
        )
        return f"| {judged.goal} | {self.asked} | {value} | {verdict} |"


def _noisy(part: str, figures: BenchmarkFigures) -> bool:
    """Return whether something in a part of the figures was measured while the machine was too noisy."""
    if part == "tracking":
        return figures.stages.noise[part].noisy
    noise = {
        "networks": [row.noise for row in figures.networks],
        "subjects": [row.noise for row in figures.subjects],
        "ros": [row.noise for row in figures.ros or []],
    }
    return any(each.noisy for each in noise.get(part, []))


def _cubes(
    network: str, key: str, quantile: str = "p50", subjects: int = 1
) -> Callable[[BenchmarkFigures], float | None]:
    """Return a function that reads a figure from the rows of several subjects."""

    def read(figures: BenchmarkFigures) -> float | None:
        for row in figures.subjects:
            if row.network == network and row.subjects == subjects:
                return float(getattr(row.ms[key], quantile) if key in row.ms else getattr(row, key))
        return None

    return read


def _any_cube(key: str) -> Callable[[BenchmarkFigures], float | None]:
    """Return the slowest network's, for one subject."""

    def read(figures: BenchmarkFigures) -> float | None:
        values = [row.ms[key].p50 for row in figures.subjects if row.subjects == 1]
        return max(values, default=None)

    return read


def _nodes(read: Callable[[NodeRow], float], network: str = "") -> Callable[[BenchmarkFigures], float | None]:
    """Return the worst of all camera rates, when the nodes ran that network."""

    def worst(figures: BenchmarkFigures) -> float | None:
        if network and network not in figures.machine.weights:
            return None
        return max((read(row) for row in figures.ros or []), default=None)

    return worst


def _lite_rate(figures: BenchmarkFigures) -> float | None:
    """Frames that the node can process in a second, when the camera gives enough."""
    slowest = _nodes(lambda row: row.ms["total"].p50, "lite")(figures)
    return None if not slowest else 1000 / slowest


def _of_peak(batch: int) -> Callable[[BenchmarkFigures], float | None]:
    """Return the fastest runtime's share of the peak, of the full network on the first device."""

    def read(figures: BenchmarkFigures) -> float | None:
        rows = [
            row
            for row in figures.networks
            if (row.network, row.batch, row.device) == ("full", batch, figures.machine.device)
        ]
        return min(rows, key=lambda row: row.ms.p50).efficiency.of_peak if rows else None

    return read


_FULL = "--networks full"
GOALS = (
    Goal(
        "cpu", "full network, image to skeleton", 20, "Hz", _cubes("full", "rate_hz"), _FULL, "subjects", at_least=True
    ),
    Goal("cpu", "lite network, image to skeleton in the node", 90, "Hz", _lite_rate, "--ros", "ros", at_least=True),
    Goal("cpu", "voxelization", 0.5, "ms", _any_cube("voxelize"), "", "subjects"),
    Goal("cpu", "locate when tracking", 1, "ms", lambda figures: figures.stages.tracking["locate"].p50, "", "tracking"),
    Goal(
        "cpu",
        "transport, p99",
        1.5,
        "ms",
        _nodes(lambda row: row.ms["transport"].p99),
        "--ros 30,90",
        "ros",
    ),
    Goal("cpu", "images lost", 0, "", _nodes(lambda row: row.lost), "--ros 30,90", "ros"),
    Goal("cpu", "node's resident memory", 1200, "MB", _nodes(lambda row: row.peak_mb), "--ros", "ros"),
    Goal("cpu", "start to first skeleton", 10, "s", lambda figures: figures.start.seconds, "", "start"),
    Goal("cuda", "image to skeleton, p50", 3, "ms", _cubes("full", "total"), _FULL, "subjects"),
    Goal("cuda", "image to skeleton, p99", 5, "ms", _cubes("full", "total", "p99"), _FULL, "subjects"),
    Goal("cuda", "network, one grid", 0.5, "ms", _cubes("full", "network"), _FULL, "subjects"),
    Goal(
        "cuda",
        "network, 32 grids: share of the matrix peak",
        0.3,
        "",
        _of_peak(32),
        f"{_FULL} --batches 1,32",
        "networks",
        at_least=True,
    ),
    Goal("cuda", "voxelization", 0.1, "ms", _any_cube("voxelize"), "", "subjects"),
    Goal(
        "cuda",
        "4 subjects over one",
        2,
        "times",
        _cubes("full", "of_one", subjects=4),
        f"{_FULL} --subjects 1,4",
        "subjects",
    ),
    Goal("cuda", "memory on the GPU", 1500, "MB", lambda figures: figures.start.gpu_mb, "", "start"),
    Goal("cuda", "start to first skeleton", 10, "s", lambda figures: figures.start.seconds, "", "start"),
)
