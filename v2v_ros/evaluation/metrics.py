# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Errors of joints against the truth, and the figures that the literature reports of them.

Errors are NaN where there is no truth, which leaves the joint out, and infinite where the joint was not estimated,
which counts as a failure and is left out of the means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from .figures import FigureRecord

# The rows that papers on ITOP report (Haque et al., ECCV 2016): of both sides together, upper and lower body last.
BODY_PARTS = {
    "head": ("head",),
    "neck": ("neck",),
    "shoulders": ("right_shoulder", "left_shoulder"),
    "elbows": ("right_elbow", "left_elbow"),
    "hands": ("right_hand", "left_hand"),
    "torso": ("torso",),
    "hips": ("right_hip", "left_hip"),
    "knees": ("right_knee", "left_knee"),
    "feet": ("right_foot", "left_foot"),
    "upper body": (
        *("head", "neck", "right_shoulder", "left_shoulder"),
        *("right_elbow", "left_elbow", "right_hand", "left_hand"),
    ),
    "lower body": ("right_hip", "left_hip", "right_knee", "left_knee", "right_foot", "left_foot"),
}
HAND_PARTS = {
    "wrist": ("wrist",),
    **{
        finger: tuple(f"{finger}_{joint}" for joint in ("mcp", "pip", "dip", "tip"))
        for finger in ("index", "middle", "ring", "little")
    },
    "thumb": tuple(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    "fingertips": tuple(f"{finger}_tip" for finger in ("thumb", "index", "middle", "ring", "little")),
}


def joint_errors(joints: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return Euclidean distances [..., J] in the unit of the joints [..., J, 3].

    NaN where the truth is NaN, infinity where only the estimate is.
    """
    distances = (joints - truth).norm(dim=-1)
    missed = joints.isnan().any(-1) & ~truth.isnan().any(-1)
    return torch.where(missed, torch.inf, distances)


def mean_error(errors: torch.Tensor) -> float:
    """Return the mean of the finite errors; NaN when there are none."""
    return errors[errors.isfinite()].mean().item()


def median_error(errors: torch.Tensor) -> float:
    """Return the median over all joints with a truth, the worst being those not estimated; NaN when there are none."""
    return errors.nanmedian().item()


def missed_share(errors: torch.Tensor) -> float:
    """Return share of the joints with a truth that were not estimated."""
    return _share(errors.isinf(), ~errors.isnan())


def success_rate(errors: torch.Tensor, threshold: float) -> float:
    """Return share of frames of errors [F, J] whose worst joint is within the threshold (Taylor et al., CVPR 2012).

    Frames without any truth are left out.
    """
    return success_curve(errors, torch.tensor([threshold]))[0]


def success_curve(errors: torch.Tensor, thresholds: torch.Tensor) -> list[float]:
    """Return the success rate at every threshold [T]."""
    worst = worst_errors(errors)
    return (worst[:, None] < thresholds.to(worst)).float().mean(0).tolist()


def worst_errors(errors: torch.Tensor) -> torch.Tensor:
    """Return the largest error of every frame of errors [F, J] that has a truth."""
    labelled = ~errors.isnan().all(1)
    return errors[labelled].nan_to_num(nan=0.0, posinf=torch.inf).amax(1)


def joint_curve(errors: torch.Tensor, thresholds: torch.Tensor) -> list[float]:
    """Return share of all joints with a truth that are within every threshold [T]; NaN when there are none."""
    known = errors[~errors.isnan()].sort().values
    within = torch.searchsorted(known, thresholds.to(known), right=True)
    return (within / len(known)).tolist()


def area_under_curve(errors: torch.Tensor, limit: float) -> float:
    """Return the area under the share of errors within a threshold, from 0 to the limit, by the limit; exact."""
    known = errors[~errors.isnan()]
    return (1 - known / limit).clamp(min=0).mean().item()


def precision(errors: torch.Tensor, threshold: float) -> list[float]:
    """Return, of every joint of errors [F, J], the share within the threshold among the frames where it has a truth.

    With a threshold of 10 cm and averaged over the joints, this is the mAP of ITOP (Haque et al., ECCV 2016).
    """
    return [_share(column <= threshold, ~column.isnan()) for column in errors.unbind(1)]


def mean_precision(errors: torch.Tensor, threshold: float) -> float:
    """Return the mean of :func:`precision` over the joints that have a truth anywhere."""
    return torch.tensor(precision(errors, threshold)).nanmean().item()


def joint_groups(kind: str) -> dict[str, tuple[str, ...]]:
    """Return names of groups of joints and their joints, for a kind of skeleton."""
    return BODY_PARTS if kind == "body" else HAND_PARTS


def _share(hits: torch.Tensor, counted: torch.Tensor) -> float:
    return (hits & counted).sum().item() / counted.sum().item() if counted.any() else float("nan")


SUCCESS_MM = 30.0
PRECISION_MM = 100.0
CURVE_MM = {"hand": tuple(range(0, 81, 2)), "body": tuple(range(0, 401, 10))}


def error_figures(errors: torch.Tensor) -> dict[str, float]:
    """Return mean, median and share of missed joints, of errors in millimetres."""
    return {
        "mean_mm": mean_error(errors),
        "median_mm": median_error(errors),
        "missed_share": missed_share(errors),
    }


@dataclass(frozen=True, kw_only=True)
class GroupFigures(FigureRecord):
    """Errors of the samples of a group, in millimetres."""

    samples: int
    mean_mm: float
    median_mm: float
    missed_share: float
    success_30mm: float
    map_10cm: float


def by_group(errors: torch.Tensor, groups: list[str]) -> dict[str, GroupFigures]:
    """Return figures of the samples of every group."""
    result: dict[str, GroupFigures] = {}
    for name in sorted(set(groups)):
        some = errors[torch.tensor([group == name for group in groups])]
        result[name] = GroupFigures(
            samples=len(some),
            **error_figures(some),
            success_30mm=success_rate(some, SUCCESS_MM),
            map_10cm=mean_precision(some, PRECISION_MM),
        )
    return result


@dataclass(frozen=True)
class Percentiles(FigureRecord):
    """The 5th, 50th and 95th percentile of some numbers."""

    p5: float
    p50: float
    p95: float

    @classmethod
    def measure(cls, values: list[float]) -> Percentiles:
        """Return the percentiles of numbers; NaN when there are none."""
        return cls(*(percentile(values, q) for q in (5, 50, 95)))


def share(hits: Iterable[bool]) -> float:
    """Return the share of those that are true; NaN when there are none."""
    hits = list(hits)
    return sum(hits) / len(hits) if hits else math.nan


def percentile(values: list[float], q: float) -> float:
    """Return a percentile; NaN when there are no values."""
    return float(np.percentile(values, q)) if values else math.nan
