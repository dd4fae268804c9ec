# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate dataset``: networks on the test split of a dataset, beside the published results."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...recorded.datasets import NAMES
from ..common import CommandError, Commands, command, network_options, positive
from ..progress import Progress
from .common import output_option

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from ...evaluation.processes import Processes
    from ...geometry.camera import Intrinsics
    from ...recorded.datasets.frame_set import FrameSet


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "dataset",
        run,
        "Run weights on the test split of a dataset and print its figures beside the published ones.",
        "v2v evaluate dataset nyu --data NYU/ --weights nyu.safetensors --output report/\n"
        "  v2v evaluate dataset nyu --data NYU/ --weights nyu_run/epoch_*.safetensors\n"
        "  v2v evaluate dataset msra --data MSRA/ --subject all --weights 'msra{subject}.safetensors'\n"
        "  v2v evaluate dataset hands2017 --data HANDS/ --weights h.safetensors --write-predictions submission.txt\n"
        "  torchrun --nproc_per_node 4 -m v2v_ros.cli evaluate dataset nyu --data NYU/ --weights nyu.safetensors",
        "Of several weights the joints are averaged, as the published figures are averages over epochs. Frames without "
        "a centre count as missed.",
    )
    sub.add_argument("dataset", choices=NAMES, metavar="NAME", help=f"of the dataset: {', '.join(NAMES)}")
    sub.add_argument("--data", type=Path, required=True, metavar="DIR", help="its folder; see docs/datasets.md")
    network_options(sub, several=True, required=True)
    sub.add_argument("--samples", type=positive(int), metavar="N", help="number of frames to use, evenly spread")
    output_option(sub)
    sub.add_argument(
        "--subject",
        metavar="N|all",
        help="msra: the subject to test on; all: every one in turn, --weights with '{subject}' in their names",
    )
    sub.add_argument(
        "--centers",
        nargs="+",
        metavar="WHERE",
        default=["released"],
        help="of the cubes: released (centre files in DIR/centers), truth, or a centre file or a folder of them; "
        "several are compared (released)",
    )
    sub.add_argument(
        "--decode",
        choices=("auto", "exact", "published"),
        default="auto",
        help="joints between heatmap cells, or the highest cell as the paper's code; auto: as trained (auto)",
    )
    sub.add_argument("--cache", type=Path, metavar="FOLDER", help="the dataset's cache, if one was written")
    sub.add_argument(
        "--write-predictions",
        type=Path,
        metavar="FILE",
        help="write the joints of all frames as 'u v d' lines ('invalid': not in use), for hands2017 as a submission",
    )
    sub.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        help="of the camera, in pixels (default: the dataset's)",
    )


def run(options: argparse.Namespace) -> dict[str, Any] | None:
    from ...evaluation.on_datasets.dataset_figures import DatasetFigures, dataset_figures
    from ...evaluation.on_datasets.dataset_report import (
        coverage_text,
        dataset_report,
        published,
        write_dataset_report,
    )
    from ...evaluation.processes import processes
    from ...evaluation.reports import plots
    from ...recorded.datasets.specs import get_spec

    spec = get_spec(options.dataset)
    _check(options)
    if not spec.test_labels and options.write_predictions is None:
        raise CommandError(
            f"the test labels of {spec.name} are not published: write a submission with --write-predictions FILE"
        )
    results: dict[str, DatasetFigures] = {}
    contents: dict[str, dict[str, Any]] = {}
    coverage: dict[str, dict[str, int]] = {}
    warnings = _check_weights(options)
    with processes() as group:
        runs = {source: _joints(options, source, group) for source in options.centers}
        if group.rank:
            return None
    for source, run in runs.items():
        name = "v2v_ros" if len(runs) == 1 else f"v2v_ros, centres {source}"
        if spec.test_labels:
            results[name], coverage[name] = dataset_figures(run.errors_mm, spec), dict(run.counts)
            contents[name] = {**results[name].to_dict(), "centers": source, "coverage": coverage[name]}
    for warning in dict.fromkeys([*warnings, *(warning for run in runs.values() for warning in run.warnings)]):
        print(f"v2v evaluate dataset: warning: {warning}", file=sys.stderr)
    if options.write_predictions is not None:
        _write_predictions(options, runs[options.centers[0]])
    if not results:
        counts = runs[options.centers[0]].counts
        print(coverage_text(counts, spec))
        return {"dataset": spec.name, "predictions": str(options.write_predictions), "coverage": dict(counts)}
    print(dataset_report(results, spec, coverage))
    if options.output is not None:
        write_dataset_report(options.output, results, spec, coverage)
        plots.say_what_is_missing()
    return {
        "dataset": spec.name,
        "weights": [str(name) for name in options.weights],
        "results": contents,
        "published": published(spec),
    }


@dataclass
class _DatasetRun:
    """Joints of all test frames, subject after subject, NaN where a frame is not in use, and their errors."""

    names: list[str] = field(default_factory=list)
    joints: list[NDArray[np.float32]] = field(default_factory=list)
    errors: list[torch.Tensor] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    intrinsics: Intrinsics | None = None

    @property
    def errors_mm(self) -> torch.Tensor:
        import torch

        return torch.cat(self.errors)


def _joints(options: argparse.Namespace, centers: str, group: Processes) -> _DatasetRun:
    """Run the networks on the test split, with the centres of one source."""
    import numpy as np
    import torch

    from ...evaluation.metrics import joint_errors
    from ...evaluation.on_datasets.dataset import Ensemble, batches, predict
    from ...geometry.camera import Intrinsics
    from ...model import weights
    from ...recorded.datasets.frame_set import TRUTH, frame_set
    from ...recorded.datasets.projection import projection_warning
    from ...recorded.datasets.registry import open_dataset
    from ...recorded.datasets.specs import get_spec

    spec, run = get_spec(options.dataset), _DatasetRun()
    camera = spec.intrinsics
    if options.intrinsics is not None:
        fx, fy, cx, cy = options.intrinsics
        camera = Intrinsics(fx, fy, cx, cy, camera.width, camera.height)
    if centers == TRUTH:
        run.warnings.append(
            "cubes around the true joints: the figures are the network's alone and compare with no published ones"
        )
    for subject in _subjects(options, spec.name):
        loaded = [weights.load(name.replace("{subject}", str(subject)), spec.skeleton.name) for name in options.weights]
        ensemble = Ensemble(
            loaded,
            options.device,
            options.decode,
            runtime=options.runtime,
            threads=options.threads,
            read_out=options.read_out,
        )
        dataset = open_dataset(
            spec.name, options.data, "test", test_subject=subject, intrinsics=camera, cache=options.cache
        )
        frames = frame_set(dataset, centers, labelled=spec.test_labels)
        if options.samples is not None:
            frames = frames.thin(options.samples)
        if spec.name == "hands2017":
            _check_complete(frames)
        frames.check_covered(ensemble.edge)
        if spec.test_labels and group.rank == 0:
            warning = projection_warning(dataset)
            run.warnings += [warning] if warning else []
        share = -(-batches(frames) // group.count)
        with Progress(share, "batch", quiet=options.quiet or group.rank > 0) as bar:
            found = predict(ensemble, frames, group, bar.step)
        joints, truth = np.full((2, *dataset.joints.shape), np.nan)
        joints[frames.indices] = found
        counted = np.union1d(frames.indices, frames.centerless)
        truth[counted] = dataset.joints[counted]
        run.intrinsics = dataset.intrinsics
        run.joints.append(joints.astype(np.float32))
        run.names += [dataset.frame_name(index) for index in range(len(dataset))]
        errors = 1000 * joint_errors(torch.from_numpy(joints), torch.from_numpy(truth))
        run.errors.append(errors[counted] if frames.counts["passed_over"] else errors)
        run.counts.update(frames.counts)
    return run


def _check(options: argparse.Namespace) -> None:
    if len(set(options.centers)) < len(options.centers):
        raise CommandError("--centers names a source twice")
    if options.write_predictions is None:
        return
    if len(options.centers) > 1:
        raise CommandError(
            "--write-predictions writes the joints of one run, but each of several --centers makes one: name one source"
        )
    if options.write_predictions.is_dir():
        raise CommandError(f"--write-predictions names a file, but '{options.write_predictions}' is a folder")


def _check_weights(options: argparse.Namespace) -> list[str]:
    """Return warnings about what the weights were trained on; before anything is run, as that may take hours."""
    from ...evaluation.on_datasets.trained_on import check_trained_on
    from ...model import weights
    from ...recorded.datasets.specs import get_spec

    spec = get_spec(options.dataset)
    warnings = []
    for subject in _subjects(options, spec.name):
        names = [name.replace("{subject}", str(subject)) for name in options.weights]
        warnings += check_trained_on({name: weights.load(name, spec.skeleton.name) for name in names}, spec, subject)
    return warnings


def _check_complete(frames: FrameSet) -> None:
    """Make sure that a submission has all frames."""
    dataset = frames.dataset
    counts = frames.counts
    if counts["passed_over"]:
        raise CommandError(f"a submission for {dataset.spec.name} needs all frames: leave --samples out")
    if len(frames) < len(dataset):
        first = ", ".join(dataset.frame_name(index) for index in frames.centerless[:3].tolist())
        raise CommandError(
            f"a submission for {dataset.spec.name} needs all {len(dataset):,} frames, but {counts['centerless']:,} "
            f"have no centre, first {first}: give them one in the centre file, such as that of the frame before"
        )


def _subjects(options: argparse.Namespace, dataset: str) -> list[int | None]:
    from ...recorded.datasets.msra import SUBJECTS

    if dataset != "msra":
        if options.subject is not None:
            raise CommandError(f"{dataset} has a fixed test set: leave --subject out")
        return [None]
    if options.subject == "all":
        if any("{subject}" not in name for name in options.weights):
            raise CommandError(
                "--subject all needs '{subject}' in the names of --weights, one network for each subject"
            )
        return list(SUBJECTS)
    if options.subject is None or not options.subject.isdigit():
        raise CommandError("msra is tested subject by subject: give --subject 0 to 8, or --subject all")
    return [int(options.subject)]


def _write_predictions(options: argparse.Namespace, run: _DatasetRun) -> None:
    import numpy as np

    from ...evaluation.predictions.files import write_submission, write_uvd
    from ...recorded.datasets.specs import get_spec

    joints = np.concatenate(run.joints)
    if options.dataset == "hands2017":
        write_submission(options.write_predictions, run.names, joints)
    else:
        write_uvd(options.write_predictions, joints, get_spec(options.dataset), run.intrinsics)
    print(f"predictions: {options.write_predictions}")
