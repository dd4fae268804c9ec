# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints: when they are written, whole or not at all, and how another process reads one meanwhile."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from ..io.files import write_atomically

NAME = "last.ckpt"


class LastCheckpoint(ModelCheckpoint):
    """The last state of the run: at regular steps, after each validation, and when the process is asked to end.

    Not before a validation of the same step: a run that is cut during one goes on from before it, and its figures and
    weights are not left out.

    Args:
        folder: Folder that it is written to.
        steps: Steps between two checkpoints.
        interval: Steps between two validations.
    """

    def __init__(self, folder: Path, steps: int, interval: int) -> None:
        super().__init__(folder, filename="last", enable_version_counter=False, every_n_train_steps=steps)
        self._interval = interval
        self._asked_to_end = False

    @contextmanager
    def ends_after_a_step(self) -> Iterator[None]:
        """Meanwhile, let SIGINT and SIGTERM end the run when a step is done and the checkpoint is written; at once when
        they come again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {name: signal.signal(name, self._ask_to_end) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def _ask_to_end(self, number: int, frame: FrameType | None) -> None:
        if self._asked_to_end:
            raise KeyboardInterrupt
        self._asked_to_end = True

    def on_train_batch_end(self, trainer: lightning.Trainer, *others: Any) -> None:
        if not trainer.global_step % self._interval:
            return
        if self._asked_to_end:
            self._save(trainer)
            raise KeyboardInterrupt
        super().on_train_batch_end(trainer, *others)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._save(trainer)
        if self._asked_to_end:
            raise KeyboardInterrupt

    def _save(self, trainer: lightning.Trainer) -> None:
        if not self._should_skip_saving_checkpoint(trainer):
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))


class AtomicCheckpoints(TorchCheckpointIO):
    """Replaces a checkpoint at once, from a file beside it: Lightning's own is copied where /tmp is another disk, and
    whoever reads it meanwhile sees a part."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_atomically(Path(path), content.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return a run's checkpoint, also while the run goes on and replaces it. Nothing but tensors and plain values is
    read.

    Raises:
        ValueError: It is damaged, or not a run's.
        OSError: It cannot be read.
    """
    content = io.BytesIO(path.read_bytes())  # of one file, even if another takes its place now
    try:
        checkpoint = torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # damage shows in many ways
        raise ValueError(f"the checkpoint '{path}' is damaged: {error}") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("run"), dict):
        raise ValueError(f"'{path}' is not the checkpoint of a run of 'v2v train'")
    return checkpoint
