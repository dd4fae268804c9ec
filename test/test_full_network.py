# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""`make gpu` in miniature, on a CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from v2v_ros.model import weights

PROGRAM = Path(__file__).parent.parent / "scripts" / "full_network.py"
SMALL = ["--grid", "24", "--width", "4", "--batch", "4", "--peaks", "256", "--draws", "2000", "--samples", "8"]


@pytest.mark.slow
def test_one_command_trains_a_network_with_its_refiner_and_measures_it(tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), "--minutes", "3", "--output", str(tmp_path), *SMALL]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = weights.load(tmp_path / "hand21.safetensors")
    assert loaded.config.grid == 24 and loaded.refiner is not None
    figures = [json.loads((tmp_path / f"accuracy_{name}.json").read_text()) for name in ("refiner", "peaks")]
    assert figures[0] != figures[1]
    assert (tmp_path / "hand21_joints.md").is_file() and (tmp_path / "hand21_network.md").is_file()


def test_a_training_that_fails_is_shown(tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), "--minutes", "1", "--output", str(tmp_path), "--grid", "23"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "training ended early" in done.stderr and "23" in done.stderr
