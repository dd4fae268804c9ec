"""Rooms for synthetic people, level (x right, y down, z forward, the camera at the origin): floor, walls, furniture,
chairs to sit on, and things that could be taken for a person."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..chance import Draw, about_axis
from ..spheres import Spheres, tapered_capsule
from ..worlds import Boxes


@dataclass(frozen=True)
class Place:
    """Where the subject is.

    Attributes:
        ground: float [B, 2], x and z on the floor.
        floor: float [B], how far the floor is below the camera.
        yaw: float [B], where the subject faces; 0 is towards the camera.
        top: bool [B], seen from the ceiling.
    """

    ground: torch.Tensor
    floor: torch.Tensor
    yaw: torch.Tensor
    top: torch.Tensor

    def at(self, ground: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """Return points [B, K, 3] over the floor: ground [B, K, 2] and heights [B, K]."""
        return torch.stack((ground[..., 0], self.floor[:, None] - up, ground[..., 1]), dim=-1)


def room(draw: Draw, place: Place) -> tuple[torch.Tensor, torch.Tensor]:
    """Floor, a wall behind, walls on both sides, a ceiling: points and normals [B, 5, 3]; each is missing at times."""
    zero = torch.zeros_like(place.floor)
    # Seen from the ceiling there is a floor and walls that the subject may stand near to.
    gap = torch.where(place.top, draw.uniform(0.5, 2.0), draw.uniform(0.35, 4.0))
    turned = draw.normal(0.35)
    back = torch.stack((turned.sin(), zero, -turned.cos()), dim=1)
    x, z = place.ground.unbind(1)
    behind = torch.stack((x, zero, z), dim=1) - gap[:, None] * back
    right = torch.stack((x + draw.uniform(0.5, 2.5), zero, z), dim=1)
    left = torch.stack((x - draw.uniform(0.5, 2.5), zero, z), dim=1)
    down = zero.new_tensor([0.0, 1.0, 0.0]).expand(draw.batch, 3)
    below = torch.stack((zero, place.floor, zero), dim=1)
    above = torch.stack((zero, place.floor - torch.maximum(draw.uniform(2.3, 3.2), place.floor + 0.05), zero), dim=1)
    points = torch.stack((below, behind, right, left, above), dim=1)
    sideways = torch.stack((back[:, 2], zero, -back[:, 0]), dim=1)
    normals = torch.stack((-down, back, sideways, -sideways, down), dim=1)
    # Camera and subject are both inside the walls.
    subject = torch.stack((x, zero, z), dim=1)[:, None]
    inside = torch.minimum(-(points * normals).sum(-1) - 0.2, ((subject - points) * normals).sum(-1) - 0.35)
    points = points - normals * (-inside).clamp_min(0)[..., None] * zero.new_tensor([[0.0], [1.0], [1.0], [1.0], [0.0]])
    shares = zero.new_tensor([0.92, 0.7, 0.25, 0.25, 0.35])
    return points, normals * (draw.rand(5) < shares)[..., None]


def _upright(yaw: torch.Tensor) -> torch.Tensor:
    """Axes [..., 3, 3] of boxes that stand on the floor."""
    return about_axis(1, yaw)


def furniture(draw: Draw, place: Place) -> Boxes:
    """Tables, cupboards and crates around the subject, long low walls beside it, a door frame: boxes [B, 9]."""
    angle = draw.uniform(-math.pi, math.pi, 4)
    kind = draw.rand(4)  # crate, cupboard, table
    crate = torch.stack((draw.uniform(0.1, 0.35, 4), draw.uniform(0.1, 0.45, 4), draw.uniform(0.1, 0.35, 4)), dim=-1)
    cupboard = torch.stack((draw.uniform(0.2, 0.6, 4), draw.uniform(0.5, 1.1, 4), draw.uniform(0.15, 0.35, 4)), dim=-1)
    table = torch.stack((draw.uniform(0.3, 0.9, 4), draw.uniform(0.012, 0.03, 4), draw.uniform(0.25, 0.5, 4)), dim=-1)
    # Whatever stands between the camera and the subject is low.
    front = (angle.cos() > 0.3) & ~place.top[:, None]
    halves = torch.where((kind < 0.4)[..., None] | front[..., None], crate, cupboard)
    halves = torch.where((kind > 0.65)[..., None], table, halves)
    up = torch.where(kind > 0.65, draw.uniform(0.6, 0.9, 4), halves[..., 1])
    away = halves[..., [0, 2]].amax(-1) + 0.25 + 1.5 * draw.rand(4).square()
    ground = place.ground[:, None] + away[..., None] * torch.stack((angle.sin(), -angle.cos()), dim=-1)
    there = draw.some(0.35, 4) & ((ground[..., 1] - halves.amax(-1) > 0.35) | place.top[:, None])
    loose = Boxes(place.at(ground, up), _upright(draw.uniform(-math.pi, math.pi, 4)), halves * there[..., None])

    # Low walls, railings and beds beside the subject, along the view.
    offset = draw.uniform(0.5, 1.1, 2) * place.floor.new_tensor([-1.0, 1.0])
    tall = draw.uniform(0.3, 0.6, 2)
    halves = torch.stack((draw.uniform(0.03, 0.15, 2), tall, draw.uniform(0.5, 2.0, 2)), dim=-1)
    ground = place.ground[:, None] + torch.stack((offset, draw.normal(0.3, 2)), dim=-1)
    halves = halves * (draw.some(0.25, 1) & draw.some(0.7, 2))[..., None]
    rails = Boxes(place.at(ground, tall), _upright(draw.normal(0.15, 2)), halves)

    # Two posts and a lintel around the subject.
    turned, wide = draw.normal(0.4), draw.uniform(0.45, 0.6)
    across = torch.stack((turned.cos(), -turned.sin()), dim=1)
    middle = place.ground + torch.stack((0 * turned, draw.uniform(-0.3, 0.8)), dim=1)
    sides = wide[:, None] * wide.new_tensor([-1.0, 1.0, 0.0])
    ground = middle[:, None] + sides[..., None] * across[:, None]
    post, zero = torch.full_like(wide, 0.05), torch.full_like(wide, 1.05)
    halves = torch.stack(
        (
            torch.stack((post, post, wide), dim=1),
            torch.stack((zero, zero, post), dim=1),
            torch.full_like(ground[..., 0], 0.08),
        ),
        dim=-1,
    )
    up = torch.stack((zero, zero, 2 * zero), dim=1)
    frame = Boxes(place.at(ground, up), _upright(turned[:, None].expand(-1, 3)), halves * draw.some(0.06, 1, 1))
    return Boxes.join([loose, rails, frame])


def chairs(draw: Draw, place: Place, hips: torch.Tensor, height: torch.Tensor, sits: torch.Tensor) -> Boxes:
    """Return a seat and a back for those who sit: boxes [B, 2] under and behind the middle of the hips [B, 3]."""
    axes = _upright(place.yaw)
    back = axes[..., 2]  # away from where the subject faces
    above = (place.floor - hips[:, 1] - 0.055 * height).clamp_min(0.12)
    solid = draw.some(0.4)
    thick = torch.where(solid, above / 2, draw.uniform(0.015, 0.05))
    wide = draw.uniform(0.2, 0.35)
    deep = draw.uniform(0.2, 0.26)
    seat_up = above - thick
    ground = hips[:, [0, 2]] - 0.08 * back[:, [0, 2]]
    seat = place.at(ground[:, None], seat_up[:, None])
    tall = torch.where(draw.some(0.7), draw.uniform(0.15, 0.35), torch.zeros_like(above))
    behind = hips[:, [0, 2]] + (0.11 * height + 0.06)[:, None] * back[:, [0, 2]]
    rest = place.at(behind[:, None], (above + tall)[:, None])
    halves = torch.stack(
        (torch.stack((wide, thick, deep), dim=1), torch.stack((wide, tall, draw.uniform(0.012, 0.04)), dim=1)), dim=1
    )
    return Boxes(torch.cat((seat, rest), dim=1), axes[:, None].expand(-1, 2, 3, 3), halves * sits[:, None, None])


def decoys(draw: Draw, place: Place, present: torch.Tensor) -> tuple[Spheres, Boxes]:
    """Things of a person's size: rods (coat stands, lamps, robot arms) and piles of boxes, columns, cupboards, chairs.

    They stand where the subject would be, or somewhere beside a subject that is there: spheres [B, 48], boxes [B, 3].
    """
    aside = draw.uniform(0.6, 1.4) * torch.where(draw.some(0.5), -1.0, 1.0)
    beside = torch.stack((aside, draw.uniform(-0.4, 0.8)), dim=1)
    near = (place.ground + beside)[:, 1] > 0.6
    ground = place.ground + beside * present[:, None]
    shown = torch.where(present, draw.some(0.25) & (near | place.top), torch.ones_like(present))

    # A chain of rods from the floor up.
    point = place.at(ground[:, None], torch.zeros_like(ground[:, :1]))[:, 0]
    direction = point.new_tensor([0.0, -1.0, 0.0]).expand(draw.batch, 3)
    bent = draw.uniform(0.1, 1.0)
    parts = []
    radius = draw.uniform(0.025, 0.09)
    for count in (16, 16, 16):
        end = point + draw.uniform(0.3, 0.75)[:, None] * direction
        thinner = radius * draw.uniform(0.5, 1.6)
        parts.append(tapered_capsule(point, end, radius, thinner, count))
        point, radius = end, thinner.clamp(0.02, 0.16)
        direction = torch.nn.functional.normalize(direction + bent[:, None] * draw.normal(1.0, 3), dim=1)
    rods = Spheres.join(parts)
    kind = draw.rand()
    rods = Spheres(rods.centers, rods.radii * (shown & (kind < 0.5))[:, None])

    # A pile of one to three boxes, each on the one before.
    slim = draw.uniform(0.6, 1.0, 3).cumprod(1)
    tall = draw.uniform(0.1, 0.55, 3)
    tall[:, 0] *= draw.uniform(1.0, 2.0)
    halves = torch.stack((draw.uniform(0.1, 0.35, 1) * slim, tall, draw.uniform(0.08, 0.3, 1) * slim), dim=-1)
    up = 2 * tall.cumsum(1) - tall
    there = (shown & (kind > 0.35))[:, None] & torch.stack(
        (torch.ones_like(shown), draw.some(0.6), draw.some(0.25)), dim=1
    ).cumprod(1).bool()
    shifted = ground[:, None] + draw.normal(0.04, 3, 2)
    return rods, Boxes(place.at(shifted, up), _upright(draw.normal(0.6, 3)), halves * there[..., None])
