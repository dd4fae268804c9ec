# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v data check``: the dataset in a folder, its missing and broken parts, and where to get them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recorded.datasets import NAMES
from .common import CommandError, Commands, command, positive
from .progress import Progress

if TYPE_CHECKING:
    from ..geometry.camera import Intrinsics
    from ..recorded.datasets.check import DatasetCheck


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "check",
        run,
        "Tell which datasets are in a folder, what of them is missing or broken, and where to get it. Fails if there "
        "is an error; warnings are about what is not as published.",
        "v2v data check NYU/\n"
        "  v2v data check MSRA/ --subject 3 --frames all --json report.json\n"
        "  v2v data check ITOP/ --dataset itop_side --centers",
    )
    sub.add_argument("folder", type=Path, metavar="DIR", help="of a dataset, or of folders with datasets")
    sub.add_argument("--dataset", choices=NAMES, help="which one it is (default: those whose layout is found)")
    sub.add_argument("--subject", type=int, metavar="N", help="msra: look at one subject only, 0 to 8")
    sub.add_argument(
        "--frames", type=_count, default=200, metavar="N|all", help="images to decode, evenly spread (200)"
    )
    sub.add_argument(
        "--intrinsics", type=float, nargs=4, metavar=("FX", "FY", "CX", "CY"), help="instead of the published ones"
    )
    sub.add_argument("--centers", action="store_true", help="a centre file that is not there is an error")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..recorded.datasets.check import DatasetCheck
    from ..recorded.datasets.registry import LAYOUTS, find_datasets

    if not options.folder.is_dir():
        what = "is not a folder" if options.folder.exists() else "does not exist"
        raise CommandError(f"'{options.folder}' {what}: name the folder of a dataset, or one with such folders in it")
    found = [(options.dataset, options.folder)] if options.dataset else find_datasets(options.folder)
    if not found:
        layouts = "\n".join(f"  {name:10} {', '.join(patterns)}" for name, patterns in LAYOUTS.items())
        raise CommandError(
            f"no dataset that v2v knows is in '{options.folder}' or in a folder in it; looked for any of\n{layouts}\n"
            "say what it is with --dataset, or see docs/datasets.md for where to put what"
        )
    if options.subject is not None and all(name != "msra" for name, _ in found):
        names = ", ".join(dict.fromkeys(name for name, _ in found))
        raise CommandError(f"--subject is for msra, but '{options.folder}' has {names}: leave it out")
    results = []
    for name, folder in found:
        intrinsics = _intrinsics(name, options.intrinsics)
        check = DatasetCheck(
            name, folder, subject=options.subject, intrinsics=intrinsics, frames=options.frames or None
        )
        with Progress(len(check.sample), "image", quiet=options.quiet) as bar:
            check.decode(bar.step)
        check.check_centers(options.centers)
        _print(check)
        results.append(check.result())
    figures = {"datasets": results}
    errors = sum(len(result["errors"]) for result in results)
    if errors:
        message = f"{errors} {'errors' if errors > 1 else 'error'} in '{options.folder}', see above"
        raise CommandError(message, figures)
    return figures


def _print(check: DatasetCheck) -> None:
    result = check.result()
    print(f"{result['dataset']}: {result['title']}, in {result['folder']}")
    for group in result["groups"]:
        published = " or ".join(f"{count:,}" for count in group["published"])
        rest = group["frames"] - group["valid"] - group["missing"]
        notes = [
            f"{count:,} {text}" for count, text in ((group["missing"], "without image"), (rest, "not valid")) if count
        ]
        print(f"  {group['name']:6} {group['frames']:>9,} of {published} frames" + "".join(f", {n}" for n in notes))
    share = result["labels_on_depth"]
    print(
        f"  {result['decoded']} images decoded, {result['broken']} broken"
        + ("" if share is None else f"; {100 * share:.0f} % of the labelled joints lie on the depth")
    )
    print(f"  {len(result['centers'])} centre files fit; what is read takes about {_amount(result['bytes'])}")
    for kind in ("errors", "warnings", "notes"):
        for message in result[kind]:
            print(f"  {kind[:-1]}: {message}")
    if check.incomplete:
        print(f"  get what is missing or broken from {result['source']}")
    print(flush=True)


def _intrinsics(name: str, values: list[float] | None) -> Intrinsics | None:
    from ..geometry.camera import Intrinsics
    from ..recorded.datasets.specs import get_spec

    if values is None:
        return None
    camera = get_spec(name).intrinsics
    fx, fy, cx, cy = values
    return Intrinsics(fx, fy, cx, cy, camera.width, camera.height)


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _count(text: str) -> int:
    """Return a number above zero; 0 for all."""
    try:
        return 0 if text == "all" else int(positive(int)(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number above zero or 'all', got '{text}'") from None
