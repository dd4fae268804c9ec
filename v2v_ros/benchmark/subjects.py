# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Several subjects in one frame: what a cube costs, and what one more costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from ..estimator.pipeline import make_pipeline
from ..estimator.stopwatch import Stopwatch
from .networks import Choice
from .noise import Recorder
from .results import SubjectRow
from .scene import CAMERA, RATE, BenchmarkScene
from .stages import decode_frame

STAGES = ("decode", "voxelize", "network", "joints", "total")
_APART = 0.002  # metres between the cubes: each is full of the same hand, so all cost the same


def time_subjects(
    choice: Choice,
    counts: Sequence[int],
    device: torch.device,
    *,
    runtime: str = "auto",
    threads: int = 0,
    rounds: int = 100,
    tick: Callable[[], object] = lambda: None,
) -> list[SubjectRow]:
    """Time the way from an image's bytes to the joints of several subjects, whose places are known; turn by turn.

    It is what a tracked frame costs, less the prediction, and holds for networks with random weights too, which find
    nothing to track.

    Args:
        counts: Numbers of subjects.
        rounds: Number of turns of each that count; a tenth as many come before.
        tick: Callback after every round.

    Returns:
        A row for each number of subjects.
    """
    # The threshold of empty cubes and that of joints are the pipeline's own; neither depends on what the network says.
    pipeline = make_pipeline(choice.weights, device, runtime=runtime, threads=threads)
    scene = BenchmarkScene.render(choice.weights.skeleton.kind)

    def look(count: int, index: int) -> dict[str, float]:
        turn = scene.turn(index)
        centers = scene.centers[turn] + _APART * np.arange(count)[:, None] * (1.0, 0.0, 0.0)
        clock = Stopwatch(device, STAGES)
        started = time.perf_counter()
        depth = decode_frame(scene.images[turn])
        clock.seconds["decode"] = time.perf_counter() - started
        pipeline(pipeline.upload(depth), CAMERA, centers, np.zeros(count, bool), clock)
        clock.seconds["total"] = time.perf_counter() - started
        return {stage: 1000 * seconds for stage, seconds in clock.seconds.items()}

    warm_up = max(2, rounds // 10)
    recorders = {count: Recorder() for count in counts}
    for index in range(warm_up + rounds):
        if index == warm_up:
            recorders = {count: Recorder() for count in counts}
        for count, recorder in recorders.items():
            recorder.add_all(look(count, index))
        tick()
    timings = {count: recorder.timings() for count, recorder in recorders.items()}
    smallest = timings[min(counts)]["total"].p50
    return [
        SubjectRow(
            network=choice.name,
            random_weights=choice.random,
            device=str(device),
            runtime=pipeline.description,
            subjects=count,
            ms={stage: timing[stage].percentiles() for stage in STAGES},
            rate_hz=round(1000 / timing["total"].p50, 1),
            of_one=round(timing["total"].p50 / smallest, 3),
            camera_share=round(timing["total"].p50 * RATE / 1000, 3),
            noise=timing["total"].noise(),
        )
        for count, timing in timings.items()
    ]
