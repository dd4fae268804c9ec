# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What is asked of the speed, and whether a run shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]


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
    read: Callable[[Figures], float | None]
    how: str
    part: str
    at_least: bool = False

    @property
    def asked(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g} {self.unit}".strip()

    def judge(self, figures: Figures) -> dict[str, Any]:
        """``goal``, ``asked``, ``measured`` and ``reached``; the last two are None when it was not measured."""
        on_device = figures["machine"]["device"].split(":")[0] == self.device
        value = self.read(figures) if on_device else None
        reached = None if value is None else (value >= self.bound if self.at_least else value <= self.bound)
        measured = None if value is None else round(value, 3)
        return {"goal": f"{self.device}: {self.name}", "asked": self.asked, "measured": measured, "reached": reached}

    def row(self, figures: Figures) -> str:
        """Return a line of a Markdown table."""
        judged = self.judge(figures)
        if judged["measured"] is None:
            return f"| {judged['goal']} | {self.asked} | - | not measured: {self.how} |"
        value = f"{judged['measured']:g} {self.unit}".strip()
        verdict = ("reached" if judged["reached"] else "missed") + (
            ", but it was noisy" if _noisy(self.part, figures) else ""
        )
        return f"| {judged['goal']} | {self.asked} | {value} | {verdict} |"


def _noisy(part: str, figures: Figures) -> bool:
    """Return whether something in a part of the figures was measured while the machine was too noisy."""
    if part == "tracking":
        return bool(figures["noise"][part]["noisy"])
    if part == "networks":
        return any(row["noisy"] for row in figures[part])
    return any(row["noise"]["noisy"] for row in figures.get(part) or [] if isinstance(row, dict) and "noise" in row)


def _cubes(network: str, key: str, quantile: str = "p50", subjects: int = 1) -> Callable[[Figures], float | None]:
    """Return a function that reads a figure from the rows of several subjects."""

    def read(figures: Figures) -> float | None:
        for row in figures["subjects"]:
            if row["network"] == network and row["subjects"] == subjects:
                return float(row["ms"][key][quantile] if key in row["ms"] else row[key])
        return None

    return read


def _any_cube(key: str) -> Callable[[Figures], float | None]:
    """Return the slowest network's, for one subject."""

    def read(figures: Figures) -> float | None:
        values = [float(row["ms"][key]["p50"]) for row in figures["subjects"] if row["subjects"] == 1]
        return max(values, default=None)

    return read


def _nodes(read: Callable[[Figures], float], network: str = "") -> Callable[[Figures], float | None]:
    """Return the worst of all camera rates, when the nodes ran that network."""

    def worst(figures: Figures) -> float | None:
        if network and network not in figures["machine"]["weights"]:
            return None
        return max((read(row) for row in figures["ros"] or []), default=None)

    return worst


def _lite_rate(figures: Figures) -> float | None:
    """Frames that the node can process in a second, when the camera gives enough."""
    slowest = _nodes(lambda row: float(row["ms"]["total"]["p50"]), "lite")(figures)
    return None if not slowest else 1000 / slowest


def _network(key: str, batch: int) -> Callable[[Figures], float | None]:
    """Return the fastest runtime's, of the full network on the first device."""

    def read(figures: Figures) -> float | None:
        rows = [
            row
            for row in figures["networks"]
            if (row["network"], row["batch"], row["device"]) == ("full", batch, figures["machine"]["device"])
        ]
        return min(rows, key=lambda row: float(row["p50"]))[key] if rows else None

    return read


_FULL = "--networks full"
GOALS = (
    Goal(
        "cpu", "full network, image to skeleton", 20, "Hz", _cubes("full", "rate_hz"), _FULL, "subjects", at_least=True
    ),
    Goal("cpu", "lite network, image to skeleton in the node", 90, "Hz", _lite_rate, "--ros", "ros", at_least=True),
    Goal("cpu", "voxelization", 0.5, "ms", _any_cube("voxelize"), "", "subjects"),
    Goal("cpu", "locate when tracking", 1, "ms", lambda figures: figures["tracking"]["locate"]["p50"], "", "tracking"),
    Goal(
        "cpu",
        "transport, p99",
        1.5,
        "ms",
        _nodes(lambda row: float(row["ms"]["transport"]["p99"])),
        "--ros 30,90",
        "ros",
    ),
    Goal("cpu", "images lost", 0, "", _nodes(lambda row: float(row["lost"])), "--ros 30,90", "ros"),
    Goal("cpu", "node's resident memory", 1200, "MB", _nodes(lambda row: float(row["peak_mb"])), "--ros", "ros"),
    Goal("cpu", "start to first skeleton", 10, "s", lambda figures: figures["start"]["seconds"], "", "start"),
    Goal("cuda", "image to skeleton, p50", 3, "ms", _cubes("full", "total"), _FULL, "subjects"),
    Goal("cuda", "image to skeleton, p99", 5, "ms", _cubes("full", "total", "p99"), _FULL, "subjects"),
    Goal("cuda", "network, one grid", 0.5, "ms", _cubes("full", "network"), _FULL, "subjects"),
    Goal(
        "cuda",
        "network, 32 grids: share of the matrix peak",
        0.3,
        "",
        _network("of_peak", 32),
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
    Goal("cuda", "memory on the GPU", 1500, "MB", lambda figures: figures["start"]["gpu_mb"], "", "start"),
    Goal("cuda", "start to first skeleton", 10, "s", lambda figures: figures["start"]["seconds"], "", "start"),
)
