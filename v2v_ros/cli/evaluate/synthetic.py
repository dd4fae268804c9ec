# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate synthetic``: weights on fixed synthetic test sets, and these sets as files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common import DEFAULT_SKELETON, CommandError, Commands, command, folder, network_options, positive
from .common import detector_option, detector_weights, output_option, part_progress, write_text

if TYPE_CHECKING:
    from ...evaluation.reports.contact_sheet import Tile


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "synthetic",
        run,
        "Measure weights on fixed synthetic test sets, which are rendered on demand and the same everywhere.",
        "v2v evaluate synthetic --weights hand21_lite --output report/\n"
        "  v2v evaluate synthetic --weights my.safetensors --test-set hand_crops_1 --samples 128\n"
        "  v2v evaluate synthetic --test-set hand_images_1 --write sets/",
    )
    network_options(sub)
    detector_option(sub)
    sub.add_argument("--test-set", nargs="+", metavar="NAME", help="which ones (default: all of the weights' skeleton)")
    sub.add_argument(
        "--samples", type=positive(int), metavar="N", help="number of samples of every test set, from the first on"
    )
    kinds = ("checkerboard", "rows", "sparse", "registered_1920", "registered_3840")
    text = "holes to make in the images first: every second pixel, every fourth row, nine pixels in ten, or depth "
    text += "registered to a larger image"
    sub.add_argument("--holes", default="none", choices=kinds, help=text)
    way = sub.add_mutually_exclusive_group()
    output_option(way)
    way.add_argument("--write", type=folder, metavar="FOLDER", help="only write the test sets as frame lists")
    way.add_argument("--record", action="store_true", help="only put the sets' hashes on record (for maintainers)")


def run(options: argparse.Namespace) -> dict[str, Any] | None:
    if options.write is not None or options.record:
        return _test_sets(options)
    return _evaluate(options)


def _evaluate(options: argparse.Namespace) -> dict[str, Any] | None:
    from ...evaluation.processes import processes
    from ...evaluation.reports import tables
    from ...evaluation.reports.contact_sheet import contact_sheet
    from ...evaluation.synthetic import evaluate
    from ...evaluation.synthetic_sets import get_set, sets_for
    from ...io import draw
    from ...model import weights

    chosen = None if options.test_set is None else [get_set(name) for name in options.test_set]
    source = options.weights or weights.default_for(chosen[0].skeleton.name if chosen else DEFAULT_SKELETON)
    loaded = weights.load(source)
    figures: dict[str, Any] = {"weights": {"id": loaded.id, "hash": loaded.hash}, "test_sets": {}}
    if options.holes != "none":
        figures["holes"] = options.holes
    with processes() as group:
        for test_set in sets_for(loaded.skeleton) if chosen is None else chosen:
            worst: list[Tile] = []
            with part_progress(test_set, options, group) as bar:
                result = evaluate(
                    loaded,
                    test_set,
                    source=source,
                    detector_weights=detector_weights(options),
                    device=options.device,
                    runtime=options.runtime,
                    threads=options.threads,
                    read_out=options.read_out,
                    samples=options.samples,
                    holes=options.holes,
                    tick=bar.step,
                    worst=worst,
                    processes=group,
                )
            if group.rank:
                continue
            content = figures["test_sets"][test_set.name] = result.to_dict()
            print(tables.report(content), end="\n\n", flush=True)
            if options.output is not None:
                _write_report(content, test_set.name, options.output)
            if worst and options.output is not None:
                draw.save_png(options.output / f"{test_set.name}_worst.png", contact_sheet(worst, loaded.skeleton))
    if group.rank:
        return None
    print(f"weights: {loaded.id} ({loaded.hash})")
    return figures


def _test_sets(options: argparse.Namespace) -> dict[str, Any]:
    from ...evaluation import synthetic_sets as test_sets
    from ...evaluation.synthetic_sets import write_set

    if options.record and options.samples is not None:
        raise CommandError("--record takes whole sets: leave --samples out")
    figures: dict[str, Any] = {}
    for name in options.test_set or list(test_sets.SETS):
        test_set = test_sets.get_set(name)
        with part_progress(test_set, options) as bar:
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


def _write_report(figures: dict[str, Any], name: str, output: Path) -> None:
    from ...evaluation.reports import plots, tables

    write_text(output / f"{name}.txt", tables.report(figures) + "\n")
    for table, content in tables.csv_tables(figures):
        write_text(output / f"{name}_{table}.csv", content)
    if "curve" in figures:
        plots.say_what_is_missing()
        if not plots.available():
            return
        plots.success_curve(figures, output / f"{name}_curve.png")
        plots.reliability(figures, output / f"{name}_reliability.png")
