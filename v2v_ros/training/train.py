# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""One run of ``v2v train``: a plan, the trainer, and what a run leaves behind."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from ..io.files import write_atomically
from .config import TrainingConfig
from .data import TrainingData
from .export import Export, MovingAverage, clear
from .lock import held
from .pace import Pace
from .pictures import Pictures
from .plan import TrainingPlan, make_plan
from .trainer import fit, make_trainer

_LOG = logging.getLogger(__name__)


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
        config: Configuration of the run.
        output: Weights file to write.
        resume: Whether to go on from the last checkpoint of the same run.
        overwrite: Whether to replace an earlier run of this output; its files in the run's folder are removed.
        start: Name or path of weights to start from. They may be for other joints: the last layer then starts from
            random numbers.
        devices: GPUs of this machine to train on, or processes where there is no GPU.
        nodes: Number of machines.
        progress: Whether to show a progress bar.

    Returns:
        The figures on the held-out set; the same in all processes.

    Raises:
        ValueError: A number is out of its range, the output has another suffix, an earlier run has left its files
            there, another process is at work there, there is no checkpoint to resume from or it is of another run, the
            weights to start from do not fit, or the dataset cannot be used.
        RuntimeError: The gradient was not finite for many steps in a row.
        KeyboardInterrupt: The run was interrupted.
    """
    plan = make_plan(config, output, resume=resume, overwrite=overwrite, start=start, devices=devices, nodes=nodes)
    return _run(plan, progress)


def _run(plan: TrainingPlan, progress: bool) -> dict[str, float]:
    """Train as planned, and return the figures on the held-out set."""
    config, folder = plan.config, plan.folder
    average, pace = MovingAverage(config.decay), Pace()
    export = Export(
        replace(config, precision=plan.precision),
        plan.output,
        average,
        pace,
        plan.start,
        plan.frames and plan.frames[0],
        plan.interval if config.recipe == "paper" and config.epochs else 0,
    )
    trainer = make_trainer(
        folder,
        steps=plan.steps,
        interval=plan.interval,
        precision=plan.precision,
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=plan.devices,
        nodes=plan.nodes,
        callbacks=[pace, average, Pictures(), export],
        loggers=_loggers(plan),
        progress=progress,
    )
    with ExitStack() as stack:
        if trainer.is_global_zero:
            together = config.batch * plan.processes
            stack.enter_context(held(folder, resumed=plan.resume, samples_per_step=together))
            for note in plan.notes:
                _LOG.warning("%s", note)
            if not plan.resume:
                clear(folder)
            write_atomically(folder / "config.json", config.to_json().encode())
        fit(trainer, plan.module, TrainingData(config, plan.frames), plan.checkpoint)
    return plan.module.figures


def _loggers(plan: TrainingPlan) -> list[Logger]:
    # The CSV logger empties its folder: a resumed run gets one of its own.
    version = f"resumed_{len(list(plan.folder.glob('resumed_*'))) + 1}" if plan.resume else ""
    return [
        CSVLogger(plan.folder, name=None, version=version, flush_logs_every_n_steps=20),
        TensorBoardLogger(plan.folder, "tensorboard", ""),
    ]
