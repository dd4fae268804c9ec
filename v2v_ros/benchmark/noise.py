# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Timing that knows what other processes did meanwhile: turn by turn, medians, and a word when it was too noisy."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .results import Noise, TimePercentiles

OTHERS_LIMIT = 0.2
"""Cores that other processes may use while something is timed."""
SPREAD_LIMIT = 1.5
"""Ratio of p90 to p50 above which the machine's speed changed while it was measured."""
_FEWEST = 5  # samples without which dropping the others is not worth it
_WINDOW = 0.2  # seconds; the system counts in hundredths of a second
_TURN = 0.05  # seconds that one of several things is run before the next


class Load:
    """Measures the load by other processes on the cores that this process may use.

    Args:
        stat: File of the system's counters, in the format of proc(5).
        own: Function that returns the CPU time of this process, seconds.
    """

    def __init__(self, stat: Path = Path("/proc/stat"), own: Callable[[], float] = time.process_time) -> None:
        self._stat, self._own = stat, own

    def others(self) -> float | None:
        """Seconds of CPU time used by others so far; None where the system does not tell."""
        try:
            lines = self._stat.read_text().splitlines()
            cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
            ticks = os.sysconf("SC_CLK_TCK")
        except (OSError, AttributeError):  # not Linux
            return None
        counts = [[int(word) for word in words[1:]] for line in lines if (words := line.split()) and words[0] in cores]
        # user, nice, system, (idle, iowait,) irq, softirq, steal; guests are part of user
        busy = sum(sum(each[:3]) + sum(each[5:8]) for each in counts)
        return busy / ticks - self._own() if counts and busy else None


@dataclass(frozen=True)
class Timing:
    """Times of one thing that was run again and again, after warm-up.

    Attributes:
        p50, p90, p99: Percentiles, milliseconds.
        samples: Number of samples that count.
        dropped: Number of samples that do not count, because other processes used more than :data:`OTHERS_LIMIT` cores
            meanwhile.
        others: Cores that other processes used, median of all samples; None where the system does not tell.
        noisy: Whether too few samples were left, or they lie far apart; then all of them count.
    """

    p50: float
    p90: float
    p99: float
    samples: int
    dropped: int
    others: float | None
    noisy: bool

    @classmethod
    def of(cls, milliseconds: list[float], others: list[float | None]) -> Timing:
        """Make one from samples and the cores that others used during each."""
        values = np.array(milliseconds)
        known = np.array([0.0 if cores is None else cores for cores in others])
        quiet = known <= OTHERS_LIMIT
        enough = quiet.sum() >= max(min(_FEWEST, len(values)), len(values) / 3)
        kept = values[quiet] if enough else values
        p50, p90, p99 = (float(np.percentile(kept, rank)) for rank in (50, 90, 99))
        return cls(
            round(p50, 4),
            round(p90, 4),
            round(p99, 4),
            samples=len(kept),
            dropped=len(values) - len(kept),
            others=None if None in others else round(float(np.median(known)), 2),
            noisy=bool(not enough or p90 > SPREAD_LIMIT * p50),
        )

    def percentiles(self) -> TimePercentiles:
        """Return the percentiles alone."""
        return TimePercentiles(self.p50, self.p90, self.p99)

    def noise(self) -> Noise:
        """Return all but the percentiles."""
        return Noise(self.samples, self.dropped, self.others, self.noisy)


class Recorder:
    """Collects samples of named things, and what others did while each was taken."""

    def __init__(self, load: Load | None = None, now: Callable[[], float] = time.perf_counter) -> None:
        self._load, self._now = load or Load(), now
        self._samples: dict[str, list[tuple[float, float]]] = {}
        self._readings = [(now(), self._load.others())]

    def add(self, **milliseconds: float) -> None:
        """Take samples that have just ended, by name."""
        self.add_all(milliseconds)

    def add_all(self, milliseconds: Mapping[str, float]) -> None:
        """Do the same for names that are no Python words."""
        now = self._now()
        for name, value in milliseconds.items():
            self._samples.setdefault(name, []).append((now, value))
        if now - self._readings[-1][0] >= _WINDOW:
            self._readings.append((now, self._load.others()))

    def timings(self) -> dict[str, Timing]:
        """Return the timings by name."""
        last = self._now()
        if last > self._readings[-1][0]:
            if len(self._readings) > 1 and last - self._readings[-1][0] < _WINDOW:
                self._readings.pop()  # too short a window to judge by
            self._readings.append((last, self._load.others()))
        ends = [at for at, _ in self._readings]
        cores: list[float | None] = []
        for (begin, before), (end, after) in zip(self._readings[:-1], self._readings[1:], strict=True):
            cores.append(None if before is None or after is None else max(0.0, (after - before) / (end - begin)))
        return {
            name: Timing.of(
                [value for _, value in samples],
                [cores[min(max(bisect_left(ends, at) - 1, 0), len(cores) - 1)] for at, _ in samples],
            )
            for name, samples in self._samples.items()
        }


def take_turns(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = 2,
    seconds: float = 12.0,
    wait: Callable[[], object] = lambda: None,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Time several things turn by turn, so that a slow moment of the machine meets all of them.

    What takes a small part of a turn is run several times in a row. The first run then does not count, because it
    finds the caches full of what the others left there.

    Args:
        calls: Functions to time, by name.
        rounds: Number of turns of each.
        warm_up: Number of turns before, which do not count.
        seconds: Time after which no further round begins, once there were five.
        wait: Function called after each run, within its time: for work that is only queued.
        tick: Callback after every round, also those that do not count.
    """
    repeats = dict.fromkeys(calls, 1)
    recorder = Recorder()
    started = time.perf_counter()
    for turn in range(warm_up + rounds):
        if turn == warm_up:
            recorder, started = Recorder(), time.perf_counter()
        elif turn >= warm_up + _FEWEST and time.perf_counter() - started > seconds:
            break
        for name, call in calls.items():
            for repeat in range(repeats[name]):
                began = time.perf_counter()
                call()
                wait()
                took = time.perf_counter() - began
                if turn < warm_up:
                    repeats[name] = max(1, min(10, int(_TURN / took)))
                    break
                if repeat or repeats[name] == 1:
                    recorder.add_all({name: 1000 * took})
        tick()
    return recorder.timings()
