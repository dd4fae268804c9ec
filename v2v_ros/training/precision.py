# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Which precision a training takes: the one that was asked for, unless the processor gets it wrong."""

from __future__ import annotations

import torch

from ..model.runtime import cpu_multiplies_bfloat16

AUTO = "auto"
_SMALLEST_GRID = 24


def choose_precision(asked: str, grid: int, device: str) -> tuple[str, str]:
    """Return the precision of Lightning's trainer, and what there is to say about it.

    Args:
        asked: ``auto``, ``bf16-mixed``, ``16-mixed`` (which Lightning takes for bfloat16 on a CPU) or ``32-true``.
        grid: Cells per axis; the networks are an eighth of it wide at their narrowest place.
        device: Kind of the device that trains, ``cpu`` or ``cuda``.

    Returns:
        One of Lightning's names, and a sentence for the log when it is not what could be expected, or an empty string.
    """
    if device != "cpu":
        if asked != AUTO:
            return asked, ""
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true", ""
    mixed = cpu_multiplies_bfloat16() if asked == AUTO else asked != "32-true"
    if mixed and grid < _SMALLEST_GRID:
        # PyTorch 2.13's weight gradients of a 3D convolution in bfloat16 whose input is of 2x2x2 cells are memory that
        # was never written, on processors with AVX512_BF16 and without AMX. From 3x3x3 cells on they are right.
        return "32-true", (
            f"grids of less than {_SMALLEST_GRID} cells are trained in float32 on a CPU, not in bfloat16, "
            "whose gradients PyTorch gets wrong on some processors"
        )
    return "bf16-mixed" if mixed else "32-true", ""
