# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How fast the frames of a dataset are read."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import numpy as np

from .dataset import DatasetError, DepthDataset

REQUIRED = 500
"""Frames a second on one core that a format is to reach."""


@dataclass(frozen=True)
class ReaderSpeed:
    """How fast frames were read, in frames a second; ``frames_per_second`` is the median round's."""

    frames: int
    rounds: int
    frames_per_second: float
    slowest: float
    fastest: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures by their names, as JSON holds them."""
        return asdict(self)


def frames_per_second(dataset: DepthDataset, *, frames: int = 200, rounds: int = 5) -> ReaderSpeed:
    """Read frames in random order, as training does, on one core.

    Time is that of the processor, and frames are read once before: the operating system then has the files in memory,
    and what is measured is the reader, not the disk and not what else the machine does.

    Args:
        frames: Number of different frames to read; fewer if the dataset has not as many.
        rounds: Number of times that they are read; the median counts.

    Raises:
        DatasetError: A frame cannot be read, or none is valid.
    """
    valid = np.flatnonzero(dataset.valid)
    if not len(valid):
        raise DatasetError(f"no frame of {dataset.spec.name} in '{dataset.folder}' is valid")
    chosen = np.random.default_rng(0).permutation(valid)[:frames].tolist()
    seconds = []
    for _ in range(rounds + 1):
        started = time.process_time()
        for index in chosen:
            dataset.depth(index)
        seconds.append(time.process_time() - started)
    rates = len(chosen) / np.array(seconds[1:])
    return ReaderSpeed(
        frames=len(chosen),
        rounds=rounds,
        frames_per_second=round(float(np.median(rates)), 1),
        slowest=round(float(rates.min()), 1),
        fastest=round(float(rates.max()), 1),
    )
