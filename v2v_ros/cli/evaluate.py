"""``v2v evaluate``: weights against fixed synthetic test sets and recorded frames; their calibration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import evaluate_dataset, evaluate_motion, evaluate_tracks, predictions
from .common import DEFAULT_SKELETON, CommandError, Commands, command, network_options, positive
from .progress import Progress

if TYPE_CHECKING:
    from ..evaluation.processes import Processes
    from ..evaluation.reports.contact_sheet import Tile
    from ..evaluation.synthetic_sets import SyntheticSet


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "evaluate",
        run,
        "Measure weights on fixed synthetic test sets, on recorded frames without labels or on scenes with several "
        "subjects, or any method's joints in files against the truth of a dataset (docs/evaluation.md).",
        "v2v evaluate --weights hand21_lite --output report/\n"
        "  v2v evaluate --weights my.safetensors --test-set hand_crops_1 --samples 128\n"
        "  v2v evaluate --frames recorded.json --output report/\n"
        "  v2v evaluate --calibrate --weights my.safetensors\n"
        "  v2v evaluate --test-set hand_images_1 --write sets/\n"
        f"  {evaluate_tracks.EXAMPLES}\n"
        f"  {evaluate_dataset.EXAMPLES}\n"
        f"  {predictions.EXAMPLES}",
    )
    network_options(sub, several=True)
    sub.add_argument("--test-set", nargs="+", metavar="NAME", help="which ones (default: all of the weights' skeleton)")
    sub.add_argument("--samples", type=positive(int), help="of every test set only so many, the first ones")
    sub.add_argument("--output", type=Path, metavar="FOLDER", help="write tables (CSV) and pictures there as well")
    mode = sub.add_mutually_exclusive_group()
    mode.add_argument("--frames", type=Path, nargs="+", metavar="FRAMES.json", help="lists of recorded frames instead")
    mode.add_argument("--calibrate", action="store_true", help="fit scores and covariances, into the weights' file")
    mode.add_argument("--write", type=Path, metavar="FOLDER", help="only write the test sets as frame lists")
    mode.add_argument(
        "--detector", nargs="?", const="detector", metavar="WEIGHTS", help="a detector on the whole images of scenes_1"
    )
    mode.add_argument("--record", action="store_true", help="only put the sets' hashes on record (for maintainers)")
    sub.add_argument(
        "--detector-weights",
        default="auto",
        metavar="NAME",
        help="of the detector that finds subjects in images; auto: those shipped; none: the nearest things (auto)",
    )
    sub.add_argument("--side", choices=("either", "right", "left"), default="either", help="of hands in --frames")
    sub.add_argument("--score-threshold", type=float, help="in --frames and --tracks, report from this score on")
    evaluate_tracks.add_options(sub)
    predictions.add_options(sub)
    evaluate_dataset.add_options(sub)
    evaluate_motion.add_options(sub)


def run(options: argparse.Namespace) -> dict[str, Any] | None:
    if options.output is not None and options.output.exists() and not options.output.is_dir():
        raise CommandError(f"--output names a folder, but '{options.output}' is a file: choose another name")
    if options.motion:
        return evaluate_motion.run_motion(options)
    if options.tracks is not None:
        return evaluate_tracks.run_tracks(options)
    for name in ("max_subjects", "filter"):
        if getattr(options, name) is not None:
            raise CommandError(f"--{name.replace('_', '-')} is for scenes with several subjects: give --tracks as well")
    if options.predictions is not None or options.truth is not None:
        return predictions.run_predictions(options)
    if options.data is not None or options.dataset is not None:
        return evaluate_dataset.run_dataset(options)
    if options.detector is not None:
        return _detector(options)
    options.weights = _one(options.weights)
    if options.write is not None or options.record:
        return _test_sets(options)
    if options.calibrate:
        return _calibrate(options)
    if options.frames is not None:
        return _frames(options)
    return _evaluate(options)


def _detector(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    from ..evaluation import scenes
    from ..model.detector import Detector
    from ..model.weights import load_detector
    from .common import print_rows

    loaded = load_detector(options.detector)
    device = "cpu" if options.device == "auto" else options.device
    judged = scenes.SceneFigures(Detector(loaded, torch.device(device)))
    samples = options.samples or scenes.SAMPLES
    with Progress(samples, "images", quiet=options.quiet) as bar:
        for part in scenes.generate(samples):
            judged.add(part)
            for _ in part.units:
                bar.step()
    figures = judged.figures()
    print_rows([(name, f"{value:.3f}" if isinstance(value, float) else str(value)) for name, value in figures.items()])
    return {"weights": {"id": loaded.id, "hash": loaded.hash}, scenes.NAME: figures}


def _one(weights: list[str] | None) -> str | None:
    """Return the name of the only weights."""
    if weights is None:
        return None
    if len(weights) > 1:
        raise CommandError("the joints of several --weights are averaged on a dataset only: give --dataset and --data")
    return weights[0]


def _evaluate(options: argparse.Namespace) -> dict[str, Any] | None:
    from ..evaluation.processes import processes
    from ..evaluation.reports import tables
    from ..evaluation.reports.contact_sheet import contact_sheet
    from ..evaluation.synthetic import evaluate
    from ..evaluation.synthetic_sets import get_set, sets_for
    from ..io import draw
    from ..model import weights

    chosen = None if options.test_set is None else [get_set(name) for name in options.test_set]
    source = options.weights or weights.default_for(chosen[0].skeleton.name if chosen else DEFAULT_SKELETON)
    loaded = weights.load(source)
    figures: dict[str, Any] = {"weights": {"id": loaded.id, "hash": loaded.hash}, "test_sets": {}}
    detector_weights = None if options.detector_weights == "none" else options.detector_weights
    with processes() as group:
        for test_set in sets_for(loaded.skeleton) if chosen is None else chosen:
            worst: list[Tile] = []
            with _progress(test_set, options, group) as bar:
                result = evaluate(
                    loaded,
                    test_set,
                    source=source,
                    detector_weights=detector_weights,
                    device=options.device,
                    runtime=options.runtime,
                    threads=options.threads,
                    read_out=options.read_out,
                    samples=options.samples,
                    tick=bar.step,
                    worst=worst,
                    processes=group,
                )
            if group.rank:
                continue
            figures["test_sets"][test_set.name] = result
            print(tables.report(result), end="\n\n", flush=True)
            _write_report(result, test_set.name, options.output)
            if worst and options.output is not None:
                draw.save_png(options.output / f"{test_set.name}_worst.png", contact_sheet(worst, loaded.skeleton))
    if group.rank:
        return None
    print(f"weights: {loaded.id} ({loaded.hash})")
    return figures


def _frames(options: argparse.Namespace) -> dict[str, Any]:
    from ..estimator import PoseEstimator
    from ..evaluation.recorded import evaluate_frames
    from ..evaluation.reports import tables
    from ..evaluation.reports.contact_sheet import contact_sheet
    from ..geometry.estimate import Side
    from ..io import draw
    from ..model.weights import default_for
    from ..recorded.frames import load_frame_list

    source = options.weights or default_for(DEFAULT_SKELETON)
    side = Side.UNKNOWN if options.side == "either" else Side[options.side.upper()]
    detector_weights = None if options.detector_weights == "none" else options.detector_weights
    estimator = PoseEstimator(
        source,
        device=options.device,
        runtime=options.runtime,
        threads=options.threads,
        read_out=options.read_out,
        detector_weights=detector_weights,
        side=side,
    )
    if options.score_threshold is not None:
        estimator.score_threshold = options.score_threshold
    figures: dict[str, Any] = {"weights": {"id": estimator.weights_id, "hash": estimator.weights_hash}, "frames": {}}
    for path in options.frames:
        with Progress(len(load_frame_list(path)), "frame", quiet=options.quiet) as bar:
            result, tiles = evaluate_frames(estimator, path, bar.step)
        figures["frames"][str(path)] = result
        print(tables.frames_report(path.stem, result), end="\n\n", flush=True)
        if options.output is not None:
            for name, content in tables.csv_tables(result):
                _write_text(options.output / f"{path.stem}_{name}.csv", content)
        if tiles:
            picture = (options.output or Path()) / f"{path.stem}.png"
            draw.save_png(picture, contact_sheet(tiles, estimator.skeleton))
            print(f"picture: {picture}")
    return figures


def _calibrate(options: argparse.Namespace) -> dict[str, Any]:
    from ..evaluation.synthetic import calibrate
    from ..evaluation.synthetic_sets import CALIBRATION_SETS
    from ..model import weights

    if options.weights is None:
        raise CommandError("--calibrate writes into a weights file: name it with --weights")
    path = weights.find(options.weights)
    loaded = weights.load(path)
    with _progress(CALIBRATION_SETS[loaded.skeleton.kind], options) as bar:
        fitted = calibrate(
            loaded,
            device=options.device,
            runtime=options.runtime,
            threads=options.threads,
            samples=options.samples,
            tick=bar.step,
        )
    assert fitted.calibration is not None
    weights.save(fitted, path, half=_half(path))
    tables = {"peaks": fitted.calibration}
    if fitted.refiner is not None and fitted.refiner.calibration is not None:
        tables["refiner"] = fitted.refiner.calibration
    content = {name: table.to_dict() for name, table in tables.items()}
    for name, table in content.items():
        print(f"{name}\n{'confidence':>12}{'score':>8}{'variance factor':>18}")
        for confidence, probability, factor in zip(*table.values(), strict=True):
            print(f"{confidence:12.3f}{probability:8.3f}{factor:18.3g}")
    print(f"written into {path}")
    return content


def _half(path: Path) -> bool:
    """Return whether a weights file holds half precision, which it is to keep."""
    import torch
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return any(file.get_tensor(name).dtype == torch.float16 for name in file.keys())  # noqa: SIM118


def _test_sets(options: argparse.Namespace) -> dict[str, Any]:
    from ..evaluation import synthetic_sets as test_sets
    from ..evaluation.synthetic_sets import write_set

    if options.record and options.samples is not None:
        raise CommandError("--record takes whole sets: leave --samples out")
    figures: dict[str, Any] = {}
    for name in options.test_set or list(test_sets.SETS):
        test_set = test_sets.get_set(name)
        with _progress(test_set, options) as bar:
            if options.record:
                hashes = []
                for part in test_sets.generate(test_set):
                    hashes.append(part.hash())
                    bar.step()
                test_sets.record(test_set, hashes)
            else:
                hashes = write_set(test_set, options.write / name, options.samples, bar.step)
        matches = test_sets.is_recorded(test_set, hashes)
        answer = {None: "no hashes are on record", True: "as on record", False: "NOT as on record"}[matches]
        print(f"{name}: {answer}", flush=True)
        figures[name] = {"recorded": matches, "parts": hashes}
    if not options.record and any(figure["recorded"] is False for figure in figures.values()):
        raise CommandError("what was written is not what is on record: another version of v2v_ros made the record")
    return figures


def _progress(test_set: SyntheticSet, options: argparse.Namespace, group: Processes | None = None) -> Progress:
    """Return a bar over the parts of a set that the first of several processes makes."""
    from ..evaluation.synthetic_sets import part_count

    parts = part_count(test_set, options.samples)
    if group is None:
        return Progress(parts, "part", quiet=options.quiet)
    return Progress(-(-parts // group.count), "part", quiet=options.quiet or group.rank > 0)


def _write_report(figures: dict[str, Any], name: str, folder: Path | None) -> None:
    from ..evaluation.reports import plots, tables

    if folder is None:
        return
    _write_text(folder / f"{name}.txt", tables.report(figures) + "\n")
    for table, content in tables.csv_tables(figures):
        _write_text(folder / f"{name}_{table}.csv", content)
    if "curve" in figures:
        if not plots.available():
            print("no plots: pip install matplotlib")
            return
        plots.success_curve(figures, folder / f"{name}_curve.png")
        plots.reliability(figures, folder / f"{name}_reliability.png")


def _write_text(path: Path, text: str) -> None:
    from ..io.files import write_atomically

    write_atomically(path, text.encode())
