"""How fast a run learns, and how its weights are averaged, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

# "constant" after a warm-up; "cosine", which falls to zero over the run; "anneal", constant at first and then falling
# to zero along a line, for the copy of a run.
SCHEDULES = ("constant", "cosine", "anneal")
_WARMUP_STEPS = 200


def learning_rate_factor(steps: int) -> Callable[[int], float]:
    """Of the highest learning rate at every step of so many: a linear warm-up, then half a cosine down to zero."""
    warmup = min(_WARMUP_STEPS, max(1, steps // 10))

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / warmup)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))

    return factor


def constant_factor(step: int) -> float:
    """Of the highest learning rate at a step: a linear warm-up, then all of it, however long the run will be."""
    return min(1.0, (step + 1) / _WARMUP_STEPS)


def scheduled_factor(schedule: str, steps: int, anneal_step: int = 0) -> Callable[[int], float]:
    """Of the highest learning rate at every step of so many.

    Args:
        schedule: One of :data:`SCHEDULES`.
        steps: Of the whole run.
        anneal_step: Of ``anneal``: where the line down to zero begins.
    """
    if schedule == "cosine":
        return learning_rate_factor(steps)
    if schedule == "constant":
        return constant_factor
    length = max(1, steps - anneal_step)

    def factor(step: int) -> float:
        return constant_factor(step) if step < anneal_step else max(0.0, (steps - step) / length)

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
