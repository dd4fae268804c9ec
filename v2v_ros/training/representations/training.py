"""Training one of the four networks, and judging it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import mse_loss, smooth_l1_loss
from torch.optim.swa_utils import AveragedModel

from ...evaluation.metrics import joint_errors, success_rate
from ...io.files import write_atomically
from ...model.heatmaps import decode, encode
from ..finite import FiniteSteps
from ..optimisation import Muon, learning_rate_factor, weight_average
from ..seeds import SeedFamily, derive_seed
from .config import ComparisonConfig
from .data import Samples, held_out, training_batch
from .networks import REPRESENTATIONS

_CURVE_POINTS = 8
_CURVE_BATCHES = 8  # of the held-out set; all of it costs too much so often
_CHECKPOINTS = 40  # in a run


class Run:
    """One network and one seed.

    A run is decided by its configuration and its seed: on a CPU, one that was interrupted ends as one that was not.

    Args:
        config: Of the comparison.
        name: Of the representation.
        seed: Of the samples, which are the same for all networks, and of the initialisation.
        folder: Of the comparison; the run's files lie there.
        device: To train on.
    """

    def __init__(
        self, config: ComparisonConfig, name: str, seed: int, folder: Path, device: torch.device | str = "cpu"
    ) -> None:
        self.config, self.name, self.seed = config, name, seed
        self.representation, self.device = REPRESENTATIONS[name], torch.device(device)
        self.result_file, self.checkpoint_file = result_file(folder, name, seed), folder / f"{name}_seed{seed}.ckpt"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(SeedFamily.COMPARISON_NETWORK, seed))
            network = self.representation.build(config.network())
        network.to(memory_format=self.representation.memory_format)  # type: ignore[call-overload]
        self.network = network.to(self.device)
        self.average = AveragedModel(self.network, multi_avg_fn=weight_average(config.decay))
        rate = config.learning_rate if self.representation.heatmaps else config.coordinate_learning_rate
        self.optimizer = Muon(self.network, rate, adam_learning_rate=rate / 10)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, learning_rate_factor(config.steps))
        self.finite = FiniteSteps(self.network, "try a lower --learning-rate, or --precision float32")
        self.precision, _ = config.training_precision(self.device.type)
        self.step = 0
        self.curve: list[tuple[int, float]] = []

    def train(self, tick: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Go on from the last checkpoint, if there is one, to the end; the result is written to its file.

        Args:
            tick: Called after every step.

        Raises:
            ValueError: The checkpoint is another configuration's.
            RuntimeError: The gradient was not finite for many steps in a row.
        """
        if self.checkpoint_file.is_file():
            self._restore()
        steps = self.config.steps
        points = {round(steps * (point + 1) / _CURVE_POINTS) for point in range(_CURVE_POINTS)}
        save_at = {round(steps * (part + 1) / _CHECKPOINTS) for part in range(_CHECKPOINTS)} - {steps}
        while self.step < steps:
            self._train_step(training_batch(self.config.grid, self.config.batch, self.seed, self.step, self.device))
            self.step += 1
            if self.step in points:
                self.curve.append((self.step * self.config.batch, round(self._errors(_CURVE_BATCHES).mean().item(), 3)))
            if self.step in save_at:
                self._save()
            tick()
        result = self._result()
        write_atomically(self.result_file, (json.dumps(result, indent=1, allow_nan=False) + "\n").encode())
        self.checkpoint_file.unlink(missing_ok=True)
        return result

    def _train_step(self, samples: Samples) -> None:
        self.network.train()
        self.finite.remember()
        output = apply(self.network, self.name, samples, self.precision)
        loss = self.loss(output, samples.coordinates)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.finite.clip(self.optimizer, self.config.clip)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.network)

    def loss(self, output: torch.Tensor, coordinates: torch.Tensor) -> torch.Tensor:
        """Squared error of heatmaps as in ``v2v train``; a robust one of coordinates, linear beyond a cell."""
        if not self.representation.heatmaps:
            return smooth_l1_loss(output, coordinates)
        size = output.shape[-1]
        return mse_loss(output, encode(coordinates, size, self.config.sigma)) * size**3

    def _errors(self, batches: int | None = None) -> torch.Tensor:
        """Errors [F, J] in millimetres of the averaged network on the held-out set, or on so many batches of it."""
        network = self.average.module.eval()
        errors = []
        with torch.inference_mode():
            for samples in _held_out(self.config.grid, self.config.held_out)[:batches]:
                samples = Samples(*(part.to(self.device) for part in samples))
                output = apply(network, self.name, samples, self.precision)
                joints = decode(output, self.config.sigma)[0] if self.representation.heatmaps else output
                errors.append(joint_errors(joints, samples.coordinates).cpu() * self.config.millimetres_per_cell)
        return torch.cat(errors)

    def _result(self) -> dict[str, Any]:
        errors = self._errors()
        return {
            "representation": self.name,
            "seed": self.seed,
            "mean_mm": round(errors.mean().item(), 3),
            "median_mm": round(errors.median().item(), 3),
            "success_30mm": round(success_rate(errors, 30.0), 4),
            "held_out": len(errors),
            "samples": self.step * self.config.batch,
            "precision": self.precision,
            "skipped": self.finite.skipped,
            "curve": [{"samples": samples, "mean_mm": error} for samples, error in self.curve],
        }

    def _save(self) -> None:
        content = io.BytesIO()
        state = {
            "config": asdict(self.config),
            "step": self.step,
            "curve": self.curve,
            "skipped": self.finite.skipped,
            **{name: part.state_dict() for name, part in self._parts().items()},
        }
        torch.save(state, content)
        write_atomically(self.checkpoint_file, content.getvalue())

    def _restore(self) -> None:
        state = torch.load(self.checkpoint_file, map_location=self.device, weights_only=True)
        if state["config"] != asdict(self.config):
            raise ValueError(f"'{self.checkpoint_file}' is of another configuration: remove it, or choose --output")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.curve = state["step"], state["curve"]
        self.finite.skipped = state.get("skipped", 0)

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }


def apply(network: nn.Module, name: str, samples: Samples, precision: str) -> torch.Tensor:
    """What the network of a representation says of samples, float32: coordinates [B, J, 3] or heatmaps.

    Args:
        precision: That it computes in, ``bf16`` or ``float32``.
    """
    representation = REPRESENTATIONS[name]
    inputs = samples.pixels if representation.pixels else samples.grids.float()
    inputs = inputs.contiguous(memory_format=representation.memory_format)
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=precision == "bf16"):
        output = network(inputs)
    return output.float()


def result_file(folder: Path, name: str, seed: int) -> Path:
    """Where the result of a run is written."""
    return folder / f"{name}_seed{seed}.json"


@lru_cache(maxsize=1)
def _held_out(grid: int, samples: int) -> list[Samples]:
    return held_out(grid, samples)
