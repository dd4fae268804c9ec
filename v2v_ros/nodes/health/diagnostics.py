# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the node says about its health on /diagnostics: pure functions from its state to a message.

(diagnostic_updater is not used: its Python port does not exist on every supported platform.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from v2v_ros.io.depth_checks import UNITS

from .compute import faster_network, gpu_unused, hints
from .graph import image_proposals
from .input_health import ERROR, OK, RECENT, STALE, WARN, NodeState, gravest, input_problems

_FUTURE = 0.5  # seconds that a stamp may lie ahead of the clock: /clock often ticks slowly
_LASTING = 10.0  # seconds that the node must be behind the camera, or see nothing in range, to be worth a warning
_HANGING = 10.0  # seconds for one image; with a slow CPU it is less than one
_BUSY = 0.5  # share of the time in which images are processed from which on that is what limits the rate
_NO_DEPTH = 0.01  # share of the pixels with a depth, below which the camera measures nothing
_NO_CLOCK = 1e9  # seconds, 31 years: times farther from now are of another clock, such as one that began at 0


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
    problems = [*input_problems(state)]
    if state.enabled and state.wanted:
        problems += _problems(state)
    if problems:
        return gravest(problems)
    if not state.enabled:
        return OK, "paused by ~/enable"
    if not state.wanted:
        return OK, "idle: nobody subscribes to the results"
    figures = state.figures
    if not figures.processed:
        return OK, "waiting for the first image"
    many = "" if figures.subjects == 1 else "s"
    return OK, (f"{figures.output_rate:.1f} Hz of {figures.image_rate:.1f} Hz, {figures.subjects} skeleton{many}")


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
    if figures.error_since < RECENT:
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
