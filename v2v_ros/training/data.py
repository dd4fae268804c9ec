# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The batches of a run, for Lightning's trainer."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as lightning
import torch
from torch.utils.data import DataLoader

from ..recorded.datasets.frame_set import FrameSet
from .config import TrainingConfig
from .dataset_batches import FrameBatches, held_out_frames
from .synthetic_batches import Batch, CenterBatch, SyntheticData, held_out


class TrainingData(lightning.LightningDataModule):
    """Gives every process its share of the data, from where the run is.

    Args:
        config: Configuration of the run.
        frames: Frames of a dataset, to train on and to validate on; None: synthetic data.
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
        pinned = workers > 0 and torch.cuda.is_available()
        return DataLoader(data, batch_size=None, num_workers=workers, pin_memory=pinned)

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
