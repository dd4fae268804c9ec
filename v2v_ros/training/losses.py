# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The Lightning modules: how networks are trained, and what they are measured by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any

import pytorch_lightning as lightning
import torch
import torch.distributed as distributed
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, smooth_l1_loss

from ..evaluation.metrics import joint_errors, success_rate
from ..model.heatmaps import decode, encode
from ..model.paper import PaperGeometry, peak_coordinates
from .config import TrainingConfig
from .finite import FiniteSteps
from .optimisation import Muon, scheduled_factor
from .synthetic_batches import Batch, CenterBatch


class Training(lightning.LightningModule, ABC):
    """Muon with a warm-up and a schedule; a step whose gradient is not finite is left out.

    Args:
        config: Configuration of the run.
        steps: Length of the schedule.
        processes: Number of processes that train together.
        network: Network to train; None: a new one of the configuration's size.
        memory_format: Order of the input's numbers in memory that the network computes fastest in.

    Attributes:
        network: Network to train.
        figures: Figures of the last validation, by name; the same in every process.
        validated_step: Step of the last validation; -1: there was none yet.
        joint_errors_mm: Mean error of every joint at the last validation, by name; empty where there are no joints.
        finite: Guard that leaves steps out, and counts them.
    """

    def __init__(
        self,
        config: TrainingConfig,
        steps: int,
        processes: int = 1,
        *,
        network: nn.Module | None = None,
        memory_format: torch.memory_format = torch.channels_last_3d,
    ) -> None:
        super().__init__()
        self.config, self.steps, self.processes = config, steps, processes
        self.network = config.build() if network is None else network
        self.network.to(memory_format=memory_format)  # type: ignore[call-overload]
        self._memory_format = memory_format
        self.figures: dict[str, float] = {}
        self.validated_step = -1
        self.joint_errors_mm: dict[str, float] = {}
        self.finite = FiniteSteps(
            self.network,
            "lower --learning-rate, or train with --precision 32-true; the last checkpoint is from before",
        )
        self._results: list[tuple[int, tuple[torch.Tensor, ...]]] = []

    def forward(self, grids: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.network(grids.float().contiguous(memory_format=self._memory_format))
        return output.float()

    @abstractmethod
    def loss(self, batch: Any) -> torch.Tensor:
        """Return the loss on a batch."""

    @abstractmethod
    def measure(self, batch: Any) -> tuple[torch.Tensor, ...]:
        """Return what validation keeps of a batch, one row for each sample."""

    @abstractmethod
    def summarize(self, *results: torch.Tensor) -> dict[str, float]:
        """Return figures of the whole held-out set, from all that :meth:`measure` kept."""

    def training_step(self, batch: Batch | CenterBatch, _: int) -> torch.Tensor:
        self.finite.remember()
        loss = self.loss(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.grids))
        return loss

    def on_train_start(self) -> None:
        """Take the learning rates of a resumed run from its configuration now, not from where it was cut."""
        for place in self.trainer.lr_scheduler_configs:
            schedule = place.scheduler
            assert isinstance(schedule, torch.optim.lr_scheduler.LambdaLR)
            schedule.base_lrs = [self.config.learning_rate, self.config.learning_rate / 10]
            rates = zip(schedule.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True)
            for group, highest, factor in rates:
                group["initial_lr"], group["lr"] = highest, highest * factor(schedule.last_epoch)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.global_step % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"])
            self.log("train/skipped", float(self.finite.skipped))

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient, or leave the step out: gradients are the same in all processes, and so is the choice."""
        self.finite.clip(optimizer, self.config.clip)

    def configure_optimizers(self) -> Any:
        rate = self.config.learning_rate
        optimizer = Muon(self.network, rate, adam_learning_rate=rate / 10)
        factor = scheduled_factor(self.config.schedule, self.steps, self.config.anneal_step)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["skipped"] = self.finite.skipped
        checkpoint["run"] = {**asdict(self.config), "processes": self.processes}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.finite.skipped = checkpoint["skipped"]

    def on_validation_epoch_start(self) -> None:
        self._results.clear()
        if distributed.is_initialized():
            # Every process has its own statistics of batch normalisation; those of the first are validated and kept.
            for buffer in self.buffers():
                distributed.broadcast(buffer, 0)

    def validation_step(self, batch: tuple[int, Batch | CenterBatch], _: int) -> None:
        index, samples = batch
        self._results.append((index, tuple(result.cpu() for result in self.measure(samples))))

    def on_validation_epoch_end(self) -> None:
        parts = [self._results]
        if distributed.is_initialized():
            parts = [[]] * distributed.get_world_size()
            distributed.all_gather_object(parts, self._results)
        # In the order of the set, so that the sums do not depend on who measured what.
        ordered = sorted((result for part in parts for result in part), key=lambda result: result[0])
        columns = zip(*(results for _, results in ordered), strict=True)
        self.figures = self.summarize(*(torch.cat(column) for column in columns))
        self.validated_step = self.global_step
        for name, value in self.figures.items():
            self.log(name, value, prog_bar=name == "val/error_mm")


class PoseTraining(Training):
    """Trains a V2V-PoseNet against Gaussian heatmaps (paper, section 6)."""

    def loss(self, batch: Batch) -> torch.Tensor:
        return heatmap_loss(self(batch.grids), batch.coordinates, self.config.sigma)

    def measure(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        coordinates, scores = decode(self(batch.grids), self.config.sigma)
        return joint_errors(coordinates, batch.coordinates) * batch.millimetres_per_cell, scores.mean(1)

    def summarize(self, *results: torch.Tensor) -> dict[str, float]:
        errors, scores = results
        present = ~errors.isnan().any(1)
        errors = errors[present]
        names = self.config.subject.joint_names
        self.joint_errors_mm = {name: round(float(e), 2) for name, e in zip(names, errors.mean(0), strict=True)}
        figures = {
            "val/error_mm": errors.mean(),
            "val/median_mm": errors.median() if len(errors) else errors.mean(),
            "val/score": scores[present].mean(),
            "val/empty_score": scores[~present].mean(),
        }
        if self.config.subject.kind == "body":
            figures["val/map_10cm"] = (errors < 100).float().mean()
        else:
            figures["val/success_30mm"] = torch.tensor(success_rate(errors, 30.0))
        return _finite(figures)


class PaperTraining(PoseTraining):
    """Trains a V2V-PoseNet on a dataset as published (paper, section 6, and src/{config,train}.lua of its code)."""

    def __init__(self, config: TrainingConfig, steps: int, processes: int = 1) -> None:
        super().__init__(config, steps, processes)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm3d):
                nn.init.uniform_(module.weight)

    def loss(self, batch: Batch) -> torch.Tensor:
        return mse_loss(self(batch.grids), encode(batch.coordinates, self.config.grid // 2, self.config.sigma))

    def measure(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        heatmaps = self(batch.grids)
        coordinates = peak_coordinates(heatmaps) + PaperGeometry.PEAK
        errors = joint_errors(coordinates, batch.coordinates) * batch.millimetres_per_cell
        return errors, heatmaps.flatten(2).amax(2).clamp(0, 1).mean(1)

    def configure_optimizers(self) -> Any:
        return torch.optim.RMSprop(self.network.parameters(), self.config.learning_rate, alpha=0.99, eps=1e-8)


class CenterTraining(Training):
    """Trains a centre refiner: robust regression of the offset, cross entropy of presence."""

    def loss(self, batch: CenterBatch) -> torch.Tensor:
        out = self(batch.grids)
        there = ~batch.offsets.isnan().any(1)
        weight = there.float()
        # Quadratic below 0.05 edges: about as far off as the pose network can take.
        offset = smooth_l1_loss(out[:, :3], batch.offsets.nan_to_num(), beta=0.05, reduction="none").mean(1)
        loss = 10 * (offset * weight).sum() / weight.sum().clamp_min(1)
        loss = loss + binary_cross_entropy_with_logits(out[:, 3], weight)
        return loss

    def measure(self, batch: CenterBatch) -> tuple[torch.Tensor, ...]:
        out = self(batch.grids)
        errors = (out[:, :3] - batch.offsets).norm(dim=1) * 1000 * batch.edge
        return errors, out[:, 3] > 0

    def summarize(self, *results: torch.Tensor) -> dict[str, float]:
        errors, found = results
        present = ~errors.isnan()
        errors = errors[present]
        half_cube = 500 * self.config.cube_edge
        figures = {
            "val/error_mm": errors.mean(),
            "val/median_mm": errors.median() if len(errors) else errors.mean(),
            "val/p95_mm": errors.quantile(0.95) if len(errors) else errors.mean(),
            "val/within_half_cube": (errors < half_cube).float().mean(),
            "val/presence_right": (found == present).float().mean(),
            "val/found": found[present].float().mean(),
            "val/false_alarms": found[~present].float().mean(),
        }
        return _finite(figures)


def heatmap_loss(heatmaps: torch.Tensor, coordinates: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return the mean squared error of heatmaps from Gaussians about the joints.

    It is summed over the cells: their mean is so small that Adam's epsilon would brake the start.

    Args:
        heatmaps: float [B, J, N, N, N].
        coordinates: float [B, J, 3] joints in heatmap cells; NaN where the heatmap is to be empty.
        sigma: Width of the Gaussians, heatmap cells.
    """
    size = heatmaps.shape[-1]
    return mse_loss(heatmaps, encode(coordinates, size, sigma)) * size**3


def _finite(figures: dict[str, torch.Tensor]) -> dict[str, float]:
    """Without the means over nothing, such as the score of empty scenes where there are none."""
    return {name: float(value) for name, value in figures.items() if value.isfinite()}


def make_training(config: TrainingConfig, steps: int, processes: int = 1) -> Training:
    """Return the module for a configuration's network."""
    if config.network == "center":
        return CenterTraining(config, steps, processes)
    return (PaperTraining if config.recipe == "paper" else PoseTraining)(config, steps, processes)
