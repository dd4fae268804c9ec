# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Sizes of synthetic people: segment lengths, girth and clothes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..chance import Draw

# Segment lengths as shares of the body height: Drillis and Contini, Body Segment Parameters, 1966. Joints lie where
# depth cameras' body trackers put them: the hand is the middle of the palm, the foot is the ankle.
_ANKLE, _SHANK, _THIGH, _TRUNK, _NECK_TO_TOP = 0.039, 0.246, 0.245, 0.308, 0.162
_SHOULDER, _HIP, _UPPER_ARM, _FOREARM, _FOOT = 0.110, 0.050, 0.186, 0.194, 0.115


@dataclass(frozen=True)
class BodyShape:
    """Sizes of a batch of bodies in metres, unless said otherwise.

    Attributes:
        height: float [B].
        trunk: float [B], middle of the hips to the neck.
        head: float [B], neck to the middle of the head.
        skull: float [B], half the height of the head.
        shoulder, hip: float [B], half the distance between the joints.
        upper_arm, forearm, thigh, shank, foot: float [B], shoulder to elbow to palm; hip to knee to ankle to toes.
        breadth, depth, belly: float [B], factors of the trunk and a paunch in metres.
        limbs: float [B], factor of the thickness of bare limbs.
        sleeves, trousers: float [B, 2], what clothes add to the radius at the body and at the end of the limb.
        jacket: float [B], what clothes add to the trunk.
        skirt: float [B], how far a skirt or coat reaches down, as a share of the legs; 0 is none.
        hair: float [B], what hair, hat or hood add to the back and top of the head.
    """

    height: torch.Tensor
    trunk: torch.Tensor
    head: torch.Tensor
    skull: torch.Tensor
    shoulder: torch.Tensor
    hip: torch.Tensor
    upper_arm: torch.Tensor
    forearm: torch.Tensor
    thigh: torch.Tensor
    shank: torch.Tensor
    foot: torch.Tensor
    breadth: torch.Tensor
    depth: torch.Tensor
    belly: torch.Tensor
    limbs: torch.Tensor
    sleeves: torch.Tensor
    trousers: torch.Tensor
    jacket: torch.Tensor
    skirt: torch.Tensor
    hair: torch.Tensor


def sample_body_shape(batch: int, generator: torch.Generator, children: float = 0.2) -> BodyShape:
    """Sample bodies: adults of 1.45 to 2.0 m, children of 1.0 to 1.5 m, slim to stout, dressed.

    Args:
        batch: Number of bodies.
        generator: Source of the random numbers.
        children: Share of the children, in [0, 1].
    """
    draw = Draw(batch, generator)

    def vary(std: float) -> torch.Tensor:
        return 1 + draw.normal(std)

    adult = (1.72 * vary(0.06)).clamp(1.45, 2.0)
    height = torch.where(draw.some(children), 1.0 + 0.5 * draw.rand(), adult)
    young = ((1.6 - height) / 0.6).clamp(0, 1)  # at 1 m the head is a sixth of the height, and the legs are shorter
    parts = {
        "top": _NECK_TO_TOP * (1 + 0.3 * young) * vary(0.04),
        "trunk": _TRUNK * vary(0.04),
        "thigh": _THIGH * (1 - 0.08 * young) * vary(0.03),
        "shank": _SHANK * (1 - 0.08 * young) * vary(0.03),
    }
    scale = height / (sum(parts.values(), torch.zeros_like(height)) + _ANKLE)
    top, trunk, thigh, shank = (scale * part for part in parts.values())
    stout = (draw.rand() + draw.rand()) / 2 * 2 - 1  # -1 slim, 1 stout
    stout = torch.where(draw.some(0.15), stout.abs(), stout)
    skirt = torch.where(draw.some(0.15), 0.25 + 0.5 * draw.rand(), torch.zeros_like(height))
    loose = 0.035 * height[:, None, None] * draw.rand(2, 2).square()
    return BodyShape(
        height=height,
        trunk=trunk,
        head=0.58 * top,
        skull=0.41 * top,
        shoulder=_SHOULDER * height * vary(0.05) * (1 + 0.04 * stout),
        hip=_HIP * height * vary(0.06),
        upper_arm=_UPPER_ARM * height * vary(0.04),
        forearm=_FOREARM * height * vary(0.04),
        thigh=thigh,
        shank=shank,
        foot=_FOOT * height * vary(0.06),
        breadth=(1 + 0.15 * stout) * vary(0.05),
        depth=(1 + 0.22 * stout) * vary(0.06),
        belly=height * (0.03 * stout.clamp_min(0) + 0.008 * draw.rand()),
        limbs=(1 + 0.18 * stout) * vary(0.06),
        sleeves=loose[:, 0] * draw.some(0.75, 1) * 0.6,
        trousers=loose[:, 1],
        jacket=height * torch.where(draw.some(0.4), 0.016 * draw.rand(), 0.004 * draw.rand()),
        skirt=skirt,
        hair=height * torch.where(draw.some(0.35), 0.022 * draw.rand(), 0.006 * draw.rand()),
    )
