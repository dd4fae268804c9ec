# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Which device a network runs on, and what it is good at."""

from __future__ import annotations

import torch


def choose_device(name: str) -> torch.device:
    """Return the device for a name: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ValueError: There is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ValueError(f"unknown device '{name}'; choose 'auto', 'cpu', 'cuda' or 'cuda:N'")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ValueError(
            f"device '{name}' is not on this machine ({torch.cuda.device_count()} CUDA devices seen by PyTorch "
            f"{torch.__version__}); use 'cpu' or 'auto', or install a PyTorch built for CUDA"
        )
    return device


def cpu_multiplies_bfloat16() -> bool:
    """Return whether this CPU has instructions for bfloat16; without them it is slower than float32.

    PyTorch's own question before it takes bfloat16 is only whether it can be emulated.
    """
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, hence not everywhere
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)
