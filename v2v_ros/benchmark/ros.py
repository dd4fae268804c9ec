# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""End to end over DDS: the real nodes in processes of their own and a synthetic camera, as ``v2v demo`` runs them.

Needs ROS 2 with this package built in it.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray

from v2v_ros.benchmark.rig.children import Child, private_network, stop_all
from v2v_ros.benchmark.rig.demo import NAMESPACE, DemoError, parameters, wait_for_skeletons
from v2v_ros.benchmark.rig.observer import SkeletonListener, wait
from v2v_ros.geometry.subject import SUBJECTS
from v2v_ros.model import weights as weights_files
from v2v_ros.msg import SkeletonArray
from v2v_ros.nodes.pose.inputs import to_seconds

from .machine import peak_memory
from .noise import Load, Recorder
from .results import NodeRow, TimePercentiles

STAGES = ("input_age", "decode", "locate", "voxelize", "network", "joints", "track", "publish", "total")
_WARM_UP = 2.0  # seconds that are not measured
_LOOP = 60  # images that the camera renders beforehand, so that it does not compete with the node


class _StampListener(SkeletonListener):
    """Keeps the stamps of the camera's images and what the pose node says about itself as well.

    Attributes:
        diagnosis: Keys and values of the last diagnostics.
    """

    def begin(self, depth_period: float) -> None:
        super().begin(depth_period)
        self.stamps: list[float] = []
        self.diagnosis: dict[str, str] = {}

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        super()._on_diagnostics(message)
        self.diagnosis = {pair.key: pair.value for status in message.status for pair in status.values}

    def _on_truth(self, message: SkeletonArray) -> None:
        super()._on_truth(message)
        if hasattr(self, "stamps"):  # begun
            self.stamps.append(to_seconds(message.header.stamp))


def time_nodes(
    weights: str | Path, rate: float, seconds: float, kind: str, *, device: str, runtime: str, threads: int
) -> NodeRow:
    """Measure the pose node from outside.

    Args:
        weights: Name or path of weights.
        rate: Frames a second of the camera, 640x480.
        seconds: Time that is measured.
        kind: ``hand`` or ``body``; what is rendered.
        device, runtime, threads: Parameters of the pose node.

    Raises:
        DemoError: A node could not start, or nothing came back in time.
        ChildError: A node ended by itself.
    """
    skeleton = weights_files.load(weights).skeleton
    options: dict[str, object] = {
        "skeleton": skeleton.name,
        "weights": weights_files.find(weights).resolve(),
        "device": device,
        "runtime": runtime,
        "threads": threads,
        "score_threshold": SUBJECTS[kind].score_threshold,
    }
    nodes = {
        "pose_node": ["-r", "/tf:=tf", "-r", "/diagnostics:=diagnostics", *parameters(**options)],
        "synthetic_camera_node": parameters(kind=kind, rate=float(rate), loop=_LOOP),
    }
    with tempfile.TemporaryDirectory(prefix="v2v_benchmark_") as folder, private_network(Path(folder)):
        children: list[Child] = []
        began = time.monotonic()
        try:
            for module, arguments in nodes.items():
                children.append(Child(module, ["-r", f"__ns:={NAMESPACE}", *arguments], Path(folder)))
            observer = _StampListener(NAMESPACE, with_images=False)
            try:
                return _measure(observer, children, rate, seconds, began)
            finally:
                observer.close()
        finally:
            stop_all(children)


def _measure(observer: _StampListener, children: Sequence[Child], rate: float, seconds: float, began: float) -> NodeRow:
    check = wait_for_skeletons(observer, children)
    start = time.monotonic() - began
    wait(observer, _WARM_UP, check)
    processes = [child.pid for child in children]
    recorder = Recorder(Load(own=lambda: time.process_time() + sum(map(cpu_seconds, processes))))
    observer.begin(depth_period=seconds)
    used = cpu_seconds(processes[0])
    done = 0
    ended = time.monotonic() + seconds
    while (left := ended - time.monotonic()) > 0:
        observer.spin_once(min(left, 0.1))
        check()
        for frame in observer.frames[done:]:
            recorder.add(latency=1000 * frame.latency)
        done = len(observer.frames)
    cores = (cpu_seconds(processes[0]) - used) / seconds
    frames, stats = observer.frames, observer.stats
    if not frames or len(stats) < 2:
        raise DemoError(f"no skeletons came in {seconds:g} s: the device is too slow; measure for longer")
    latency = recorder.timings()["latency"]
    transport = [observer.diagnosis.get(f"transport p{rank} (ms)", "") for rank in (50, 90, 99)]
    if not all(transport):
        raise DemoError(f"the pose node has not told its figures within {seconds:g} s; measure for longer")
    values = {stage: [1000 * getattr(one, stage) for one in stats] for stage in STAGES}
    received = int(stats[-1].received - stats[0].received) + 1
    first, last = (to_seconds(one.header.stamp) for one in (stats[0], stats[-1]))
    published = max(1, sum(first <= stamp <= last for stamp in observer.stamps))
    return NodeRow(
        asked_hz=rate,
        camera_hz=round(observer.images / seconds, 1),
        published=published,
        received=received,
        lost=round(max(0.0, 1 - received / published), 4),
        skeletons_hz=round(len(frames) / seconds, 1),
        found=round(sum(frame.joints is not None for frame in frames) / len(frames), 3),
        ms={
            "latency": latency.percentiles(),
            "transport": TimePercentiles(*map(float, transport)),
            **{stage: TimePercentiles.of(each) for stage, each in values.items()},
        },
        start_seconds=round(start, 2),
        cores=round(cores, 3),
        peak_mb=peak_memory(processes[0]),
        noise=latency.noise(),
    )


def cpu_seconds(process: int) -> float:
    """CPU time that a process has used so far, in all its threads.

    Raises:
        OSError: There is no such process, or this is not Linux.
    """
    # The name in brackets may hold spaces; user and system time are the 12th and 13th after it.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
