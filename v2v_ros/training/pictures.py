# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Pictures of predictions for TensorBoard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger

from ..geometry.camera import Intrinsics
from ..geometry.skeletons import Skeleton
from ..io.draw import colorize, draw_skeletons
from ..model.heatmaps import decode
from .losses import PoseTraining
from .synthetic_batches import Batch, CenterBatch

_SIDE = 192  # pixels of a view


def picture(grid: torch.Tensor, truth: torch.Tensor, joints: torch.Tensor, skeleton: Skeleton) -> NDArray[np.uint8]:
    """Return an occupancy grid from the camera and from the right, with the true (hairlines) and the predicted
    skeleton.

    Args:
        grid: bool [N, N, N] (z, y, x).
        truth, joints: float [J, 3] in cells of the grid.

    Returns:
        uint8 [S, 2 S, 3], RGB.
    """
    views = []
    scale = _SIDE / grid.shape[0]
    camera = Intrinsics(scale, scale, -0.5, -0.5, _SIDE, _SIDE)
    for axes, cells in ((torch.tensor([0, 1, 2]), grid), (torch.tensor([2, 1, 0]), grid.permute(2, 1, 0))):
        depth = torch.where(cells.any(0), cells.int().argmax(0).float(), torch.nan)  # the first cell along the view
        rows = (torch.arange(_SIDE) / scale).long()
        view = colorize(depth[rows][:, rows].numpy(), 0, grid.shape[0])
        # Cells become pixels without perspective: all points are at distance 1.
        flat = [torch.cat((points[:, axes[:2]], torch.ones(len(points), 1)), 1).numpy() for points in (joints, truth)]
        view = draw_skeletons(view, flat[:1], skeleton, camera)
        views.append(draw_skeletons(view, flat[1:], skeleton, camera, thin=True))
    return np.concatenate(views, axis=1)


class Pictures(Callback):
    """Draws the first held-out subjects after every validation.

    Args:
        count: Pictures, one above the other.
    """

    def __init__(self, count: int = 4) -> None:
        self.count = count

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: tuple[int, Batch | CenterBatch],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        index, samples = batch
        # Here, the averaged weights are still in place.
        if index == 0 and isinstance(samples, Batch) and isinstance(module, PoseTraining):
            self._draw(trainer, module, samples)

    def _draw(self, trainer: lightning.Trainer, module: PoseTraining, batch: Batch) -> None:
        logger = next((logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)), None)
        present = ~batch.coordinates.isnan().any(dim=(1, 2))
        grids, truths = batch.grids[present][: self.count], batch.coordinates[present][: self.count]
        if logger is None or not trainer.is_global_zero or not len(grids):
            return
        joints, _ = decode(module(grids), module.config.sigma, module.config.heatmap_offset)
        rows = [
            picture(grid[0], 2 * truth, 2 * points, module.config.subject)
            for grid, truth, points in zip(grids.cpu(), truths.cpu(), joints.cpu(), strict=True)
        ]
        logger.experiment.add_image("val/predictions", np.concatenate(rows), trainer.global_step, dataformats="HWC")
