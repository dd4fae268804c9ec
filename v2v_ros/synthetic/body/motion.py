# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A synthetic person in motion."""

from __future__ import annotations

import math

import torch

from .kinematics import BodyPose, solve_arm


def walking_pose(seconds: torch.Tensor) -> BodyPose:
    """Return a person at times [B] who walks on the spot, turns to and fro, and waves with the left hand now and
    then."""
    phase = 2 * math.pi * 0.8 * seconds
    zero = torch.zeros_like(seconds)

    def triple(*values: torch.Tensor) -> torch.Tensor:
        return torch.stack(values, dim=-1)

    cycle = phase[:, None] + phase.new_tensor([0.0, math.pi])
    stride = 0.4 * cycle.sin()
    knees = 0.15 + 0.55 * (1 + (cycle + 1.2).cos()) / 2
    # The plane of a limb is that of walking; its elevation would be negative behind the body, hence the direction.
    hips = triple(torch.where(stride > 0, 0.0, math.pi), stride.abs(), torch.full_like(stride, 0.1))
    waving = (0.5 - 0.9 * (0.25 * phase).cos()).clamp(0, 1)
    waving = waving * waving * (3 - 2 * waving)
    hand = triple(0.06 + 0.05 * (2.2 * phase).sin(), zero - 0.2, zero - 0.08)
    swinging = -0.7 * stride
    aim = torch.stack((torch.full_like(stride, 0.05), torch.full_like(stride, 0.33), -0.05 - 0.3 * swinging), dim=-1)
    lifted = torch.lerp(aim[:, 1], hand, waving[:, None])
    # The hand passes before the shoulder, not through it.
    lifted = lifted + (4 * waving * (1 - waving))[:, None] * hand.new_tensor([0.08, 0.0, -0.2])
    aim = torch.stack((aim[:, 0], lifted), dim=1)
    arms = solve_arm(aim, aim.new_tensor([0.7, 0.5, 0.6]).expand_as(aim))
    return BodyPose(
        spine=triple(zero + 0.05, zero, 0.12 * phase.sin()),
        neck=triple(zero, zero, 0.4 * (0.37 * phase).sin()),
        shoulders=arms[..., :3],
        elbows=arms[..., 3],
        curl=torch.full_like(stride, 0.3),
        hips=hips,
        knees=knees,
        ankles=(stride - knees).clamp(-0.4, 0.4),
        yaw=0.6 * (0.21 * phase).sin(),
    )
