# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What bodies do: random poses of everyday families."""

from __future__ import annotations

import math

import torch

from ..chance import Draw, about_axis, choose
from .kinematics import BodyPose, solve_arm, swing
from .shape import BodyShape

# Limits in radians: direction, elevation and outward turn of the limbs, elbows and knees, spine, neck.
LIMITS = {
    "shoulders": ((-1.6, 3.2), (0.0, 3.1), (-1.7, 1.9)),
    "hips": ((-3.2, 3.2), (0.0, 2.2), (-0.8, 1.5)),
    "elbows": ((0.0, 2.6),),
    "knees": ((0.0, 2.6),),
    "spine": ((-0.5, 1.9), (-0.7, 0.7), (-0.8, 0.8)),
    "neck": ((-0.8, 0.8), (-0.5, 0.5), (-1.2, 1.2)),
}
# Families and their shares; trunk, legs and arms are drawn apart, arms in a part of the bodies each for itself.
LEGS = {"stand": 40, "wide": 8, "walk": 20, "sit": 14, "floor": 3, "squat": 4, "kneel": 3, "raise": 8}
ARMS = {
    "hang": 16,
    "walk": 6,
    "crossed": 7,
    "hips": 7,
    "behind": 5,
    "reach": 16,
    "wave": 8,
    "sideways": 6,
    "goalpost": 8,
    "overhead": 6,
    "face": 7,
    "front": 8,
    "random": 8,
}
TRUNKS = {"upright": 80, "forward": 10, "aside": 4, "random": 6}


def sample_body_pose(
    shape: BodyShape,
    generator: torch.Generator,
    *,
    legs: str | None = None,
    arms: str | None = None,
    trunk: str | None = None,
) -> BodyPose:
    """Sample poses for bodies.

    Args:
        shape: Bodies [B]; the arms go around them.
        generator: Source of the random numbers.
        legs, arms, trunk: Names of families, keys of LEGS, ARMS and TRUNKS; None: random ones.

    Raises:
        ValueError: There is no family of a name.
    """
    draw = Draw(shape.height.shape[0], generator)
    leg = _pick(draw, LEGS, legs)
    both, each = _pick(draw, ARMS, arms), _pick(draw, ARMS, arms, 2)
    arm = torch.where(draw.some(0.45, 1), each, both[:, None])
    low_seat = (leg >= list(LEGS).index("sit")) & (leg <= list(LEGS).index("kneel"))
    # People cross their arms with both.
    paired = (arm == list(ARMS).index("crossed")).any(1, keepdim=True)
    arm = torch.where(paired, torch.full_like(arm, list(ARMS).index("crossed")), arm)
    spine = _trunks(draw, _pick(draw, TRUNKS, trunk), low_seat)
    phase = 2 * math.pi * draw.rand()
    hips, knees, ankles = _legs(draw, leg, phase)
    shoulders, elbows = _arms(draw, shape, arm, phase, spine[:, 0])
    neck = draw.normal(0.22, 3) * draw.tensor([1.0, 0.6, 1.4])
    curl = torch.where(draw.some(0.3, 2), draw.uniform(0.7, 1.0, 2), draw.uniform(0.0, 0.6, 2))
    ahead = draw.normal(0.5)
    yaw = torch.where(draw.some(0.6), ahead, draw.uniform(-math.pi, math.pi))
    return BodyPose(
        spine=_clamp(spine, "spine"),
        neck=_clamp(neck, "neck"),
        shoulders=_clamp(shoulders, "shoulders"),
        elbows=_clamp(elbows[..., None], "elbows")[..., 0],
        curl=curl,
        hips=_clamp(hips, "hips"),
        knees=_clamp(knees[..., None], "knees")[..., 0],
        ankles=ankles.clamp(-0.6, 0.9),
        yaw=yaw,
    )


def seated(pose: BodyPose) -> torch.Tensor:
    """Return whether, bool [B], the thighs are level and the shanks hang down, as on a chair."""
    thigh = pose.hips[..., 1]
    return ((thigh > 1.2) & (thigh < 1.8) & (pose.knees > 0.8) & (pose.knees < 2.0)).all(1)


def _pick(draw: Draw, families: dict[str, int], name: str | None, *size: int) -> torch.Tensor:
    """Return random families as indices [B, *size], or the one that is named."""
    shares = draw.tensor([float(share) for share in families.values()])
    edges = (shares / shares.sum()).cumsum(0)[:-1]
    index = torch.bucketize(draw.rand(*size), edges)
    return index if name is None else torch.full_like(index, list(families).index(_known(name, families)))


def _trunks(draw: Draw, family: torch.Tensor, low_seat: torch.Tensor) -> torch.Tensor:
    """Return spines [B, 3]."""
    upright = draw.normal(0.1, 3) * draw.tensor([0.8, 0.6, 1.2]) + draw.tensor([0.03, 0.0, 0.0])
    upright[:, 0] += low_seat * draw.uniform(-0.25, 0.5)
    forward = upright + draw.uniform(0.3, 1.6)[:, None] * draw.tensor([1.0, 0.0, 0.0])
    side = torch.where(draw.some(0.5), -1.0, 1.0)
    aside = upright + torch.stack((draw.uniform(0.0, 0.3), side * draw.uniform(0.2, 0.6), draw.normal(0.2)), dim=1)
    wild = torch.stack([draw.uniform(-0.3, 0.9), draw.uniform(-0.4, 0.4), draw.uniform(-0.7, 0.7)], dim=1)
    return choose(family, [upright, forward, aside, wild])


def _legs(draw: Draw, family: torch.Tensor, phase: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return hips [B, 2, 3], knees and ankles [B, 2]."""

    def legs(direction: torch.Tensor, raised: torch.Tensor, outward: torch.Tensor, knee: torch.Tensor) -> torch.Tensor:
        return torch.stack((direction, raised, outward, knee), dim=-1)

    u, turned = draw.uniform, draw.normal(0.15, 2)
    stand = legs(u(0.8, 2.0, 2), u(0.0, 0.14, 2), u(-0.1, 0.4, 2), 0.25 * draw.rand(2).square())
    low = draw.rand(1).square()  # from straight legs to half a squat
    wide = legs(
        1.5 - 0.7 * low + turned,
        u(0.2, 0.4, 2) + 0.6 * low,
        0.1 + turned + 0.4 * low,
        1.1 * low + 0.1 * draw.rand(2),
    )
    cycle = phase[:, None] + draw.tensor([0.0, math.pi])
    stride = (0.25 + 0.55 * draw.rand(1).square()) * cycle.sin()
    bend = (
        (0.15 + 0.25 * draw.rand(1) + 1.3 * stride.abs().amax(1, keepdim=True) ** 1.5) * (1 + (cycle + 1.2).cos()) / 2
    )
    walk = legs(torch.where(stride > 0, turned, math.pi + turned), stride.abs(), turned, bend)
    sit = legs(u(0.0, 0.4, 2), u(1.3, 1.7, 2), u(-0.1, 0.2, 2), u(1.1, 1.8, 2))
    floor = legs(u(0.7, 1.0, 2), u(1.5, 1.75, 2), u(1.1, 1.4, 2), u(2.2, 2.5, 2))
    squat = legs(u(0.1, 0.6, 2), u(1.6, 2.1, 2), u(0.0, 0.3, 2), u(1.9, 2.5, 2))
    up = draw.some(0.5, 1) & (torch.arange(2, device=low.device) == draw.some(0.5, 1).long())
    kneel = torch.where(
        up[..., None],
        legs(u(0.0, 0.2, 2), u(1.3, 1.6, 2), turned, u(1.4, 1.8, 2)),
        legs(u(0.0, 0.4, 2), u(0.0, 0.2, 2), turned, u(1.5, 2.0, 2)),
    )
    which = torch.arange(2, device=low.device) == draw.some(0.5, 1).long()
    backward = draw.some(0.3, 1)
    raised = torch.where(
        backward[..., None],
        legs(math.pi + turned, u(0.0, 0.5, 2), turned, u(0.4, 1.9, 2)),
        legs(u(-0.2, 1.7, 2), u(0.5, 1.7, 2), turned, u(0.0, 1.6, 2)),
    )
    lifted = torch.where(which[..., None], raised, stand)
    chosen = choose(family, [stand, wide, walk, sit, floor, squat, kneel, lifted])
    hips, knees = chosen[..., :3], chosen[..., 3]
    # Soles stay about level while a foot can bend that far.
    pitch = knees - hips[..., 1] * hips[..., 0].cos()
    ankles = -pitch.clamp(-0.4, 0.4) + draw.normal(0.1, 2)
    kneeling = (family == list(LEGS).index("kneel"))[:, None] & (hips[..., 1] < 0.5)
    return hips, knees, torch.where(kneeling, u(0.2, 0.8, 2), ankles)


def _arms(
    draw: Draw, shape: BodyShape, family: torch.Tensor, phase: torch.Tensor, bend: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return shoulders [B, 2, 3] and elbows [B, 2]."""
    u = draw.uniform

    def arms(direction: torch.Tensor, raised: torch.Tensor, outward: torch.Tensor, elbow: torch.Tensor) -> torch.Tensor:
        return torch.stack((direction, raised, outward, elbow), dim=-1)

    def at(
        low: tuple[float, float, float], high: tuple[float, float, float], pole: tuple[float, float, float]
    ) -> torch.Tensor:
        """Return arms whose hand is between two points: outward, down and back from the shoulder, in heights."""
        spread = draw.rand(2, 3)
        target = draw.tensor(low) + spread * (draw.tensor(high) - draw.tensor(low))
        girth = shape.depth[:, None] - 1 + (shape.belly + shape.jacket)[:, None] / 0.1 / shape.height[:, None]
        # What is held before or behind a stout body is farther from its middle.
        target[..., 2] += 0.066 * girth * target[..., 2].sign() * (target[..., 1] > 0.08)
        elbow = draw.tensor(pole) + draw.normal(0.25, 2, 3)
        return solve_arm(target, elbow)

    # Arms hang down also from a trunk that is bent forward.
    fall = bend.clamp(0, 1.5)[:, None] * u(0.3, 1.0, 1)
    hang = arms(
        u(0.3, 1.9, 2) / (1 + 2 * fall),
        u(0.05, 0.35, 2) + fall,
        u(-0.5, 0.3, 2),
        0.7 * draw.rand(2).square() + 0.05,
    )
    cycle = (phase[:, None] + draw.tensor([math.pi, 0.0])).sin() * u(0.2, 0.8, 1)
    walk = arms(
        torch.where(cycle > 0, 0.3, 2.8).expand(-1, 2),
        cycle.abs() + 0.08,
        u(-0.3, 0.2, 2),
        u(0.1, 1.5, 1) * (0.7 + 0.3 * cycle),
    )
    crossed = at((-0.20, 0.09, -0.125), (-0.13, 0.15, -0.095), (0.7, 0.9, -0.3))
    on_hips = at((-0.02, 0.20, -0.05), (0.01, 0.27, 0.02), (1.0, 0.3, 0.5))
    behind = at((-0.15, 0.20, 0.075), (-0.06, 0.28, 0.095), (0.8, 0.5, 1.0))
    ahead = torch.nn.functional.normalize(draw.normal(1.0, 2, 3) + draw.tensor([0.3, -0.1, -0.7]), dim=-1)
    reach = solve_arm(ahead * u(0.17, 0.375, 2)[..., None], draw.tensor([0.6, 1.0, 0.3]) + draw.normal(0.4, 2, 3))
    wave = at((0.0, -0.26, -0.16), (0.2, -0.1, -0.02), (0.8, 0.8, 0.2))
    sideways = arms(u(1.1, 1.9, 2), u(1.2, 1.9, 2), u(-0.8, 1.3, 2), 0.6 * draw.rand(2).square())
    goalpost = arms(u(1.0, 1.9, 2), u(0.7, 1.9, 2), u(-1.3, 1.6, 2), u(0.9, 2.1, 2))
    overhead = at((-0.1, -0.37, -0.12), (0.2, -0.22, 0.02), (1.0, -0.2, -0.1))
    face = at((-0.19, -0.17, -0.12), (-0.05, -0.04, -0.06), (0.7, 1.0, -0.2))
    head = at((-0.13, -0.25, -0.06), (-0.02, -0.15, 0.05), (1.0, 0.1, -0.4))
    face = torch.where(draw.some(0.35, 1, 1), head, face)
    front = at((-0.14, 0.02, -0.30), (0.03, 0.24, -0.14), (0.5, 1.0, 0.4))
    limits = torch.tensor(LIMITS["shoulders"] + LIMITS["elbows"], device=bend.device)
    wild = limits[:, 0] + (limits[:, 1] - limits[:, 0]) * draw.rand(2, 4)
    choices = [hang, walk, crossed, on_hips, behind, reach, wave, sideways, goalpost, overhead, face, front, wild]
    chosen = choose(family, choices)
    inside = _inside(shape, chosen)
    chosen = torch.where(inside[..., None], hang, chosen)
    return chosen[..., :3], chosen[..., 3]


def _inside(shape: BodyShape, arms: torch.Tensor) -> torch.Tensor:
    """Return whether, bool [B, 2], the forearm of arms [B, 2, 4] runs through the trunk or the head."""
    upper = swing(arms[..., :3])
    fore = upper @ about_axis(0, -arms[..., 3])
    size = shape.height[:, None, None, None]
    along = torch.linspace(0.4, 1.0, 4, device=arms.device)[:, None] * shape.forearm[:, None, None, None]
    start = shape.upper_arm[:, None, None] * upper[..., 1]
    points = start[:, :, None] + along * fore[:, :, None, :, 1]
    points = points / size + points.new_tensor([0.11, 0.0, 0.0])
    breadth = 0.072 * shape.breadth[:, None, None]
    depth = 0.052 * shape.depth[:, None, None] + (shape.belly / shape.height)[:, None, None]
    trunk = (points[..., 0] / breadth).square() + (points[..., 2] / depth).square() < 1
    trunk &= (points[..., 1] > -0.02) & (points[..., 1] < 0.3)
    head = (points - points.new_tensor([0.0, -0.125, 0.0])).norm(dim=-1) < 0.055
    return (trunk | head).any(-1)


def _known(name: str, families: dict[str, int]) -> str:
    if name not in families:
        raise ValueError(f"unknown family of poses '{name}'; choose one of: {', '.join(families)}")
    return name


def _clamp(angles: torch.Tensor, name: str) -> torch.Tensor:
    low, high = torch.tensor(LIMITS[name], device=angles.device).unbind(-1)
    return angles.clamp(low, high)
