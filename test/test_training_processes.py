# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training by several processes: as the standard launcher starts them, and as the command does."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import fake_datasets
import pytest
import torch

from v2v_ros.model import weights

pytest.importorskip("pytorch_lightning")

from v2v_ros.training.config import make_config, read_config
from v2v_ros.training.losses import PoseTraining
from v2v_ros.training.synthetic_batches import Batch, held_out

OPTIONS = "--grid 16 --width 2 --batch 4 --samples 32 --validation-samples 72 --validation-interval 16 --quiet"

# Calls the command, and notes what every process saw and has in the end.
WATCHED = """
import json, sys
from pathlib import Path
import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback
from v2v_ros.cli import main

class Watch(Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.seen.append([batch.grids.flatten(1).sum(1).tolist(), batch.coordinates.nan_to_num().sum().item()])

    def on_fit_end(self, trainer, module):
        total = sum(value.double().sum().item() for value in module.network.parameters())
        note = {"seen": self.seen, "total": total, "world": trainer.world_size}
        Path(sys.argv[1], f"rank{trainer.global_rank}.json").write_text(json.dumps(note))

make = lightning.Trainer
lightning.Trainer = lambda **options: make(**{**options, "callbacks": [*options["callbacks"], Watch()]})
sys.exit(main(sys.argv[2:]))
"""


def _run(command: list[str], folder: Path) -> str:
    package = str(Path(weights.__file__).resolve().parents[2])  # the one under test, wherever this runs
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _check_output(folder: Path) -> None:
    """One run's files, whose figures are those that a single process measures of the weights."""
    assert {path.name for path in folder.glob("tiny*")} == {"tiny.safetensors", "tiny.md", "tiny_run"}
    loaded = weights.load(folder / "tiny.safetensors", "hand21")
    assert loaded.training["samples"] == 32 and loaded.training["device"].startswith("2 x ")
    assert [point["samples"] for point in json.loads((folder / "tiny_run" / "validations.json").read_text())] == [
        16,
        32,
    ]
    figures = loaded.training["held_out"]
    assert figures and all(math.isfinite(value) for value in figures.values())
    module = PoseTraining(make_config(read_config(folder / "tiny_run" / "config.json")), 1).eval()
    module.network.load_state_dict(loaded.state)
    with torch.inference_mode():  # so small a grid is trained in float32
        results = [module.measure(batch) for _, batch in held_out(module.config) if isinstance(batch, Batch)]
    again = module.summarize(*map(torch.cat, zip(*results, strict=True)))
    assert figures == pytest.approx(again, rel=1e-3, abs=1e-4)


@pytest.mark.slow
def test_two_processes_of_torchrun_see_different_samples_and_keep_the_same_weights(tmp_path: Path) -> None:
    (tmp_path / "watched.py").write_text(WATCHED)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "watched.py"]
    output = _run([*launcher, ".", "train", "--output", "tiny.safetensors", *OPTIONS.split()], tmp_path)
    assert output.count("weights: tiny.safetensors") == 1
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert first["world"] == second["world"] == 2
    assert len(first["seen"]) == len(second["seen"]) == 4
    seen = [json.dumps(batch) for batch in first["seen"] + second["seen"]]
    assert len(set(seen)) == 8
    assert first["total"] == second["total"], "gradients are shared"
    _check_output(tmp_path)


@pytest.mark.slow
def test_the_command_starts_two_processes_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "v2v_ros.cli", "train", "--output", "tiny.safetensors", "--devices", "2"]
    output = _run([*command, *OPTIONS.split()], tmp_path)
    assert output.count("weights: tiny.safetensors") == 1
    _check_output(tmp_path)


@pytest.mark.slow
def test_two_processes_share_the_frames_of_a_dataset(tmp_path: Path) -> None:
    fake_datasets.nyu(tmp_path / "nyu", train=7, test=4)
    (tmp_path / "watched.py").write_text(WATCHED)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "watched.py"]
    options = "--dataset nyu --data nyu --recipe paper --centers truth --grid 16 --width 2 --batch 2 --epochs 2 --quiet"
    _run([*launcher, ".", "train", "--output", "tiny.safetensors", *options.split()], tmp_path)
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert len(first["seen"]) == len(second["seen"]) == 4  # two epochs of seven frames, four frames a step
    assert [len(grids) for grids, _ in first["seen"]] == [len(grids) for grids, _ in second["seen"]] == [2, 2, 2, 2]
    assert not set(map(json.dumps, first["seen"])) & set(map(json.dumps, second["seen"]))
    assert first["total"] == second["total"], "gradients are shared"
    assert len(list((tmp_path / "tiny_run").glob("epoch_*.safetensors"))) == 2
