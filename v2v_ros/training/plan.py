# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What is decided before a run begins: its length, its network and where it starts from. Nothing is written yet."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytorch_lightning as lightning
import torch

from ..model import weights
from ..recorded.datasets.frame_set import FrameSet
from . import checkpoints
from .checkpoints import read_checkpoint
from .config import TrainingConfig
from .dataset_batches import held_out_frame_parts, open_frames, steps_per_epoch
from .export import check_new, run_folder
from .losses import Training, make_training
from .precision import choose_precision
from .synthetic_batches import held_out_parts

_LOG = logging.getLogger(__name__)
# Of a resumed run these are as they were; the others may change.
_KEPT = (
    *("skeleton", "network", "grid", "width", "depth", "sigma", "batch", "seed"),
    *("dataset", "test_subject", "recipe", "centers"),
)


@dataclass(frozen=True)
class TrainingPlan:
    """A run that can begin.

    Attributes:
        config: Configuration of the run.
        output: Weights file to write.
        module: Network to train, with its first weights, and how it is trained.
        frames: Frames of a dataset, to train on and to validate on; None: synthetic data.
        steps: Number of steps, those of a run that is resumed included.
        interval: Steps between two validations.
        devices: GPUs of this machine, or processes where there is no GPU.
        nodes: Number of machines.
        precision: Lightning's name of the precision to train in.
        resume: Whether the run goes on from its last checkpoint.
        start: Name of the weights that it starts from, or an empty string.
        notes: Sentences for the log.
    """

    config: TrainingConfig
    output: Path
    module: Training
    frames: tuple[FrameSet, FrameSet] | None
    steps: int
    interval: int
    devices: int
    nodes: int
    precision: str
    resume: bool
    start: str
    notes: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Folder of the run's files."""
        return run_folder(self.output)

    @property
    def checkpoint(self) -> Path | None:
        """Checkpoint to go on from, or None."""
        return self.folder / checkpoints.NAME if self.resume else None

    @property
    def processes(self) -> int:
        """Number of processes that train together."""
        return self.devices * self.nodes


def make_plan(
    config: TrainingConfig,
    output: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    start: str | Path | None = None,
    devices: int = 1,
    nodes: int = 1,
) -> TrainingPlan:
    """Check what is asked for, and make the network; the arguments are those of :func:`~v2v_ros.training.train.train`.

    Raises:
        ValueError: The output has another suffix, an earlier run has left its files there, there is no checkpoint to
            resume from or it is of another run, the held-out set is too small for the processes, the weights to start
            from do not fit, or the dataset cannot be used.
    """
    if output.suffix != weights.SUFFIX:
        raise ValueError(f"'{output}': choose a name that ends in {weights.SUFFIX}")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    processes = devices * nodes
    done = -1
    if resume:
        done = _check_checkpoint(run_folder(output) / checkpoints.NAME, config, processes)
    elif not overwrite:
        # In every process: none writes before all have come together.
        check_new(output)
    frames = open_frames(config) if config.dataset else None
    steps, interval = _length(config, frames and frames[0], processes)
    parts = held_out_parts(config) if frames is None else held_out_frame_parts(frames[1])
    if parts < processes:
        raise ValueError(
            f"the held-out set is of {parts} parts, too few for {processes} processes to have one each: give more "
            f"--validation-samples than {config.validation_samples}, or start fewer processes"
        )
    lightning.seed_everything(config.seed % 2**32, verbose=False)
    module = make_training(config, steps, processes)
    if start is not None and not resume:
        start_from(module, start)
    precision, note = choose_precision(config.precision, config.grid, "cuda" if torch.cuda.is_available() else "cpu")
    at_end = ""
    if done >= steps:
        more = "--epochs" if config.epochs else "--samples"
        at_end = f"the run in '{run_folder(output)}' was at its end, nothing was left to do: to go on, give more {more}"
    return TrainingPlan(
        config=config,
        output=output,
        module=module,
        frames=frames,
        steps=steps,
        interval=interval,
        devices=devices,
        nodes=nodes,
        precision=precision,
        resume=resume,
        start="" if start is None else Path(start).name,
        notes=tuple(filter(None, (note, at_end))),
    )


def start_from(module: Training, name: str | Path) -> None:
    """Take over the weights of a file; the last layer only where it has as many joints.

    Raises:
        WeightsError: The file cannot be used.
        ValueError: The networks differ in more than their joints.
    """
    load = weights.load_center if module.config.network == "center" else weights.load
    state = dict(load(name).state)
    own = module.network.state_dict()
    last = {key for key in own if key.startswith("back.3.")}
    wrong = sorted(key for key in own.keys() | state.keys() if _shape(own, key) != _shape(state, key))
    if set(wrong) - last:
        raise ValueError(
            f"weights '{name}' do not fit the network to train: '{wrong[0]}' is {_shape(state, wrong[0])} there and "
            f"{_shape(own, wrong[0])} here; choose the same --network, --width and --depth "
            "(and --grid for a centre network)"
        )
    if wrong:
        _LOG.warning("the last layer of '%s' is for other joints and starts from random numbers", name)
    module.network.load_state_dict({**own, **{key: value for key, value in state.items() if key not in wrong}})


def _length(config: TrainingConfig, frames: FrameSet | None, processes: int) -> tuple[int, int]:
    """Return the number of steps of a run, and of those between two validations."""
    together = config.batch * processes
    if frames is not None and config.epochs:
        epoch = steps_per_epoch(config, frames, processes)
        return config.epochs * epoch, epoch
    steps = max(1, config.samples // together) if config.samples else sys.maxsize
    return steps, max(1, min(steps, config.validation_interval // together))


def _shape(state: dict[str, torch.Tensor], key: str) -> tuple[int, ...] | None:
    return tuple(state[key].shape) if key in state else None


def _check_checkpoint(path: Path, config: TrainingConfig, processes: int) -> int:
    """Return the step that the run to resume has come to.

    Raises:
        ValueError: There is no checkpoint, or it is of another run.
    """
    if not path.is_file():
        raise ValueError(f"there is no checkpoint to resume from at '{path}'; start without --resume")
    checkpoint = read_checkpoint(path)
    run = checkpoint["run"]
    now = {**asdict(config), "processes": processes}
    for name in (*_KEPT, "processes"):
        if run.get(name) != now[name]:
            raise ValueError(
                f"the run to resume at '{path}' has {name} {run.get(name)}, not {now[name]}: resume it with the same, "
                "or start a new run from its weights with --from"
            )
    return int(checkpoint["global_step"])
