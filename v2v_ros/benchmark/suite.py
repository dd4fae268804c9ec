# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The whole measurement, in the order in which it disturbs itself least."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..estimator import PoseEstimator
from ..model.runtime import available, choose_device
from ..model.weights import load
from .machine import ceilings, device_name, processor
from .networks import FULL_NAME, choose_network, network_name, time_networks
from .results import (
    BenchmarkFigures,
    Ceilings,
    Headline,
    Machine,
    NetworkRow,
    NodeRow,
    Paper,
    StageFigures,
    SubjectRow,
)
from .scene import BenchmarkScene
from .stages import frames_in_all, time_stages
from .start import time_start
from .subjects import time_subjects

FORMAT = "v2v_ros.benchmark.1"
_NETWORK_ROUNDS = 30


@dataclass(frozen=True)
class BenchmarkPlan:
    """Plan of a benchmark.

    Attributes:
        weights: Name or path of the estimator's weights.
        device: Device of the estimator: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        runtime: Runtime of the estimator.
        threads: Number of CPU threads; 0: as many as PyTorch is set to.
        frames: Number of timed frames of each kind.
        networks: Names of the networks to compare, see :func:`~v2v_ros.benchmark.networks.choose_network`.
        runtimes: Names of the runtimes to compare with the eager baseline on every network.
        batches: Numbers of grids in one call.
        devices: Devices on which networks are compared; the estimator's is always one of them.
        subjects: Numbers of subjects in one frame.
        ros_rates: Frame rates, Hz, at which the nodes are measured over DDS; empty: they are not.
        ros_seconds: Time for which each rate is measured.
    """

    weights: str | Path
    device: str = "auto"
    runtime: str = "auto"
    threads: int = 0
    frames: int = 100
    networks: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ("auto",)
    batches: tuple[int, ...] = (1,)
    devices: tuple[str, ...] = ()
    subjects: tuple[int, ...] = (1,)
    ros_rates: tuple[float, ...] = ()
    ros_seconds: float = 12.0

    @property
    def network_names(self) -> tuple[str, ...]:
        """Names of the networks that are compared: those asked for, or that of the weights."""
        return self.networks or (network_name(self.weights),)

    @property
    def device_names(self) -> tuple[str, ...]:
        """Names of the devices on which networks are compared."""
        chosen = str(choose_device(self.device))
        return tuple(dict.fromkeys((chosen, *(str(choose_device(name)) for name in self.devices))))

    @property
    def steps(self) -> int:
        """Number of calls of ``tick`` by :func:`run_benchmark`, about."""
        networks = len(self.network_names)
        compared = networks * len(self.batches) * len(self.device_names)
        return frames_in_all(self.frames) + compared + networks * (self.frames + max(2, self.frames // 10))


def everything(weights: str | Path) -> dict[str, Any]:
    """Arguments of a :class:`BenchmarkPlan` that compares all that this machine and this package have.

    Args:
        weights: Name or path of the weights whose skeleton and network are taken.
    """
    cuda = torch.cuda.is_available()
    return {
        "networks": tuple(dict.fromkeys((network_name(weights), FULL_NAME))),
        "runtimes": tuple(available()),
        "batches": (1, 2, 4, 8, 32) if cuda else (1, 2, 4, 8),
        "devices": ("cuda", "cpu") if cuda else ("cpu",),
        "subjects": tuple(range(1, 9)),
    }


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Tell PyTorch for a while how many threads it has; 0: leave it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_benchmark(plan: BenchmarkPlan, tick: Callable[[], object] = lambda: None) -> BenchmarkFigures:
    """Measure.

    Args:
        tick: Callback, called about ``plan.steps`` times.

    Returns:
        Figures as docs/performance.md describes them.

    Raises:
        WeightsError: There are no such weights.
        ValueError: There is no such device or runtime.
        ModuleNotFoundError: The nodes are to be measured, and ROS 2 is not at hand.
    """
    with _threads(plan.threads):
        return _run(plan, tick)


def _run(plan: BenchmarkPlan, tick: Callable[[], object]) -> BenchmarkFigures:
    if plan.ros_rates:
        from .ros import time_nodes  # fails at once when ROS is not there
    devices = [choose_device(name) for name in plan.device_names]
    skeleton = load(plan.weights).skeleton
    choices = [choose_network(name, skeleton.name) for name in plan.network_names]
    scene = BenchmarkScene.render(skeleton.kind)
    # First, while this process has nothing on the GPU and little in memory.
    where: dict[str, Any] = {"device": plan.device, "runtime": plan.runtime, "threads": plan.threads}
    start = time_start(plan.weights, scene, **where)
    nodes = [time_nodes(plan.weights, rate, plan.ros_seconds, skeleton.kind, **where) for rate in plan.ros_rates]
    estimator = PoseEstimator(plan.weights, **where)
    machine = Machine(
        processor=processor(),
        threads=torch.get_num_threads(),
        device=estimator.device,
        device_name=device_name(devices[0]),
        runtime=estimator.runtime,
        network=estimator.network,
        weights=estimator.weights_id,
        torch=torch.__version__,
    )
    stages = time_stages(estimator, scene, plan.frames, tick)
    del estimator
    rounds = min(_NETWORK_ROUNDS, plan.frames)
    best: list[Ceilings] = []
    networks: list[NetworkRow] = []
    left_out: list[str] = []
    for device in devices:
        best.append(ceilings(device))
        rows, without = time_networks(
            choices, plan.runtimes, plan.batches, device, best[-1], rounds=rounds, threads=plan.threads, tick=tick
        )
        networks += rows
        left_out += without
    subjects: list[SubjectRow] = []
    for choice in choices:
        subjects += time_subjects(
            choice,
            plan.subjects,
            devices[0],
            runtime=plan.runtime,
            threads=plan.threads,
            rounds=plan.frames,
            tick=tick,
        )
    return BenchmarkFigures(
        format=FORMAT,
        machine=machine,
        start=start,
        stages=stages,
        ceilings=best,
        networks=networks,
        left_out=left_out,
        subjects=subjects,
        network_ms=_headline(networks),
        ros=nodes or None,
        paper=Paper(),
        noisy=noisy(stages, best, networks, subjects, nodes),
    )


def _headline(rows: list[NetworkRow]) -> Headline:
    """Return the first network's baseline and its fastest runtime, at the smallest batch."""
    first = rows[0]
    same = [row for row in rows if (row.network, row.device, row.batch) == (first.network, first.device, first.batch)]
    baseline, *others = same
    best = min(others or same, key=lambda row: row.ms.p50)
    return Headline(baseline.ms.p50, best.ms.p50, best.ratio, best.description)


def noisy(
    stages: StageFigures,
    best: list[Ceilings],
    networks: list[NetworkRow],
    subjects: list[SubjectRow],
    nodes: list[NodeRow],
) -> list[str]:
    """Return what was measured while the machine was too noisy, in words."""
    found = [name for name, noise in stages.noise.items() if noise.noisy]
    found += [f"ceilings of {each.device}" for each in best if each.noisy]
    found += [
        f"{row.network} with {row.runtime} on {row.device}, batch {row.batch}" for row in networks if row.noise.noisy
    ]
    found += [f"{row.subjects} subjects with {row.network}" for row in subjects if row.noise.noisy]
    return found + [f"nodes at {row.camera_hz:g} Hz" for row in nodes if row.noise.noisy]
