# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the commands share: how they are declared, their usual options, and how they print."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ..estimator import PoseEstimator

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
DEFAULT_SKELETON = "hand21"
READ_OUTS = ("auto", "refiner", "peaks")  # as in v2v_ros.model.read_out, which takes longer to import
FILTERS = ("none", "kalman", "one_euro")  # as in v2v_ros.estimator.tracking.filters, likewise


class CommandError(Exception):
    """A command cannot be carried out; the message is all that the user needs to see.

    Attributes:
        figures: Figures that ``--json`` writes all the same; None for nothing.
    """

    def __init__(self, message: str, figures: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.figures = figures


def command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], dict[str, Any] | None],
    text: str,
    example: str,
    details: str = "",
) -> argparse.ArgumentParser:
    """Declare a command with the options that all have.

    Args:
        commands: The parser's list of commands.
        name: Name of the command.
        run: Function that carries it out, and returns the figures that ``--json`` writes.
        text: Sentence that says what it does.
        example: One example of a call, or more.
        details: Text that its own help shows below that sentence.
    """
    sub = commands.add_parser(
        name,
        help=text,
        description=f"{text}\n\n{details}" if details else text,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.set_defaults(command=run)
    sub.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
    sub.add_argument("--quiet", action="store_true", help="no progress bar")
    sub.add_argument("--verbose", action="store_true", help="show the whole trace of an error")
    return sub


def command_group(
    commands: Commands, name: str, modules: Sequence[ModuleType], text: str, example: str
) -> argparse.ArgumentParser:
    """Declare a command that has commands of its own, and by itself lists them.

    Args:
        commands: The parser's list of commands.
        name: Name of the command.
        modules: Modules of its commands, each with a function ``add``.
        text: Sentence that says what it is for.
        example: One example of a call, or more.
    """
    form = argparse.RawDescriptionHelpFormatter
    sub = commands.add_parser(name, help=text, description=text, epilog=f"example:\n  {example}", formatter_class=form)
    own = sub.add_subparsers(title="commands", dest="subcommand", metavar="COMMAND")

    def list_commands(_: argparse.Namespace) -> None:
        sub.print_help()
        raise SystemExit(2)  # nothing was done, which a script must notice

    sub.set_defaults(command=list_commands)
    for module in modules:
        module.add(own)
    for own_name, parser in own.choices.items():
        parser.set_defaults(name=f"{name} {own_name}")  # errors begin with it
    return sub


def network_options(
    sub: argparse.ArgumentParser, *, several: bool = False, required: bool = False, read_out: bool = True
) -> None:
    """Add ``--weights``, ``--device``, ``--runtime``, ``--threads`` and ``--read-out``.

    Args:
        sub: The command's parser.
        several: Whether weights are a list.
        required: Whether weights must be named.
        read_out: Whether to add ``--read-out``.
    """
    text = "name of shipped weights or path of a file" + ("" if required else " (default: see 'v2v info')")
    sub.add_argument("--weights", nargs="+" if several else None, required=required, metavar="WEIGHTS", help=text)
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    text = "what runs the network: auto, torch, openvino or onnxruntime (default: auto)"
    sub.add_argument("--runtime", default="auto", help=text)
    if read_out:
        text = "how joints are read off the heatmaps: peaks (each by itself), refiner, or auto: refiner where there is"
        sub.add_argument("--read-out", choices=READ_OUTS, default="auto", help=f"{text} one (default: auto)")
    text = "CPU threads for the network; 0: as many as the runtime sees fit (default: 0)"
    sub.add_argument("--threads", type=int, default=0, metavar="N", help=text)


def make_estimator(options: argparse.Namespace, source: str, **more: Any) -> PoseEstimator:
    """Make an estimator with weights, as :func:`network_options` ask; ``more`` goes to it as it is."""
    from ..estimator import PoseEstimator

    return PoseEstimator(
        source,
        device=options.device,
        runtime=options.runtime,
        threads=options.threads,
        read_out=options.read_out,
        **more,
    )


def folder(text: str) -> Path:
    """Argument type for a folder to write into, which need not be there."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"names a folder, but '{path}' is a file: choose another name")
    return path


def write_figures(folder: Path, name: str, text: str, figures: dict[str, Any], plot: Callable[[Path], object]) -> None:
    """Write a report as ``name.txt``, ``name.json`` and, where matplotlib is installed, ``name.png``."""
    from ..evaluation.reports import plots
    from ..io.files import write_atomically, write_json

    write_atomically(folder / f"{name}.txt", (text + "\n").encode())
    write_json(folder / f"{name}.json", figures)
    plots.say_what_is_missing()
    if plots.available():
        plot(folder / f"{name}.png")


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Argument type for numbers above zero."""

    def parse(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"must be above zero, got {text}")
        return value

    parse.__name__ = "number"
    return parse


def print_rows(rows: list[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name:{width}}  {value}")
