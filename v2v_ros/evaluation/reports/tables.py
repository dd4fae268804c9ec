# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Figures as text and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

_TITLES = {
    "mean_mm": "mean joint error",
    "median_mm": "median joint error",
    "missed_share": "joints missed",
    "success_20mm": "worst joint < 20 mm",
    "success_30mm": "worst joint < 30 mm",
    "success_40mm": "worst joint < 40 mm",
    "success_100mm": "worst joint < 10 cm",
    "success_300mm": "worst joint < 30 cm",
    "auc_50mm": "AUC to 50 mm",
    "auc_worst_50mm": "AUC of worst joint",
    "auc_150mm": "AUC to 150 mm",
    "auc_worst_150mm": "AUC of worst joint",
    "map_10cm": "mAP@10cm",
    "precision_10cm": "within 10 cm",
    "ms_per_crop": "time per crop",
    "ms_per_image": "time per image",
    "found_share": "found",
    "nobody_share": "nobody reported",
    "centered_share": "centre within half the cube",
    "side_right_share": "side right, of the found",
    "mota": "MOTA",
    "idf1": "IDF1",
    "switches": "id switches",
    "false_positives": "false positives",
    "ms_per_frame": "time per frame",
    "samples": "samples",
    "score": "score",
    "joints_on_surface_share": "joints on the surface",
    "joints_without_depth": "joints without depth around",
    "components_within_1_sigma": "components within 1 sigma (68.3 %)",
    "ellipsoid_68": "inside the 68.3 % ellipsoid",
    "ellipsoid_95": "inside the 95 % ellipsoid",
}
_GROUPS = ("read_outs", "joints", "parts", "sequences", "sensors", "views", "frame_list", "tracks")


def report(figures: dict[str, Any]) -> str:
    """Return a test set's figures for people to read."""
    lines = [f"{figures['test_set']}: {figures['samples']} samples{_record(figures['recorded'])}"]
    lines += scalars(figures)
    for group in ("read_outs", "parts", "views", "sensors", "joints"):
        if group in figures:
            lines += ["", *table(group, figures[group])]
    if "reliability" in figures:
        lines += ["", *_confidence(figures)]
    return "\n".join(lines)


def frames_report(name: str, figures: dict[str, Any]) -> str:
    """Return a frame list's figures for people to read."""
    low, high = figures["surface_mm"]
    lines = [f"{name}: {figures['frames']} frames; joints {low:+.0f} to {high:+.0f} mm behind the surface count"]
    lines += scalars({key: value for key, value in figures.items() if key not in ("frames", "surface_mm")})
    return "\n".join([*lines, "", *table("frame", figures["frame_list"])])


def table(title: str, rows: dict[str, dict[str, Any]], digits: int = 1) -> list[str]:
    """Return named rows of the same columns, with a number of digits after the point."""
    columns = list(next(iter(rows.values())))
    heads = [_TITLES.get(column, column) for column in columns]
    texts = [[cell(column, row[column], digits) for column in columns] for row in rows.values()]
    return aligned([[title, *heads], *([name, *row] for name, row in zip(rows, texts, strict=True))])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of the same columns as lines: names at the left, what stands behind them at the right."""
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        f"{name:{first}}" + "".join(f"  {text:>{width}}" for text, width in zip(texts, widths, strict=True))
        for name, *texts in rows
    ]


def cell(name: str, value: Any, digits: int = 1) -> str:
    """Return a figure with the unit that its name tells, and a number of digits after the point."""
    if value is None:
        return "-"
    if name.endswith("_mm"):
        return f"{value:.{digits}f} mm"
    if name.startswith("ms_"):
        return f"{value:.1f} ms"
    if isinstance(value, (int, str)):
        return f"{value}"
    if name == "score":
        return f"{value:.2f}"
    if name.startswith("auc_"):
        return f"{value:.3f}"
    return f"{100 * value:.{digits}f} %"


def csv_tables(figures: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and content of a CSV file for every table among the figures."""
    for group in _GROUPS:
        rows = figures.get(group)
        if isinstance(rows, dict) and rows:
            columns = list(next(iter(rows.values())))
            yield group, to_csv([["name", *columns], *([name, *row.values()] for name, row in rows.items())])
    if "curve" in figures:
        curve = figures["curve"]
        yield "curve", to_csv([list(curve), *zip(*curve.values(), strict=True)])
    if "reliability" in figures:
        bins = figures["reliability"]["bins"]
        yield "reliability", to_csv([list(bins[0]), *(list(row.values()) for row in bins)])


def to_csv(rows: list[Any]) -> str:
    """Return rows as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def scalars(figures: dict[str, Any], digits: int = 1) -> list[str]:
    """Return the figures that are single numbers, one a line."""
    rows = [
        (_TITLES[key], cell(key, value, digits))
        for key, value in figures.items()
        if key in _TITLES and key != "samples" and not isinstance(value, dict)
    ]
    if "scores" in figures:
        rows.append(("scores, p5 p50 p95", "  ".join(cell("score", value) for value in figures["scores"].values())))
    return _named(rows)


def _confidence(figures: dict[str, Any]) -> list[str]:
    reliability = figures["reliability"]
    within = f"within {reliability['radius_mm']:.0f} mm"
    bins = [(f"{row['count']}", f"{row['score']:.2f}", cell("share", row["share"])) for row in reliability["bins"]]
    lines = [f"scores{'' if figures['calibrated'] else ', not calibrated'}"]
    lines += aligned([("", "joints", "mean score", within), *(("", *row) for row in bins)])
    rows = {"expected calibration error": reliability["expected_calibration_error"]}
    rows |= {_TITLES[key]: share for key, share in figures["covariance"].items() if key != "joints"}
    return [*lines, *_named([(title, cell("share", share)) for title, share in rows.items()])]


def _named(rows: list[tuple[str, str]]) -> list[str]:
    """Return names and values in two columns."""
    width = max(len(name) for name, _ in rows)
    return [f"  {name:{width}}  {value}" for name, value in rows]


def _record(recorded: bool | None) -> str:
    if recorded is None:
        return ", not on record"
    return ", as on record" if recorded else ", NOT as on record: the figures compare with no others"
