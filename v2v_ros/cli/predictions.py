"""``v2v evaluate --predictions``: files of joints, by any method, against the truth of a dataset."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..datasets import NAMES
from .common import CommandError

EXAMPLES = """v2v evaluate --dataset icvl --predictions mine.txt --truth icvl_test_groundtruth_label.txt
  v2v evaluate --dataset nyu --predictions a.txt b.txt --truth nyu_test_groundtruth_label.txt --output report/
  v2v evaluate --dataset itop_side --predictions mine.csv --truth truth.txt --form world --unit m
  v2v evaluate --dataset hands2017 --predictions submission.txt --truth labels.txt --form submission"""

_FORMATS = """Judge any method's joints: one frame a line, three numbers per joint, in the dataset's joint order.
Separators are spaces, tabs, commas or semicolons; a line may begin with the frame's name or index.

  uvd         column and row in pixels, depth in mm (ITOP: m), in the order of the test set
  world       x y z in the dataset's world frame (NYU, MSRA, ITOP: y up), mm (ITOP: m)
  submission  image name, tab, 63 world coordinates in mm (HANDS 2017)

Joints per frame: icvl 16, nyu 14, msra and hands2017 21, itop 15. Frames of both files are matched by name if
both have names, otherwise by line; both need the same number. A frame that the protocol leaves out is a line
'invalid' in the truth, or in neither file (ITOP's 4,863 valid frames). Errors are distances in space: u v d are
turned into points with the intrinsics that the literature scores with."""


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the options for files of joints, and ``--dataset``."""
    sub.add_argument("--dataset", choices=NAMES, help="whose joints, camera and published results")
    group = sub.add_argument_group("files of joints", _FORMATS)
    group.add_argument("--predictions", type=Path, nargs="+", metavar="FILE", help="one for each method, to compare")
    group.add_argument("--truth", type=Path, nargs="+", metavar="FILE", help="the labels; several follow one another")
    group.add_argument(
        "--form",
        choices=("auto", "uvd", "world", "submission"),
        default="auto",
        help="of the predictions (auto: world coordinates have negative numbers, pixels do not)",
    )
    group.add_argument(
        "--truth-form", choices=("auto", "uvd", "world", "submission"), default="auto", help="of the truth (auto)"
    )
    group.add_argument(
        "--unit", choices=("auto", "mm", "m"), default="auto", help="of depths and world coordinates (auto: by size)"
    )
    group.add_argument("--y-axis", choices=("up", "down"), help="of world coordinates (default: the dataset's)")
    group.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        help="of the camera, for u v d, in pixels (default: the dataset's)",
    )


def run_predictions(options: argparse.Namespace) -> dict[str, Any]:
    """Print and write the figures of all files of predictions."""
    for name in ("predictions", "truth", "dataset"):
        if getattr(options, name) is None:
            raise CommandError(f"files of joints need --predictions, --truth and --dataset: --{name} is missing")
    for name in ("weights", "data", "test_set", "frames", "write"):
        if getattr(options, name) is not None:
            flag = name.replace("_", "-")
            raise CommandError(f"--predictions are judged without a network: leave --{flag} out")

    import torch

    from ..camera import Intrinsics
    from ..datasets.specs import get_spec
    from ..evaluation import dataset_report, metrics, plots
    from ..evaluation import prediction_checks as checks
    from ..evaluation import prediction_files as files

    spec = get_spec(options.dataset)
    intrinsics: tuple[float, float, float, float] | None = None
    if options.intrinsics is not None:
        fx, fy, cx, cy = intrinsics = tuple(options.intrinsics)
        Intrinsics(fx, fy, cx, cy, spec.intrinsics.width, spec.intrinsics.height)  # says what is wrong
    y_up = None if options.y_axis is None else options.y_axis == "up"
    reading = files.ReadOptions(options.form, options.unit, y_up, intrinsics)
    reading_truth = files.ReadOptions(options.truth_form, options.unit, y_up, intrinsics)

    warnings = checks.check_intrinsics(spec, reading)
    parts = [files.read(path, spec, reading_truth) for path in options.truth]
    for part in parts:
        warnings += checks.check_file(part, spec, reading_truth)
    truth = files.join(parts)
    print(f"truth: {truth.path}: {_described(truth)}")
    results: dict[str, dict[str, Any]] = {}
    described = {}
    for path, name in zip(options.predictions, _names(options.predictions), strict=True):
        prediction = files.read(path, spec, reading)
        joints, true_joints = files.match(prediction, truth)
        warnings += checks.check_file(prediction, spec, reading)
        warnings += checks.check_pair(prediction, joints, true_joints, spec)
        errors = 1000 * metrics.joint_errors(torch.from_numpy(joints), torch.from_numpy(true_joints))
        described[name] = {"file": str(path), "form": prediction.form, "unit": prediction.unit}
        print(f"{name}: {path}: {_described(prediction)}")
        results[name] = dataset_report.dataset_figures(errors, spec)
    print()
    print(dataset_report.dataset_report(results, spec))
    for warning in warnings:
        print(f"v2v evaluate: warning: {warning}", file=sys.stderr)
    if options.output is not None:
        dataset_report.write_dataset_report(options.output, results, spec)
        if not plots.available():
            print("no plots: pip install matplotlib")
    return {
        "dataset": spec.name,
        "truth": {"file": truth.path, "form": truth.form, "unit": truth.unit},
        "intrinsics": list(intrinsics or spec.score_intrinsics),
        "results": {name: {**described[name], **figures} for name, figures in results.items()},
        "published": dataset_report.published(spec),
        "warnings": warnings,
    }


def _described(file: Any) -> str:
    form = {"uvd": "u v d, pixels and", "world": "world coordinates,", "submission": "submission, world coordinates in"}
    left_out = len(file) - int(file.valid.sum())
    invalid = f", {left_out} of them invalid" if left_out else ""
    return f"{len(file)} frames{invalid}, read as {form[file.form]} {file.unit}"


def _names(paths: list[Path]) -> list[str]:
    """What to call the files: without folder and suffix where that tells them apart."""
    stems = [path.stem for path in paths]
    if len(set(paths)) < len(paths):
        raise CommandError("--predictions names a file twice")
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
