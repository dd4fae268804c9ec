# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The parameters of the pose node."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from rclpy.node import Node

from v2v_ros.estimator.settings import Settings
from v2v_ros.estimator.tracking import filters
from v2v_ros.geometry.estimate import SIDES
from v2v_ros.geometry.skeletons import SKELETONS, get_skeleton
from v2v_ros.geometry.subject import HAND
from v2v_ros.model import read_out, runtime

from .output_switches import OUTPUT_SWITCHES, OutputSwitch
from .parameters import Spec


def switch_spec(switch: OutputSwitch) -> Spec:
    """Return the parameter that switches an output on."""
    return Spec(switch.name, False, f"{switch.description}.", read_only=True)


DEPTH_UNIT = Spec(
    "depth_unit",
    0.0,
    "Metres that one unit of the depth images stands for; 0: 0.001 for 16UC1 and mono16, 1 for 32FC1, as REP 118 says.",
    limits=(0.0, 1.0),
)
RECTIFY = Spec(
    "rectify",
    True,
    "Remove the lens distortion that camera_info describes, unless the images' topic has 'rect', 'rectified' or "
    "'undistorted' in its name.",
)
POSE_PARAMETERS = (
    Spec("skeleton", "hand21", "Skeleton to estimate.", choices=tuple(SKELETONS), read_only=True),
    Spec(
        "weights",
        "",
        "Name of shipped weights, or path of a .safetensors file; empty: the shipped ones for the skeleton.",
        read_only=True,
    ),
    Spec(
        "detector_weights",
        "",
        "Name or path of the detector's weights; empty: those shipped; none: the nearest things are looked at.",
        read_only=True,
    ),
    Spec(
        "device",
        "auto",
        "Where the network runs; 'auto' takes a GPU when there is one.",
        choices=("auto", "cpu", "cuda", "cuda:N"),
        pattern=r"auto|cpu|cuda(:\d+)?",
        read_only=True,
    ),
    Spec(
        "runtime",
        "auto",
        "What runs the pose network; 'auto' takes OpenVINO on a CPU when it is installed, else PyTorch.",
        choices=runtime.NAMES,
        pattern=runtime.PATTERN,
        read_only=True,
    ),
    Spec(
        "threads",
        0,
        "CPU threads for the pose network; 0: as many as the runtime sees fit.",
        limits=(0, 256),
        read_only=True,
    ),
    Spec(
        "read_out",
        "auto",
        "How joints are read off the heatmaps: 'peaks', each by itself, as the paper does; 'refiner', by the joint "
        "refiner of the weights; 'auto': by the refiner where the weights have one.",
        choices=read_out.NAMES,
        read_only=True,
    ),
    Spec(
        "depth_transport",
        "raw",
        "'raw' reads sensor_msgs/Image from depth/image_rect; "
        "'compressedDepth' reads sensor_msgs/CompressedImage from depth/image_rect/compressedDepth.",
        choices=("raw", "compressedDepth"),
        read_only=True,
    ),
    Spec("autostart", True, "Configure and activate the node by itself.", read_only=True),
    *map(switch_spec, OUTPUT_SWITCHES),
    Spec(
        "pose_array_joints",
        [""],
        "Publish the poses of these joints of every subject on ~/poses; a single empty name: do not.",
        read_only=True,
    ),
    Spec("diagnostics_period", 1.0, "Seconds between diagnostics.", limits=(0.1, 60.0), read_only=True),
    DEPTH_UNIT,
    RECTIFY,
    Spec("side", "either", "Which hand to look for; ignored for bodies.", choices=tuple(SIDES)),
    Spec(
        "score_threshold",
        HAND.score_threshold,
        "Skeletons with a lower score are not reported: the probability of a subject.",
        limits=(0.0, 1.0),
    ),
    Spec(
        "min_depth",
        0.0,
        "Nobody nearer than this is taken in [m]; 0: 0.15 for hands, 0.5 for bodies.",
        limits=(0.0, 20.0),
    ),
    Spec(
        "max_depth",
        0.0,
        "Nobody farther away than this is taken in [m]; 0: 1.5 for hands, 5 for bodies.",
        limits=(0.0, 20.0),
    ),
    Spec(
        "camera_roll",
        0,
        "Degrees by which the camera is mounted turned clockwise about its optical axis, as seen from behind it.",
        limits=(0, 270),
        step=90,
    ),
    Spec("max_subjects", 1, "How many hands or bodies are followed at once.", limits=(1, 8)),
    Spec(
        "confirmation",
        1,
        "Images in which a subject must have been seen before it is reported: more are slower and surer.",
        limits=(1, 30),
    ),
    Spec(
        "hold_seconds",
        0.25,
        "Time for which a subject that is not seen is still reported, as predicted [s].",
        limits=(0.0, 5.0),
    ),
    Spec(
        "memory_seconds",
        5.0,
        "Time for which it then keeps its identity, in case it turns up again [s].",
        limits=(0.0, 60.0),
    ),
    Spec(
        "filter",
        "kalman",
        "Smooths joints over time and gives their velocities: 'kalman', 'one_euro', or 'none': as they were measured.",
        choices=filters.NAMES,
    ),
    Spec(
        "predict_to_now",
        False,
        "Move skeletons on, with their velocities, to the time at which they are published, and stamp them with it; "
        "needs a filter.",
    ),
    Spec(
        "max_age",
        0.5,
        "Images older than this when their turn comes are dropped [s]; 0: none are.",
        limits=(0.0, 10.0),
    ),
    Spec(
        "on_runtime_error",
        "retry",
        "When the network fails again and again (out of memory, a lost GPU): 'retry' restarts it on its device, "
        "'cpu' restarts it on the CPU.",
        choices=("retry", "cpu"),
    ),
    Spec("publish_tf", True, "Publish a TF frame for every joint (only when somebody listens to TF)."),
    Spec(
        "frame_prefix",
        "",
        "Put before the names of the joints' TF frames; two nodes need two, since a frame has one parent.",
    ),
    Spec("publish_markers", True, "Publish RViz markers (only when somebody subscribes)."),
    Spec(
        "hull_sigmas",
        2.0,
        "Standard deviations of the joints that hulls grow by.",
        limits=(0.0, 10.0),
    ),
    Spec(
        "camera_info_timeout",
        1.0,
        "Warn when images come without camera_info, or not at all, for this long [s].",
        limits=(0.1, 60.0),
    ),
)


@dataclass(frozen=True)
class PoseSettings:
    """The parameters of the pose node that can change while it runs.

    Attributes:
        estimator: Settings of the estimator; a depth of 0 is replaced by that of the kind of subject.
    """

    estimator: Settings
    depth_unit: float
    rectify: bool
    predict_to_now: bool
    max_age: float
    on_runtime_error: str
    publish_tf: bool
    frame_prefix: str
    publish_markers: bool
    hull_sigmas: float
    camera_info_timeout: float

    @staticmethod
    def read(node: Node) -> PoseSettings:
        def values(settings: type[Settings | PoseSettings]) -> dict[str, Any]:
            names = [field.name for field in fields(settings) if field.name != "estimator"]
            return {name: node.get_parameter(name).value for name in names}

        wanted = values(Settings)
        wanted |= _depth_range(node.get_parameter("skeleton").value, wanted) | {"side": SIDES[wanted["side"]]}
        return PoseSettings(Settings(**wanted), **values(PoseSettings))


def _depth_range(skeleton: str, values: Mapping[str, Any]) -> dict[str, float]:
    nearest, farthest = get_skeleton(skeleton).subject.depth_range
    return {
        "min_depth": values.get("min_depth", 0.0) or nearest,
        "max_depth": values.get("max_depth", 0.0) or farthest,
    }


def chosen_joints(names: Sequence[str]) -> list[str]:
    """Return the names in a parameter that lists joints."""
    return [name for name in names if name]


def _prefix_refusal(prefix: str) -> str:
    """Return why TF would not take frames with this prefix; empty when it would."""
    if re.fullmatch(r"([A-Za-z0-9_~.-][A-Za-z0-9_~./-]*)?", prefix):
        return ""
    better = re.sub(r"[^A-Za-z0-9_~./-]+", "_", prefix.strip().lstrip("/"))
    return (
        f"parameter 'frame_prefix' cannot be '{prefix}': names of frames have letters, digits, _, -, . and /, and do "
        f"not begin with a slash; use '{better}'"
    )


def check_pose(values: Mapping[str, Any]) -> str:
    """Return why these values of the pose node's parameters do not go together; empty when they do."""
    near, far = _depth_range(values["skeleton"], values).values()
    if near >= far:
        return f"parameter 'min_depth' ({near:g} m) must be below 'max_depth' ({far:g} m)"
    for switch in OUTPUT_SWITCHES:
        if switch.skeleton and values.get(switch.name) and values["skeleton"] != switch.skeleton:
            return (
                f"parameter '{switch.name}' needs 'skeleton' to be '{switch.skeleton}', but it is "
                f"'{values['skeleton']}'"
            )
    if refusal := _prefix_refusal(values.get("frame_prefix", "")):
        return refusal
    if values.get("predict_to_now") and values.get("filter") == "none":
        return "parameter 'predict_to_now' needs velocities, so 'filter' must not be 'none'"
    names = get_skeleton(values["skeleton"]).joint_names
    for joint in chosen_joints(values.get("pose_array_joints", ())):
        if joint not in names:
            near_names = get_close_matches(joint, names, 1)
            hint = f"did you mean '{near_names[0]}'?" if near_names else f"use some of {', '.join(names)}"
            return f"parameter 'pose_array_joints': {values['skeleton']} has no joint '{joint}'; {hint}"
    return ""
