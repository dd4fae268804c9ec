# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Covariances of points: six numbers each where they are kept, matrices where they are computed with."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch

Array = TypeVar("Array", np.ndarray, torch.Tensor)

_PLACES = [0, 1, 2, 1, 3, 4, 2, 4, 5]  # where the entries of a matrix are among the six
_UPPER = [0, 1, 2, 4, 5, 8]  # where the six are among the entries of a matrix


def as_matrices(six: Array) -> Array:
    """Return symmetric matrices [..., 3, 3] of their entries [..., 6]: xx, xy, xz, yy, yz, zz."""
    return six[..., _PLACES].reshape(*six.shape[:-1], 3, 3)


def as_six(matrices: Array) -> Array:
    """Return the entries [..., 6] of symmetric matrices [..., 3, 3]: xx, xy, xz, yy, yz, zz."""
    return matrices.reshape(*matrices.shape[:-2], 9)[..., _UPPER]
