# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate predictions``: files of joints, by any method, against the truth of a dataset."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ...recorded.datasets import NAMES
from ..common import CommandError, Commands, command
from .common import output_option

_FORMATS = """The files have one frame a line, three numbers per joint, in the dataset's joint order.
Separators are spaces, tabs, commas or semicolons; a line may begin with the frame's name or index.

  uvd         column and row in pixels, depth in mm (ITOP: m), in the order of the test set
  world       x y z in the dataset's world frame (NYU, MSRA, ITOP: y up), mm (ITOP: m)
  submission  image name, tab, 63 world coordinates in mm (HANDS 2017)

The truth is a file (--truth), or the labels of the dataset's own test split (--data); of msra all nine subjects, or
the --subject that is given. Joints per frame: icvl 16, nyu 14, msra and hands2017 21, itop 15. Frames are matched by
name if both files have names, otherwise by line; both need the same number. A frame that the protocol leaves out is
a line 'invalid' in the truth, or missing from one of the files or both (ITOP's 4,863 valid frames). A line 'invalid'
in the predictions alone is a missed frame: it counts as a failure, and a warning tells how many there are. Errors are
distances in space: u v d are turned into points with the intrinsics that the literature scores with."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "predictions",
        run,
        "Judge any method's joints, in files, against the truth of a dataset and beside the published results.",
        "v2v evaluate predictions icvl mine.txt --truth icvl_test_groundtruth_label.txt\n"
        "  v2v evaluate predictions icvl mine.txt --data ICVL/\n"
        "  v2v evaluate predictions nyu a.txt b.txt --truth nyu_test_groundtruth_label.txt --output report/\n"
        "  v2v evaluate predictions itop_side mine.csv --truth truth.txt --form world --unit m\n"
        "  v2v evaluate predictions hands2017 submission.txt --truth labels.txt --form submission",
        _FORMATS,
    )
    text = f"of the dataset: {', '.join(NAMES)}"
    sub.add_argument("dataset", choices=NAMES, metavar="NAME", help=text)
    sub.add_argument("predictions", type=Path, nargs="+", metavar="FILE", help="one for each method, to compare")
    truth = sub.add_mutually_exclusive_group(required=True)
    truth.add_argument("--truth", type=Path, nargs="+", metavar="FILE", help="the labels; several follow one another")
    truth.add_argument("--data", type=Path, metavar="DIR", help="the dataset's folder, for its own labels")
    sub.add_argument("--subject", metavar="N|all", help="msra, with --data: whose frames the files have (all)")
    output_option(sub)
    sub.add_argument(
        "--form",
        choices=("auto", "uvd", "world", "submission"),
        default="auto",
        help="of the predictions (auto: world coordinates have negative numbers, pixels do not)",
    )
    sub.add_argument(
        "--truth-form", choices=("auto", "uvd", "world", "submission"), default="auto", help="of the truth (auto)"
    )
    sub.add_argument(
        "--unit", choices=("auto", "mm", "m"), default="auto", help="of the predictions' numbers (auto: by size)"
    )
    sub.add_argument("--truth-unit", choices=("auto", "mm", "m"), default="auto", help="of the truth's (auto)")
    text = "of world coordinates in the predictions (default: the dataset's)"
    sub.add_argument("--y-axis", choices=("up", "down"), help=text)
    sub.add_argument("--truth-y-axis", choices=("up", "down"), help="of those in the truth (default: the dataset's)")
    sub.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        help="of the camera, for u v d, in pixels (default: the dataset's)",
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    from ...evaluation import metrics
    from ...evaluation.on_datasets import dataset_report
    from ...evaluation.on_datasets.dataset_figures import DatasetFigures, dataset_figures
    from ...evaluation.predictions import checks, files
    from ...evaluation.predictions.files import dataset_truth
    from ...evaluation.reports import plots
    from ...geometry.camera import Intrinsics
    from ...recorded.datasets.specs import get_spec

    if options.truth is not None and options.subject is not None:
        raise CommandError("--truth names the labels: leave --subject out, or --truth to take the dataset's own")
    spec = get_spec(options.dataset)
    intrinsics: tuple[float, float, float, float] | None = None
    if options.intrinsics is not None:
        fx, fy, cx, cy = intrinsics = tuple(options.intrinsics)
        Intrinsics(fx, fy, cx, cy, spec.intrinsics.width, spec.intrinsics.height)  # says what is wrong
    reading = files.ReadOptions(options.form, options.unit, _y_up(options.y_axis), intrinsics)
    reading_truth = files.ReadOptions(options.truth_form, options.truth_unit, _y_up(options.truth_y_axis), intrinsics)

    warnings = checks.check_intrinsics(spec, reading)
    if options.truth is None:
        truth = dataset_truth(spec, options.data, _subjects(options), intrinsics)
    else:
        parts = [files.read(path, spec, reading_truth) for path in options.truth]
        for part in parts:
            warnings += checks.check_file(part, spec, reading_truth, truth=True)
        truth = files.join(parts)
    print(f"truth: {truth.path}: {_described(truth)}")
    results: dict[str, DatasetFigures] = {}
    described = {}
    for path, name in zip(options.predictions, _names(options.predictions), strict=True):
        prediction = files.read(path, spec, reading)
        joints, true_joints = files.match(prediction, truth)
        warnings += checks.check_file(prediction, spec, reading)
        warnings += checks.check_pair((prediction, truth), joints, true_joints, spec, (reading, reading_truth))
        errors = 1000 * metrics.joint_errors(torch.from_numpy(joints), torch.from_numpy(true_joints))
        described[name] = {"file": str(path), "form": prediction.form, "unit": prediction.unit}
        print(f"{name}: {path}: {_described(prediction)}")
        results[name] = dataset_figures(errors, spec)
    print()
    print(dataset_report.dataset_report(results, spec))
    for warning in warnings:
        print(f"v2v evaluate predictions: warning: {warning}", file=sys.stderr)
    if options.output is not None:
        dataset_report.write_dataset_report(options.output, results, spec)
        plots.say_what_is_missing()
    return {
        "dataset": spec.name,
        "truth": {"file": truth.path, "form": truth.form, "unit": truth.unit},
        "intrinsics": list(intrinsics or spec.score_intrinsics),
        "results": {name: {**described[name], **figures.to_dict()} for name, figures in results.items()},
        "published": dataset_report.published(spec),
        "warnings": warnings,
    }


def _subjects(options: argparse.Namespace) -> list[int | None]:
    """Return which of MSRA's subjects the predictions are of."""
    from ...recorded.datasets.msra import SUBJECTS

    if options.dataset != "msra":
        if options.subject is not None:
            raise CommandError(f"{options.dataset} has a fixed test set: leave --subject out")
        return [None]
    if options.subject in (None, "all"):
        return list(SUBJECTS)
    if not options.subject.isdigit():
        raise CommandError(f"--subject is 0 to 8, or all, got '{options.subject}'")
    return [int(options.subject)]


def _y_up(axis: str | None) -> bool | None:
    return None if axis is None else axis == "up"


def _described(file: Any) -> str:
    if file.form == "dataset":
        return f"{len(file)} frames, {int(file.valid.sum())} of them valid"
    form = {"uvd": "u v d, pixels and", "world": "world coordinates,", "submission": "submission, world coordinates in"}
    left_out = len(file) - int(file.valid.sum())
    invalid = f", {left_out} of them invalid" if left_out else ""
    return f"{len(file)} frames{invalid}, read as {form[file.form]} {file.unit}"


def _names(paths: list[Path]) -> list[str]:
    """Return what to call the files: without folder and suffix where that tells them apart."""
    stems = [path.stem for path in paths]
    if len(set(paths)) < len(paths):
        raise CommandError("a file of joints is named twice")
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
