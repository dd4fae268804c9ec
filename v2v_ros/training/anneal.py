# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The copy of a run whose learning rate falls to zero, while the run itself goes on at its constant rate.

Weights that are learned at a high rate jitter about where they should be: a short fall of the rate settles them, but
whoever has let it fall cannot go on from there as well as before. So a copy is annealed whenever weights are to be
shipped (docs/decisions/0015-schedule-without-end.md).
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ..io.files import write_atomically, write_json
from ..model import weights
from . import checkpoints, lock
from .checkpoints import read_checkpoint
from .config import TrainingConfig, make_config, resumed_values
from .export import VALIDATIONS, check_new, clear, run_folder

SAMPLES = 8_000
# What may be another in the copy.
CHANGEABLE = (
    *("samples", "decay", "clip", "precision", "half", "workers"),
    *("validation_samples", "validation_interval", "data", "cache"),
)
_AVERAGED = 0.1  # share of the fall; a longer average would hold on to the weights before it


def copy_run(source: Path, output: Path, given: dict[str, Any], *, overwrite: bool = False) -> TrainingConfig:
    """Lay the copy of a run beside new weights, ready to be resumed to the end of its learning rate.

    The run is only read, and may go on meanwhile. The copy starts from its last checkpoint: weights, their average, the
    optimizer's state. It is for one process, which takes the batch that all processes of the run took together.

    Args:
        source: Weights file, folder or checkpoint of the run.
        output: Weights file to write.
        given: Values of the copy's configuration that differ from the run's; ``samples`` is the length of the fall.
        overwrite: Whether to remove the files of an earlier run under the output's name.

    Returns:
        The copy's configuration, to be resumed with.

    Raises:
        ValueError: The run has no checkpoint, its rate cannot fall, or it is the output itself; a value must not
            differ; an earlier run has left its files there, or is going on.
        OSError: A file cannot be read or written.
    """
    if wrong := sorted(given.keys() - set(CHANGEABLE)):
        raise ValueError(f"--anneal goes on with a run as it is: leave --{wrong[0].replace('_', '-')} out")
    path = _checkpoint(source)
    folder = run_folder(output)
    if path.parent.resolve() == folder.resolve():
        raise ValueError(f"'{output}' is the run that is to be annealed: choose another --output for its copy")
    checkpoint = read_checkpoint(path)
    config = _copied_config(checkpoint, path.parent.name.removesuffix("_run"), given)
    checkpoint["run"] = {**asdict(config), "processes": 1}
    # What the run's own writer of checkpoints knows of its files.
    callbacks = checkpoint["callbacks"]
    checkpoint["callbacks"] = {name: state for name, state in callbacks.items() if "Checkpoint" not in name}
    content = io.BytesIO()
    torch.save(checkpoint, content)
    curve = _curve(path.parent, config.anneal_step * config.batch)

    if not overwrite:
        check_new(output)
    elif lock.holder(folder)[1]:
        raise ValueError(f"a process is training in '{folder}': end it first")
    clear(folder)
    (folder / lock.NAME).unlink(missing_ok=True)
    write_atomically(folder / "config.json", config.to_json().encode())
    if curve:
        write_json(folder / VALIDATIONS, curve, allow_nan=True)
    write_atomically(folder / checkpoints.NAME, content.getvalue())
    return config


def _checkpoint(source: Path) -> Path:
    """Return a run's checkpoint, by any of its names."""
    if source.suffix == weights.SUFFIX:
        source = run_folder(source)
    path = source if source.suffix == ".ckpt" else source / checkpoints.NAME
    if not path.is_file():
        raise ValueError(f"there is no checkpoint of a run at '{path}': the run writes its first after 500 steps")
    return path


def _copied_config(checkpoint: dict[str, Any], name: str, given: dict[str, Any]) -> TrainingConfig:
    """Return the configuration of the copy of a run of that name."""
    run, step = dict(checkpoint["run"]), int(checkpoint["global_step"])
    processes = run.pop("processes", 1)
    run = resumed_values(run)
    if run["recipe"] == "paper":
        raise ValueError("the paper's recipe has a constant learning rate, its weights are used as they are")
    if run["schedule"] == "anneal":
        raise ValueError(f"'{name}' is an annealed copy itself: anneal the run '{run['annealed']}' that it is of")
    rate = float(checkpoint["optimizer_states"][0]["param_groups"][0]["lr"])
    if not rate > 0.01 * run["learning_rate"]:
        raise ValueError(
            f"the learning rate of '{name}' has fallen already, from {run['learning_rate']} to {rate:.2g}: "
            "its weights can be shipped as they are"
        )
    batch = run["batch"] * processes
    steps = max(1, given.get("samples", SAMPLES) // batch)
    return make_config(
        {
            **run,
            "batch": batch,
            "learning_rate": rate,
            # Of the last tenth of the fall, where the rate is a twentieth of the highest on average.
            "decay": min(run["decay"], max(0.0, 1 - 1 / (_AVERAGED * steps))),
            "epochs": 0,
            **given,
            "samples": (step + steps) * batch,
            "schedule": "anneal",
            "anneal_step": step,
            "annealed": name,
        }
    )


def _curve(folder: Path, samples: int) -> list[dict[str, float]]:
    """Return the run's validations up to a number of samples; none where it left no record of them."""
    try:
        curve = json.loads((folder / VALIDATIONS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [point for point in curve if point["samples"] <= samples]
