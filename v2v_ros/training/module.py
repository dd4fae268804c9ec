"""The Lightning module: heatmap regression by mean squared error."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as lightning
import torch

from ..evaluation.metrics import joint_errors, success_rate
from ..heatmaps import decode, encode
from ..network import NetworkConfig, V2VPoseNet
from .data import Batch

_WARMUP_STEPS = 200


class PoseTraining(lightning.LightningModule):
    """Trains a V2V-PoseNet against Gaussian heatmaps (paper, section 6), with AdamW and a cosine schedule.

    Args:
        config: The network's size.
        learning_rate: Highest learning rate, reached after a short warm-up.
        steps: Length of the schedule.
    """

    def __init__(self, config: NetworkConfig, learning_rate: float, steps: int) -> None:
        super().__init__()
        self.network = V2VPoseNet(config)
        self.network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.config, self.learning_rate, self.steps = config, learning_rate, steps
        self._errors: list[torch.Tensor] = []
        self._scores: list[torch.Tensor] = []
        self._empty_scores: list[torch.Tensor] = []

    def forward(self, grids: torch.Tensor) -> torch.Tensor:
        return self.network(grids.contiguous(memory_format=torch.channels_last_3d)).float()

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        targets = encode(batch.coordinates, self.config.heatmap, self.config.sigma)
        # Summed over the cells: the mean is so small that Adam's epsilon would brake the start.
        loss = torch.nn.functional.mse_loss(self(batch.grids), targets) * self.config.heatmap**3
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        coordinates, scores = decode(self(batch.grids), self.config.sigma)
        present = ~batch.coordinates.isnan().any(dim=(1, 2))
        errors = joint_errors(coordinates, batch.coordinates) * batch.millimetres_per_cell
        self._errors.append(errors[present])
        self._scores.append(scores.mean(1)[present])
        self._empty_scores.append(scores.mean(1)[~present])

    def on_validation_epoch_end(self) -> None:
        errors = torch.cat(self._errors)
        self.log("val/error_mm", errors.mean(), prog_bar=True)
        self.log("val/median_mm", errors.median())
        self.log("val/success_30mm", success_rate(errors, 30.0))
        self.log("val/score", torch.cat(self._scores).mean(), prog_bar=True)
        if empty := [scores for scores in self._empty_scores if scores.numel()]:
            self.log("val/empty_score", torch.cat(empty).mean(), prog_bar=True)
        self._errors.clear()
        self._scores.clear()
        self._empty_scores.clear()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.learning_rate, weight_decay=1e-4)

        def factor(step: int) -> float:
            warm = min(1.0, (step + 1) / _WARMUP_STEPS)
            return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
