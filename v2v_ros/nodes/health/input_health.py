# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the diagnostics depend on, and what is wrong with the images and camera_info that come in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus

from ..support.transport import LARGE_MESSAGE
from .compute import Compute
from .graph import IMAGE, INFO, End, Graph
from .missing import explain_images, explain_infos
from .statistics import WINDOW, StatisticsSnapshot

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)

RECENT = 5.0
"""Seconds that a failure is worth a warning."""
_PERIODS = 2.5  # periods of the images for which they may stay away
_SLOWEST = 10.0  # seconds between images
_COUNTED = 5  # camera_info messages in the window from which on rates can be compared
_FEW = 0.8  # share of the images below which many are taken for lost
_MOST_NAMED = 4  # publishers


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


def gravest(problems: Sequence[tuple[bytes, str]]) -> tuple[bytes, str]:
    """Return the first error, else the first of all: a warning must not hide that nothing works."""
    return next((one for one in problems if one[0] == ERROR), problems[0])


def must_look(figures: StatisticsSnapshot, patience: float) -> bool:
    """Return whether the graph of topics is needed to explain an input that is missing or mixed up."""
    return (
        figures.frame_since < RECENT
        or _is_silent(figures, patience)
        or (not figures.infos and figures.info_silence > patience)
    )


def _is_silent(figures: StatisticsSnapshot, patience: float) -> bool:
    """Return whether images stay away for longer than is normal, also for a camera of less than an image a second."""
    return figures.image_silence > max(patience, _PERIODS * min(figures.image_period, _SLOWEST))


def input_problem(state: NodeState) -> tuple[bytes, str] | None:
    """Return what input is missing, why, and what to do about it; None when all of it comes."""
    problems = [*input_problems(state)]
    return gravest(problems) if problems else None


def input_problems(state: NodeState) -> Iterator[tuple[bytes, str]]:
    """Yield what is wrong with the inputs, in the order in which it should be cured."""
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
    if figures.frame_since < RECENT:
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
