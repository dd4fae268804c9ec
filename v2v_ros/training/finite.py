# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Steps whose gradient is not finite are left out and counted; too many of them end the training."""

from __future__ import annotations

import torch
from torch import nn

LARGEST_SKIPS = 50  # in a row; float16's loss scale needs some at the start


class FiniteSteps:
    """Clips gradients, and undoes a step whose gradient is not finite.

    Args:
        network: Network to train.
        advice: Advice for when too many steps in a row were left out, part of the error's message.

    Attributes:
        skipped: Number of steps left out so far.
    """

    def __init__(self, network: nn.Module, advice: str) -> None:
        self.network, self.advice = network, advice
        self.skipped = 0
        self._in_a_row = 0
        self._good_buffers: list[torch.Tensor] = []

    def remember(self) -> None:
        """Call before the forward pass, which itself writes the statistics of batch normalisation."""
        buffers = list(self.network.buffers())
        if not self._good_buffers:
            self._good_buffers = [buffer.clone() for buffer in buffers]
        for good, buffer in zip(self._good_buffers, buffers, strict=True):
            good.copy_(buffer)

    def clip(self, optimizer: torch.optim.Optimizer, largest: float) -> bool:
        """Clip the gradient, or take it away: an optimizer passes by parameters without one.

        Args:
            optimizer: Optimizer of the network.
            largest: Largest norm of the gradient.

        Returns:
            Whether the gradient is finite.

        Raises:
            RuntimeError: It was not for many steps in a row.
        """
        if nn.utils.clip_grad_norm_(self.network.parameters(), largest).isfinite():
            self._in_a_row = 0
            return True
        optimizer.zero_grad(set_to_none=True)
        for good, buffer in zip(self._good_buffers, self.network.buffers(), strict=True):
            buffer.copy_(good)
        self.skipped += 1
        self._in_a_row += 1
        if self._in_a_row > LARGEST_SKIPS:
            raise RuntimeError(f"the gradient was not finite in {self._in_a_row} steps in a row: {self.advice}")
        return False
