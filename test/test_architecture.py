# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The rooms of the package, and the arrows between them (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "v2v_ros"
ARROWS = {
    "geometry": "",
    "io": "geometry",
    "synthetic": "geometry",
    "model": "io geometry",
    "estimator": "model io geometry",
    "recorded": "estimator io geometry",
    "viewer": "estimator recorded synthetic io geometry",
    "nodes": "estimator model synthetic io geometry",
    "evaluation": "estimator model recorded synthetic io geometry",
    "training": "evaluation recorded model synthetic io geometry",
    "benchmark": "nodes evaluation estimator model synthetic io geometry",
    "cli": "benchmark training evaluation nodes viewer recorded estimator model synthetic io geometry",
}
ROS = ("nodes", "benchmark/rig", "benchmark/soak", "benchmark/ros.py")  # may import rclpy


def imported(path: Path, text: str) -> set[str]:
    """Full names of the modules that a file of the package imports; of ``from a import b`` both a and a.b."""
    package = ("v2v_ros", *path.parent.parts)
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join((*package[: len(package) - node.level + 1], *filter(None, [node.module])))
            base = base if node.level else node.module or ""
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def broken(path: Path, text: str) -> list[str]:
    """List what a file, named from the package, imports although its room may not."""
    room = path.parts[0]
    rooms = {name.split(".")[1] for name in imported(path, text) if name.startswith("v2v_ros.")} & set(ARROWS)
    found = [f"{room} -> {other}" for other in sorted(rooms - {room}) if other not in ARROWS[room].split()]
    if any(name.split(".")[0] == "rclpy" for name in imported(path, text)) and not path.as_posix().startswith(ROS):
        found.append("rclpy")
    return found


def sources() -> list[Path]:
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


@pytest.mark.parametrize("path", sources(), ids=str)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    assert broken(path, (PACKAGE / path).read_text(encoding="utf-8")) == []


def test_the_page_shows_the_arrows() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\w, ]*)\|$", page, re.MULTILINE)
    assert {room: set(arrows.replace(",", "").split()) for room, arrows in rows} == {
        room: set(arrows.split()) for room, arrows in ARROWS.items()
    }


def test_every_folder_is_a_room() -> None:
    assert {path.parts[0] for path in sources()} == set(ARROWS)
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "camera.py"}


@pytest.mark.parametrize(
    ("path", "line", "found"),
    [
        ("geometry/camera.py", "from ..model.voxels import occupancy", ["geometry -> model"]),
        ("estimator/tracking/track.py", "from ...synthetic import render", ["estimator -> synthetic"]),
        ("evaluation/tracks.py", "from .. import nodes", ["evaluation -> nodes"]),
        ("nodes/pose/worker.py", "def late():\n    import v2v_ros.training.train", ["nodes -> training"]),
        ("estimator/search.py", "import rclpy.node", ["rclpy"]),
        ("benchmark/rig/demo.py", "import rclpy", []),
        ("nodes/pose/worker.py", "from ..support import process", []),
    ],
)
def test_a_broken_arrow_is_found(path: str, line: str, found: list[str]) -> None:
    assert broken(Path(path), line) == found
