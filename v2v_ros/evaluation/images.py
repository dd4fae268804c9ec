"""The whole estimator on a set of images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..estimator import PoseEstimator
from ..geometry.estimate import Side
from . import metrics
from .metrics import SUCCESS_MM, error_figures, percentile, share
from .processes import Processes
from .synthetic_sets import Part, SyntheticSet


class Images:
    """Runs an estimator on images, each alone, told neither where the subject is nor which hand it is.

    Args:
        estimator: To judge.
        test_set: Of images, with a subject or without.
    """

    def __init__(self, estimator: PoseEstimator, test_set: SyntheticSet) -> None:
        self._estimator = estimator
        self._empty = test_set.form == "empty"
        self._rows: dict[int, list[dict[str, Any]]] = {}

    def add(self, index: int, part: Part) -> None:
        """Take the part of an index in."""
        rows = self._rows.setdefault(index, [])
        for place, depth in enumerate(part.depth):
            self._estimator.reset()
            estimate = self._estimator.estimate(depth.numpy(), part.intrinsics(place), 0.0)
            row: dict[str, Any] = {"sensor": part.sensor, "found": bool(estimate.skeletons)}
            row["seconds"] = sum(estimate.seconds.values())
            if estimate.skeletons:
                one = estimate.skeletons[0]
                row["score"] = one.score
                if not self._empty:
                    off = np.abs(one.center - part.centers[place].double().numpy())
                    row["centered"] = bool((off < one.cube_edge / 2).all())
                    row["side"] = one.side == (Side.LEFT if part.left[place] else Side.RIGHT)
                    points = torch.from_numpy(one.points)
                    row["errors"] = 1000 * metrics.joint_errors(points, part.joints[place])
            rows.append(row)

    def gather(self, processes: Processes) -> None:
        """Take in what the other processes have."""
        self._rows = processes.gather(self._rows)

    def figures(self) -> dict[str, Any]:
        """Return the metrics over all parts."""
        every = [row for rows in self._rows.values() for row in rows]
        found = [row for row in every if row["found"]]
        figures: dict[str, Any] = {
            "found_share": share(every, "found"),
            "scores": {f"p{q}": percentile([row["score"] for row in found], q) for q in (5, 50, 95)},
            "ms_per_image": 1000 * float(np.mean([row["seconds"] for row in every])),
        }
        if self._empty:
            figures["nobody_share"] = 1 - figures["found_share"]
        else:
            errors = [row["errors"] for row in found]
            stacked = torch.stack(errors) if errors else torch.full((1, 1), torch.nan)
            figures["centered_share"] = share(every, "centered")
            if self._estimator.skeleton.kind == "hand":
                figures["side_right_share"] = share(found, "side")
            figures |= {**error_figures(stacked), "success_30mm": metrics.success_rate(stacked, SUCCESS_MM)}
        figures["sensors"] = {}
        for name in sorted({row["sensor"] for row in every}):
            rows = [row for row in every if row["sensor"] == name]
            figures["sensors"][name] = {"samples": len(rows), "found_share": share(rows, "found")}
            if not self._empty:
                figures["sensors"][name]["centered_share"] = share(rows, "centered")
        return figures
