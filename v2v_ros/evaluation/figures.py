# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Figures of evaluations, as types and as JSON holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class FigureRecord:
    """Base of dataclasses with figures.

    NaN stands for what could not be measured. A field whose default is None does not apply where it is None.
    """

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by their names as JSON holds them, those that do not apply left out."""
        values = ((field, getattr(self, field.name)) for field in fields(self))
        return {field.name: plain(value) for field, value in values if value is not None or field.default is not None}


def plain(value: Any) -> Any:
    """Return a copy in which numbers that are not finite are None, as JSON knows neither, and the others are short."""
    if isinstance(value, FigureRecord):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
