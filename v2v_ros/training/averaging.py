"""An exponential moving average of the weights: it is what is validated, written and shipped."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning.callbacks import WeightAveraging

from .losses import Training
from .optimisation import weight_average


class MovingAverage(WeightAveraging):
    """Lightning's weight averaging, with a decay that grows to its final value and one fused update.

    The statistics of batch normalisation are moving averages already and are copied.

    Args:
        decay: Final decay a step.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=False, multi_avg_fn=weight_average(decay))

    def network_state(self, module: Training) -> dict[str, torch.Tensor]:
        """The averaged state of the network; before any training, the module's own."""
        model: Any = module if self._average_model is None else self._average_model.module
        return model.network.state_dict()
