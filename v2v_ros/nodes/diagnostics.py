"""What the node says about its health on /diagnostics: pure functions from its state to a message.

(diagnostic_updater is not used: its Python port does not exist on every supported platform.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from .statistics import WINDOW, Figures
from .transport import LARGE_MESSAGE

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)

_FUTURE = 0.5  # seconds that a stamp may lie ahead of the clock: /clock often ticks slowly
_FEW = 0.8  # share of the images below which many are taken for lost
_RECENT = 5.0  # seconds that a failure is worth a warning


@dataclass(frozen=True)
class NodeState:
    """All that the diagnostics depend on.

    Attributes:
        node: Name of the node with its namespace.
        lifecycle: Label of the lifecycle state, such as ``active``.
        failure: Why the node could not be configured; empty when it could.
        enabled: Not paused by ``~/enable``.
        wanted: Somebody uses an output.
        clock_missing: Simulated time is used, but none has come.
        image_topic, info_topic: Resolved names.
        image_name: Name of the image topic before remapping.
        image_publishers, info_publishers: How many publishers there are.
        incompatible: Quality-of-service policy in which a publisher of the images does not match; empty if none.
        middleware: Identifier of the RMW implementation.
        remedy: What to set in the environment for large messages.
        patience: Seconds without messages that are normal.
        dropped, failed: Images overtaken by newer ones; images that could not be processed.
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
    image_publishers: int = 0
    info_publishers: int = 0
    incompatible: str = ""
    middleware: str = ""
    remedy: str = ""
    patience: float = 1.0
    dropped: int = 0
    failed: int = 0
    figures: Figures = field(default_factory=Figures)
    info: dict[str, str] = field(default_factory=dict)


def diagnose(state: NodeState) -> tuple[bytes, str]:
    """Level and one sentence for a person: what is wrong, where, and what to do about it."""
    if state.failure:
        return ERROR, state.failure
    if state.lifecycle == "finalized":
        return STALE, "shut down for good: start the process again"
    if state.lifecycle != "active":
        return STALE, (
            f"{state.lifecycle}: no images are processed; to start: ros2 lifecycle set {state.node} "
            f"{'activate' if state.lifecycle == 'inactive' else 'configure'}"
        )
    figures = state.figures
    problem = input_problem(state)
    if problem is not None:
        return problem
    if not state.enabled:
        return OK, "paused by ~/enable"
    if not state.wanted:
        return OK, "idle: nobody subscribes to the results"
    if figures.failing:
        return ERROR, f"the last image could not be processed: {figures.error}"
    if math.isfinite(figures.stale_age):
        return WARN, too_old(state.image_topic, figures.stale_age)
    if figures.error_since < _RECENT:
        return WARN, f"{figures.error_since:.0f} s ago an image could not be processed: {figures.error}"
    if figures.age < -_FUTURE:
        return WARN, (
            f"images on {state.image_topic} have stamps {-figures.age:.1f} s in the future: synchronise the clocks of "
            "the camera's machine and this one; when playing a bag, use --clock and use_sim_time"
        )
    if not figures.processed:
        return OK, "waiting for the first image"
    many = "" if figures.subjects == 1 else "s"
    return OK, (f"{figures.output_rate:.1f} Hz of {figures.image_rate:.1f} Hz, {figures.subjects} skeleton{many}")


def input_problem(state: NodeState) -> tuple[bytes, str] | None:
    """What input is missing, why, and what to do about it; None when all of it comes."""
    figures = state.figures
    if figures.image_silence > state.patience:
        return ERROR, _missing_images(state)
    if _many_lost(state):
        return WARN, (
            f"only {figures.image_rate:.1f} of {figures.info_rate:.1f} images per second arrive on "
            f"{state.image_topic} (as many as camera_info on {state.info_topic}): {_fast_dds(state)}"
        )
    if figures.images and not figures.infos and figures.info_silence > state.patience:
        return ERROR, (
            f"images arrive on {state.image_topic} but no camera_info on {state.info_topic} "
            f"(publishers: {state.info_publishers}): remap depth/camera_info to the camera's topic (launch argument "
            "info_topic), or make the camera publish it"
        )
    if state.clock_missing:
        return WARN, (
            "use_sim_time is true, but no time has come on /clock, so that ages are not known: "
            "play the bag with --clock, start the simulation, or set use_sim_time to false"
        )
    return None


def _missing_images(state: NodeState) -> str:
    figures = state.figures
    what = f"no depth images on {state.image_topic} for {figures.image_silence:.1f} s"
    if state.incompatible:
        return (
            f"{what}: a publisher offers incompatible QoS ({state.incompatible}); change the parameter "
            f"qos_overrides.{state.image_topic}.subscription.{state.incompatible} or the camera's setting"
        )
    if not state.image_publishers:
        return (
            f"{what}: is the camera running, and is the topic right? (publishers: 0; "
            f"find the topic with: ros2 topic list, and give it as launch argument depth_topic, or remap "
            f"{state.image_name} to it)"
        )
    small = 0 < figures.image_bytes < LARGE_MESSAGE
    if figures.infos and figures.info_silence < state.patience and "fastrtps" in state.middleware and not small:
        return f"{what}, but camera_info arrives on {state.info_topic} ({figures.info_rate:.1f} Hz): {_fast_dds(state)}"
    return f"{what}: its publisher is silent (publishers: {state.image_publishers}); look at the camera's own log"


def _fast_dds(state: NodeState) -> str:
    return f"Fast DDS loses large messages; {state.remedy} for the camera's process"


def _many_lost(state: NodeState) -> bool:
    """Cameras publish camera_info with every image, and so small a message is hardly ever lost."""
    figures = state.figures
    return (
        "fastrtps" in state.middleware
        and figures.since > WINDOW
        and figures.image_bytes >= LARGE_MESSAGE
        and figures.image_rate < _FEW * figures.info_rate
    )


def too_old(topic: str, age: float) -> str:
    """What to say about images that are dropped because of their age in seconds."""
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
        "depth topic": f"{state.image_topic} (publishers: {state.image_publishers})",
        "camera_info topic": f"{state.info_topic} (publishers: {state.info_publishers})",
    }
    pairs |= {f"{stage} p50 (ms)": _milliseconds(seconds) for stage, seconds in figures.seconds.items()}
    return pairs | state.info


def diagnostic_array(state: NodeState, stamp: Time) -> DiagnosticArray:
    """The message for /diagnostics."""
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
    return f"{1000 * seconds:.{digits}f}" if math.isfinite(seconds) else ""
