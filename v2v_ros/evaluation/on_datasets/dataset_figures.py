# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The figures that papers report on a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch

from ...recorded.datasets.msra import VERSIONS
from ...recorded.datasets.specs import HANDS2017, DatasetSpec
from .. import metrics
from ..figures import FigureRecord
from ..metrics import PRECISION_MM

# Hands: areas up to 50 mm, as FreiHAND (Zimmermann et al., ICCV 2019); bodies: up to 150 mm, as MPI-INF-3DHP
# (Mehta et al., 3DV 2017). Papers on depth images print curves, mostly to 80 mm, and no areas.
_AREA_MM = {"hand": 50, "body": 150}
_CURVE_MM = {"hand": tuple(range(0, 81)), "body": tuple(range(0, 401, 5))}
_SUCCESS_MM = {"hand": (20, 30, 40), "body": (100,)}

# Names and lengths of the pieces that test sets consist of, in their order. MSRA has several versions.
_SEQUENCES: dict[str, tuple[dict[str, int], ...]] = {
    "icvl": ({"sequence 1": 702, "sequence 2": 894},),
    "nyu": ({"subject 1": 2440, "subject 2": 5812},),
    "msra": tuple({f"subject {index}": count for index, count in enumerate(counts)} for counts in VERSIONS.values()),
}
PUBLISHED_FRAMES = {
    **{name: tuple(sum(each.values()) for each in pieces) for name, pieces in _SEQUENCES.items()},
    "hands2017": (HANDS2017.test_frames,),
    "itop_side": (4_863,),
    "itop_top": (4_863,),
}


@dataclass(frozen=True, kw_only=True)
class DatasetJointFigures(FigureRecord):
    """Errors of a joint, or of several together, in millimetres; the precision of bodies only."""

    mean_mm: float
    median_mm: float
    precision_10cm: float | None = None


@dataclass(frozen=True, kw_only=True)
class SequenceFigures(FigureRecord):
    """Errors of a piece of the test set, in millimetres."""

    frames: int
    mean_mm: float
    median_mm: float


@dataclass(frozen=True)
class ErrorCurve(FigureRecord):
    """Shares of frames whose worst joint is within thresholds, and of joints that are."""

    threshold_mm: tuple[int, ...]
    worst_joint: list[float]
    all_joints: list[float]


@dataclass(frozen=True, kw_only=True)
class DatasetFigures(FigureRecord):
    """Figures of a method on a dataset's test set, or on a part of it.

    Attributes:
        dataset: Name of the dataset.
        frames: Number of frames with a truth.
        complete: Whether there are as many frames as published results are of, and none was missed.
        map_10cm: Mean average precision at 10 cm, for bodies only.
        success: Shares of frames whose worst joint is within thresholds in millimetres.
        area_mm: Threshold in millimetres up to which the areas extend.
        area, worst_area: Area under the curve of the share of joints, and of frames by their worst joint.
        missed_share: Share of the joints that were missed; None where none was.
        parts, joints, sequences: Figures by name of the part, joint and sequence; parts and sequences where the dataset
            has them.
    """

    dataset: str
    frames: int
    complete: bool
    map_10cm: float | None = None
    mean_mm: float
    median_mm: float
    success: dict[int, float]
    area_mm: int
    area: float
    worst_area: float
    missed_share: float | None = None
    parts: dict[str, DatasetJointFigures] | None = None
    joints: dict[str, DatasetJointFigures]
    sequences: dict[str, SequenceFigures] | None = None
    curve: ErrorCurve

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by their names as JSON holds them, with thresholds and limits in the names."""
        content: dict[str, Any] = {}
        for key, value in super().to_dict().items():
            if key == "success":
                content |= {f"success_{threshold}mm": share for threshold, share in value.items()}
            elif key == "area":
                content[f"auc_{self.area_mm}mm"] = value
            elif key == "worst_area":
                content[f"auc_worst_{self.area_mm}mm"] = value
            elif key != "area_mm":
                content[key] = value
        return content


def dataset_figures(errors_mm: torch.Tensor, spec: DatasetSpec) -> DatasetFigures:
    """Measure a method on a dataset's test set, or on a part of it.

    Args:
        errors_mm: [F, J], millimetres, in the order of the test set; NaN where there is no truth, also for frames that
            the protocol leaves out; infinite where a joint was not estimated (:func:`metrics.joint_errors`).
        spec: Spec of the dataset.
    """
    skeleton = spec.skeleton
    body = skeleton.kind == "body"
    limit, thresholds = _AREA_MM[skeleton.kind], _CURVE_MM[skeleton.kind]
    frames = int((~errors_mm.isnan()).any(1).sum())
    steps = torch.tensor(thresholds, dtype=errors_mm.dtype)
    missed = bool(errors_mm.isinf().any())
    columns = {name: index for index, name in enumerate(skeleton.joint_names)}
    groups = metrics.joint_groups(skeleton.kind)
    parts = None
    if all(joint in columns for joints in groups.values() for joint in joints):
        parts = {
            name: _joint_figures(errors_mm[:, [columns[joint] for joint in joints]], body)
            for name, joints in groups.items()
        }
    return DatasetFigures(
        dataset=spec.name,
        frames=frames,
        complete=frames in PUBLISHED_FRAMES[spec.name] and not missed,
        map_10cm=metrics.mean_precision(errors_mm, PRECISION_MM) if body else None,
        mean_mm=metrics.mean_error(errors_mm),
        median_mm=metrics.median_error(errors_mm),
        success={each: metrics.success_rate(errors_mm, each) for each in _SUCCESS_MM[skeleton.kind]},
        area_mm=limit,
        area=metrics.area_under_curve(errors_mm, limit),
        worst_area=metrics.area_under_curve(metrics.worst_errors(errors_mm), limit),
        missed_share=metrics.missed_share(errors_mm) if missed else None,
        parts=parts,
        joints={name: _joint_figures(errors_mm[:, [index]], body) for name, index in columns.items()},
        sequences=_sequences(errors_mm, spec),
        curve=ErrorCurve(thresholds, metrics.success_curve(errors_mm, steps), metrics.joint_curve(errors_mm, steps)),
    )


def _joint_figures(errors_mm: torch.Tensor, body: bool) -> DatasetJointFigures:
    return DatasetJointFigures(
        mean_mm=metrics.mean_error(errors_mm),
        median_mm=metrics.median_error(errors_mm),
        precision_10cm=metrics.mean_precision(errors_mm, PRECISION_MM) if body else None,
    )


def _sequences(errors_mm: torch.Tensor, spec: DatasetSpec) -> dict[str, SequenceFigures] | None:
    """Return the figures of the pieces that a whole test set consists of."""
    for pieces in _SEQUENCES.get(spec.name, ()):
        if sum(pieces.values()) == len(errors_mm):
            bounds = pairwise(accumulate(pieces.values(), initial=0))
            return {
                name: SequenceFigures(
                    frames=count,
                    mean_mm=metrics.mean_error(errors_mm[first:last]),
                    median_mm=metrics.median_error(errors_mm[first:last]),
                )
                for (name, count), (first, last) in zip(pieces.items(), bounds, strict=True)
            }
    return None
