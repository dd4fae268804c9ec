"""Parameters as a table: name, default, text, what is allowed, whether they may change at run time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from v2v_ros import runtime
from v2v_ros.estimator import DEPTH_RANGE, SCORE_THRESHOLD
from v2v_ros.skeletons import SKELETONS, get_skeleton


@dataclass(frozen=True)
class Spec:
    """One parameter.

    Attributes:
        name: As in a YAML file.
        default: Its type is the parameter's type.
        text: Description for ``ros2 param describe``.
        limits: Lowest and highest number allowed, both included.
        choices: The texts allowed.
        pattern: Regular expression that a text must match as a whole; ``choices`` then only names examples.
        read_only: It can be set only when the node starts.
    """

    name: str
    default: bool | int | float | str
    text: str
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    read_only: bool = False

    def descriptor(self) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(description=self.text, read_only=self.read_only)
        if self.choices:
            descriptor.additional_constraints = f"one of: {', '.join(self.choices)}"
        if self.limits is not None and isinstance(self.default, float):
            low, high = self.limits
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.limits is not None:
            low, high = self.limits
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        return descriptor

    def refusal(self, value: Any) -> str:
        """Why a text is not allowed; empty when it is. (Types and limits are checked by rclpy.)"""
        if not self.choices or not isinstance(value, str):
            return ""
        allowed = re.fullmatch(self.pattern, value) if self.pattern else value in self.choices
        return "" if allowed else f"parameter '{self.name}' cannot be '{value}': use one of {', '.join(self.choices)}"


POSE_PARAMETERS = (
    Spec("skeleton", "hand21", "Skeleton to estimate.", choices=tuple(SKELETONS), read_only=True),
    Spec(
        "weights",
        "",
        "Name of shipped weights, or path of a .safetensors file; empty: the shipped ones for the skeleton.",
        read_only=True,
    ),
    Spec(
        "center_weights",
        "",
        "Name or path of the centre refiner's weights; empty: those shipped for the skeleton; none: no refiner.",
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
        "depth_transport",
        "raw",
        "'raw' reads sensor_msgs/Image from depth/image_rect; "
        "'compressedDepth' reads sensor_msgs/CompressedImage from depth/image_rect/compressedDepth.",
        choices=("raw", "compressedDepth"),
        read_only=True,
    ),
    Spec("autostart", True, "Configure and activate the node by itself.", read_only=True),
    Spec("diagnostics_period", 1.0, "Seconds between diagnostics.", limits=(0.1, 60.0), read_only=True),
    Spec("side", "either", "Which hand to look for; ignored for bodies.", choices=("either", "right", "left")),
    Spec(
        "score_threshold",
        SCORE_THRESHOLD["hand"],
        f"Skeletons with a lower score are not reported; for bodies {SCORE_THRESHOLD['body']} is a good one.",
        limits=(0.0, 1.0),
    ),
    Spec(
        "min_depth",
        0.0,
        "Subjects are looked for from this distance on [m]; 0: 0.15 for hands, 0.5 for bodies.",
        limits=(0.0, 20.0),
    ),
    Spec(
        "max_depth",
        0.0,
        "Subjects are looked for up to this distance [m]; 0: 1.5 for hands, 5 for bodies.",
        limits=(0.0, 20.0),
    ),
    Spec(
        "max_age",
        0.5,
        "Images older than this when their turn comes are dropped [s]; 0: none are.",
        limits=(0.0, 10.0),
    ),
    Spec("publish_tf", True, "Publish a TF frame for every joint (only when somebody listens to TF)."),
    Spec("publish_markers", True, "Publish RViz markers (only when somebody subscribes)."),
    Spec(
        "camera_info_timeout",
        1.0,
        "Warn when images come without camera_info, or not at all, for this long [s].",
        limits=(0.1, 60.0),
    ),
)


@dataclass(frozen=True)
class PoseSettings:
    """The parameters of the pose node that can change while it runs; depths of 0 are resolved."""

    side: str
    score_threshold: float
    min_depth: float
    max_depth: float
    max_age: float
    publish_tf: bool
    publish_markers: bool
    camera_info_timeout: float

    @staticmethod
    def read(node: Node) -> PoseSettings:
        values = {name: node.get_parameter(name).value for name in PoseSettings.__dataclass_fields__}
        values |= _depth_range(node.get_parameter("skeleton").value, values)
        return PoseSettings(**values)


def _depth_range(skeleton: str, values: Mapping[str, Any]) -> dict[str, float]:
    nearest, farthest = DEPTH_RANGE[get_skeleton(skeleton).kind]
    return {
        "min_depth": values.get("min_depth", 0.0) or nearest,
        "max_depth": values.get("max_depth", 0.0) or farthest,
    }


def check_pose(values: Mapping[str, Any]) -> str:
    """Why these values of the pose node's parameters do not go together; empty when they do."""
    near, far = _depth_range(values["skeleton"], values).values()
    return "" if near < far else f"parameter 'min_depth' ({near:g} m) must be below 'max_depth' ({far:g} m)"


def declare(node: Node, specs: Sequence[Spec], check: Callable[[Mapping[str, Any]], str] | None = None) -> None:
    """Declare parameters, and from then on refuse values that are not allowed, with the reason.

    Args:
        check: Gets the values of all parameters as they would be; returns why they do not go together.

    Raises:
        rclpy.exceptions.ParameterException: A value given at the start is not allowed.
    """
    by_name = {spec.name: spec for spec in specs}

    def values() -> dict[str, Any]:
        return {name: node.get_parameter(name).value for name in by_name}

    def validate(parameters: list[Parameter]) -> SetParametersResult:
        new = {parameter.name: parameter.value for parameter in parameters if parameter.name in by_name}
        reasons = [by_name[name].refusal(value) for name, value in new.items()]
        # While they are declared one by one, those to come still have to be read from the start-up values.
        if check is not None and not any(reasons) and all(map(node.has_parameter, by_name)):
            with suppress(TypeError):  # a value of the wrong type; rclpy says so itself
                reasons.append(check(values() | new))
        reason = "; ".join(filter(None, reasons))
        return SetParametersResult(successful=not reason, reason=reason)

    node.add_on_set_parameters_callback(validate)
    for spec in specs:
        node.declare_parameter(spec.name, spec.default, spec.descriptor())
    if check is not None and (reason := check(values())):
        name = next((name for name in by_name if f"'{name}'" in reason), "")
        raise InvalidParameterValueException(name, node.get_parameter(name).value, reason)
    for unknown in getattr(node, "_parameter_overrides", {}):
        if not node.has_parameter(unknown) and not unknown.startswith("qos_overrides."):
            near = get_close_matches(unknown, by_name, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            node.get_logger().warning(f"the parameter '{unknown}' that was given at the start does not exist{hint}")
