# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Parameters as a table: name, default, text, allowed values, whether they may change at run time."""

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


@dataclass(frozen=True)
class Spec:
    """One parameter.

    Attributes:
        name: Name as in a YAML file.
        default: Default value, whose type is the parameter's type. An empty list has no type in ROS; for lists of
            texts, one empty text means none.
        text: Description for ``ros2 param describe``.
        limits: Lowest and highest number allowed, both included.
        step: Step between the whole numbers allowed; 1: all of them.
        choices: Texts allowed.
        pattern: Regular expression that a text must match as a whole; ``choices`` then only names examples.
        read_only: Whether it can be set only when the node starts.
    """

    name: str
    default: bool | int | float | str | list[str]
    text: str
    limits: tuple[float, float] | None = None
    step: int = 1
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
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=self.step)]
        return descriptor

    def refusal(self, value: Any) -> str:
        """Return why a text is not allowed; empty when it is. (Types and limits are checked by rclpy.)"""
        if not self.choices or not isinstance(value, str):
            return ""
        allowed = re.fullmatch(self.pattern, value) if self.pattern else value in self.choices
        return "" if allowed else f"parameter '{self.name}' cannot be '{value}': use one of {', '.join(self.choices)}"


def _is_unset(parameter: Parameter) -> bool:
    """Return whether a YAML file leaves a parameter as it is: null, which ROS reads as a text, or an empty list."""
    return parameter.type_ == Parameter.Type.NOT_SET or parameter.value in ("null", "Null", "NULL", "~")


def declare(node: Node, specs: Sequence[Spec], check: Callable[[Mapping[str, Any]], str] | None = None) -> None:
    """Declare parameters, and from then on refuse values that are not allowed, with the reason.

    Args:
        check: Function that gets the values that all parameters would have, and returns why they do not go together;
            empty when they do.

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
    given = getattr(node, "_parameter_overrides", {})
    for spec in specs:
        unset = spec.name in given and _is_unset(given[spec.name])
        if isinstance(spec.default, float) and spec.name in given and type(given[spec.name].value) is int:
            value = given[spec.name].value
            raise InvalidParameterValueException(spec.name, value, f"it has a decimal point: write {value:d}.0")
        node.declare_parameter(spec.name, spec.default, spec.descriptor(), ignore_override=unset)
    if check is not None and (reason := check(values())):
        name = next((name for name in by_name if f"'{name}'" in reason), "")
        raise InvalidParameterValueException(name, node.get_parameter(name).value, reason)
    for unknown in given:
        if not node.has_parameter(unknown) and not unknown.startswith("qos_overrides."):
            near = get_close_matches(unknown, by_name, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            node.get_logger().warning(f"the parameter '{unknown}' that was given at the start does not exist{hint}")
