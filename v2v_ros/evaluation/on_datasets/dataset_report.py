# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Reports of figures on a dataset, beside the published ones, as text, CSV and pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...io.files import write_atomically
from ...recorded.datasets.specs import DatasetSpec
from ..figures import plain
from ..reports import plots, tables
from .dataset_figures import PUBLISHED_FRAMES, DatasetFigures
from .published import ITOP_PARTS, PUBLISHED, PublishedRow

_OURS = "> "
_NO_COVERAGE: Mapping[str, Mapping[str, int]] = {}


def dataset_report(
    results: Mapping[str, DatasetFigures], spec: DatasetSpec, coverage: Mapping[str, Mapping[str, int]] = _NO_COVERAGE
) -> str:
    """Return figures beside the published ones, for people to read.

    Args:
        results: Figures of one method or several, by name.
        spec: Spec of the dataset.
        coverage: Number of frames in use (:attr:`FrameSet.counts`), for the methods of which it is known.
    """
    lines = []
    if len(results) == 1:
        ((name, figures),) = results.items()
        content = figures.to_dict()
        lines += [f"{name} on {spec.name}: {figures.frames} frames", *tables.scalars(content, digits=2)]
        for group in ("sequences", "parts", "joints"):
            if group in content:
                lines += ["", *tables.table(group, content[group], digits=2)]
    else:
        lines += tables.table(spec.name, methods(results, spec), digits=2)
    texts = {name: coverage_text(counts, spec) for name, counts in coverage.items()}
    if len(set(texts.values())) == 1:
        lines += ["", next(iter(texts.values()))]
    elif texts:
        lines += ["", *(f"{name}: {text}" for name, text in texts.items())]
    lines += ["", f"published results on {spec.title}, the best first; {_OURS.strip()} marks what was measured here"]
    if not all(figures.complete for figures in results.values()):
        known = " or ".join(f"{count}" for count in PUBLISHED_FRAMES[spec.name])
        lines.append(
            f"(they are of the whole test set, {known} frames, none missed, so what was measured here does not compare)"
        )
    return "\n".join([*lines, "", *_published_table(results, spec)])


def coverage_text(counts: Mapping[str, int], spec: DatasetSpec) -> str:
    """Say how many frames of a test split were in use, and why the others were not (:attr:`FrameSet.counts`)."""
    reasons = {
        "centerless": "without a centre" + (", counted as missed" if spec.test_labels else ""),
        "invalid": "left out by the protocol" if spec.skeleton.kind == "body" else "whose image is missing",
        "passed_over": "passed over by --samples",
    }
    left_out = "; ".join(f"{counts[key]:,} {reason}" for key, reason in reasons.items() if counts[key])
    return f"{counts['used']:,} of {counts['total']:,} test frames in use{': ' if left_out else ''}{left_out}"


def write_dataset_report(
    folder: Path,
    results: Mapping[str, DatasetFigures],
    spec: DatasetSpec,
    coverage: Mapping[str, Mapping[str, int]] = _NO_COVERAGE,
) -> None:
    """Write report, tables and pictures of one method or several into a folder.

    ``report.txt``; ``methods.csv`` and ``published.csv``; of every method ``NAME_joints.csv``, ``NAME_curve.csv`` and
    what else it has; ``curves.png`` and ``joints.png``, the methods together, if matplotlib is there.
    """
    _write(folder / "report.txt", dataset_report(results, spec, coverage) + "\n")
    rows = methods(results, spec)
    _write(folder / "methods.csv", _csv("name", rows))
    _write(folder / "published.csv", _csv("method", {row["method"]: row for row in published(spec)}))
    contents = {name: figures.to_dict() for name, figures in results.items()}
    for file_name, figures in zip(_file_names(list(results)), contents.values(), strict=True):
        for table, content in tables.csv_tables(figures):
            _write(folder / f"{file_name}_{table}.csv", content)
    if plots.available():
        plots.method_curves(contents, spec.title, folder / "curves.png")
        plots.joint_bars(contents, spec.title, folder / "joints.png")


def _file_names(names: list[str]) -> list[str]:
    """Return names with nothing in them that is awkward in a file's; numbered where they are then the same."""
    found: list[str] = []
    for name in names:
        plain_name = re.sub(r"[^\w.-]+", "_", name).strip("_")
        number = sum(re.fullmatch(re.escape(plain_name) + r"(_\d+)?", other) is not None for other in found)
        found.append(f"{plain_name}_{number + 1}" if number else plain_name)
    return found


def methods(results: Mapping[str, DatasetFigures], spec: DatasetSpec) -> dict[str, dict[str, Any]]:
    """Return a row of the figures that are single numbers for every method, in the same columns, the best first."""
    names = [name for name, _ in _ranked([(name, _measured(name, results[name])) for name in results], spec)]
    rows = {
        name: {key: value for key, value in results[name].to_dict().items() if not isinstance(value, (dict, str, bool))}
        for name in names
    }
    keys = dict.fromkeys(key for row in rows.values() for key in row)
    return {name: {key: row.get(key) for key in keys} for name, row in rows.items()}


def published(spec: DatasetSpec) -> list[dict[str, Any]]:
    """Return the published results on a dataset as JSON holds them, the best first."""
    rows = sorted(PUBLISHED[spec.name], key=lambda row: _rank(row.figure, spec))
    figure = "map_10cm_percent" if spec.skeleton.kind == "body" else "mean_mm"
    result = []
    for row in rows:
        content = asdict(row)
        values = content.pop("parts")
        value = content.pop("figure")
        content = {"method": content.pop("method"), figure: value, **content}
        if spec.skeleton.kind == "body":
            del content["median_mm"]
            content |= dict(zip(ITOP_PARTS, values or [None] * len(ITOP_PARTS), strict=True))
        result.append(content)
    return result


def _published_table(results: Mapping[str, DatasetFigures], spec: DatasetSpec) -> list[str]:
    """Return published and measured results together, the best first."""
    rows = [(row.method, row) for row in PUBLISHED[spec.name]]
    rows = _ranked(rows + [(_OURS + name, _measured(name, each)) for name, each in results.items()], spec)
    heading, *lines = tables.table("method", {name: _cells(row, spec) for name, row in rows}, digits=2)
    return [f"{heading}  source", *(f"{line}  {_source(row)}" for line, (_, row) in zip(lines, rows, strict=True))]


def _measured(name: str, figures: DatasetFigures) -> PublishedRow:
    """Return figures as a row beside the published ones; NaN for what could not be measured."""
    if figures.map_10cm is None or figures.parts is None:
        return PublishedRow(name, figures.mean_mm, "measured here", figures.median_mm)
    shares = [figures.parts[part].precision_10cm for part in ITOP_PARTS]
    precisions = tuple(100 * share for share in shares if share is not None)
    return PublishedRow(name, 100 * figures.map_10cm, "measured here", parts=precisions)


def _ranked(rows: list[tuple[str, PublishedRow]], spec: DatasetSpec) -> list[tuple[str, PublishedRow]]:
    return sorted(rows, key=lambda each: _rank(each[1].figure, spec))


def _cells(row: PublishedRow, spec: DatasetSpec) -> dict[str, Any]:
    if spec.skeleton.kind == "hand":
        return {"mean_mm": plain(row.figure), "median_mm": plain(row.median_mm)}
    parts = [f"{value:.2f}" for value in row.parts] or ["-"] * len(ITOP_PARTS)
    return {"mAP@10cm": f"{row.figure:.2f} %", **dict(zip(ITOP_PARTS, parts, strict=True))}


def _source(row: PublishedRow) -> str:
    remarks = [row.source, {True: "ensemble", False: "single network", None: ""}[row.ensemble], row.note]
    if row.not_comparable:
        remarks.append(f"NOT COMPARABLE: {row.not_comparable}")
    return "; ".join(remark for remark in remarks if remark)


def _rank(figure: float, spec: DatasetSpec) -> float:
    """Return what to sort by: smaller is better; what could not be measured comes last."""
    if figure != figure:
        return float("inf")
    return -figure if spec.skeleton.kind == "body" else figure


def _csv(title: str, rows: dict[str, dict[str, Any]]) -> str:
    columns = [column for column in next(iter(rows.values())) if column != title]
    return tables.to_csv([[title, *columns], *([name, *map(row.get, columns)] for name, row in rows.items())])


def _write(path: Path, text: str) -> None:
    write_atomically(path, text.encode())
