"""``v2v data``: commands for the folder of a dataset."""

from __future__ import annotations

import argparse

from . import data_cache, data_centers, data_check
from .common import Commands


def add(commands: Commands) -> None:
    """Add the command, with commands of its own, to the parser."""
    text = "Look after the folder of a dataset: check it, cache it, find the centres of its cubes (docs/datasets.md)."
    example = (
        "example:\n  v2v data check NYU/\n  v2v data cache NYU/ --dataset nyu --output cache/\n  v2v data check --help"
    )
    form = argparse.RawDescriptionHelpFormatter
    sub = commands.add_parser("data", help=text, description=text, epilog=example, formatter_class=form)
    own = sub.add_subparsers(title="commands", dest="subcommand", required=True, metavar="COMMAND")
    for module in (data_check, data_cache, data_centers):
        module.add(own)
    for name, parser in own.choices.items():
        parser.set_defaults(name=f"data {name}")  # what errors begin with
