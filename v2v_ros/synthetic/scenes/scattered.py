# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Things of all kinds, scattered over a floor or a table."""

from __future__ import annotations

import torch

from ..chance import Draw
from ..spheres import Spheres
from ..worlds import Boxes
from .furniture import chair_on, monitor_on, office_chair_on
from .things import boxes_on, cup_on, plant_on, robot_arm_on, rod_on, shoes_on


def scattered(
    draw: Draw, floor: torch.Tensor, near: torch.Tensor, far: torch.Tensor, share: float, size: float
) -> tuple[Spheres, Boxes]:
    """Sample things on a level surface before the camera.

    Args:
        draw: Random numbers [B].
        floor: Way from the camera down to the surface, float [B] metres.
        near, far: Range of the distances along the surface, float [B] metres.
        share: Chance of each thing to be there.
        size: Size of the larger things in metres; above 0.5, chairs and shoes are among them.
    """

    def points(count: int) -> torch.Tensor:
        away = near[:, None] + (far - near)[:, None] * draw.rand(count)
        sideways = away * draw.uniform(-0.7, 0.7, count)
        return torch.stack((sideways, floor[:, None].expand(-1, count), away), dim=-1)

    def point() -> torch.Tensor:
        return points(1)[:, 0]

    boxes = [boxes_on(draw, points(3), 0.5 * size).where(draw.some(share, 3))]
    spheres = [
        rod_on(draw, point(), size).where(draw.some(share)),
        rod_on(draw, point(), 0.4 * size).where(draw.some(share)),
        robot_arm_on(draw, point(), size).where(draw.some(share)),
        plant_on(draw, point(), 0.8 * size).where(draw.some(share)),
    ]
    boxes.append(monitor_on(draw, point()).where(draw.some(share)))
    for part in (0.5, 1.0):
        there = draw.some(share)
        handle, walls = cup_on(draw, point(), part * size)
        spheres.append(handle.where(there))
        boxes.append(walls.where(there))
    if size > 0.5:
        spheres.append(shoes_on(draw, point()).where(draw.some(share)))
        boxes.append(chair_on(draw, point()).where(draw.some(share)))
        for _ in range(2):
            there = draw.some(share)
            tubes, cushions = office_chair_on(draw, point())
            spheres.append(tubes.where(there))
            boxes.append(cushions.where(there))
    return Spheres.join(spheres), Boxes.join(boxes)
