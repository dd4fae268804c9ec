# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How fast a run renders and trains."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback


class Pace(Callback):
    """Measures samples a second and logs them; validations are left out.

    Attributes:
        samples: Number of samples that this process has trained on.
        rendering, training, waiting: Seconds spent on rendering these samples, on training steps, and between the
            steps.
    """

    def __init__(self) -> None:
        self.samples, self.processes = 0, 1
        self.rendering = self.training = self.waiting = 0.0
        self._mark = 0.0

    @property
    def rates(self) -> dict[str, float]:
        """Samples a second: ``rendered`` by one process while it renders, ``network`` by all while the network
        trains, ``trained`` by all, all in all."""
        total = self.processes * self.samples
        spans = {
            "rendered": (self.samples, self.rendering),
            "network": (total, self.training),
            "trained": (total, self.training + self.waiting),
        }
        return {name: samples / seconds for name, (samples, seconds) in spans.items() if seconds > 0}

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("samples", "rendering", "training", "waiting")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        vars(self).update(state_dict)

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.processes = trainer.world_size
        self._mark = time.perf_counter()

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self.waiting += now - self._mark
        self.rendering += batch.seconds
        self.samples += len(batch.grids)
        self._mark = now

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self.training += now - self._mark
        self._mark = now
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            module.log_dict({f"rate/{name}": rate for name, rate in self.rates.items()})

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._mark = time.perf_counter()
