# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The machine, and what it can do at best: multiply matrices and copy memory."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable
from pathlib import Path

import torch

from .noise import OTHERS_LIMIT, Load
from .results import Ceilings

_SECONDS = 0.5  # for each figure
_FASTER = 1.3  # times as fast as float32 a precision must be to count
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def processor() -> str:
    """Name of the processor; Linux tells it in a file only."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def device_name(device: torch.device) -> str:
    """Return the name of the processor or the graphics card."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def synchronize(device: torch.device) -> None:
    """Wait for the work that is queued on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(process: int | str = "self") -> float:
    """Largest resident size of a process so far in MB; NaN where the system does not tell.

    It is that of the program alone. What getrusage(2) says begins with the size of the process that started it.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return float("nan")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return round(int(found[1]) / 1024, 1) if found else float("nan")


def ceilings(device: torch.device) -> Ceilings:
    """Return what products of large matrices and copies of large arrays reach on a device, with PyTorch's threads.

    The fastest of many counts: everything that can disturb makes them slower.
    """
    load = Load()
    started, before = time.perf_counter(), load.others()
    size = 8192 if device.type == "cuda" else 2048
    matrix = {}
    for name, dtype in _PRECISIONS.items():
        # Without instructions for it a precision may be a hundred times slower; a small product shows that.
        if name == "float32" or _gflops(512, dtype, device, 0.1) > _FASTER * _gflops(512, torch.float32, device, 0.1):
            matrix[name] = _gflops(size, dtype, device)
    if device.type == "cuda":
        allowed, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, True
        matrix["tfloat32"] = _gflops(size, torch.float32, device)
        torch.backends.cuda.matmul.allow_tf32 = allowed
    source = torch.ones((512 if device.type == "cuda" else 64) * 2**20, device=device)
    target = torch.empty_like(source)
    copy = 2 * source.nbytes / _fastest(lambda: target.copy_(source), device) / 1e9
    seconds, after = time.perf_counter() - started, load.others()
    others = None if before is None or after is None else round(max(0.0, after - before) / seconds, 2)
    return Ceilings(
        device=str(device),
        matrix_gflops={name: round(value, 1) for name, value in matrix.items()},
        copy_gb_per_s=round(copy, 1),
        seconds=round(seconds, 1),
        others_cores=others,
        noisy=others is not None and others > OTHERS_LIMIT,
    )


def _gflops(size: int, dtype: torch.dtype, device: torch.device, seconds: float = _SECONDS) -> float:
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(left)
    return 2 * size**3 / _fastest(lambda: torch.mm(left, right, out=product), device, seconds) / 1e9


@torch.inference_mode()
def _fastest(call: Callable[[], object], device: torch.device, seconds: float = _SECONDS) -> float:
    """Seconds of the fastest call."""
    call()
    synchronize(device)
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        started = time.perf_counter()
        call()
        synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times)
