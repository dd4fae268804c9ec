# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Rooms for synthetic people: where the subject is, floor, walls and ceiling.

Level: x right, y down, z forward, the camera at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..chance import Draw, Range


@dataclass(frozen=True)
class Place:
    """Places of subjects.

    Attributes:
        ground: float [B, 2], x and z on the floor in metres.
        floor: float [B], way from the camera down to the floor in metres.
        yaw: float [B], turn of the subject in radians; 0 faces the camera.
        top: bool [B], whether the camera is at the ceiling.
    """

    ground: torch.Tensor
    floor: torch.Tensor
    yaw: torch.Tensor
    top: torch.Tensor

    def at(self, ground: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """Return points [B, K, 3] over points of the ground [B, K, 2] at heights [B, K]."""
        return torch.stack((ground[..., 0], self.floor[:, None] - up, ground[..., 1]), dim=-1)


class Room(NamedTuple):
    """Sizes of a room in metres."""

    behind: Range = (0.35, 4.0)  # from the subject to the wall behind it
    right_behind: Range = (0.12, 0.5)  # the same, of those who stand right before it
    behind_from_top: Range = (0.5, 2.0)  # the same, seen from the ceiling
    aside: Range = (0.5, 2.5)  # to the walls on both sides
    height: Range = (2.3, 3.2)  # from the floor to the ceiling


_ROOM = Room()
_NEXT_TO = 0.35  # metres between a subject and a wall, at least, unless it is to be nearer to the one behind it


def room(draw: Draw, place: Place, before_wall: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Sample a floor, a wall behind the subject, walls on both sides and a ceiling; each is missing at times.

    Args:
        draw: Random numbers [B].
        place: Places of the subjects.
        before_wall: bool [B], subjects that stand right before a wall or a curtain; None: nobody.

    Returns:
        Points and normals, float [B, 5, 3] metres; a normal of zero: not there.
    """
    zero = torch.zeros_like(place.floor)
    # Seen from the ceiling there is a floor and walls that the subject may stand near to.
    gap = torch.where(place.top, draw.uniform(*_ROOM.behind_from_top), draw.uniform(*_ROOM.behind))
    least = torch.full_like(gap, _NEXT_TO)
    if before_wall is not None:
        gap = torch.where(before_wall, draw.uniform(*_ROOM.right_behind), gap)
        least = torch.where(before_wall, _ROOM.right_behind[0], least)
    turned = draw.normal(0.35)
    back = torch.stack((turned.sin(), zero, -turned.cos()), dim=1)
    x, z = place.ground.unbind(1)
    far_wall = torch.stack((x, zero, z), dim=1) - gap[:, None] * back
    right = torch.stack((x + draw.uniform(*_ROOM.aside), zero, z), dim=1)
    left = torch.stack((x - draw.uniform(*_ROOM.aside), zero, z), dim=1)
    down = zero.new_tensor([0.0, 1.0, 0.0]).expand(draw.batch, 3)
    below = torch.stack((zero, place.floor, zero), dim=1)
    height = torch.maximum(draw.uniform(*_ROOM.height), place.floor + 0.05)
    above = torch.stack((zero, place.floor - height, zero), dim=1)
    points = torch.stack((below, far_wall, right, left, above), dim=1)
    sideways = torch.stack((back[:, 2], zero, -back[:, 0]), dim=1)
    normals = torch.stack((-down, back, sideways, -sideways, down), dim=1)
    # Camera and subject are both inside the walls.
    subject = torch.stack((x, zero, z), dim=1)[:, None]
    least = torch.stack((zero, least, *[torch.full_like(zero, _NEXT_TO)] * 3), dim=1)
    inside = torch.minimum(-(points * normals).sum(-1) - 0.2, ((subject - points) * normals).sum(-1) - least)
    points = points - normals * (-inside).clamp_min(0)[..., None] * zero.new_tensor([[0.0], [1.0], [1.0], [1.0], [0.0]])
    shares = zero.new_tensor([0.92, 0.7, 0.25, 0.25, 0.35])
    return points, normals * (draw.rand(5) < shares)[..., None]
