"""One training run: data, trainer, checkpoints, weights file."""

from __future__ import annotations

import logging
import math
import os
import sys
import warnings
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader

from ..io.files import write_atomically
from ..model import weights
from ..recorded.datasets.frame_set import FrameSet
from . import checkpoints
from .checkpoints import AtomicCheckpoints, LastCheckpoint, read_checkpoint
from .config import TrainingConfig
from .dataset_batches import FrameBatches, held_out_frame_parts, held_out_frames, open_frames, steps_per_epoch
from .export import Export, MovingAverage, check_new, clear, run_folder
from .lock import held
from .losses import Training, make_training
from .optimisation import flushed_denormals
from .pace import Pace
from .pictures import Pictures
from .precision import choose_precision
from .synthetic_batches import Batch, CenterBatch, SyntheticData, held_out, held_out_parts

_LOG = logging.getLogger(__name__)
_CHECKPOINT_STEPS = 500
# Of a resumed run these are as they were; the others may change.
_KEPT = (
    *("skeleton", "network", "grid", "width", "depth", "sigma", "batch", "seed"),
    *("dataset", "test_subject", "recipe", "centers"),
)


class _Data(lightning.LightningDataModule):
    """Every process's share of the data, from where the run is.

    Args:
        frames: Of a dataset, to train and to validate on; None: synthetic data.
    """

    def __init__(self, config: TrainingConfig, frames: tuple[FrameSet, FrameSet] | None) -> None:
        super().__init__()
        self.config, self.frames = config, frames
        self._held_out: list[tuple[int, Batch | CenterBatch]] = []

    def train_dataloader(self) -> DataLoader[Batch | CenterBatch]:
        trainer, workers = self.trainer, self.config.workers
        assert trainer is not None
        rank, processes, step = trainer.global_rank, trainer.world_size, trainer.global_step
        data: SyntheticData | FrameBatches
        if self.frames is None:
            device = "cpu" if workers else trainer.strategy.root_device
            data = SyntheticData(self.config, device, rank=rank, processes=processes, first_step=step)
        else:
            data = FrameBatches(self.config, self.frames[0], rank=rank, processes=processes, first_step=step)
        return DataLoader(data, batch_size=None, num_workers=workers, pin_memory=workers > 0 and _has_gpu())

    def val_dataloader(self) -> DataLoader[Any]:
        assert self.trainer is not None
        if not self._held_out:
            rank, processes = self.trainer.global_rank, self.trainer.world_size
            self._held_out = (
                held_out(self.config, rank=rank, processes=processes)
                if self.frames is None
                else held_out_frames(self.config, self.frames[1], rank=rank, processes=processes)
            )
        return DataLoader(self._held_out, batch_size=None)  # type: ignore[arg-type]


class _Bar(TQDMProgressBar):
    """A progress bar over the whole run, which is one epoch without end."""

    @property
    def total_train_batches(self) -> int | float:
        return self.trainer.max_steps if self.trainer.max_steps < sys.maxsize else math.inf


def train(
    config: TrainingConfig,
    output: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    start: str | Path | None = None,
    devices: int = 1,
    nodes: int = 1,
    progress: bool = True,
) -> dict[str, float]:
    """Train and write a weights file and its model card.

    Beside them, in a folder of the same name with ``_run`` added, lie the run's configuration, its figures as CSV and
    for TensorBoard, and the last checkpoint. Under ``torchrun``, every process calls this, and ``devices`` and
    ``nodes`` follow its settings; only the first process writes files.

    Args:
        output: The weights file to write.
        resume: Go on from the last checkpoint of the same run.
        overwrite: Start anew where there is a run already; what it left in its folder is removed.
        start: Name or path of weights to start from. Another number of joints is taken: that layer starts anew.
        devices: GPUs of this machine to train on, or processes where there is no GPU.
        nodes: Machines.
        progress: Show a progress bar.

    Returns:
        The figures on the held-out set; the same in all processes.

    Raises:
        ValueError: A number is out of its range, the output has another suffix, an earlier run has left its files
            there, another process is at work there, there is no checkpoint to resume from or it is of another run, the
            weights to start from do not fit, or the dataset cannot be used.
        RuntimeError: The gradient was not finite for many steps in a row.
    """
    if output.suffix != weights.SUFFIX:
        raise ValueError(f"'{output}': choose a name that ends in {weights.SUFFIX}")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    processes = devices * nodes
    folder = run_folder(output)
    last = folder / checkpoints.NAME
    done = -1
    if resume:
        done = _check_checkpoint(last, config, processes)
    elif not overwrite:
        # In every process: none writes before all have come together.
        check_new(output)
    frames = open_frames(config) if config.dataset else None
    steps = max(1, config.samples // (config.batch * processes)) if config.samples else sys.maxsize
    interval = max(1, min(steps, config.validation_interval // (config.batch * processes)))
    if frames is not None and config.epochs:
        interval = steps_per_epoch(config, frames[0], processes)
        steps = config.epochs * interval
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

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    average, pace = MovingAverage(config.decay), Pace()
    precision, note = choose_precision(config.precision, config.grid, "cuda" if _has_gpu() else "cpu")
    export = Export(
        replace(config, precision=precision),
        output,
        average,
        pace,
        "" if start is None else Path(start).name,
        frames and frames[0],
        interval if config.recipe == "paper" and config.epochs else 0,
    )
    # The CSV logger empties its folder: a resumed run gets one of its own.
    version = f"resumed_{len(list(folder.glob('resumed_*'))) + 1}" if resume else ""
    keeper = LastCheckpoint(folder, min(_CHECKPOINT_STEPS, interval), interval)
    trainer = lightning.Trainer(
        accelerator="gpu" if _has_gpu() else "cpu",
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if processes > 1 else "auto",
        use_distributed_sampler=False,
        max_epochs=-1,
        max_steps=steps,
        precision=precision,  # type: ignore[arg-type]
        val_check_interval=interval,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=min(20, steps),
        logger=[
            CSVLogger(folder, name=None, version=version, flush_logs_every_n_steps=20),
            TensorBoardLogger(folder, "tensorboard", ""),
        ],
        plugins=[AtomicCheckpoints()],
        callbacks=[
            keeper,
            pace,
            average,
            Pictures(),
            export,
            *([_Bar(refresh_rate=10)] if progress else []),
        ],
        enable_progress_bar=progress,
        enable_model_summary=False,
    )
    with ExitStack() as stack:
        if trainer.is_global_zero:
            stack.enter_context(held(folder, resumed=resume, samples_per_step=config.batch * processes))
            if note:
                _LOG.warning("%s", note)
            if done >= steps:
                more = "--epochs" if config.epochs else "--samples"
                _LOG.warning(
                    "the run in '%s' was at its end, nothing was left to do: to go on, give more %s", folder, more
                )
            if not resume:
                clear(folder)
            write_atomically(folder / "config.json", config.to_json().encode())
        torch.set_float32_matmul_precision("high")
        data = _Data(config, frames)
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(flushed_denormals())
        if processes == 1:
            stack.enter_context(keeper.ends_after_a_step())
        # Of folders that are not empty, since they are ours, and of Lightning's own future.
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\.")
        # Only our own checkpoint of this run is read, and it holds nothing but tensors and numbers.
        trainer.fit(module, datamodule=data, ckpt_path=last if resume else None, weights_only=True)
        if export.exported_step != trainer.global_step:
            trainer.validate(module, datamodule=data, verbose=False)
    return module.figures


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
        _LOG.warning("the last layer of '%s' is for other joints and starts anew", name)
    module.network.load_state_dict({**own, **{key: value for key, value in state.items() if key not in wrong}})


def _shape(state: dict[str, torch.Tensor], key: str) -> tuple[int, ...] | None:
    return tuple(state[key].shape) if key in state else None


def _check_checkpoint(path: Path, config: TrainingConfig, processes: int) -> int:
    """Return the step that the run to resume has come to."""
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


def _has_gpu() -> bool:
    return torch.cuda.is_available()
