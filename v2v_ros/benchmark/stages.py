# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Where the time of a frame goes, without ROS."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from ..estimator import PoseEstimator
from ..io.depth import decode_image
from .noise import Recorder
from .results import CpuTime, StageFigures
from .scene import CAMERA, RATE, BenchmarkScene

STAGES = ("decode", "locate", "voxelize", "network", "joints", "track", "total")
KINDS = ("tracking", "searching")


def decode_frame(image: bytes) -> np.ndarray:
    """Return float32 [480, 640] metres from a frame of a :class:`BenchmarkScene`, as the node decodes a message."""
    return decode_image("16UC1", CAMERA.height, CAMERA.width, 2 * CAMERA.width, False, image)


def warm_up(frames: int) -> int:
    """Return the number of frames to run, uncounted, before a number that are counted."""
    return max(3, frames // 10)


def frames_in_all(frames: int) -> int:
    """Return the number of frames that :func:`time_stages` runs to time a number of each kind."""
    return 2 * (warm_up(frames) + frames)


def time_stages(
    estimator: PoseEstimator, scene: BenchmarkScene, frames: int, tick: Callable[[], object] = lambda: None
) -> StageFigures:
    """Time the estimator following the subject, and searching for it.

    Args:
        frames: Number of timed frames of each kind, after a tenth as many to warm up.
        tick: Callback after every frame.
    """
    noise, cpu, times = {}, {}, {}
    for kind in KINDS:
        estimator.reset()
        recorder, begun = Recorder(), time.process_time()
        for index in range(warm_up(frames) + frames):
            if index == warm_up(frames):
                recorder, begun = Recorder(), time.process_time()
            if kind == "searching":
                estimator.reset()
            started = time.perf_counter()
            depth = decode_frame(scene.images[scene.turn(index)])
            decoded = time.perf_counter()
            estimate = estimator.estimate(depth, CAMERA, index / RATE)
            finished = time.perf_counter()
            seconds = {"decode": decoded - started, **estimate.seconds, "total": finished - started}
            recorder.add_all({stage: 1000 * seconds[stage] for stage in STAGES})
            tick()
        milliseconds = 1000 * (time.process_time() - begun) / frames
        timings = recorder.timings()
        times[kind] = {stage: timings[stage].percentiles() for stage in STAGES}
        noise[kind] = timings["total"].noise()
        cpu[kind] = CpuTime(round(milliseconds, 3), round(milliseconds * RATE / 1000, 3))
    return StageFigures(noise, cpu, **times, camera_share=round(times["tracking"]["total"].p50 * RATE / 1000, 3))
