"""What is around a hand, or in its place: things that could be taken for one, clutter, furniture, tables and walls."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from ..chance import Draw
from ..spheres import Spheres
from ..worlds import Boxes

# The parts of a head: where they are, and their radii, in radii of the largest.
_HEAD = [
    [0, 0, 0, 1],
    [0, 0.5, 0.1, 0.9],
    [0, 0.3, -1, 0.2],
    [0, 0.9, -0.5, 0.35],
    [1, 0.2, 0, 0.25],
    [-1, 0.2, 0, 0.25],
]


def decoys(draw: Draw, centers: torch.Tensor, which: torch.Tensor) -> tuple[Spheres, Boxes]:
    """Return what could be taken for a hand: blobs, bottles, a head or an elbow, rods, a fan of sticks, boxes, or
    nothing."""
    device = draw.device
    kind = (7 * draw.uniform(0, 1, 1)).long()
    t = torch.linspace(0, 1, 14, device=device)
    # Up to five rows of spheres, or five rods.
    fan = torch.linspace(-1, 1, 5, device=device)
    root = draw.normal(0.02, 3)
    main = draw.directions()
    side = normalize(torch.linalg.cross(main, draw.directions()), dim=-1)
    spread = draw.uniform(0.2, 0.9, 1)
    is_fan, is_rods, is_limb, is_blob, is_head, is_box = (kind == k for k in range(6))
    directions = main[:, None] + (is_fan * spread)[..., None] * fan[:, None] * side[:, None]
    apart = torch.where(is_rods, draw.uniform(0.05, 0.12, 1), 0.0)
    starts = root[:, None] + apart[..., None] * fan[:, None] * side[:, None]
    length = torch.where(is_limb, draw.uniform(0.15, 0.35, 1), draw.uniform(0.06, 0.11, 1))
    rows = starts[:, :, None] + (t * length)[:, None, :, None] * directions[:, :, None]
    thick = torch.where(is_limb, draw.uniform(0.025, 0.05, 1), draw.uniform(0.005, 0.012, 1))
    shown = torch.where(is_limb, fan == 0, is_fan & draw.some(0.85, 5))
    row_radii = (thick * shown)[..., None] * torch.lerp(draw.uniform(0.6, 1.3, 1), torch.ones_like(spread), t)[:, None]
    blob = draw.normal(0.03, 8, 3)
    blob_radii = draw.uniform(0.008, 0.045, 8) * (is_blob & draw.some(0.8, 8))
    # An elbow, or a head with nose, chin and ears.
    size = draw.uniform(0.05, 0.1, 1)
    features = centers.new_tensor(_HEAD)
    head = size[..., None] * (features[:, :3] + draw.normal(0.08, len(_HEAD), 3)) @ draw.frames(draw.directions())
    head = head + centers.new_tensor([0.0, 0.0, 0.03])
    head_radii = size * features[:, 3] * is_head * draw.some(0.8, len(_HEAD))
    spheres = Spheres(
        centers[:, None] + torch.cat((rows.flatten(1, 2), blob, head), dim=1),
        torch.cat((row_radii.flatten(1, 2), blob_radii, head_radii), dim=1) * which[:, None],
    )
    # Two boxes, or rods like those of the back of a chair.
    box = draw.uniform(0.01, 0.09, 5, 3) * (torch.arange(5, device=device) < 2)[:, None]
    rod = torch.stack((thick, draw.uniform(0.1, 0.25, 1), thick), dim=-1).expand(-1, 5, -1)
    halves = torch.where(is_rods[..., None], rod, box * is_box[..., None]) * which[:, None, None]
    loose = draw.normal(0.03, 5, 3) + centers.new_tensor([0.0, 0.0, 0.03])
    middle = centers[:, None] + torch.where(is_rods[..., None], starts, loose)
    axes = draw.frames(torch.where(is_rods[..., None], directions, draw.directions(5)))
    return spheres, Boxes(middle, axes, halves)


def clutter(draw: Draw, centers: torch.Tensor) -> tuple[Spheres, Boxes]:
    """Furniture and loose things beside and behind the hand, clear of it."""
    device = draw.device
    # Rows of spheres that start outside the hand and lead away: sticks, cables, edges, arms.
    aside = normalize(draw.normal(1.0, 2, 3) * centers.new_tensor([1.0, 1.0, 0.5]), dim=-1)
    aside = torch.cat((aside[..., :2], aside[..., 2:].abs()), dim=-1)
    radii = (0.005 + 0.035 * draw.uniform(0, 1, 2).square()) * draw.some(0.2, 2)
    start = centers[:, None] + aside * (draw.uniform(0.13, 0.2, 2) + radii)[..., None]
    course = aside + draw.normal(0.7, 2, 3)
    course = course - ((course * aside).sum(-1, keepdim=True).clamp_max(0)) * aside
    t = torch.linspace(0, 1, 14, device=device)[:, None]
    length = torch.minimum(draw.uniform(0.05, 0.3, 2), 13 * radii)  # no gaps between the spheres
    rows = start[:, :, None] + t * (normalize(course, dim=-1) * length[..., None])[:, :, None]
    spheres = Spheres(rows.flatten(1, 2), radii[..., None].expand(-1, -1, 14).flatten(1, 2))
    # Boxes, wholly outside a sphere around the hand, beside or behind it.
    halves = 0.03 + 0.25 * draw.uniform(0, 1, 2, 3).square()
    away = normalize(draw.normal(1.0, 2, 3), dim=-1)
    away = torch.cat((away[..., :2], away[..., 2:].abs()), dim=-1)
    axes = draw.frames(normalize(centers.new_tensor([0.0, -1.0, 0.0]) + draw.normal(0.25, 2, 3), dim=-1))
    extent = ((axes.transpose(-1, -2) @ away[..., None])[..., 0].abs() * halves).sum(-1)
    middle = centers[:, None] + away * (extent + draw.uniform(0.13, 0.3, 2))[..., None]
    return spheres, Boxes(middle, axes, halves * draw.some(0.22, 2)[..., None])


def walls(draw: Draw, centers: torch.Tensor, hand: Spheres, empty: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a wall behind and a table (camera and table may be turned): points and normals [B, 2, 3].

    In some worlds the hand rests on one of them.
    """
    wall = centers.new_tensor([0.0, 0.0, -1.0]) + draw.normal(0.35, 3)
    table = centers.new_tensor([0.0, -0.8, -0.6]) + draw.normal(0.35, 3)
    normals = normalize(torch.stack((wall, table), dim=1), dim=-1)
    # They face the camera, else it would stand inside the wall.
    normals = torch.where((normals * centers[:, None]).sum(-1, keepdim=True) > 0, -normals, normals)
    # Clear of the hand and its forearm, measured along the normal; touching it where the hand rests.
    shown = hand.radii > 0
    reach = (centers[:, None, None] - hand.centers[:, None]) @ normals[..., None]
    reach = (reach[..., 0] + hand.radii[:, None]).masked_fill(~shown[:, None], 0.0).amax(-1)
    resting = draw.some(0.09, 2)
    gap = torch.where(resting, draw.uniform(0.0, 0.02, 2), draw.uniform(0.02, 0.5, 2).square() + 0.03)
    points = centers[:, None] - normals * (reach + gap)[..., None]
    # Where no hand is, a wall or the edge of a table may be what is looked at.
    through = draw.uniform(-0.1, 0.1, 2)
    points = torch.where(
        (empty[:, None] & draw.some(0.4, 2))[..., None], centers[:, None] - normals * through[..., None], points
    )
    seen = resting | draw.some(0.35, 2)
    return points, normals * seen[..., None]
