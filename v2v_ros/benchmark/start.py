# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A fresh process: how long until the first skeleton, and how much memory at most."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .results import Start
from .scene import CAMERA, RATE, BenchmarkScene

_FRAMES = 20
_TIMEOUT = 600.0  # seconds


def time_start(weights: str | Path, scene: BenchmarkScene, *, device: str, runtime: str, threads: int) -> Start:
    """Start a process that estimates, and ask it.

    Args:
        weights, device, runtime, threads: Arguments of :class:`~v2v_ros.estimator.PoseEstimator`.

    Raises:
        RuntimeError: The process failed.
    """
    with tempfile.TemporaryDirectory(prefix="v2v_benchmark_") as folder:
        depths = Path(folder, "depths.npy")
        np.save(depths, np.stack([scene.depths[scene.turn(index)] for index in range(_FRAMES)]))
        options = {
            "weights": str(weights),
            "depths": str(depths),
            "camera": asdict(CAMERA),
            "rate": RATE,
            "estimator": {"device": device, "runtime": runtime, "threads": threads},
        }
        started = time.time()
        done = subprocess.run(
            [sys.executable, "-m", __name__, json.dumps(options)], capture_output=True, text=True, timeout=_TIMEOUT
        )
    if done.returncode:
        raise RuntimeError(
            f"the process that was to show how long a start takes failed:\n{done.stderr.strip()[-2000:]}"
        )
    answer = json.loads(done.stdout.splitlines()[-1])
    first = answer.pop("first")
    return Start(seconds=None if first is None else round(first - started, 2), **answer)


def main() -> None:
    """Run the process, which prints its answer as JSON."""
    options = json.loads(sys.argv[1])
    depths = np.load(options["depths"], allow_pickle=False)

    from ..estimator import PoseEstimator
    from ..geometry.camera import Intrinsics

    estimator = PoseEstimator(options["weights"], **options["estimator"])
    camera = Intrinsics(**options["camera"])
    first = None
    for index, depth in enumerate(depths):
        found = estimator.estimate(depth, camera, index / options["rate"]).skeletons
        if found and first is None:
            first = time.time()

    import torch

    from .machine import peak_memory

    gpu_mb = None
    if torch.device(estimator.device).type == "cuda":
        free, total = torch.cuda.mem_get_info(torch.device(estimator.device))
        gpu_mb = round((total - free) / 2**20, 1)
    print(json.dumps({"first": first, "peak_mb": peak_memory(), "gpu_mb": gpu_mb}))


if __name__ == "__main__":
    main()
