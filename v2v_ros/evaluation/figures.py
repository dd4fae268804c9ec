"""Figures of errors, as JSON holds them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from . import metrics

SUCCESS_MM = 30.0
PRECISION_MM = 100.0
CURVE_MM = {"hand": tuple(range(0, 81, 2)), "body": tuple(range(0, 401, 10))}


def plain(value: Any) -> Any:
    """A copy in which numbers that are not finite are None, as JSON knows neither, and the others are short."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def error_figures(errors: torch.Tensor) -> dict[str, float]:
    """Mean, median and share of missed joints, of errors in millimetres."""
    return {
        "mean_mm": metrics.mean_error(errors),
        "median_mm": metrics.median_error(errors),
        "missed_share": metrics.missed_share(errors),
    }


def by_group(errors: torch.Tensor, groups: list[str]) -> dict[str, dict[str, Any]]:
    """Figures of the samples of every group."""
    result: dict[str, dict[str, Any]] = {}
    for name in sorted(set(groups)):
        some = errors[torch.tensor([group == name for group in groups])]
        result[name] = {
            "samples": len(some),
            **error_figures(some),
            "success_30mm": metrics.success_rate(some, SUCCESS_MM),
            "map_10cm": metrics.mean_precision(some, PRECISION_MM),
        }
    return result


def share(rows: list[dict[str, Any]], key: str) -> float:
    """Of all rows, those in which the key is true; NaN when there are none."""
    return sum(bool(row.get(key)) for row in rows) / len(rows) if rows else math.nan


def percentile(values: list[float], q: float) -> float:
    return float(np.percentile(values, q)) if values else math.nan
