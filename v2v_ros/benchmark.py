"""How long every stage of a frame takes on this machine, and what of it is the network."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .depth import decode_image
from .estimator import PoseEstimator
from .runtime import TorchRuntime, choose_device
from .synthetic.sequence import CAMERA, SyntheticSequence
from .weights import load

STAGES = ("decode", "locate", "voxelize", "network", "joints", "track", "total")
_CAMERA_RATE = 30.0
_DISTINCT_FRAMES = 12


def frames_in_all(frames: int) -> int:
    """How many frames :func:`benchmark` runs to time so many of each kind."""
    return 2 * (_warm_up(frames) + frames)


def _warm_up(frames: int) -> int:
    return max(3, frames // 10)


def benchmark(
    weights: str | Path, *, device: str = "auto", frames: int = 100, tick: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Time the estimator on rendered 640x480 frames, following the hand and searching for it.

    Args:
        weights: Name or path.
        device: Where to run.
        frames: Timed frames of each kind, after a tenth as many to warm up.
        tick: Called after every frame.

    Returns:
        ``machine``; for ``tracking`` and ``searching`` the stages' ``p50``, ``p90`` and ``p99`` in milliseconds;
        ``network_ms`` eager in float32 and as it is run, with their ratio; ``camera_share``: the p50 of a tracked
        frame over the time between two frames of a 30 Hz camera.
    """
    estimator = PoseEstimator(weights, device=device)
    kind = estimator.skeleton.kind
    sequence = SyntheticSequence(kind)
    depths = [sequence.frame(index / _CAMERA_RATE).depth for index in range(_DISTINCT_FRAMES)]
    images = [np.rint(np.nan_to_num(depth) * 1000).astype("<u2").tobytes() for depth in depths]

    def run(search: bool, count: int) -> dict[str, list[float]]:
        samples: dict[str, list[float]] = {stage: [] for stage in STAGES}
        estimator.reset()
        for index in range(count):
            # To and fro, so that the hand never jumps.
            turn = index % (2 * _DISTINCT_FRAMES - 2)
            image = images[min(turn, 2 * _DISTINCT_FRAMES - 2 - turn)]
            if search:
                estimator.reset()
            started = time.perf_counter()
            depth = decode_image("16UC1", CAMERA.height, CAMERA.width, 2 * CAMERA.width, False, image)
            decoded = time.perf_counter()
            estimate = estimator.estimate(depth, CAMERA, index / _CAMERA_RATE)
            finished = time.perf_counter()
            stages = {"decode": decoded - started, **estimate.seconds, "total": finished - started}
            for stage in STAGES:
                samples[stage].append(1000 * stages[stage])
            tick()
        return samples

    warm_up = _warm_up(frames)
    result: dict[str, Any] = {
        "machine": {
            "processor": _processor(),
            "threads": torch.get_num_threads(),
            "device": estimator.device,
            "runtime": estimator.runtime,
            "network": estimator.network,
            "weights": estimator.weights_id,
        }
    }
    for name, search in (("tracking", False), ("searching", True)):
        run(search, warm_up)
        samples = run(search, frames)
        result[name] = {
            stage: {f"p{q}": round(float(np.percentile(values, q)), 3) for q in (50, 90, 99)}
            for stage, values in samples.items()
        }
    result["network_ms"] = _compare_networks(weights, device)
    result["camera_share"] = round(result["tracking"]["total"]["p50"] * _CAMERA_RATE / 1000, 3)
    return result


def _processor() -> str:
    """Name of the processor; Linux tells it in a file only."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _compare_networks(weights: str | Path, device: str) -> dict[str, float]:
    """Median milliseconds of one grid through the plain network and through the runtime, turn by turn."""
    network = load(weights).build()
    place = choose_device(device)
    runtime = TorchRuntime(network, place)
    network = network.to(place)
    size = network.config.grid
    grid = (torch.rand(1, 1, size, size, size, device=place) < 0.02).float()
    times: dict[str, list[float]] = {"eager_float32": [], "runtime": []}
    with torch.inference_mode():
        for repeat in range(12):
            for name, call in (("eager_float32", network), ("runtime", runtime)):
                started = time.perf_counter()
                call(grid)
                if place.type == "cuda":
                    torch.cuda.synchronize(place)
                if repeat >= 2:
                    times[name].append(1000 * (time.perf_counter() - started))
    medians = {name: round(float(np.median(values)), 3) for name, values in times.items()}
    return {**medians, "ratio": round(medians["eager_float32"] / medians["runtime"], 2)}
