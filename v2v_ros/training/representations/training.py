# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training one of the four networks by the trainer of ``v2v train``, and judging it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from torch.nn.functional import smooth_l1_loss
from torch.utils.data import DataLoader, IterableDataset

from ...evaluation.metrics import joint_errors, success_rate
from ...io.files import write_json
from ...model.heatmaps import decode
from .. import checkpoints
from ..checkpoints import read_checkpoint
from ..export import MovingAverage
from ..lock import held
from ..losses import Training, heatmap_loss
from ..precision import choose_precision
from ..trainer import fit, make_trainer
from .config import ComparisonConfig
from .data import Samples, held_out, training_batch
from .networks import REPRESENTATIONS

_CURVE_POINTS = 8


class RepresentationTraining(Training):
    """Trains one of the four networks.

    Args:
        config: Configuration of the comparison.
        name: Name of the representation.
        seed: Seed of the samples, which are the same for all networks, and of the initialisation.

    Attributes:
        curve: Samples seen and the mean error in millimetres, at every validation.
    """

    def __init__(self, config: ComparisonConfig, name: str, seed: int) -> None:
        kind = REPRESENTATIONS[name]
        super().__init__(
            config.training(kind.heatmaps, seed),
            config.steps,
            network=kind.build(config.network()),
            memory_format=kind.memory_format,
        )
        self.representation = kind
        self.millimetres_per_cell = config.millimetres_per_cell
        self.curve: list[dict[str, float]] = []

    def loss(self, batch: Samples) -> torch.Tensor:
        """Return the squared error of heatmaps, or a robust one of coordinates, linear beyond a cell."""
        output = self._output(batch)
        if not self.representation.heatmaps:
            return smooth_l1_loss(output, batch.coordinates)
        return heatmap_loss(output, batch.coordinates, self.config.sigma)

    def measure(self, batch: Samples) -> tuple[torch.Tensor, ...]:
        output = self._output(batch)
        joints = decode(output, self.config.sigma)[0] if self.representation.heatmaps else output
        return (joint_errors(joints, batch.coordinates) * self.millimetres_per_cell,)

    def summarize(self, *results: torch.Tensor) -> dict[str, float]:
        (errors,) = results
        return {
            "val/error_mm": errors.mean().item(),
            "val/median_mm": errors.median().item(),
            "val/success_30mm": success_rate(errors, 30.0),
        }

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        samples = self.validated_step * self.config.batch
        point = {"samples": samples, "mean_mm": round(self.figures["val/error_mm"], 3)}
        self.curve = [before for before in self.curve if before["samples"] < samples] + [point]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["curve"] = self.curve

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.curve = checkpoint["curve"]

    def _output(self, samples: Samples) -> torch.Tensor:
        """Return float32 coordinates [B, J, 3] in heatmap cells, or heatmaps."""
        output: torch.Tensor = self(samples.pixels if self.representation.pixels else samples.grids)
        return output


class ComparisonData(lightning.LightningDataModule):
    """Samples of a run, from where it is: in every step the same for all networks.

    Args:
        config: Configuration of the comparison.
        seed: Seed of the samples.
    """

    def __init__(self, config: ComparisonConfig, seed: int) -> None:
        super().__init__()
        self.config, self.seed = config, seed

    def train_dataloader(self) -> DataLoader[Samples]:
        trainer = self.trainer
        assert trainer is not None
        return DataLoader(
            _Batches(self.config, self.seed, trainer.strategy.root_device, trainer.global_step), batch_size=None
        )

    def val_dataloader(self) -> DataLoader[Any]:
        batches = enumerate(held_out(self.config.grid, self.config.held_out))
        return DataLoader(list(batches), batch_size=None)  # type: ignore[arg-type]


class _Batches(IterableDataset[Samples]):
    """Endless batches from a step on, made on a device."""

    def __init__(self, config: ComparisonConfig, seed: int, device: torch.device, first_step: int) -> None:
        self.config, self.seed, self.device, self.first_step = config, seed, device, first_step

    def __iter__(self) -> Iterator[Samples]:
        step = self.first_step
        while True:
            yield training_batch(self.config.grid, self.config.batch, self.seed, step, self.device)
            step += 1


def train_representation(
    config: ComparisonConfig,
    name: str,
    seed: int,
    folder: Path,
    device: torch.device | str = "cpu",
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Train one network with one seed, from its last checkpoint if there is one, and write its result.

    A run is decided by its configuration and its seed: on a CPU, one that was interrupted ends as one that was not.
    While it lasts, its checkpoint lies in a folder of its own.

    Args:
        config: Configuration of the comparison.
        name: Name of the representation.
        seed: Seed of the samples, which are the same for all networks, and of the initialisation.
        folder: Folder of the comparison, where the result is written.
        device: Device to train on.
        progress: Whether to show a progress bar.

    Returns:
        The result, as it is written.

    Raises:
        ValueError: The checkpoint is of another configuration, or another process trains this network.
        RuntimeError: The gradient was not finite for many steps in a row.
        KeyboardInterrupt: The run was interrupted.
    """
    device = torch.device(device)
    lightning.seed_everything(seed % 2**32, verbose=False)
    module, average = RepresentationTraining(config, name, seed), MovingAverage(config.decay)
    run = folder / f"{name}_seed{seed}_run"
    checkpoint = _checkpoint(run, module)
    precision, _ = choose_precision(config.precision, config.grid, device.type)
    trainer = make_trainer(
        run,
        steps=config.steps,
        interval=-(-config.steps // _CURVE_POINTS),
        precision=precision,
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if device.type == "cuda" else 1,
        callbacks=[average],
        loggers=[],
        progress=progress,
    )
    with held(run, resumed=checkpoint is not None):
        fit(trainer, module, ComparisonData(config, seed), checkpoint)
        result = {
            "representation": name,
            "seed": seed,
            "mean_mm": round(module.figures["val/error_mm"], 3),
            "median_mm": round(module.figures["val/median_mm"], 3),
            "success_30mm": round(module.figures["val/success_30mm"], 4),
            "held_out": config.held_out,
            "samples": config.steps * config.batch,
            "precision": precision,
            "skipped": module.finite.skipped,
            "curve": module.curve,
        }
        write_json(result_file(folder, name, seed), result)
        shutil.rmtree(run)
    return result


def _checkpoint(run: Path, module: RepresentationTraining) -> Path | None:
    """Return the checkpoint to go on from, if there is one.

    Raises:
        ValueError: It is of another configuration.
    """
    path = run / checkpoints.NAME
    if not path.is_file():
        return None
    if read_checkpoint(path)["run"] != {**asdict(module.config), "processes": 1}:
        raise ValueError(f"'{path}' is of another configuration: remove '{run}', or choose --output")
    return path


def result_file(folder: Path, name: str, seed: int) -> Path:
    """Return where the result of a run is written."""
    return folder / f"{name}_seed{seed}.json"
