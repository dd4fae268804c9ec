# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the node says about its health on /diagnostics: pure functions from its state to a message.

(diagnostic_updater is not used: its Python port does not exist on every supported platform.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from v2v_ros.io.depth_checks import UNITS

from ..support.transport import LARGE_MESSAGE
from .compute import Compute, faster_network, gpu_unused, hints
from .graph import IMAGE, INFO, End, Graph, image_proposals
from .missing import explain_images, explain_infos
from .statistics import WINDOW, StatisticsSnapshot

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)

_FUTURE = 0.5  # seconds that a stamp may lie ahead of the clock: /clock often ticks slowly
_PERIODS = 2.5  # periods of the images for which they may stay away
_SLOWEST = 10.0  # seconds between images
_COUNTED = 5  # camera_info messages in the window from which on rates can be compared
_FEW = 0.8  # share of the images below which many are taken for lost
_RECENT = 5.0  # seconds that a failure is worth a warning
_LASTING = 10.0  # seconds that the node must be behind the camera, or see nothing in range, to be worth a warning
_MOST_NAMED = 4  # publishers
_HANGING = 10.0  # seconds for one image; with a slow CPU it is less than one
_BUSY = 0.5  # share of the time in which images are processed from which on that is what limits the rate
_NO_DEPTH = 0.01  # share of the pixels with a depth, below which the camera measures nothing
_NO_CLOCK = 1e9  # seconds, 31 years: times farther from now are of another clock, such as one that began at 0


@dataclass(frozen=True)
class NodeState:
    """All that the diagnostics depend on.

    Attributes:
        node: Name of the node with its namespace.
        lifecycle: Label of the lifecycle state, such as ``active``.
        failure: Reason why the node could not be configured; empty when it could.
        enabled: Whether processing is on, not paused by ``~/enable``.
        wanted: Whether anybody subscribes to an output.
        clock_missing: Whether simulated time is used, but no message of it has come.
        sim_time: Whether simulated time is used.
        image_topic, info_topic: Names of the topics after remapping.
        image_name: Name of the image topic before remapping.
        image_publishers, info_publishers: Numbers of publishers.
        image_input, info_input: QoS of the node's subscriptions.
        graph: Publishers and topics that the middleware has discovered; needed only when :func:`must_look`.
        middleware: Identifier of the RMW implementation.
        remedy: Advice on the environment variables to set for large messages.
        patience: Seconds without messages that are normal.
        busy: Seconds that the image at hand has taken so far.
        untaken: Message about QoS overrides without effect; empty where there are none.
        lost_device: Reason why the network runs on the CPU instead of the device asked for; empty where it does not.
        dropped, failed: Number of images overtaken by newer ones, and of images that could not be processed.
        compute: Device, runtime and weights in use, and the abilities of the machine.
        info: Skeleton, weights, network, runtime and device, in words.
    """

    node: str
    lifecycle: str
    image_topic: str
    info_topic: str
    image_name: str = "depth/image_rect"
    failure: str = ""
    enabled: bool = True
    wanted: bool = True
    clock_missing: bool = False
    sim_time: bool = False
    image_publishers: int = 0
    info_publishers: int = 0
    image_input: End = field(default_factory=lambda: End(IMAGE))
    info_input: End = field(default_factory=lambda: End(INFO))
    graph: Graph | None = None
    middleware: str = ""
    remedy: str = ""
    patience: float = 1.0
    busy: float = 0.0
    untaken: str = ""
    lost_device: str = ""
    dropped: int = 0
    failed: int = 0
    figures: StatisticsSnapshot = field(default_factory=StatisticsSnapshot)
    compute: Compute = field(default_factory=Compute)
    info: dict[str, str] = field(default_factory=dict)


def diagnose(state: NodeState) -> tuple[bytes, str]:
    """Level and one sentence for a person: the problem, its place and its remedy."""
    if state.failure:
        return ERROR, state.failure
    if state.lifecycle == "finalized":
        return STALE, "shut down for good: start the process again"
    if state.lifecycle != "active":
        return STALE, (
            f"{state.lifecycle}: no images are processed; to start: ros2 lifecycle set {state.node} "
            f"{'activate' if state.lifecycle == 'inactive' else 'configure'}"
        )
    problems = [*_input_problems(state)]
    if state.enabled and state.wanted:
        problems += _problems(state)
    if problems:
        return _gravest(problems)
    if not state.enabled:
        return OK, "paused by ~/enable"
    if not state.wanted:
        return OK, "idle: nobody subscribes to the results"
    figures = state.figures
    if not figures.processed:
        return OK, "waiting for the first image"
    many = "" if figures.subjects == 1 else "s"
    return OK, (f"{figures.output_rate:.1f} Hz of {figures.image_rate:.1f} Hz, {figures.subjects} skeleton{many}")


def _gravest(problems: Sequence[tuple[bytes, str]]) -> tuple[bytes, str]:
    """Return the first error, else the first of all: a warning must not hide that nothing works."""
    return next((one for one in problems if one[0] == ERROR), problems[0])


def _problems(state: NodeState) -> Iterator[tuple[bytes, str]]:
    """Yield the problems of the processing, in the order in which they should be cured."""
    figures = state.figures
    if state.busy > _HANGING:
        yield (
            ERROR,
            (
                f"an image has been in work for {state.busy:.0f} s: the network or its device hangs; look at the "
                "machine's load (top, nvidia-smi), and start the process again if this stays"
            ),
        )
    if figures.failing:
        yield ERROR, f"the last image could not be processed: {figures.error}"
    if figures.standstill > state.patience:
        yield (
            ERROR,
            (
                f"images on {state.image_topic} come with one and the same stamp for {figures.standstill:.1f} s and "
                "are dropped as duplicates: restart the camera's driver, or whatever publishes /clock"
            ),
        )
    if math.isfinite(figures.stale_age):
        yield (WARN if figures.output_rate else ERROR), too_old(state.image_topic, figures.stale_age)
    if figures.error_since < _RECENT:
        yield WARN, f"{figures.error_since:.0f} s ago an image could not be processed: {figures.error}"
    if figures.age < -_FUTURE:
        yield WARN, _in_future(state)
    if not figures.processed:
        return
    if state.lost_device:
        yield (
            WARN,
            (
                f"the network runs on the CPU since {state.lost_device}; when the device is usable again: "
                f"ros2 lifecycle set {state.node} with deactivate, cleanup, configure, activate"
            ),
        )
    if figures.doubt:
        yield WARN, f"images on {state.image_topic}: {figures.doubt}"
    if figures.nothing_in_range > _LASTING:
        yield WARN, _nothing_in_range(state)
    if figures.behind > _LASTING:
        yield WARN, _too_slow(state)
    if figures.info_frame:
        yield (
            WARN,
            (
                f"camera_info on {state.info_topic} is of frame '{figures.info_frame}', but the images on "
                f"{state.image_topic} are of '{figures.image_frame}': joints are misplaced if that is another camera; "
                "remap depth/camera_info to the depth camera's (launch argument info_topic)"
            ),
        )
    if state.untaken:
        yield WARN, state.untaken
    if unused := gpu_unused(state.compute):
        yield WARN, unused


def must_look(figures: StatisticsSnapshot, patience: float) -> bool:
    """Return whether the graph of topics is needed to explain an input that is missing or mixed up."""
    return (
        figures.frame_since < _RECENT
        or _is_silent(figures, patience)
        or (not figures.infos and figures.info_silence > patience)
    )


def _is_silent(figures: StatisticsSnapshot, patience: float) -> bool:
    """Return whether images stay away for longer than is normal, also for a camera of less than an image a second."""
    return figures.image_silence > max(patience, _PERIODS * min(figures.image_period, _SLOWEST))


def input_problem(state: NodeState) -> tuple[bytes, str] | None:
    """Return what input is missing, why, and what to do about it; None when all of it comes."""
    problems = [*_input_problems(state)]
    return _gravest(problems) if problems else None


def _input_problems(state: NodeState) -> Iterator[tuple[bytes, str]]:
    figures = state.figures
    if _is_silent(figures, state.patience):
        yield ERROR, f"no depth images on {state.image_topic} for {figures.image_silence:.1f} s: {_missing(state)}"
    if _few_arrive(state):
        why = _fast_dds(state)
        if not figures.losing:
            lost = "they are lost, or throttled on the way"
            why = f"{lost}; if nothing throttles them, {state.remedy} for the camera's process"
        yield (
            WARN,
            (
                f"only {figures.image_rate:.1f} of {figures.info_rate:.1f} images per second arrive on "
                f"{state.image_topic} (as many as camera_info on {state.info_topic}): {why}"
            ),
        )
    if figures.images and not figures.infos and figures.info_silence > state.patience:
        graph = state.graph or Graph()
        why = explain_infos(graph, state.info_topic, state.image_topic, state.info_input)
        yield (
            ERROR,
            (
                f"images arrive on {state.image_topic} but no camera_info on {state.info_topic}: "
                f"{why or _silent(state.info_publishers)}"
            ),
        )
    if mixed := _mixed(state):
        yield WARN, mixed
    if state.clock_missing:
        yield (
            WARN,
            (
                "use_sim_time is true, but no time has come on /clock, so that ages are not known: "
                "play the bag with --clock, start the simulation, or set use_sim_time to false"
            ),
        )


def _mixed(state: NodeState) -> str:
    """Say that images of several cameras come on the topic; empty where they do not."""
    figures = state.figures
    publishers = [one.node for one in (state.graph or Graph()).images if one.type == state.image_input.type]
    said = f"{len(publishers)} publishers ({', '.join(sorted(publishers)[:_MOST_NAMED])})"
    remedy = "give each camera a topic of its own, and a node"
    if figures.frame_since < _RECENT:
        left, now = figures.frames
        by = f" from {said}" if len(publishers) > 1 else ""
        return (
            f"images on {state.image_topic} come in frame '{left}' and in frame '{now}'{by}: with each change all "
            f"tracks are forgotten; {remedy}"
        )
    if len(publishers) > 1 and figures.image_silence < state.patience:
        one = "skeletons of one are taken for those of the other"
        return f"images on {state.image_topic} come from {said}: {one}; {remedy}"
    return ""


def _missing(state: NodeState) -> str:
    """Return why no images come."""
    figures = state.figures
    graph = state.graph or Graph()
    if figures.images and not graph.images:
        return "their publisher is gone; start the camera, or the bag, again"
    if why := explain_images(graph, state.image_topic, state.image_name, state.image_input):
        return why
    small = 0 < figures.image_bytes < LARGE_MESSAGE
    if figures.infos and figures.info_silence < state.patience and "fastrtps" in state.middleware and not small:
        return f"but camera_info arrives on {state.info_topic} ({figures.info_rate:.1f} Hz): {_fast_dds(state)}"
    return _silent(state.image_publishers)


def _silent(publishers: int) -> str:
    return f"the publisher is silent (publishers: {publishers}); look at the camera's own log"


def _fast_dds(state: NodeState) -> str:
    return f"Fast DDS loses large messages; {state.remedy} for the camera's process"


def _few_arrive(state: NodeState) -> bool:
    """Cameras publish camera_info with every image, and so small a message is hardly ever lost."""
    figures = state.figures
    return (
        "fastrtps" in state.middleware
        and figures.since > WINDOW
        and figures.image_bytes >= LARGE_MESSAGE
        and figures.info_rate * WINDOW > _COUNTED
        and figures.image_rate < _FEW * figures.info_rate
    )


def _in_future(state: NodeState) -> str:
    ahead = -state.figures.age
    what = f"images on {state.image_topic} have stamps {ahead:.1f} s in the future: "
    if state.sim_time and ahead > _NO_CLOCK:
        return f"{what}use_sim_time is true, but the camera stamps with the time of day; set use_sim_time to false"
    return (
        f"{what}synchronise the clocks of the camera's machine and this one; when playing a bag, use --clock and "
        "use_sim_time"
    )


def _nothing_in_range(state: NodeState) -> str:
    """Say that nobody can be found because nothing is in the range for subjects, and at which depths things are."""
    figures = state.figures
    depth = figures.depth
    what = (
        f"nobody can be found: for {figures.nothing_in_range:.0f} s hardly any pixel of the images on "
        f"{state.image_topic} has been between {depth.min_depth:g} and {depth.max_depth:g} m (now "
        f"{_percent(depth.in_range)} %): "
    )
    if not depth.valid >= _NO_DEPTH:
        return (
            f"{what}hardly any pixel has a depth at all ({_percent(depth.valid)} %); uncover or clean the lens and the "
            "projector, keep the distance that the camera needs, and look for sunlight, glass and black surfaces"
        )
    what += (
        f"{_percent(depth.valid)} % have a depth, the nearest of them is {_metres(depth.nearest)} m away, the median "
        f"{_metres(depth.median)} m; "
    )
    if depth.nearest > depth.max_depth:
        way = "come nearer, or set the parameter max_depth higher"
    elif depth.median < depth.min_depth:
        way = "keep farther away, look for something right before the lens, or set the parameter min_depth lower"
    else:
        way = "come between the two distances, or set the parameters min_depth and max_depth"
    units = " or ".join(f"{unit:g}" for unit in UNITS[1:])
    return (
        f"{what}{way}; if the numbers are wrong, set the parameter depth_unit to the camera's metres a unit ({units})"
    )


def _too_slow(state: NodeState) -> str:
    """Say that fewer images are processed than come, and which stage takes the most time."""
    figures = state.figures
    what = (
        f"only {figures.output_rate:.1f} of {figures.image_rate:.1f} images per second have been processed for "
        f"{figures.behind:.0f} s: "
    )
    stages = {name: seconds for name, seconds in figures.seconds.items() if name != "total"}
    total = figures.seconds.get("total", sum(stages.values()))
    if not stages or figures.load < _BUSY:
        return f"{what}other programs keep the CPU busy; end some of them, or lower the camera's rate"
    slowest = max(stages, key=lambda name: stages[name])
    remedy = {
        "decode": "let the camera send smaller images, or raw instead of compressed ones (parameter depth_transport)",
        "locate": "let the camera send smaller images, or set max_depth lower",
        "network": faster_network(state.compute),
        "publish": "unsubscribe from ~/cloud and ~/markers, or set publish_tf to false",
    }.get(slowest, "let the camera send smaller images, or lower its rate")
    return f"{what}{slowest} takes {_milliseconds(stages[slowest])} of {_milliseconds(total)} ms; {remedy}"


def too_old(topic: str, age: float) -> str:
    """Return what to say about images that are dropped because of their age in seconds."""
    if age > _NO_CLOCK:
        return (
            f"images on {topic} are dropped (parameter max_age): their stamps are not the time of day, but {age:.0f} s "
            "before it; make the camera's driver stamp with the system's time, set use_sim_time to true for a "
            "simulation or its bag (played with --clock), or set max_age to 0"
        )
    return (
        f"images on {topic} are {age:.2f} s old and dropped (parameter max_age): when playing a bag, use --clock and "
        "use_sim_time, or set max_age to 0; with a camera, synchronise the clocks or look for a slow network"
    )


def values(state: NodeState) -> dict[str, str]:
    """Key and value pairs for the diagnostics."""
    figures = state.figures
    pairs = {
        "lifecycle state": state.lifecycle,
        "enabled": str(state.enabled).lower(),
        "images received": str(figures.images),
        "images processed": str(figures.processed),
        "images dropped": str(state.dropped),
        "images too old": str(figures.stale),
        "duplicate images": str(figures.duplicates),
        "images failed": str(state.failed),
        "last error": figures.error,
        "rate in (Hz)": f"{figures.image_rate:.1f}",
        "rate out (Hz)": f"{figures.output_rate:.1f}",
        "camera_info rate (Hz)": f"{figures.info_rate:.1f}",
        **{f"transport p{r} (ms)": _milliseconds(t, 2) for r, t in zip((50, 90, 99), figures.transport, strict=True)},
        "input age p50 (ms)": _milliseconds(figures.age),
        "skeletons": str(figures.subjects),
        "best detection score": _number(figures.best_detection, 2),
        "valid pixels (%)": _percent(figures.depth.valid),
        "pixels in range (%)": _percent(figures.depth.in_range),
        "min_depth (m)": _number(figures.depth.min_depth, 2),
        "max_depth (m)": _number(figures.depth.max_depth, 2),
        "nearest distance p1 (m)": _metres(figures.depth.nearest),
        "median distance (m)": _metres(figures.depth.median),
        "depth topic": f"{state.image_topic} (publishers: {state.image_publishers})",
        "camera_info topic": f"{state.info_topic} (publishers: {state.info_publishers})",
    }
    pairs |= {f"{stage} p50 (ms)": _milliseconds(seconds) for stage, seconds in figures.seconds.items()}
    if figures.distortion:
        pairs["distortion"] = figures.distortion
    if state.graph is not None:
        proposals = image_proposals(state.image_topic, state.image_input.type, state.graph.topics)
        pairs["other depth topics"] = ", ".join(one.topic for one in proposals)
    return pairs | hints(state.compute) | state.info


def diagnostic_array(state: NodeState, stamp: Time) -> DiagnosticArray:
    """Return the message for /diagnostics."""
    level, message = diagnose(state)
    status = DiagnosticStatus(
        level=level,
        name=f"{state.node.lstrip('/')}: depth to skeletons",
        message=message,
        hardware_id=state.info.get("device", ""),
        values=[KeyValue(key=key, value=value) for key, value in values(state).items()],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array


def _milliseconds(seconds: float, digits: int = 1) -> str:
    return _number(1000 * seconds, digits)


def _percent(share: float) -> str:
    return _number(100 * share, 1)


def _metres(distance: float) -> str:
    return _number(distance, 3 if distance < 1 else 2)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""
