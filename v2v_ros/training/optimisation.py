# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How fast a run learns, and how its weights are averaged, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

# "constant" after a warm-up; "cosine", which falls to zero over the run; "anneal", constant at first and then falling
# to zero along a line, for the copy of a run.
SCHEDULES = ("constant", "cosine", "anneal")
_WARMUP_STEPS = 200


def learning_rate_factor(steps: int) -> Callable[[int], float]:
    """Return a function from a step to its share of the highest learning rate: a linear warm-up, then half a cosine
    down to zero."""
    warmup = min(_WARMUP_STEPS, max(1, steps // 10))

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / warmup)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))

    return factor


def constant_factor(step: int) -> float:
    """Return the share of the highest learning rate at a step: a linear warm-up, then all of it; any length of run."""
    return min(1.0, (step + 1) / _WARMUP_STEPS)


def scheduled_factor(schedule: str, steps: int, anneal_step: int = 0) -> Callable[[int], float]:
    """Return a function from a step to its share of the highest learning rate.

    Args:
        schedule: One of :data:`SCHEDULES`.
        steps: Steps of the whole run.
        anneal_step: Step at which the line down to zero begins, of ``anneal``.
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
    """Return an exponential moving average as ``torch.optim.swa_utils.AveragedModel`` takes it, in one fused update.

    The average over the first steps would hold on to the initialisation; after n steps the decay is at most
    (1 + n) / (10 + n).
    """

    def average(averages: Any, currents: Any, count: torch.Tensor | int) -> None:
        steps = int(count)
        torch._foreach_lerp_(averages, currents, 1 - min(decay, (1 + steps) / (10 + steps)))

    return average


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Take denormal numbers for zero meanwhile: what an optimiser keeps of units that no longer fire fades into them.

    With them, steps were seen to take twenty times as long.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


_MOMENTUM = 0.95
_BETAS, _EPSILON = (0.9, 0.999), 1e-8


class Muon(torch.optim.Optimizer):
    """Steps of equal size in all directions for the kernels of hidden layers (Jordan et al., Muon: An optimizer for
    hidden layers in neural networks, 2024; https://kellerjordan.github.io/posts/muon/).

    The momentum of a kernel, as a matrix of outputs by inputs, is replaced by the nearest orthogonal matrix.
    (``torch.optim.Muon`` takes matrices only.) Biases, norms, the first layer and the last are stepped by AdamW, as
    published. On the synthetic hands it needed less than half of AdamW's steps for the same loss
    (docs/decisions/0007-muon.md).

    Args:
        network: Network whose parameters are trained.
        learning_rate: Learning rate of the kernels.
        adam_learning_rate: Learning rate of everything else.
        weight_decay: Weight decay of everything else.
    """

    def __init__(
        self,
        network: nn.Module,
        learning_rate: float = 0.02,
        adam_learning_rate: float = 2e-3,
        weight_decay: float = 1e-4,
    ) -> None:
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        kernels = [parameter for parameter in parameters if parameter.dim() > 1]
        hidden = {id(kernel) for kernel in kernels[1:-1]}
        groups: list[dict[str, Any]] = [
            {"params": [p for p in parameters if id(p) in hidden], "lr": learning_rate, "orthogonal": True},
            {"params": [p for p in parameters if id(p) not in hidden], "lr": adam_learning_rate, "orthogonal": False},
        ]
        super().__init__(groups, {"weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step from the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = _muon if group["orthogonal"] else _adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, parameter.grad, self.state[parameter], group)
        return loss


def _muon(parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    momentum = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
    matrix = gradient.lerp(momentum, _MOMENTUM).reshape(gradient.shape[0], -1)
    scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
    parameter.add_(orthogonalize(matrix).reshape(parameter.shape), alpha=-group["lr"] * scale)


def _adamw(parameter: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state.update(step=0, mean=torch.zeros_like(gradient), square=torch.zeros_like(gradient))
    state["step"] += 1
    mean = state["mean"].lerp_(gradient, 1 - _BETAS[0])
    square = state["square"].lerp_(gradient.square(), 1 - _BETAS[1])
    mean_scale, square_scale = (1 - beta ** state["step"] for beta in _BETAS)
    parameter.mul_(1 - group["lr"] * group["weight_decay"])
    parameter.addcdiv_(mean / mean_scale, (square / square_scale).sqrt_().add_(_EPSILON), value=-group["lr"])


def orthogonalize(matrix: torch.Tensor) -> torch.Tensor:
    """Return the nearest semi-orthogonal matrix to [R, C], roughly: five Newton-Schulz steps with the published
    coefficients, which bring the singular values to between 0.7 and 1.2."""
    x = matrix / (matrix.norm() + 1e-7)
    if matrix.shape[0] > matrix.shape[1]:
        x = x.T
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x
