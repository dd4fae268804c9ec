# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Sharing an evaluation among the processes that the standard launcher (``torchrun``) started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as distributed

T = TypeVar("T")
_LONGEST_WAIT = timedelta(days=2)


@dataclass(frozen=True)
class Processes:
    """Rank of this process, and the number of processes.

    Work is cut into numbered parts whose content does not depend on the number of processes, and results are put
    together in the order of the parts: figures are the same however many share it.
    """

    rank: int = 0
    count: int = 1

    def mine(self, part: int) -> bool:
        """Return whether this process does a part."""
        return part % self.count == self.rank

    def gather(self, results: dict[int, T]) -> dict[int, T]:
        """Return the results of all processes by their parts, in order; in every process."""
        shares: list[dict[int, T]] = [results]
        if self.count > 1:
            shares = [{} for _ in range(self.count)]
            distributed.all_gather_object(shares, results)
        return dict(sorted((part, result) for share in shares for part, result in share.items()))


@contextmanager
def processes() -> Iterator[Processes]:
    """Give this process its place among those of the launcher, or alone.

    On a machine with GPUs, each process of it gets one of its own.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield Processes()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    # What is exchanged is small and lies in the processor's memory; who is done first waits for the others.
    distributed.init_process_group("gloo", timeout=_LONGEST_WAIT)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
