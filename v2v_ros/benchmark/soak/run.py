# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The long run: the real nodes in processes of their own, sampled from outside while things happen to them.

Needs ROS 2 with this package built in it, and Linux.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Any

from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from v2v_ros.benchmark.noise import Load
from v2v_ros.benchmark.results import TimePercentiles
from v2v_ros.benchmark.rig.children import Child, private_network, stop_all
from v2v_ros.benchmark.rig.demo import NAMESPACE, DemoError, parameters, wait_for_skeletons
from v2v_ros.benchmark.rig.observer import SkeletonListener
from v2v_ros.benchmark.ros import cpu_seconds
from v2v_ros.io.files import write_json
from v2v_ros.model import weights as weights_files
from v2v_ros.msg import InferenceStats, SkeletonArray
from v2v_ros.nodes.pose.inputs import to_seconds
from v2v_ros.nodes.support.transport import reliable
from v2v_ros.synthetic.scenes.one import CAMERA

from .events import EventError, Events, Parts
from .samples import Sample, SoakEvent, holdings
from .verdict import SoakFigures

_LOOP = 60  # images that the camera renders beforehand, so that it does not compete with the node
_SETTLE = 6.0  # seconds after an event that belong to it
_RETURN = 60.0  # seconds within which skeletons must come after an event; loading PyTorch takes long on a small machine
_CHECKPOINT = 60.0  # seconds


class _SoakListener(SkeletonListener):
    """Subscribes to markers and TF as well, and keeps what the frames lost are counted from."""

    def __init__(self) -> None:
        self.stamps: list[float] = []
        self.markers = self.transforms = 0
        self.answered = 0.0  # time.monotonic() of the last answer
        super().__init__(NAMESPACE, with_images=False)
        self.node = self._node
        self.node.create_subscription(MarkerArray, "v2v_pose/markers", self._on_markers, reliable())
        self.node.create_subscription(TFMessage, "tf", self._on_tf, reliable(100))

    def _on_truth(self, message: SkeletonArray) -> None:
        super()._on_truth(message)
        self.stamps.append(to_seconds(message.header.stamp))

    def _pair(self, side: int, message: SkeletonArray, content: Any) -> None:
        before = len(self.frames)
        super()._pair(side, message, content)
        if len(self.frames) > before:
            self.answered = time.monotonic()

    def _on_markers(self, message: MarkerArray) -> None:
        self.markers += 1

    def _on_tf(self, message: TFMessage) -> None:
        self.transforms += 1


class _Sampler:
    """Turns what has come since the last sample into the next one."""

    def __init__(self, observer: _SoakListener, node: Child) -> None:
        self._observer, self._pid = observer, node.pid
        self._began = self._last = time.monotonic()
        self._cores = cpu_seconds(self._pid)
        self._load = Load(own=lambda: time.process_time() + cpu_seconds(self._pid))
        self._others = self._load.others()
        self._stats: InferenceStats | None = None
        observer.begin(depth_period=float("inf"))

    def take(self, event: str) -> Sample:
        """Return the sample of the time since the last one, in which something happened or nothing (empty)."""
        observer, now = self._observer, time.monotonic()
        seconds, cores, others = now - self._last, cpu_seconds(self._pid), self._load.others()
        latencies = [1000 * frame.latency for frame in observer.frames]
        used = None if others is None or self._others is None else round((others - self._others) / seconds, 2)
        sample = Sample(
            at=round(now - self._began, 2),
            seconds=round(seconds, 3),
            event=event,
            **holdings(self._pid).to_dict(),
            cores=round((cores - self._cores) / seconds, 3),
            others_cores=used,
            images=observer.images,
            answers=len(latencies),
            found=sum(frame.joints is not None for frame in observer.frames),
            markers=observer.markers,
            transforms=observer.transforms,
            **self._losses(bool(event)),
            latency_ms=TimePercentiles.of(latencies) if latencies else None,
        )
        self._last, self._cores, self._others = now, cores, others
        observer.markers = observer.transforms = 0
        observer.begin(depth_period=float("inf"))
        return sample

    def _losses(self, disturbed: bool) -> dict[str, int]:
        """Images that the camera published from one answer to another, were lost on the way, or dropped by the node."""
        observer, first = self._observer, self._stats
        self._stats = last = observer.stats[-1] if observer.stats else None
        none = {"published": 0, "lost": 0, "dropped": 0}
        if disturbed:  # the counters start again
            self._stats = None
        if first is None or last is None or disturbed:
            observer.stamps.clear()
            return none
        # The counters are of the time at which the skeletons were out; more images may have come by then.
        begin, end = (to_seconds(one.header.stamp) + one.input_age + one.total for one in (first, last))
        published = sum(begin < stamp <= end for stamp in observer.stamps)
        observer.stamps = [stamp for stamp in observer.stamps if stamp > end]
        received = int(last.received - first.received)
        lost = max(0, published - received)  # a busy observer can miss a stamp that the node received
        return {"published": published, "lost": lost, "dropped": int(last.dropped - first.dropped)}


def soak(
    minutes: float,
    *,
    output: Path | None = None,
    warm_up: float | None = None,
    sample_seconds: float = 5.0,
    event_seconds: float = 60.0,
    with_events: bool = True,
    weights: str = "",
    device: str = "auto",
    runtime: str = "auto",
    threads: int = 0,
    rate: float = 30.0,
    pose_parameters: dict[str, object] | None = None,
    on_progress: Callable[[float], object] = lambda seconds: None,
) -> SoakFigures:
    """Run the pose node for long, and sample it.

    Args:
        minutes: Length, warm-up included. Ctrl-C ends it earlier, with a verdict on what there is.
        output: JSON file that gets all figures so far every minute, so that a killed run keeps them.
        warm_up: Minutes at the beginning that do not count; None: 10, or a third of a run of less than 30.
        sample_seconds: Time between samples.
        event_seconds: Time from one event's end to the next one's beginning.
        with_events: Whether events disturb the node: subscribers, an empty room, a new camera and others.
        weights, device, runtime, threads: Parameters of the pose node.
        rate: Frame rate of the camera, Hz.
        pose_parameters: Parameters of the pose node beyond those above, by name.
        on_progress: Callback that gets the seconds that have passed, again and again.
    """
    name = weights or weights_files.default_for("hand21")
    skeleton = weights_files.load(name).skeleton
    options: dict[str, object] = {
        "weights": weights_files.find(name).resolve(),
        "skeleton": skeleton.name,
        "device": device,
        "runtime": runtime,
        "threads": threads,
        "score_threshold": skeleton.subject.score_threshold,
        **(pose_parameters or {}),
    }
    seconds = 60 * minutes
    figures = SoakFigures(
        minutes=minutes,
        warm_up=60 * warm_up if warm_up is not None else min(600.0, seconds / 3),
        sample_seconds=sample_seconds,
        rate=rate,
        parameters={key: str(value) for key, value in options.items() if key != "weights"},
        weights=name,
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="v2v_soak_")))
        stack.enter_context(private_network(folder))
        children: list[Child] = []

        def start_camera() -> None:
            arguments = parameters(
                kind=skeleton.kind,
                rate=float(rate),
                loop=_LOOP,
                width=CAMERA.width,
                height=CAMERA.height,
                focal=CAMERA.fx,
            )
            children.append(Child("synthetic_camera_node", ["-r", f"__ns:={NAMESPACE}", *arguments], folder))

        def stop_camera() -> None:
            children.pop().stop()

        try:
            remapped = ["-r", f"__ns:={NAMESPACE}", "-r", "/tf:=tf", "-r", "/diagnostics:=diagnostics"]
            children.append(Child("pose_node", [*remapped, *parameters(**options)], folder))
            start_camera()
            observer = _SoakListener()
            try:
                check = wait_for_skeletons(observer, children)
                over = stack.enter_context(_interruption())
                events = Events(observer.node, stop_camera, start_camera, CAMERA).all if with_events else {}
                sampler = _Sampler(observer, children[0])
                _loop(observer, check, sampler, events, figures, seconds, event_seconds, output, on_progress, over)
            except EventError as error:
                raise DemoError(f"{error}; its last words:\n{children[0].tail()}") from error
            finally:
                observer.close()
                _write(figures, output)
        finally:
            stop_all(children)
    return figures


@contextmanager
def _interruption() -> Iterator[Event]:
    """Give an event that Ctrl-C sets. (An exception in the middle of rclpy's C++ would become another one there.)"""
    interrupted = Event()
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _loop(
    observer: _SoakListener,
    check: Callable[[], None],
    sampler: _Sampler,
    events: dict[str, Callable[[], Parts]],
    figures: SoakFigures,
    seconds: float,
    event_seconds: float,
    output: Path | None,
    on_progress: Callable[[float], object],
    over: Event,
) -> None:
    began = time.monotonic()
    names = cycle(events)
    running: Parts | None = None
    resume = began + (event_seconds if events else float("inf"))
    settled, touched = 0.0, ""
    next_sample, next_checkpoint = began + figures.sample_seconds, began + _CHECKPOINT
    while (now := time.monotonic()) < began + seconds and not over.is_set():
        observer.spin_once(min(0.05, max(0.0, min(next_sample, resume) - now)))
        check()
        on_progress(now - began)
        if now >= resume:
            if running is None:
                name = next(names)
                figures.events.append(SoakEvent(name, round(now - began, 2)))
                running, touched = events[name](), name
            try:
                resume = now + next(running)
            except StopIteration:
                running, settled = None, now
                resume = float("inf")
        if settled and touched:
            # Over when skeletons come as before.
            if observer.answered > settled and now > settled + _SETTLE:
                last = figures.events[-1]
                figures.events[-1] = replace(last, seconds=round(now - began - last.at, 2))
                settled, resume = 0.0, now + event_seconds
            elif now > settled + _RETURN:
                raise EventError(f"no skeletons came within {_RETURN:.0f} s after: {touched}")
        if now >= next_sample:
            figures.samples.append(sampler.take(touched))
            if running is None and not settled:
                touched = ""
            next_sample += figures.sample_seconds
        if now >= next_checkpoint:
            _write(figures, output)
            next_checkpoint += _CHECKPOINT


def _write(figures: SoakFigures, output: Path | None) -> None:
    if output is not None:
        write_json(output, figures.to_dict())
