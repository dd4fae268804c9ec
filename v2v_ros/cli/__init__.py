# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The command line: ``v2v demo | predict | evaluate | train | data | import | export | ...``, a module for each."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import __version__
from . import (
    benchmark,
    data,
    demo,
    evaluate,
    export,
    frontier,
    import_weights,
    info,
    predict,
    representations,
    runs,
    soak,
    train,
    view,
)
from .common import CommandError
from .old_spellings import new_spelling

__all__ = ["main"]

_DESCRIPTION = """Metric 3D skeletons of hands and bodies from depth images, with V2V-PoseNet.

Start with 'v2v demo' (needs ROS 2), or 'v2v predict FRAMES.json --output OUT.json' (does not)."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 1 it failed, 2 wrong usage, 130 interrupted, 141 nobody reads."""
    try:
        with _interruptible():
            try:
                return _run(arguments)
            finally:
                sys.stdout.flush()
    except BrokenPipeError:
        # As in 'v2v ... | head'. What is still to be written must not fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell says of a command that SIGPIPE ended


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, so that it ends the processes that it started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str] | None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    spelling = new_spelling(words)
    if spelling is not None:
        print(f"v2v {words[0]}: error: write: {spelling}", file=sys.stderr)
        return 2
    parser = _parser()
    options = parser.parse_args(words)
    logging.basicConfig(level=logging.WARNING, format="v2v: %(message)s")
    try:
        try:
            figures: dict[str, Any] | None = options.command(options)
        except CommandError as error:
            _write(options.json, error.figures)
            raise
        _write(options.json, figures)
    except KeyboardInterrupt:
        print("v2v: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except (CommandError, ValueError, OSError, RuntimeError) as error:
        if options.verbose:
            raise
        print(f"v2v {options.name}: error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if options.verbose:
            raise
        print(f"v2v {options.name}: error: {_missing(error)}", file=sys.stderr)
        return 1
    return 0


def _write(path: Path | None, figures: dict[str, Any] | None) -> None:
    if path is not None and figures is not None:
        from ..io.files import write_json

        write_json(path, figures)


def _missing(error: ModuleNotFoundError) -> str:
    module = (error.name or str(error)).split(".")[0]
    if module == "rclpy" or (error.name or "").startswith("v2v_ros.msg"):
        return "this command needs ROS 2 with v2v_ros built in it: 'make setup', then 'scripts/env v2v ...'"
    packages = {"PIL": "pillow", "pytorch_lightning": "pytorch-lightning"}
    return f"the Python module '{module}' is missing: pip install {packages.get(module, module)}"


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("v2v", description=_DESCRIPTION, formatter_class=form)
    parser.add_argument("--version", action="version", version=f"v2v_ros {__version__}")
    commands = parser.add_subparsers(title="commands", dest="name", required=True, metavar="COMMAND")
    for module in (
        demo,
        view,
        predict,
        evaluate,
        train,
        runs,
        data,
        representations,
        frontier,
        import_weights,
        export,
        benchmark,
        soak,
        info,
    ):
        module.add(commands)
    return parser
