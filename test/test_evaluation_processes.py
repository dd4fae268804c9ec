# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Evaluation shared by several processes: the same figures, whoever did what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_datasets
import pytest

from v2v_ros.model import weights

_OF_THE_CLOCK = ("ms_per_crop", "ms_per_image")


def _run(arguments: list[str], folder: Path, processes: int) -> tuple[str, dict[str, Any]]:
    package = str(Path(weights.__file__).resolve().parents[2])  # the one under test, wherever this runs
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    figures = folder / f"figures{processes}.json"
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "v2v_ros.cli", *arguments]
    done = subprocess.run(
        [*command, "--json", str(figures), "--quiet"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(figures.read_text())


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(each) for key, each in value.items() if key not in _OF_THE_CLOCK}
    return value


def test_a_dataset_is_evaluated_alike_by_one_process_and_by_two(
    make_weights: Callable[..., Path], tmp_path: Path
) -> None:
    fake_datasets.nyu(tmp_path / "nyu", train=1, test=19)
    path = make_weights(skeleton="hand14")
    arguments = ["evaluate", "dataset", "nyu", "--data", "nyu", "--weights", str(path), "--centers", "truth"]
    (printed, alone), (again, shared) = (_run(arguments, tmp_path, processes) for processes in (1, 2))
    assert printed == again and alone == shared
    assert alone["results"]["v2v_ros"]["frames"] == 19 and "V2V-PoseNet" in printed


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hand_crops_1", "hand_images_1", "hand_empty_1"])
def test_synthetic_sets_are_evaluated_alike_by_one_process_and_by_two(
    make_weights: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    arguments = ["evaluate", "synthetic", "--test-set", name, "--samples", "20", "--weights", str(make_weights())]
    figures = [_run(arguments, tmp_path, processes)[1] for processes in (1, 2)]
    assert _without_times(figures[0]) == _without_times(figures[1])
    assert figures[0]["test_sets"][name]["samples"] == 20 and figures[0]["test_sets"][name]["recorded"]
