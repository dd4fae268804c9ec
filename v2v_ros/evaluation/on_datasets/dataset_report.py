"""The figures that papers report on a dataset, beside the published ones, as text, CSV and pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import torch

from ...io.files import write_atomically
from ...recorded.datasets.msra import VERSIONS
from ...recorded.datasets.specs import HANDS2017, DatasetSpec
from .. import metrics
from ..metrics import PRECISION_MM, plain
from ..reports import plots, tables
from .published import ITOP_PARTS, PUBLISHED, PublishedRow

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
_PUBLISHED_FRAMES = {
    **{name: tuple(sum(each.values()) for each in pieces) for name, pieces in _SEQUENCES.items()},
    "hands2017": (HANDS2017.test_frames,),
    "itop_side": (4_863,),
    "itop_top": (4_863,),
}
_OURS = "> "


def dataset_figures(errors_mm: torch.Tensor, spec: DatasetSpec) -> dict[str, Any]:
    """Return all figures of a dataset's test set, or of a part of it.

    Args:
        errors_mm: [F, J], millimetres, in the order of the test set; NaN where there is no truth, also for frames that
            the protocol leaves out; infinite where a joint was not estimated (:func:`metrics.joint_errors`).

    Returns:
        Figures that JSON can hold: ``dataset``, ``frames`` (with a truth), ``complete`` (as many as published results
        are of, and none missed), means, medians, success rates, areas, mAP of bodies, tables of ``joints``, ``parts``
        and ``sequences``
        where the dataset has them, and the ``curve``.
    """
    skeleton = spec.skeleton
    body = skeleton.kind == "body"
    limit, thresholds = _AREA_MM[skeleton.kind], _CURVE_MM[skeleton.kind]
    frames = int((~errors_mm.isnan()).any(1).sum())
    steps = torch.tensor(thresholds, dtype=errors_mm.dtype)
    figures: dict[str, Any] = {
        "dataset": spec.name,
        "frames": frames,
        "complete": frames in _PUBLISHED_FRAMES[spec.name] and not errors_mm.isinf().any(),
        **({"map_10cm": metrics.mean_precision(errors_mm, PRECISION_MM)} if body else {}),
        **_errors(errors_mm),
        **{f"success_{each}mm": metrics.success_rate(errors_mm, each) for each in _SUCCESS_MM[skeleton.kind]},
        f"auc_{limit}mm": metrics.area_under_curve(errors_mm, limit),
        f"auc_worst_{limit}mm": metrics.area_under_curve(metrics.worst_errors(errors_mm), limit),
    }
    if errors_mm.isinf().any():
        figures["missed_share"] = metrics.missed_share(errors_mm)
    columns = {name: index for index, name in enumerate(skeleton.joint_names)}
    groups = metrics.parts(skeleton.kind)
    if all(joint in columns for joints in groups.values() for joint in joints):
        figures["parts"] = {
            name: _row(errors_mm[:, [columns[joint] for joint in joints]], body) for name, joints in groups.items()
        }
    figures["joints"] = {name: _row(errors_mm[:, [index]], body) for name, index in columns.items()}
    for pieces in _SEQUENCES.get(spec.name, ()):
        if sum(pieces.values()) == len(errors_mm):
            bounds = pairwise(accumulate(pieces.values(), initial=0))
            figures["sequences"] = {
                name: {"frames": count, **_errors(errors_mm[first:last])}
                for (name, count), (first, last) in zip(pieces.items(), bounds, strict=True)
            }
    figures["curve"] = {
        "threshold_mm": list(thresholds),
        "worst_joint": metrics.success_curve(errors_mm, steps),
        "all_joints": metrics.joint_curve(errors_mm, steps),
    }
    return plain(figures)


def dataset_report(results: dict[str, dict[str, Any]], spec: DatasetSpec) -> str:
    """Return figures of one method or several, by their names, and the published ones, for people to read."""
    lines = []
    if len(results) == 1:
        ((name, figures),) = results.items()
        lines += [f"{name} on {spec.name}: {figures['frames']} frames", *tables.scalars(figures, digits=2)]
        for group in ("sequences", "parts", "joints"):
            if group in figures:
                lines += ["", *tables.table(group, figures[group], digits=2)]
    else:
        lines += tables.table(spec.name, methods(results, spec), digits=2)
    coverage = {name: coverage_text(each["coverage"], spec) for name, each in results.items() if "coverage" in each}
    if len(set(coverage.values())) == 1:
        lines += ["", next(iter(coverage.values()))]
    elif coverage:
        lines += ["", *(f"{name}: {text}" for name, text in coverage.items())]
    lines += ["", f"published results on {spec.title}, the best first; {_OURS.strip()} marks what was measured here"]
    if not all(figures["complete"] for figures in results.values()):
        known = " or ".join(f"{count}" for count in _PUBLISHED_FRAMES[spec.name])
        lines.append(
            f"(they are of the whole test set, {known} frames, none missed, so what was measured here does not compare)"
        )
    return "\n".join([*lines, "", *_published_table(results, spec)])


def coverage_text(counts: Mapping[str, int], spec: DatasetSpec) -> str:
    """Return how many frames of a test split were in use, and why the others were not (:attr:`FrameSet.counts`)."""
    reasons = {
        "centerless": "without a centre" + (", counted as missed" if spec.test_labels else ""),
        "invalid": "left out by the protocol" if spec.skeleton.kind == "body" else "whose image is missing",
        "passed_over": "passed over by --samples",
    }
    left_out = "; ".join(f"{counts[key]:,} {reason}" for key, reason in reasons.items() if counts[key])
    return f"{counts['used']:,} of {counts['total']:,} test frames in use{': ' if left_out else ''}{left_out}"


def write_dataset_report(folder: Path, results: dict[str, dict[str, Any]], spec: DatasetSpec) -> None:
    """Write report, tables and pictures of one method or several into a folder.

    ``report.txt``; ``methods.csv`` and ``published.csv``; of every method ``NAME_joints.csv``, ``NAME_curve.csv`` and
    what else it has; ``curves.png`` and ``joints.png``, the methods together, if matplotlib is there.
    """
    _write(folder / "report.txt", dataset_report(results, spec) + "\n")
    rows = methods(results, spec)
    _write(folder / "methods.csv", _csv("name", rows))
    _write(folder / "published.csv", _csv("method", {row["method"]: row for row in published(spec)}))
    for file_name, figures in zip(_file_names(list(results)), results.values(), strict=True):
        for table, content in tables.csv_tables(figures):
            _write(folder / f"{file_name}_{table}.csv", content)
    if plots.available():
        plots.method_curves(results, spec.title, folder / "curves.png")
        plots.joint_bars(results, spec.title, folder / "joints.png")


def _file_names(names: list[str]) -> list[str]:
    """Return names with nothing in them that is awkward in a file's; numbered where they are then the same."""
    found: list[str] = []
    for name in names:
        plain_name = re.sub(r"[^\w.-]+", "_", name).strip("_")
        number = sum(re.fullmatch(re.escape(plain_name) + r"(_\d+)?", other) is not None for other in found)
        found.append(f"{plain_name}_{number + 1}" if number else plain_name)
    return found


def methods(results: dict[str, dict[str, Any]], spec: DatasetSpec) -> dict[str, dict[str, Any]]:
    """Return a row of the figures that are single numbers for every method, in the same columns, the best first."""
    names = [name for name, _ in _ranked([(name, _measured(name, results[name], spec)) for name in results], spec)]
    rows = {
        name: {key: value for key, value in results[name].items() if not isinstance(value, (dict, str, bool))}
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


def _published_table(results: dict[str, dict[str, Any]], spec: DatasetSpec) -> list[str]:
    """Return published and measured results together, the best first."""
    rows = [(row.method, row) for row in PUBLISHED[spec.name]]
    rows = _ranked(rows + [(_OURS + name, _measured(name, each, spec)) for name, each in results.items()], spec)
    heading, *lines = tables.table("method", {name: _cells(row, spec) for name, row in rows}, digits=2)
    return [f"{heading}  source", *(f"{line}  {_source(row)}" for line, (_, row) in zip(lines, rows, strict=True))]


def _measured(name: str, figures: dict[str, Any], spec: DatasetSpec) -> PublishedRow:
    """Return figures as a row beside the published ones; NaN for what could not be measured."""
    if spec.skeleton.kind == "hand":
        return PublishedRow(name, _number(figures["mean_mm"]), "measured here", figures["median_mm"])
    precisions = tuple(_percent(figures["parts"][part]["precision_10cm"]) for part in ITOP_PARTS)
    return PublishedRow(name, _percent(figures["map_10cm"]), "measured here", parts=precisions)


def _ranked(rows: list[tuple[str, PublishedRow]], spec: DatasetSpec) -> list[tuple[str, PublishedRow]]:
    return sorted(rows, key=lambda each: _rank(each[1].figure, spec))


def _cells(row: PublishedRow, spec: DatasetSpec) -> dict[str, Any]:
    if spec.skeleton.kind == "hand":
        return {"mean_mm": plain(row.figure), "median_mm": row.median_mm}
    parts = [f"{value:.2f}" for value in row.parts] or ["-"] * len(ITOP_PARTS)
    return {"mAP@10cm": f"{row.figure:.2f} %", **dict(zip(ITOP_PARTS, parts, strict=True))}


def _source(row: PublishedRow) -> str:
    remarks = [row.source, {True: "ensemble", False: "single network", None: ""}[row.ensemble], row.note]
    if row.not_comparable:
        remarks.append(f"NOT COMPARABLE: {row.not_comparable}")
    return "; ".join(remark for remark in remarks if remark)


def _row(errors_mm: torch.Tensor, body: bool) -> dict[str, float]:
    return {
        **_errors(errors_mm),
        **({"precision_10cm": metrics.mean_precision(errors_mm, PRECISION_MM)} if body else {}),
    }


def _errors(errors_mm: torch.Tensor) -> dict[str, float]:
    return {"mean_mm": metrics.mean_error(errors_mm), "median_mm": metrics.median_error(errors_mm)}


def _rank(figure: float, spec: DatasetSpec) -> float:
    """Smaller is better; what could not be measured comes last."""
    if figure != figure:
        return float("inf")
    return -figure if spec.skeleton.kind == "body" else figure


def _percent(share: float | None) -> float:
    return 100 * _number(share)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _csv(title: str, rows: dict[str, dict[str, Any]]) -> str:
    columns = [column for column in next(iter(rows.values())) if column != title]
    return tables.to_csv([[title, *columns], *([name, *map(row.get, columns)] for name, row in rows.items())])


def _write(path: Path, text: str) -> None:
    write_atomically(path, text.encode())
