# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A level world before a camera looks at it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..spheres import Spheres
from ..worlds import Boxes


@dataclass(frozen=True)
class Stage:
    """Worlds, level unless said otherwise: x right, y down, z forward in metres, the camera at the origin.

    Attributes:
        surroundings: Spheres that are no part of a labelled subject.
        boxes: Boxes of the rest of the world.
        points, normals: float [B, K, 3], walls, floors and tables without end; a normal of zero: not there.
        hands: Surfaces of up to four hands, each [B].
        hand_centers: float [B, H, 3], means of their 21 joints.
        hand_joints: float [B, H, 21, 3], joints in the order of ``hand21``; NaN of hands without detail.
        hand_left: bool [B, H], left hands.
        bodies: Surfaces of up to two bodies without detailed hands, each [B].
        body_joints: float [B, N, 15, 3], joints in the order of ``body15``.
        target: float [B, 3], point that the camera looks at.
        is_near: Whether the sensors are those for hands.
        any_roll: Whether the camera is turned about its axis by any angle.
        level: Whether the world is level; else it is in the frame of a camera, which only rolls.
    """

    surroundings: Spheres
    boxes: Boxes
    points: torch.Tensor
    normals: torch.Tensor
    hands: list[Spheres]
    hand_centers: torch.Tensor
    hand_joints: torch.Tensor
    hand_left: torch.Tensor
    bodies: list[Spheres]
    body_joints: torch.Tensor
    target: torch.Tensor
    is_near: bool
    any_roll: bool = False
    level: bool = True
