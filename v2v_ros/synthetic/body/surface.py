# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The surface of a synthetic person as fewer than 250 spheres.

Points, frames and offsets are those of the body frame: x towards the person's left, y down, z to the back.
"""

from __future__ import annotations

import math

import torch

from ..chance import about_axis
from ..spheres import Spheres, tapered_capsule
from .shape import BodyShape

# Half the breadth and half the depth of the trunk as shares of the height, and how far its middle lies in front of
# the spine, from below the hips (-0.1) to the neck (1).
_TRUNK_AT = (-0.14, 0.0, 0.2, 0.4, 0.6, 0.76, 0.88, 0.97)
_TRUNK_BREADTH = (0.076, 0.096, 0.091, 0.082, 0.088, 0.094, 0.086, 0.050)
_TRUNK_DEPTH = (0.052, 0.064, 0.062, 0.059, 0.064, 0.066, 0.056, 0.042)
_TRUNK_FRONT = (-0.004, -0.004, 0.004, 0.008, 0.006, 0.004, -0.002, -0.006)
_ROWS, _COLUMNS = 12, 5
_SKIRT_ROWS, _SKIRT_COLUMNS = 8, 4
SKIRT_SPHERES = _SKIRT_ROWS * _SKIRT_COLUMNS


def head_surface(
    shape: BodyShape, neck: torch.Tensor, head: torch.Tensor, chest: torch.Tensor, skull: torch.Tensor
) -> Spheres:
    """Return a skull longer than broad, a jaw, a nose, hair behind and above, and the neck; offsets in half heads."""
    spheres = skull.new_tensor(
        [
            # x, y, z, radius
            [0.0, -0.30, 0.14, 0.70],
            [0.0, -0.28, -0.08, 0.70],
            [0.0, 0.00, 0.08, 0.67],
            [0.0, 0.05, -0.20, 0.61],
            [0.0, 0.30, -0.22, 0.54],
            [0.0, 0.52, -0.30, 0.42],
            [0.0, 0.60, -0.45, 0.30],
            [0.0, 0.10, -0.78, 0.13],
            [0.0, 0.20, -0.82, 0.14],
            [0.0, 0.30, 0.10, 0.50],
            [0.66, 0.05, 0.05, 0.12],
            [-0.66, 0.05, 0.05, 0.12],
        ]
    )
    hair = skull.new_tensor(
        [[0.0, -0.36, 0.20], [0.0, -0.05, 0.24], [0.0, 0.35, 0.20], [0.3, -0.2, 0.1], [-0.3, -0.2, 0.1]]
    )
    size = shape.skull[:, None]
    radii = torch.cat(
        (size * spheres[:, 3], (0.66 * size + shape.hair[:, None]) - size * hair.new_tensor([0, 0, 0.2, 0.15, 0.15])), 1
    )
    centers = torch.cat((spheres[:, :3], hair)) * size[:, :, None]
    throat = tapered_capsule(
        neck + 0.1 * shape.skull[:, None] * chest[..., 1], head, 0.56 * shape.skull, 0.5 * shape.skull, 5
    )
    return Spheres.join([Spheres(_local(head, skull, centers), radii), throat])


def trunk_surface(shape: BodyShape, torso: torch.Tensor, lower: torch.Tensor, chest: torch.Tensor) -> Spheres:
    """Return rows of spheres as deep as the body, spread over its breadth, along the bent spine; buttocks."""
    device = torso.device
    at = torch.linspace(_TRUNK_AT[0], _TRUNK_AT[-1], _ROWS, device=device)
    profile = torch.tensor([_TRUNK_BREADTH, _TRUNK_DEPTH, _TRUNK_FRONT], device=device)
    knots = torch.tensor(_TRUNK_AT, device=device)
    right = torch.searchsorted(knots, at).clamp(1, len(_TRUNK_AT) - 1)
    weight = (at - knots[right - 1]) / (knots[right] - knots[right - 1])
    breadth, depth, front = torch.lerp(profile[:, right - 1], profile[:, right], weight)
    height = shape.height[:, None]
    radii = height * shape.depth[:, None] * depth + shape.jacket[:, None]
    paunch = (1 - ((at - 0.35) / 0.3).square()).clamp_min(0) * shape.belly[:, None]
    half = (height * shape.breadth[:, None] * breadth + shape.jacket[:, None] + 0.5 * paunch - radii).clamp_min(0)
    forward = height * front + paunch

    # The frame of a row goes over from the hips' to the lower and the upper trunk's.
    frames = torch.stack((torch.eye(3, device=device).expand_as(lower), lower, chest), dim=1)
    place = (at * 2.4).clamp(0, 2)
    first = place.long().clamp(max=1)
    blend = (place - first)[:, None, None]
    frame = torch.lerp(frames[:, first], frames[:, first + 1], blend)
    along = shape.trunk[:, None, None] * at[:, None]
    spine = torch.where(
        (at < 0)[:, None],
        -along * frame[..., 1],
        torch.where(
            (at < 0.5)[:, None],
            -along * lower[:, None, :, 1],
            torso[:, None] - (along - 0.5 * shape.trunk[:, None, None]) * chest[:, None, :, 1],
        ),
    )
    middle = spine - forward[..., None] * frame[..., 2]
    across = torch.linspace(-1, 1, _COLUMNS, device=device)
    centers = middle[:, :, None] + (half[..., None] * across)[..., None] * frame[:, :, None, :, 0]
    # The outer columns are thinner: a chest is an ellipse, no brick.
    thickness = 1 - 0.12 * across.square()
    shift = (1 - thickness) * radii[..., None]
    centers = centers + (shift * across)[..., None] * frame[:, :, None, :, 0]
    rows = Spheres(centers.flatten(1, 2), (radii[..., None] * thickness).flatten(1, 2))

    size = shape.height[:, None] * torch.ones(2, device=device)
    offsets = torch.stack((size * size.new_tensor([-0.045, 0.045]), 0.012 * size, 0.020 * size), dim=-1)
    buttocks = Spheres(
        _local(torch.zeros_like(torso), frames[:, :2].mean(1), offsets), 0.055 * size * shape.depth[:, None]
    )
    return Spheres.join([rows, buttocks])


def shoulder_surface(shape: BodyShape, neck: torch.Tensor, shoulders: torch.Tensor, chest: torch.Tensor) -> Spheres:
    """Return the slope from the neck to the shoulders."""
    high = neck - 0.030 * shape.height[:, None] * chest[..., 1] + 0.008 * shape.height[:, None] * chest[..., 2]
    thick = 0.026 * shape.height * shape.limbs + shape.jacket
    return Spheres.join([tapered_capsule(high, shoulders[:, side], 1.1 * thick, thick, 6) for side in range(2)])


def arm_surface(
    shape: BodyShape,
    shoulder: torch.Tensor,
    elbow: torch.Tensor,
    hand: torch.Tensor,
    forearm: torch.Tensor,
    curl: torch.Tensor,
    side: float,
) -> list[Spheres]:
    size, bare = shape.height, shape.height * shape.limbs
    first, last = shape.sleeves.unbind(1)
    wrist = hand - 0.05 * size[:, None] * forearm[..., 1]
    # A palm, four fingers as one sheet that curls forward (the forearm bends that way too), a thumb in front.
    t = curl.new_tensor([0.0, 0.5, 1.0])
    reach = curl[:, None] * 2.4 * t  # angle of the sheet at each of its rows
    length = (0.026 + 0.022 * t) * size[:, None]
    down = 0.012 * size[:, None] + length * torch.cos(0.8 * reach)
    bent = length * torch.sin(0.8 * reach)
    across = curl.new_tensor([-0.016, 0.0, 0.016]) * size[:, None]
    fingers = torch.stack(
        [
            torch.stack((across, y[:, None].expand_as(across), -z[:, None].expand_as(across)), dim=-1)
            for y, z in zip(down.unbind(1), bent.unbind(1), strict=True)
        ],
        dim=1,
    ).flatten(1, 2)
    # Thumbs point inward-forward: the palms of hanging arms face the body.
    frame = forearm @ about_axis(1, curl.new_tensor(side * 0.5 * math.pi))
    palm = size[:, None, None] * size.new_tensor([[-0.014, 0.0, 0.0], [0.014, 0.0, 0.0], [0.0, -0.02, 0.0]])
    thumb = size[:, None, None] * size.new_tensor([[0.024, -0.005, -0.01], [0.03, 0.012, -0.016], [0.03, 0.026, -0.02]])
    thumb = thumb * thumb.new_tensor([side, 1.0, 1.0])
    offsets = torch.cat((palm, fingers, thumb), dim=1)
    shares = size.new_tensor([0.019] * 2 + [0.017] + [0.0105] * 9 + [0.011] * 3)
    return [
        tapered_capsule(shoulder, elbow, 0.030 * bare + first, 0.0255 * bare + first, 8),
        tapered_capsule(elbow, wrist, 0.026 * bare + first, 0.0165 * bare + last, 10),
        Spheres(_local(hand, frame, offsets), size[:, None] * shares),
    ]


def leg_surface(
    shape: BodyShape, hip: torch.Tensor, knee: torch.Tensor, foot: torch.Tensor, sole: torch.Tensor
) -> list[Spheres]:
    size, bare = shape.height, shape.height * shape.limbs
    first, last = shape.trousers.unbind(1)
    heel = foot + size[:, None] * (0.012 * sole[..., 1] + 0.018 * sole[..., 2])
    toes = heel + (0.012 * size)[:, None] * sole[..., 1] - shape.foot[:, None] * sole[..., 2]
    calf = torch.lerp(knee, foot, 0.3)
    return [
        tapered_capsule(hip, knee, 0.052 * bare + first, 0.036 * bare + 0.5 * (first + last), 9),
        tapered_capsule(knee, calf, 0.034 * bare + 0.5 * (first + last), 0.034 * bare + last, 4),
        tapered_capsule(calf, foot, 0.034 * bare + last, 0.023 * bare + last, 8),
        tapered_capsule(heel, toes, 0.027 * size, 0.017 * size, 5),
    ]


def skirt_surface(shape: BodyShape, hips: torch.Tensor, knees: torch.Tensor, feet: torch.Tensor) -> Spheres:
    """Spheres between the legs and around them, down to the hem."""
    rows, columns = _SKIRT_ROWS, _SKIRT_COLUMNS
    device = hips.device
    there = shape.skirt > 0
    down = torch.linspace(0, 1, rows, device=device) * shape.skirt[:, None] * 2  # 1 is the knee, 2 the foot
    along = down.clamp(0, 1)[:, :, None, None]
    beyond = (down - 1).clamp(0, 1)[:, :, None, None]
    legs = hips[:, None] + along * (knees - hips)[:, None] + beyond * (feet - knees)[:, None]  # [B, rows, 2, 3]
    across = torch.linspace(-0.1, 1.1, columns, device=device)[:, None]
    centers = legs[:, :, None, 0] + across * (legs[:, :, None, 1] - legs[:, :, None, 0])
    radii = shape.height[:, None] * (0.056 * shape.limbs[:, None] + 0.02 * down) * there[:, None]
    return Spheres(centers.flatten(1, 2), radii[:, :, None].expand(-1, -1, columns).flatten(1, 2))


def _local(origin: torch.Tensor, frame: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return points [B, N, 3] at offsets [B, N, 3] in a frame [B, 3, 3] about an origin [B, 3]."""
    return origin[:, None] + offsets @ frame.transpose(1, 2)
