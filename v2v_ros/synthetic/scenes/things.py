"""Things that stand and lie about on floors and tables: boxes, chairs, shoes, bottles, plants, robot arms, monitors.

Level: x right, y down, z forward. A thing of any kind is placed by a point on the surface that bears it.
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import normalize

from ..chance import Draw, about_axis
from ..spheres import Spheres, tapered_capsule
from ..worlds import Boxes

_UP = (0.0, -1.0, 0.0)


def boxes_on(draw: Draw, points: torch.Tensor, size: float) -> Boxes:
    """Return a box on each of the points [B, K, 3]: crates, books, parcels, slabs; half edges up to ``size`` metres."""
    count = points.shape[1]
    halves = size * (0.06 + 0.94 * draw.rand(count, 3).square())
    halves[..., 1] *= torch.where(draw.some(0.3, count), 0.2, 1.0)
    turned = about_axis(1, draw.uniform(-math.pi, math.pi, count))
    middle = points + torch.stack((0 * halves[..., 1], -halves[..., 1], 0 * halves[..., 1]), dim=-1)
    return Boxes(middle, turned, halves)


def rods_on(draw: Draw, points: torch.Tensor, size: float) -> Spheres:
    """Return a bottle, mug, post or cone on each of the points [B, K, 3], upright or lying; up to ``size`` metres
    long."""
    parts = []
    for point in points.unbind(1):
        lies = draw.some(0.35)
        length = size * draw.uniform(0.15, 1.0)
        radius = length * draw.uniform(0.06, 0.35)
        aside = normalize(draw.normal(1.0, 3) * point.new_tensor([1.0, 0.0, 1.0]), dim=-1)
        direction = torch.where(lies[:, None], aside, point.new_tensor(_UP) + draw.normal(0.04, 3))
        start = point + radius[:, None] * point.new_tensor(_UP)
        end = start + (length - radius)[:, None] * direction
        parts.append(tapered_capsule(start, end, radius, radius * draw.uniform(0.4, 1.3), 14))
    return Spheres.join(parts)


def chain_on(draw: Draw, point: torch.Tensor, size: float) -> Spheres:
    """Return a chain of three links with two fingers at its end, as robot arms and lamps are, on a point [B, 3]."""
    parts = []
    direction = point.new_tensor(_UP).expand(draw.batch, 3)
    radius = size * draw.uniform(0.03, 0.09)
    bent = draw.uniform(0.2, 1.2)
    for _ in range(3):
        end = point + (size * draw.uniform(0.2, 0.5))[:, None] * direction
        thinner = radius * draw.uniform(0.6, 1.1)
        parts.append(tapered_capsule(point, end, radius, thinner, 12))
        point, radius = end, thinner
        direction = normalize(direction + bent[:, None] * draw.normal(1.0, 3), dim=-1)
    side = normalize(torch.linalg.cross(direction, draw.directions()), dim=-1)
    apart, thin = radius * draw.uniform(0.6, 1.6), radius * draw.uniform(0.15, 0.4)
    for sign in (-1.0, 1.0):
        start = point + (sign * apart)[:, None] * side
        end = start + (radius * draw.uniform(1.0, 3.0))[:, None] * direction
        parts.append(tapered_capsule(start, end, thin, thin, 6))
    return Spheres.join(parts)


def plant_on(draw: Draw, point: torch.Tensor, size: float) -> Spheres:
    """Eight stems or leaves that spread from one point [B, 3], with a pot or without."""
    height, spread = size * draw.uniform(0.3, 1.0), draw.uniform(0.15, 0.9)
    pot = height * draw.uniform(0.1, 0.3)
    root = point + (2 * pot)[:, None] * point.new_tensor(_UP)
    parts = [tapered_capsule(point, root, 0.8 * pot, pot, 5)]
    for _ in range(8):
        direction = normalize(point.new_tensor(_UP) + spread[:, None] * draw.normal(1.0, 3), dim=-1)
        thick = height * draw.uniform(0.012, 0.06)
        tip = thick * draw.uniform(0.3, 1.5)
        parts.append(
            tapered_capsule(root, root + (height * draw.uniform(0.4, 1.0))[:, None] * direction, thick, tip, 12)
        )
    return Spheres.join(parts)


def shoes_on(draw: Draw, point: torch.Tensor) -> Spheres:
    """Return a pair of shoes about a point [B, 3], each where it was left."""
    parts = []
    size = draw.uniform(0.7, 1.15)
    for sign in (-1.0, 1.0):
        heading = draw.uniform(-math.pi, math.pi) if sign < 0 else draw.uniform(-0.5, 0.5)
        ahead = torch.stack((heading.sin(), 0 * heading, heading.cos()), dim=-1)
        aside = torch.stack((heading.cos(), 0 * heading, -heading.sin()), dim=-1)
        heel = point + sign * 0.07 * size[:, None] * aside + 0.045 * size[:, None] * point.new_tensor(_UP)
        parts.append(tapered_capsule(heel, heel + 0.19 * size[:, None] * ahead, 0.042 * size, 0.036 * size, 10))
        shaft = 0.03 + 0.25 * draw.rand().square()
        parts.append(
            tapered_capsule(heel, heel + (shaft * size)[:, None] * point.new_tensor(_UP), 0.042 * size, 0.045 * size, 6)
        )
    return Spheres.join(parts)


def chair_on(draw: Draw, point: torch.Tensor, size: float = 1.0) -> Boxes:
    """Return a chair, stool or table with four legs over a point [B, 3]: boxes [B, 6]."""
    turned = about_axis(1, draw.uniform(-math.pi, math.pi))
    wide, deep = size * draw.uniform(0.18, 0.26), size * draw.uniform(0.18, 0.26)
    is_table = draw.some(0.35)
    wide, deep = torch.where(is_table, 2 * wide, wide), torch.where(is_table, 1.5 * deep, deep)
    tall = size * torch.where(is_table, draw.uniform(0.5, 0.8), draw.uniform(0.38, 0.5))
    leg = size * draw.uniform(0.01, 0.03)
    slab = size * draw.uniform(0.01, 0.03)
    back = torch.where(is_table | draw.some(0.2), 0.0, size * draw.uniform(0.15, 0.3))
    zero = torch.zeros_like(wide)
    middles, halves = [], []
    for x in (-1.0, 1.0):
        for z in (-1.0, 1.0):
            middles.append(torch.stack((x * (wide - leg), -tall / 2, z * (deep - leg)), dim=-1))
            halves.append(torch.stack((leg, tall / 2, leg), dim=-1))
    middles.append(torch.stack((zero, -tall, zero), dim=-1))
    halves.append(torch.stack((wide, slab, deep), dim=-1))
    middles.append(torch.stack((zero, -tall - back, deep), dim=-1))
    halves.append(torch.stack((wide, back, 0.5 * leg), dim=-1))
    local = torch.stack(middles, dim=1)
    return Boxes(
        point[:, None] + local @ turned.transpose(1, 2), turned[:, None].expand(-1, 6, 3, 3), torch.stack(halves, dim=1)
    )


def cup_on(draw: Draw, point: torch.Tensor, size: float) -> tuple[Spheres, Boxes]:
    """Return a cylinder on a point [B, 3], as mugs, tins, pots and bins are, up to ``size`` metres high, with a handle
    or without: boxes [B, 4], which turned against each other make it round."""
    high = size * draw.uniform(0.25, 1.0)
    radius = high * draw.uniform(0.25, 0.65)
    tilt = about_axis(0, draw.normal(1.0) * draw.some(0.15))
    turned = about_axis(1, draw.uniform(-math.pi, math.pi)) @ tilt
    up = -turned[..., 1]
    middle = point + (high / 2)[:, None] * up
    # Four slabs across each other have a regular octagon for an outline.
    wide, deep = 0.98 * radius, radius * math.tan(math.pi / 8)
    axes = torch.stack([turned @ about_axis(1, (k * math.pi / 4) + 0 * high) for k in range(4)], dim=1)
    halves = torch.stack((wide, high / 2, deep), dim=-1)[:, None].expand(-1, 4, 3)
    angle = torch.linspace(-0.5 * math.pi, 0.5 * math.pi, 12, device=point.device)
    out = radius[:, None] + 0.28 * high[:, None] * angle.cos()
    ring = (
        middle[:, None]
        + out[..., None] * turned[:, None, :, 0]
        + (0.3 * high[:, None] * angle.sin())[..., None] * up[:, None]
    )
    thick = 0.06 * high * draw.some(0.6)
    return Spheres(ring, thick[:, None].expand(-1, 12)), Boxes(middle[:, None].expand(-1, 4, 3), axes, halves)


def office_chair_on(draw: Draw, point: torch.Tensor) -> tuple[Spheres, Boxes]:
    """Return a padded chair on a star of five feet over a point [B, 3], with a back and arms or without: boxes [B,
    2]."""
    heading = draw.uniform(-math.pi, math.pi)
    turned = about_axis(1, heading)
    up = point.new_tensor(_UP)
    seat_height = draw.uniform(0.38, 0.55)
    hub, seat = point + 0.09 * up, point + seat_height[:, None] * up
    thin = torch.full_like(heading, 0.018)
    parts = [tapered_capsule(hub, seat, 2 * thin, 2 * thin, 8)]
    for foot in range(5):
        angle = heading + foot * 2 * math.pi / 5
        end = point + 0.3 * torch.stack((angle.sin(), 0 * angle, angle.cos()), dim=-1) + 0.04 * up
        parts.append(tapered_capsule(hub, end, 1.5 * thin, thin, 8))
    wide = draw.uniform(0.2, 0.27)
    armed = draw.some(0.5)
    right, back = turned[..., 0], turned[..., 2]
    for sign in (-1.0, 1.0):
        rest = seat + sign * (wide + 0.04)[:, None] * right + 0.2 * up
        ends = rest - 0.13 * back, rest + 0.13 * back
        parts.append(tapered_capsule(*ends, thin * armed, thin * armed, 7))
    tall, lean = draw.uniform(0.15, 0.4), draw.normal(0.15)
    middle = seat + (wide - 0.02)[:, None] * back + (0.12 + tall)[:, None] * up
    parts.append(tapered_capsule(seat + wide[:, None] * back, middle, thin, thin, 6))
    cushion = torch.stack((wide, draw.uniform(0.025, 0.05), wide), dim=-1)
    rest = torch.stack((0.95 * wide, tall, draw.uniform(0.02, 0.05)), dim=-1)
    axes = torch.stack((turned, turned @ about_axis(0, -lean)), dim=1)
    return Spheres.join(parts), Boxes(torch.stack((seat, middle), 1), axes, torch.stack((cushion, rest), 1))


def monitor_on(draw: Draw, point: torch.Tensor) -> Boxes:
    """Return a screen on a foot, or a laptop, over a point [B, 3]: boxes [B, 3]."""
    turned = about_axis(1, draw.normal(0.8)) @ about_axis(0, draw.normal(0.2))
    wide = draw.uniform(0.12, 0.33)
    tall = wide * draw.uniform(0.5, 0.75)
    foot = torch.where(draw.some(0.6), draw.uniform(0.05, 0.2), 0.0)
    zero, thin = torch.zeros_like(wide), torch.full_like(wide, 0.012)
    local = torch.stack(
        (
            torch.stack((zero, -foot - tall, zero), dim=-1),
            torch.stack((zero, -foot / 2, zero), dim=-1),
            torch.stack((zero, zero - 0.01, zero - 0.6 * wide * (foot == 0)), dim=-1),
        ),
        dim=1,
    )
    halves = torch.stack(
        (
            torch.stack((wide, tall, thin), dim=-1),
            torch.stack((2 * thin, foot / 2, thin), dim=-1),
            torch.stack((wide, thin, 0.6 * wide), dim=-1),
        ),
        dim=1,
    )
    return Boxes(point[:, None] + local @ turned.transpose(1, 2), turned[:, None].expand(-1, 3, 3, 3), halves)


def scattered(
    draw: Draw, floor: torch.Tensor, near: torch.Tensor, far: torch.Tensor, share: float, size: float
) -> tuple[Spheres, Boxes]:
    """Things on a level surface before the camera, each of them there with a chance of ``share``.

    Args:
        floor: float [B], how far the surface is below the camera.
        near, far: float [B] metres, where on it they are.
        size: Of the larger ones, metres.
    """

    def points(count: int) -> torch.Tensor:
        away = near[:, None] + (far - near)[:, None] * draw.rand(count)
        sideways = away * draw.uniform(-0.7, 0.7, count)
        return torch.stack((sideways, floor[:, None].expand(-1, count), away), dim=-1)

    def there(spheres: Spheres) -> Spheres:
        return Spheres(spheres.centers, spheres.radii * draw.some(share, 1))

    def set_up(boxes: Boxes) -> Boxes:
        return Boxes(boxes.centers, boxes.axes, boxes.halves * draw.some(share, 1, 1))

    small = boxes_on(draw, points(3), 0.5 * size)
    small = Boxes(small.centers, small.axes, small.halves * draw.some(share, 3, 1))
    spheres = [
        there(rods_on(draw, points(1), size)),
        there(rods_on(draw, points(1), 0.4 * size)),
        there(chain_on(draw, points(1)[:, 0], size)),
        there(plant_on(draw, points(1)[:, 0], 0.8 * size)),
    ]
    boxes = [small, set_up(monitor_on(draw, points(1)[:, 0]))]
    for part in (0.5, 1.0):
        cup = draw.some(share)
        handle, walls = cup_on(draw, points(1)[:, 0], part * size)
        spheres.append(Spheres(handle.centers, handle.radii * cup[:, None]))
        boxes.append(Boxes(walls.centers, walls.axes, walls.halves * cup[:, None, None]))
    if size > 0.5:
        spheres.append(there(shoes_on(draw, points(1)[:, 0])))
        boxes.append(set_up(chair_on(draw, points(1)[:, 0])))
        for _ in range(2):
            office = draw.some(share)
            rods, cushions = office_chair_on(draw, points(1)[:, 0])
            spheres.append(Spheres(rods.centers, rods.radii * office[:, None]))
            boxes.append(Boxes(cushions.centers, cushions.axes, cushions.halves * office[:, None, None]))
    return Spheres.join(spheres), Boxes.join(boxes)
