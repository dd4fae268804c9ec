# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The trainer of all Lightning modules: how it is made, and how it runs to its end."""

from __future__ import annotations

import logging
import math
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, TQDMProgressBar
from pytorch_lightning.loggers import Logger

from .checkpoints import AtomicCheckpoints, LastCheckpoint
from .losses import Training
from .optimisation import flushed_denormals

_CHECKPOINT_STEPS = 500


class _Bar(TQDMProgressBar):
    """A progress bar over the whole run, which is one epoch without end."""

    @property
    def total_train_batches(self) -> int | float:
        return self.trainer.max_steps if self.trainer.max_steps < sys.maxsize else math.inf


def make_trainer(
    folder: Path,
    *,
    steps: int,
    interval: int,
    precision: str,
    accelerator: str,
    devices: int | list[int] = 1,
    nodes: int = 1,
    callbacks: list[Callback],
    loggers: list[Logger],
    progress: bool,
) -> lightning.Trainer:
    """Return a trainer, which keeps the last checkpoint of its run.

    Args:
        folder: Folder of the run, where the checkpoint is written.
        steps: Number of steps, those of a run that is resumed included.
        interval: Steps between two validations.
        precision: Precision to train in, by Lightning's name.
        accelerator: ``cpu`` or ``gpu``.
        devices: Number of devices or processes on this machine, or the indices of the GPUs.
        nodes: Number of machines.
        callbacks: Callbacks besides the one that writes the checkpoint.
        loggers: Loggers that keep the figures.
        progress: Whether to show a progress bar.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    keeper = LastCheckpoint(folder, min(_CHECKPOINT_STEPS, interval), interval)
    processes = nodes * (devices if isinstance(devices, int) else len(devices))
    return lightning.Trainer(
        accelerator=accelerator,
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
        logger=loggers,
        plugins=[AtomicCheckpoints()],
        callbacks=[keeper, *callbacks, *([_Bar(refresh_rate=10)] if progress else [])],
        enable_progress_bar=progress,
        enable_model_summary=False,
    )


def fit(
    trainer: lightning.Trainer, module: Training, data: lightning.LightningDataModule, checkpoint: Path | None
) -> None:
    """Train to the last step, and validate what was not validated since.

    SIGINT and SIGTERM end the run of a single process after a step, whose checkpoint is written.

    Args:
        trainer: Trainer from :func:`make_trainer`.
        module: Module to train.
        data: Batches to train on and to validate on.
        checkpoint: Checkpoint of the same run to go on from; None: the run begins.

    Raises:
        RuntimeError: The gradient was not finite for many steps in a row.
        KeyboardInterrupt: The run was interrupted.
    """
    torch.set_float32_matmul_precision("high")
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(flushed_denormals())
        if trainer.world_size == 1:
            assert isinstance(trainer.checkpoint_callback, LastCheckpoint)
            stack.enter_context(trainer.checkpoint_callback.ends_after_a_step())
        # Of folders that are not empty, since they are ours, and of Lightning's own future.
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\.")
        # Only our own checkpoint of this run is read, and it holds nothing but tensors and numbers.
        try:
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            if module.validated_step != trainer.global_step:
                trainer.validate(module, datamodule=data, verbose=False)
        except SystemExit as end:  # what Lightning makes of an interruption
            raise KeyboardInterrupt from end
