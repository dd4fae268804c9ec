# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A synthetic hand in motion."""

from __future__ import annotations

import math

import torch

from ..chance import Draw, about_axis
from .kinematics import UPRIGHT, HandPose
from .poses import sample_families, sample_fingers
from .surface import HandShape

_KEYFRAME_SECONDS = 1.5


def moving_pose(shape: HandShape, seed: int, seconds: float) -> HandPose:
    """Return the pose [1] of a right hand that moves about 0.5 m before the camera, turns and changes its gesture.

    Args:
        shape: Hand [1].
        seed: Seed of the motion.
        seconds: Time since its start.
    """
    place = max(0.0, seconds) / _KEYFRAME_SECONDS
    first = int(place)
    # Ease in and out: a gesture is held for a moment.
    weight = 0.5 - 0.5 * math.cos(math.pi * (place - first))
    return _keyframe(shape, seed, first).lerp(_keyframe(shape, seed, first + 1), weight)


def _keyframe(shape: HandShape, seed: int, index: int) -> HandPose:
    """Return the pose at a keyframe, from a seed of its own, so that any time can be asked for in any order."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
    draw = Draw(1, generator)

    def around(low: list[float], high: list[float]) -> torch.Tensor:
        bounds = torch.tensor([low, high])
        return bounds[:1] + (bounds[1:] - bounds[:1]) * draw.rand(len(low))

    spin, tilt, roll = around([-1.0, -0.5, -0.6], [1.0, 0.5, 0.6]).unbind(-1)
    return HandPose(
        fingers=sample_fingers(shape, sample_families(1, generator), generator),
        wrist=around([-0.3, -0.2], [0.3, 0.2]),
        orientation=about_axis(2, roll) @ about_axis(0, tilt) @ UPRIGHT @ about_axis(1, spin),
        position=around([-0.12, -0.08, 0.42], [0.12, 0.06, 0.60]),
    )
