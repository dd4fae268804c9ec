# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Things of a person's size that could be taken for one: bent rods, and piles of boxes.

Level: x right, y down, z forward, the camera at the origin.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from ..chance import Draw, Range, about_axis
from ..spheres import Spheres, tapered_capsule
from ..worlds import Boxes
from .rooms import Place


class BentRod(NamedTuple):
    """Sizes of a rod with two bends, such as a coat stand, a lamp or a robot arm, in metres."""

    radius: Range = (0.025, 0.09)  # at the floor
    link_radius: Range = (0.02, 0.16)
    link_length: Range = (0.3, 0.75)
    taper: Range = (0.5, 1.6)  # from one end of a link to the other
    bend: Range = (0.1, 1.0)  # as a tangent


class Pile(NamedTuple):
    """Sizes of a pile of boxes, or of a column, a cupboard or a chair, in metres."""

    half_wide: Range = (0.1, 0.35)
    half_deep: Range = (0.08, 0.3)
    half_tall: Range = (0.1, 0.55)
    lowest: Range = (1.0, 2.0)  # factor of the height of the lowest box
    slimmer: Range = (0.6, 1.0)  # from one box to the next
    shift: float = 0.04


_BENT_ROD, _PILE = BentRod(), Pile()
_LINKS, _IN_LINK = 3, 16


def decoys(draw: Draw, place: Place, present: torch.Tensor) -> tuple[Spheres, Boxes]:
    """Sample things where subjects would be, or somewhere beside subjects that are there.

    Args:
        draw: Random numbers [B].
        place: Places of the subjects.
        present: Worlds with a subject, bool [B].

    Returns:
        Rods as spheres [B, 48] and piles as boxes [B, 3].
    """
    aside = draw.uniform(0.6, 1.4) * torch.where(draw.some(0.5), -1.0, 1.0)
    beside = torch.stack((aside, draw.uniform(-0.4, 0.8)), dim=1)
    near = (place.ground + beside)[:, 1] > 0.6
    ground = place.ground + beside * present[:, None]
    shown = torch.where(present, draw.some(0.25) & (near | place.top), torch.ones_like(present))
    rod = _bent_rod(draw, place.at(ground[:, None], torch.zeros_like(ground[:, :1]))[:, 0])
    kind = draw.rand()  # some are both
    return rod.where(shown & (kind < 0.5)), _pile(draw, place, ground, shown & (kind > 0.35))


def _bent_rod(draw: Draw, point: torch.Tensor) -> Spheres:
    """Return a chain of links from a point on the floor [B, 3] upwards."""
    direction = draw.tensor([0.0, -1.0, 0.0]).expand(draw.batch, 3)
    bend, radius = draw.uniform(*_BENT_ROD.bend), draw.uniform(*_BENT_ROD.radius)
    links = []
    for _ in range(_LINKS):
        end = point + draw.uniform(*_BENT_ROD.link_length)[:, None] * direction
        thinner = radius * draw.uniform(*_BENT_ROD.taper)
        links.append(tapered_capsule(point, end, radius, thinner, _IN_LINK))
        point, radius = end, thinner.clamp(*_BENT_ROD.link_radius)
        direction = normalize(direction + bend[:, None] * draw.normal(1.0, 3), dim=1)
    return Spheres.join(links)


def _pile(draw: Draw, place: Place, ground: torch.Tensor, there: torch.Tensor) -> Boxes:
    """Return one to three boxes over a point of the ground [B, 2], each on the one before; there is bool [B]."""
    slim = draw.uniform(*_PILE.slimmer, 3).cumprod(1)
    tall = draw.uniform(*_PILE.half_tall, 3)
    tall[:, 0] *= draw.uniform(*_PILE.lowest)
    wide, deep = draw.uniform(*_PILE.half_wide, 1) * slim, draw.uniform(*_PILE.half_deep, 1) * slim
    up = 2 * tall.cumsum(1) - tall
    has = torch.stack((torch.ones_like(there), draw.some(0.6), draw.some(0.25)), dim=1).cumprod(1).bool()
    shifted = ground[:, None] + draw.normal(_PILE.shift, 3, 2)
    turned = about_axis(1, draw.normal(0.6, 3))
    return Boxes(place.at(shifted, up), turned, torch.stack((wide, tall, deep), dim=-1)).where(there[:, None] & has)
