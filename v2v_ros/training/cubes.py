# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Cubes with what they show, to train pose networks and joint refiners on."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import torch


class Label(IntEnum):
    """Content of a cube."""

    NOTHING = 0
    SUBJECT = 1
    LEFT_HAND = 2  # the pose networks see right hands


class CubeBatch(NamedTuple):
    """Cubes and what they show.

    Attributes:
        grids: bool or float [B, 1, N, N, N] occupancy.
        joints: float32 [B, J, 3] heatmap cells; NaN where no subject is, or its joints are not known.
        labels: int64 [B], values of :class:`Label`.
    """

    grids: torch.Tensor
    joints: torch.Tensor
    labels: torch.Tensor
