# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whether the samples of a long run are flat."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from ..noise import OTHERS_LIMIT
from ..results import Result
from .samples import Sample, SoakEvent

GROWTH_MB = 2.0
"""Megabytes by which memory may grow in an hour, and from the warm-up to the end."""
_TIME_GROWTH = 0.2  # share of a time's median by which it may grow in an hour
FLAT, GROWS, SHORT, NOISY = "flat", "GROWS", "too short to say", "machine too noisy to say"
_SHORTEST = 1200.0  # seconds after the warm-up; from fewer, the growth of an hour is guesswork
_FEWEST = 8  # samples
_PARTS = 10


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Median of the slopes of all pairs of points (Theil, 1950; Sen, 1968): up to 29 % of them may be outliers."""
    t, y = np.asarray(times, float), np.asarray(values, float)
    first, second = np.triu_indices(len(t), 1)
    return float(np.median((y[second] - y[first]) / (t[second] - t[first])))


@dataclass(frozen=True)
class Trend(Result):
    """How a quantity went.

    Attributes:
        first, last: Median in the first and the last quarter (of memory: of its lowest values); None: too few samples.
        per_hour: Slope by a robust fit.
        bar: Growth from which on it is not flat.
        verdict: One of :data:`FLAT`, :data:`GROWS`, :data:`SHORT` and, for latencies, :data:`NOISY`.
    """

    name: str
    unit: str
    first: float | None
    last: float | None
    per_hour: float | None
    bar: float
    verdict: str


@dataclass(frozen=True)
class Verdict(Result):
    """Whether everything stayed flat.

    Attributes:
        seconds: Time that counts.
        published, lost, dropped: Number of images in that time.
        flat: Whether no quantity grows; None when any but a noisy one cannot be told.
    """

    seconds: float
    rows: list[Trend]
    published: int
    lost: int
    dropped: int
    flat: bool | None


@dataclass(frozen=True)
class SoakFigures(Result):
    """A long run.

    Attributes:
        minutes: Length that was asked for.
        warm_up: Seconds at the beginning that do not count.
        sample_seconds: Time between samples.
        rate: Frame rate of the camera in Hz.
        parameters: Parameters of the pose node.
    """

    minutes: float
    warm_up: float
    sample_seconds: float
    rate: float
    parameters: dict[str, str]
    weights: str
    samples: list[Sample] = field(default_factory=list)
    events: list[SoakEvent] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """Judgement of the samples so far."""
        return judge(self.samples, self.warm_up)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures and the verdict by their names, as JSON holds them."""
        return {**super().to_dict(), "verdict": self.verdict.to_dict()}


def judge(samples: Sequence[Sample], warm_up: float) -> Verdict:
    """Return growth and verdict of everything that must be flat.

    Args:
        samples: Samples of :func:`v2v_ros.benchmark.soak.run.soak`; those during an event are left out.
        warm_up: Seconds at the beginning that do not count.
    """
    counted = [one for one in samples if one.at >= warm_up and not one.event]
    seconds = counted[-1].at - counted[0].at if counted else 0.0
    long = seconds >= _SHORTEST and len(counted) >= _FEWEST
    rows = []
    for name, key in (("resident memory", "rss_mb"), ("anonymous memory", "anonymous_mb")):
        rows.append(_row(name, "MB", _lowest(counted, key), attrgetter(key), GROWTH_MB, GROWTH_MB, long))
    for key in ("handles", "threads"):
        rows.append(_row(key, "", counted, attrgetter(key), 0.0, math.inf, long))
    rows.append(_row("CPU time of an image", "ms", counted, _cpu, *2 * (_share(counted, _cpu),), long))
    others = [one.others_cores for one in counted if one.others_cores is not None]
    noisy = bool(others) and float(np.median(others)) > OTHERS_LIMIT
    for rank in ("p50", "p99"):
        read = partial(_latency, rank)
        rows.append(_row(f"latency {rank}", "ms", counted, read, *2 * (_share(counted, read),), long))
        if noisy:
            rows[-1] = replace(rows[-1], verdict=NOISY)
    verdicts = {row.verdict for row in rows}
    return Verdict(
        seconds=round(seconds, 1),
        rows=rows,
        published=sum(one.published for one in counted),
        lost=sum(one.lost for one in counted),
        dropped=sum(one.dropped for one in counted),
        flat=False if GROWS in verdicts else None if SHORT in verdicts else True,
    )


def _row(
    name: str,
    unit: str,
    samples: Sequence[Sample],
    read: Callable[[Sample], float | None],
    total: float,
    hourly: float,
    long: bool,
) -> Trend:
    """Return one quantity.

    Args:
        total: Amount by which the median of the last quarter may exceed that of the first.
        hourly: Slope per hour up to which the quantity counts as flat.
        long: Whether the samples are enough to call it flat.
    """
    points = [(one.at, value) for one in samples if (value := read(one)) is not None]
    bar = round(min(total, hourly), 3)
    if len(points) < _FEWEST:
        return Trend(name, unit, None, None, None, bar, SHORT)
    times, values = zip(*points, strict=True)
    quarter = len(values) // 4
    first, last = float(np.median(values[:quarter])), float(np.median(values[-quarter:]))
    per_hour = 3600 * slope(times, values)
    # What has grown by far too much is not flat, however short the run was.
    grown = last - first > total or per_hour > hourly if long else last - first > 3 * total
    verdict = GROWS if grown else FLAT if long else SHORT
    return Trend(name, unit, round(first, 3), round(last, 3), round(per_hour, 3), bar, verdict)


def _lowest(samples: Sequence[Sample], key: str) -> list[Sample]:
    """Return the samples with the lowest value of every tenth of the time.

    The C library's allocator keeps the room of images that two threads happened to hold at once, and gives it back
    later: memory goes up and down in steps of megabytes. What leaks lifts the lowest values as well.
    """
    known = [one for one in samples if getattr(one, key) is not None]
    parts = np.array_split(np.arange(len(known)), min(_PARTS, len(known) or 1))
    return [min((known[index] for index in part), key=attrgetter(key)) for part in parts if len(part)]


def _cpu(sample: Sample) -> float | None:
    """Milliseconds of CPU time that the node used, by answer; other processes hardly change it."""
    return 1000 * sample.cores * sample.seconds / sample.answers if sample.answers else None


def _latency(rank: str, sample: Sample) -> float | None:
    return None if sample.latency_ms is None else float(getattr(sample.latency_ms, rank))


def _share(samples: Sequence[Sample], read: Callable[[Sample], float | None]) -> float:
    """Return the bar of a time: a share of its median."""
    known = [value for one in samples if (value := read(one)) is not None]
    return _TIME_GROWTH * float(np.median(known)) if known else 0.0


def table(verdict: Verdict) -> str:
    """Return it for people, as a Markdown table and a sentence."""

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    lines = ["| | first quarter | last quarter | slope per hour | bar | |", "|---|---|---|---|---|---|"]
    for row in verdict.rows:
        name = f"{row.name} [{row.unit}]" if row.unit else row.name
        cells = (*map(number, (row.first, row.last, row.per_hour, row.bar)), row.verdict)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    words = {True: "Nothing grows.", False: "SOMETHING GROWS.", None: "Too short to say more."}
    lines.append("")
    lines.append(
        f"{verdict.seconds / 60:.1f} minutes counted; of {verdict.published} images {verdict.lost} were lost "
        f"on the way and {verdict.dropped} dropped by the node for newer ones. {words[verdict.flat]}"
    )
    return "\n".join(lines)
