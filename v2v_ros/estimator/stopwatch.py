# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How long the stages of a frame take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Sums up the seconds of named stages.

    Args:
        device: Device that does the work.
        stages: Names of the stages; ``seconds`` has an entry for each of them.
    """

    def __init__(self, device: torch.device, stages: tuple[str, ...]) -> None:
        self._device = device
        self.seconds = dict.fromkeys(stages, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the code inside to a stage."""
        started = time.perf_counter()
        yield
        if self._device.type == "cuda":  # work is queued there; without waiting the next stage would be blamed
            torch.cuda.synchronize(self._device)
        self.seconds[name] += time.perf_counter() - started
