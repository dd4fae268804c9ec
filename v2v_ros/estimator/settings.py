# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What may change from frame to frame: which subjects are wanted, where, and how they are followed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, overload

from ..geometry.camera_roll import CameraRoll
from ..geometry.estimate import Side
from ..geometry.subject import Subject
from .tracking.filters import NAMES

Value = TypeVar("Value")


@dataclass(frozen=True)
class Settings:
    """Settings of an estimator and its tracker.

    Attributes:
        score_threshold: Lowest score, the probability of a subject, of a skeleton that is reported.
        min_depth, max_depth: Range of distances along z, metres, in which a new subject, the middle of its joints, is
            taken in; one who is followed is lost a tenth beyond.
        side: Hand to expect; UNKNOWN: either, and always for bodies. The networks know right hands and see left ones
            mirrored.
        max_subjects: Largest number of subjects that are followed: those found first, or that a hint points at.
        filter: Name of the filter that smooths joints over time, one of
            :data:`v2v_ros.estimator.tracking.filters.NAMES`.
        confirmation: Number of frames in which a subject must have been seen before it is reported.
        hold_seconds: Time for which a subject that is not seen is still reported, as predicted.
        memory_seconds: Time for which it then keeps its identity.
        camera_roll: Degrees (0, 90, 180 or 270) by which the camera is mounted turned clockwise about its optical axis,
            as seen from behind it. Images are turned upright before anything else; hints and results are in the frame
            of the image as it came.

    Raises:
        ValueError: There is no such filter or camera roll.
    """

    score_threshold: float
    min_depth: float
    max_depth: float
    side: Side = Side.UNKNOWN
    max_subjects: int = 1
    filter: str = "none"
    confirmation: int = 1
    hold_seconds: float = 0.25
    memory_seconds: float = 5.0
    camera_roll: int = 0

    def __post_init__(self) -> None:
        if self.filter not in NAMES:
            raise ValueError(f"unknown filter '{self.filter}'; choose one of: {', '.join(NAMES)}")
        CameraRoll(self.camera_roll)

    @staticmethod
    def usual(subject: Subject) -> Settings:
        """Return what suits a kind of subject."""
        return Settings(subject.score_threshold, *subject.depth_range)

    def but(self, **values: Any) -> Settings:
        """Return a copy with other values; None leaves what there is.

        Raises:
            TypeError: There is no such setting.
        """
        return replace(self, **{name: value for name, value in values.items() if value is not None})


class Setting(Generic[Value]):
    """An attribute of an object that stands for one of the values in its ``settings``."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, one: None, owner: type) -> Setting[Value]: ...

    @overload
    def __get__(self, one: Any, owner: type) -> Value: ...

    def __get__(self, one: Any, owner: type) -> Value | Setting[Value]:
        if one is None:
            return self
        value: Value = getattr(one.settings, self._name)
        return value

    def __set__(self, one: Any, value: Value) -> None:
        one.settings = replace(one.settings, **{self._name: value})
