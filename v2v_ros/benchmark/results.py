# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The figures of a benchmark, as types; docs/performance.md describes them, and JSON has the same names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


def flat(content: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a dictionary in which what is in some of its parts stands beside the rest."""
    parts = [content.pop(name) for name in names]
    return {**content, **{key: value for part in parts for key, value in part.items()}}


@dataclass(frozen=True)
class Result:
    """Base of the dataclasses that hold what was measured."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by their names, as JSON holds them."""
        return asdict(self)


@dataclass(frozen=True)
class TimePercentiles(Result):
    """Times in milliseconds that 50, 90 and 99 of a hundred samples took at most."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> TimePercentiles:
        """Return the percentiles of samples, to the microsecond."""
        return cls(*(round(float(np.percentile(milliseconds, rank)), 3) for rank in (50, 90, 99)))


@dataclass(frozen=True)
class Noise(Result):
    """What can be said of the samples behind percentiles.

    Attributes:
        samples: Number of samples that count.
        dropped: Number of samples that do not count, since others used the machine meanwhile.
        others_cores: Cores that other processes used, median of all samples; None where the system does not tell.
        noisy: Whether the samples are too few, or too far apart, to be trusted.
    """

    samples: int
    dropped: int
    others_cores: float | None
    noisy: bool


@dataclass(frozen=True)
class Machine(Result):
    """What the benchmark ran on, and with."""

    processor: str
    threads: int
    device: str
    device_name: str
    runtime: str
    network: str
    weights: str
    torch: str


@dataclass(frozen=True)
class Start(Result):
    """What a fresh process needs.

    Attributes:
        seconds: Time from the start of the process to its first skeleton; None when it found none.
        peak_mb: Resident memory after some frames, of which the first is a search.
        gpu_mb: Memory in use on the GPU then, by all processes; None without a GPU.
    """

    seconds: float | None
    peak_mb: float
    gpu_mb: float | None


@dataclass(frozen=True)
class CpuTime(Result):
    """CPU time of a frame in milliseconds, and the cores that this keeps busy at 30 Hz."""

    ms: float
    cores_at_30_hz: float


@dataclass(frozen=True)
class StageFigures(Result):
    """Where the time of a frame goes.

    Attributes:
        tracking, searching: Times of the stages, by name, of frames that follow a subject and that search for one.
        noise, cpu: Noise and CPU time of ``tracking`` and ``searching``.
        camera_share: Median of a tracked frame over the time between two frames at 30 Hz.
    """

    noise: dict[str, Noise]
    cpu: dict[str, CpuTime]
    tracking: dict[str, TimePercentiles]
    searching: dict[str, TimePercentiles]
    camera_share: float

    @property
    def kinds(self) -> dict[str, dict[str, TimePercentiles]]:
        """Times of the stages by what the frames do."""
        return {"tracking": self.tracking, "searching": self.searching}


@dataclass(frozen=True)
class Ceilings(Result):
    """What a device can do at best.

    Attributes:
        matrix_gflops: Speed of products of large matrices by precision; one that is not faster than float32 here is
            left out.
        copy_gb_per_s: Bytes read and written by copying.
        seconds: Time that the measurement took.
        others_cores: Cores that other processes used meanwhile; None where the system does not tell.
        noisy: Whether that was too much.
    """

    device: str
    matrix_gflops: dict[str, float]
    copy_gb_per_s: float
    seconds: float
    others_cores: float | None
    noisy: bool


@dataclass(frozen=True)
class Efficiency(Result):
    """What a network reached of what the machine can do.

    Attributes:
        precision: Name of the numbers that are multiplied.
        gflop: Operations of a batch, in thousands of millions.
        gflops: Operations in a second, likewise.
        peak_of: Precision of the matrix peak that it is held against.
        of_peak: Share of that peak.
        of_copy: Bytes read and written over what copying reaches.
    """

    precision: str
    gflop: float
    gflops: float
    peak_of: str
    of_peak: float
    of_copy: float


@dataclass(frozen=True)
class NetworkRow(Result):
    """Time of a network with a runtime on a batch of grids.

    Attributes:
        ms: Times of the whole batch.
        ratio: Speed over that of the baseline.
    """

    network: str
    weights: str
    random_weights: bool
    grid: int
    width: int
    device: str
    runtime: str
    description: str
    batch: int
    ms: TimePercentiles
    noise: Noise
    ratio: float
    efficiency: Efficiency

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by their names; those of the parts stand beside the others."""
        return flat(super().to_dict(), "ms", "noise", "efficiency")


@dataclass(frozen=True)
class SubjectRow(Result):
    """Time of several subjects in one frame.

    Attributes:
        ms: Times of the stages by name.
        rate_hz: Frames in a second by the median.
        of_one: Median over that of the smallest number of subjects.
        camera_share: Median over the time between two frames at 30 Hz.
    """

    network: str
    random_weights: bool
    device: str
    runtime: str
    subjects: int
    ms: dict[str, TimePercentiles]
    rate_hz: float
    of_one: float
    camera_share: float
    noise: Noise


@dataclass(frozen=True)
class NodeRow(Result):
    """What the nodes do over DDS.

    Attributes:
        asked_hz, camera_hz: Rate that the camera was asked for, and that it had; a slow machine does not render it.
        published, received: Number of images published by the camera and received by the node between the first and
            the last that it processed.
        lost: Share of the images lost on the way.
        skeletons_hz: Rate of the skeletons.
        found: Share of the frames with a skeleton.
        ms: Times by name: ``latency``, from the image's stamp to the arrival of its skeletons in another process;
            ``transport``, from the stamp to the node's callback, over its last seconds; ``input_age``, from the stamp
            until the node takes the image up; and the stages of the node.
        start_seconds: Time from the start of the pose node's process to the first skeletons.
        cores, peak_mb: Cores and memory that the pose node takes.
    """

    asked_hz: float
    camera_hz: float
    published: int
    received: int
    lost: float
    skeletons_hz: float
    found: float
    ms: dict[str, TimePercentiles]
    start_seconds: float
    cores: float
    peak_mb: float
    noise: Noise


@dataclass(frozen=True)
class Headline(Result):
    """Median milliseconds of the first network: its baseline's and its fastest runtime's, at the smallest batch."""

    eager_float32: float
    runtime: float
    ratio: float
    description: str


@dataclass(frozen=True)
class Paper(Result):
    """Stage times of V2V-PoseNet by its authors (Moon et al., CVPR 2018), from memory; not looked up again.

    Their sum agrees with the 35 frames a second that others quote.
    """

    input_ms: float = 23.0
    network_ms: float = 5.0
    decode_ms: float = 0.5
    device: str = "Titan X"
    verified: bool = False


@dataclass(frozen=True)
class BenchmarkFigures(Result):
    """All that a benchmark has measured.

    Attributes:
        left_out: Networks and runtimes that were not timed, and why.
        ros: Rows of the nodes; None when they were not measured.
        noisy: Names of what was measured while the machine was too noisy, in words.
    """

    format: str
    machine: Machine
    start: Start
    stages: StageFigures
    ceilings: list[Ceilings]
    networks: list[NetworkRow]
    left_out: list[str]
    subjects: list[SubjectRow]
    network_ms: Headline
    ros: list[NodeRow] | None
    paper: Paper
    noisy: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by their names; those of the stages stand beside the others."""
        return {**flat(super().to_dict(), "stages"), "networks": [row.to_dict() for row in self.networks]}
