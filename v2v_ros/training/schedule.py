"""How fast a run learns, and how its weights are averaged, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

_WARMUP_STEPS = 200


def learning_rate_factor(steps: int) -> Callable[[int], float]:
    """Of the highest learning rate at every step of so many: a linear warm-up, then half a cosine down to zero."""
    warmup = min(_WARMUP_STEPS, max(1, steps // 10))

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / warmup)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))

    return factor


def weight_average(decay: float) -> Callable[[Any, Any, torch.Tensor | int], None]:
    """An exponential moving average as ``torch.optim.swa_utils.AveragedModel`` takes it, in one fused update.

    The average over the first steps would hold on to the initialisation; after n steps the decay is at most
    (1 + n) / (10 + n).
    """

    def average(averages: Any, currents: Any, count: torch.Tensor | int) -> None:
        steps = int(count)
        torch._foreach_lerp_(averages, currents, 1 - min(decay, (1 + steps) / (10 + steps)))

    return average
