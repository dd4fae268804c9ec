# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Writes what a run leaves: the weights file and its model card."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, WeightAveraging

from ..io.files import write_atomically, write_json
from ..model import weights
from ..model.network import NetworkConfig
from ..model.weights import CenterWeights, Weights
from ..recorded.datasets.frame_set import FrameSet
from .card import Report, data_of, model_card
from .config import TrainingConfig
from .dataset_batches import frames_seen
from .losses import Training
from .optimisation import weight_average
from .pace import Pace

VALIDATIONS = "validations.json"
# In the run's folder. The weights and the card beside it are replaced by the first validation.
_LEFT_BEHIND = (
    *("last.ckpt", "metrics.csv", VALIDATIONS),
    *(f"epoch_*{weights.SUFFIX}", "resumed_*", "tensorboard"),
)


class Export(Callback):
    """Writes the weights and the card after every validation, so that a run cut short still leaves its latest.

    Args:
        config: Configuration of the run.
        path: Weights file to write; a record of all validations is kept in its run's folder.
        average: Callback that holds the weights to write.
        pace: Callback that knows how fast the run is.
        start: Name of the weights that the run started from, or an empty string.
        frames: Frames of a dataset, to train on; None: synthetic data.
        steps_per_epoch: Steps after which the weights are kept as those of an epoch; 0: they are not kept.
    """

    def __init__(
        self,
        config: TrainingConfig,
        path: Path,
        average: MovingAverage,
        pace: Pace,
        start: str,
        frames: FrameSet | None = None,
        steps_per_epoch: int = 0,
    ) -> None:
        self.config, self.path, self.average, self.pace, self.start = config, path, average, pace, start
        self.frames, self.steps_per_epoch = frames, steps_per_epoch
        self.validations = run_folder(path) / VALIDATIONS
        self.started = time.monotonic()
        self.curve: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": time.monotonic() - self.started, "start": self.start}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.started = time.monotonic() - state_dict["seconds"]
        self.start = state_dict["start"]
        # Not in the checkpoint, which is older than the validation of its step.
        if self.validations.is_file():
            self.curve = json.loads(self.validations.read_text(encoding="utf-8"))

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        assert isinstance(module, Training)
        if not trainer.is_global_zero:
            return
        config, network = self.config, self.config.network_config()
        step, processes = trainer.global_step, trainer.world_size
        samples = (
            step * config.batch * processes
            if self.frames is None
            else frames_seen(config, self.frames, processes, step)
        )
        figures = {name: round(value, 4) for name, value in module.figures.items()}
        self.curve = [point for point in self.curve if point["samples"] < samples] + [{"samples": samples, **figures}]
        write_json(self.validations, self.curve, allow_nan=True)
        minutes = round((time.monotonic() - self.started) / 60, 1)
        rates = {name: round(rate, 1) for name, rate in self.pace.rates.items()}
        device = _describe(module.device, processes)
        training = {
            "data": data_of(config),
            "samples": samples,
            "minutes": minutes,
            "device": device,
            "samples_per_second": rates,
            "config": asdict(config),
            "held_out": figures,
            **({"joint_errors_mm": module.joint_errors_mm} if module.joint_errors_mm else {}),
            **({"from": self.start} if self.start else {}),
        }
        name = self.path.name.removesuffix(weights.SUFFIX)
        state = self.average.network_state(module)
        edge = config.cube_edge
        made: Weights | CenterWeights = (
            Weights(name, config.subject, network, edge, state, training, heatmap_offset=config.heatmap_offset)
            if isinstance(network, NetworkConfig)
            else CenterWeights(name, config.subject, network, edge, state, training)
        )
        weights.save(made, self.path, half=config.half)
        if self.steps_per_epoch:
            # The published figures are averages over the networks after several epochs.
            epoch = trainer.global_step // self.steps_per_epoch
            weights.save(made, run_folder(self.path) / f"epoch_{epoch:02d}{weights.SUFFIX}", half=config.half)
        report = Report(
            id=name,
            config=config,
            start=self.start,
            parameters=sum(parameter.numel() for parameter in module.network.parameters()),
            size=self.path.stat().st_size,
            samples=samples,
            frames=0 if self.frames is None else len(self.frames),
            minutes=minutes,
            device=device,
            rates=self.pace.rates,
            skipped=module.finite.skipped,
            figures=module.figures,
            joint_errors_mm=module.joint_errors_mm,
            curve=self.curve,
        )
        write_atomically(self.path.with_suffix(".md"), model_card(report).encode())


def run_folder(output: Path) -> Path:
    """Return the folder with the files of the run that writes these weights."""
    return output.with_name(output.name.removesuffix(weights.SUFFIX) + "_run")


def check_new(output: Path) -> None:
    """Make sure that there is no earlier run of this name, whose results a new one would overwrite.

    Raises:
        ValueError: There is one; the message says how to go on.
    """
    folder = run_folder(output)
    left = [path for path in (output, folder / "last.ckpt", *sorted(folder.glob("epoch_*"))) if path.exists()]
    if left:
        resume = "--resume to go on with it, " if (folder / "last.ckpt").exists() else ""
        raise ValueError(
            f"there is '{left[0]}' of an earlier run: give {resume}--overwrite to start again, or another --output"
        )


def clear(folder: Path) -> None:
    """Remove what an earlier run has left in its folder; whatever else lies there stays."""
    for pattern in _LEFT_BEHIND:
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _describe(device: torch.device, processes: int) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU (threads: {torch.get_num_threads()})"
    return name if processes == 1 else f"{processes} x {name}"


class MovingAverage(WeightAveraging):
    """Lightning's weight averaging, with a decay that grows to its final value and one fused update.

    The statistics of batch normalisation are moving averages already and are copied.

    Args:
        decay: Final decay a step.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=False, multi_avg_fn=weight_average(decay))

    def network_state(self, module: Training) -> dict[str, torch.Tensor]:
        """Return the averaged state of the network; before any training, the module's own."""
        model: Any = module if self._average_model is None else self._average_model.module
        return model.network.state_dict()
