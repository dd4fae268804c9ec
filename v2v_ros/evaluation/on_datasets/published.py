# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Published results on the datasets, to be printed beside ours; ``published.csv`` has the rows.

Rows whose released files of joints could be had are computed from these files, as ``v2v evaluate`` does it; the others
are as printed. Figures are mean errors in mm for hands and mAP@10cm in percent for ITOP.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

# The columns of ITOP's table (Haque et al., ECCV 2016); names are those of metrics.BODY_PARTS.
ITOP_PARTS = ("head", "neck", "shoulders", "elbows", "hands", "torso", "hips", "knees", "feet")


@dataclass(frozen=True)
class PublishedRow:
    """A method's figure on a dataset.

    Attributes:
        method: Name that its authors gave it.
        figure: Mean error in mm, or mAP@10cm in percent for ITOP.
        source: Origin of the figure: its publication, or the file it was computed from.
        median_mm: Median error in mm; None where the method's file was not at hand.
        ensemble: Whether several networks or epochs are averaged; None: not known.
        not_comparable: Reason why it does not compare with the others; empty: it does.
        note: Remark that a reader should know.
        parts: ITOP's rows in percent, of ``ITOP_PARTS``.
    """

    method: str
    figure: float
    source: str
    median_mm: float | None = None
    ensemble: bool | None = None
    not_comparable: str = ""
    note: str = ""
    parts: tuple[float, ...] = ()


def _read(path: Path) -> dict[str, tuple[PublishedRow, ...]]:
    rows: dict[str, tuple[PublishedRow, ...]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            published = PublishedRow(
                row["method"],
                float(row["figure"]),
                row["source"],
                float(row["median_mm"]) if row["median_mm"] else None,
                {"yes": True, "no": False, "": None}[row["ensemble"]],
                row["not_comparable"],
                row["note"],
                tuple(map(float, row["parts"].split())),
            )
            rows[row["dataset"]] = (*rows.get(row["dataset"], ()), published)
    return rows


PUBLISHED = _read(Path(__file__).with_suffix(".csv"))
"""Rows by the names of the datasets."""
