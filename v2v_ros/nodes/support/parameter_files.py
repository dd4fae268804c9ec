# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Parameter files whose entries are for other nodes: ROS passes over them without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import yaml

_WILDCARDS = {"**": ".*", "*": "[^/]+"}


def files_for_others(arguments: Sequence[str], name: str) -> Iterator[str]:
    """Yield a warning for every parameter file on the command line that has entries, but none for this node.

    A file that ``ros2 param dump`` wrote of a node in another namespace is one, as is one for another node's name.

    Args:
        arguments: Command line of the process.
        name: Full name of the node, such as ``/robot/hand_pose``.
    """
    for option, path in pairwise(arguments):
        if option != "--params-file":
            continue
        with open(path, encoding="utf-8-sig") as file:
            keys = list(_node_names(yaml.safe_load(file)))
        if keys and not any(_pattern(key).fullmatch(name) for key in keys):
            yield (
                f"the parameter file '{path}' has nothing for this node, {name}, only for {', '.join(keys)}: "
                f"write '{name}' or '/**' there, or start the node under that name and namespace"
            )


def _node_names(tree: Any, before: str = "") -> Iterator[str]:
    """Yield the names of nodes with parameters, which may be nested by namespace."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        name = f"{before}/{str(key).strip('/')}"
        if isinstance(value, dict) and "ros__parameters" in value:
            yield name
        else:
            yield from _node_names(value, name)


def _pattern(key: str) -> re.Pattern[str]:
    """Return what a key with ROS's wildcards matches: ``*`` one part of a name, ``**`` any number of them."""
    parts = (_WILDCARDS.get(part, re.escape(part)) for part in key.strip("/").split("/"))
    return re.compile("/" + "/".join(parts).replace(".*/", "(.*/)?"))
