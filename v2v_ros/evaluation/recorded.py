# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Recorded frames that nobody labelled: are the skeletons where the camera saw something?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..estimator import PoseEstimator
from ..geometry.camera import Intrinsics
from ..recorded import frames
from .figures import FigureRecord
from .metrics import Percentiles
from .reports.contact_sheet import Tile

_WINDOW = 2  # pixels around the joint's own that are asked when it has no depth


@dataclass(frozen=True)
class FrameFigures(FigureRecord):
    """The skeleton that was found in a frame; all None where none was.

    Attributes:
        score: Score of the skeleton.
        side: Side of the hand, in lower case.
        joints_on_surface_share: Share of the joints with depth around that lie within the subject's ``surface``.
        missed: Number of joints that were not estimated.
    """

    score: float | None
    side: str | None
    joints_on_surface_share: float | None
    missed: int | None


@dataclass(frozen=True)
class RecordedFigures(FigureRecord):
    """Figures of an estimator on a list of frames.

    Attributes:
        frames: Number of frames.
        found_share: Share of the frames in which a subject was found.
        scores: Scores of the subjects.
        surface_mm: Distances behind the surface, from and to, at which a joint counts as on it.
        joints_on_surface_share: Share of all joints with depth around that are on the surface.
        joints_without_depth: Number of joints that cannot be judged.
        frame_list: Figures of every frame, by its id.
    """

    frames: int
    found_share: float
    scores: Percentiles
    surface_mm: tuple[float, float]
    joints_on_surface_share: float
    joints_without_depth: int
    frame_list: dict[str, FrameFigures]


def evaluate_frames(
    estimator: PoseEstimator, path: Path, tick: Callable[[], object] = lambda: None
) -> tuple[RecordedFigures, list[Tile]]:
    """Run the estimator on every frame of a list, each alone and without a hint.

    Returns:
        Figures, and a tile per frame for a contact sheet.

    Raises:
        FrameListError: The list or one of its images cannot be used.
    """
    low, high = estimator.skeleton.subject.surface
    rows: dict[str, FrameFigures] = {}
    tiles, offsets = [], []
    for record in frames.load_frame_list(path):
        depth = frames.read_depth(record)
        intrinsics = record.intrinsics(depth)
        estimator.reset()
        skeletons = estimator.estimate(depth, intrinsics, 0.0).skeletons
        found = skeletons[0] if skeletons else None
        tiles.append(Tile(record.id, depth, intrinsics, found))
        rows[record.id] = FrameFigures(None, None, None, None)
        if found is not None:
            each = surface_offsets(found.points, depth, intrinsics)
            offsets.append(each)
            missed = int(np.isnan(found.points).any(1).sum())
            rows[record.id] = FrameFigures(found.score, found.side.name.lower(), _within(each, low, high), missed)
        tick()
    together = np.concatenate(offsets) if offsets else np.empty(0)
    figures = RecordedFigures(
        frames=len(rows),
        found_share=len(offsets) / len(rows) if rows else float("nan"),
        scores=Percentiles.measure([row.score for row in rows.values() if row.score is not None]),
        surface_mm=(1000 * low, 1000 * high),
        joints_on_surface_share=_within(together, low, high),
        joints_without_depth=int(np.isnan(together).sum()),
        frame_list=rows,
    )
    return figures, tiles


def surface_offsets(
    points: NDArray[np.floating[Any]], depth: NDArray[np.float32], intrinsics: Intrinsics
) -> NDArray[np.float64]:
    """Return how far behind the observed surface joints are.

    Args:
        points: float [J, 3] metres in the optical frame.
        depth: float32 [H, W] metres, NaN where invalid.

    Returns:
        float64 [J] metres: depth of the joint less that of its pixel, or of the nearest valid one within two pixels
        of it; NaN for joints that are missing or have no such pixel.
    """
    offsets = np.full(len(points), np.nan)
    for index, (x, y, z) in enumerate(np.asarray(points, dtype=np.float64)):
        if not z > 0:  # NaN included
            continue
        column = round(intrinsics.fx * x / z + intrinsics.cx)
        row = round(intrinsics.fy * y / z + intrinsics.cy)
        top, left = max(0, row - _WINDOW), max(0, column - _WINDOW)
        window = depth[top : max(0, row + _WINDOW + 1), left : max(0, column + _WINDOW + 1)]
        rows, columns = np.nonzero(np.isfinite(window))
        if len(rows):
            nearest = np.argmin((rows + top - row) ** 2 + (columns + left - column) ** 2)
            offsets[index] = z - window[rows[nearest], columns[nearest]]
    return offsets


def _within(offsets: NDArray[np.float64], low: float, high: float) -> float:
    """Return share of the offsets that are known; NaN when none is."""
    known = offsets[~np.isnan(offsets)]
    return float(((known >= low) & (known <= high)).mean()) if len(known) else float("nan")
