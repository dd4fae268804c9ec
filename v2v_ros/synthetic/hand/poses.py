# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What hands do: families of poses with their spread, ways to hold a hand before a camera, no self-penetration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from ..chance import Draw, about_axis
from .kinematics import HandPose, finger_joints
from .surface import HandShape, forearm_frame

# Limits in degrees: (spread, then the flexions from the knuckle to the tip) of index, middle, ring and little finger;
# (abduction, flexion, flexion of the two outer joints) of the thumb.
LOW = torch.tensor([[-16, -20, 0, 0], [-12, -20, 0, 0], [-14, -20, 0, 0], [-22, -20, 0, 0], [-25, -22, -8, -15]])
HIGH = torch.tensor([[16, 88, 105, 72], [12, 90, 106, 74], [14, 90, 106, 74], [22, 90, 102, 74], [45, 50, 55, 75]])

# How one finger is bent: flexions in degrees at the knuckle, the middle and the last joint.
_FINGERS = {
    "S": (2, 6, 4),  # straight
    "s": (55, 8, 4),  # straight, forward
    "R": (25, 32, 18),  # relaxed
    "C": (86, 102, 64),  # curled into the palm
    "H": (5, 92, 58),  # hook
    "E": (52, 100, 58),  # folded, fingertips at the edge of the palm
    "F": (68, 12, 6),  # bent at the knuckle alone
    "G": (48, 62, 34),  # around a bottle
    "g": (28, 36, 22),  # around a ball
    "O": (50, 51, 30),  # meets the thumb
    "o": (55, 55, 31),  # meets it beside the index finger
    "K": (45, 78, 42),  # support of the key grip
}
# How the thumb is held: abduction, flexion, outer flexions.
_THUMBS = {
    "out": (-12, -16, 2, 0),
    "rest": (4, 0, 12, 14),
    "flat": (-14, 19, 4, 4),
    "beside": (12, 18, 16, 14),
    "up": (-22, -18, 0, -4),
    "across": (-4, 41, 50, 62),
    "over": (26, 8, 46, 66),
    "over_ring": (28, 38, 44, 52),
    "opposed": (36, 10, 14, 20),
    "pinch": (30, 17, 20, 28),
    "tripod": (30, 25, 28, 33),
    "key": (16, 15, 15, 26),
}


@dataclass(frozen=True)
class Family:
    """Poses that belong together.

    Attributes:
        name: Name such as ``fist``.
        fingers: Flexions of index, middle, ring and little finger: four keys of the table above.
        thumb: Key of the table of thumbs.
        spread: Angle in degrees from finger to finger.
        weight: Chance of being drawn, relative to the others.
        holds: Thing that a hand of this family can hold, one of ``held.KINDS``; empty for none.
    """

    name: str
    fingers: str
    thumb: str
    spread: float = 0.0
    weight: float = 1.0
    holds: str = ""


def _counting_thumb(bits: int) -> str:
    """Return how the thumb is held when the fingers of these bits (index finger first, thumb last) are stretched."""
    if bits & 16:
        return "out"
    if bits & 7 == 7:
        return "across"
    return "over_ring" if bits & 1 else "over"


FAMILIES = (
    Family("open", "SSSS", "out", 7, 6),
    Family("flat", "SSSS", "flat", -2, 4),
    Family("relaxed", "RRRR", "rest", 0, 6),
    Family("fist", "CCCC", "over", 0, 5),
    Family("thumb_up", "CCCC", "up", 0, 2),
    Family("point", "SCCC", "over_ring", 0, 5),
    Family("pistol", "SCCC", "out", 0, 2),
    Family("pinch", "ORRR", "pinch", 0, 3, "pen"),
    Family("pinch_curled", "OGGG", "pinch", 0, 2, "pen"),
    Family("tripod", "OoGG", "tripod", 0, 3, "pen"),
    Family("ok", "OSSS", "pinch", 5, 3),
    Family("cylinder", "GGGG", "opposed", 0, 4, "rod"),
    Family("ball", "gggg", "opposed", 5, 3, "ball"),
    Family("box", "FFFF", "opposed", 0, 3, "box"),
    Family("plate", "gggg", "flat", 0, 2, "flat"),
    Family("phone", "RGGG", "rest", 0, 3, "flat"),
    Family("key", "KKKK", "key", 0, 3, "flat"),
    Family("hook", "HHHH", "flat", 0, 2, "rod"),
    Family("letter_a", "CCCC", "beside", 0, 1.5),
    Family("letter_b", "SSSS", "across", -2, 1.5),
    Family("letter_c", "gggg", "opposed", 0, 1.5),
    Family("letter_d", "Sooo", "tripod", 0, 1.5),
    Family("letter_e", "EEEE", "across", 0, 1.5),
    Family("letter_f", "OSSS", "pinch", 5, 1.5),
    Family("letter_i", "CCCS", "over", 0, 1.5),
    Family("letter_k", "SsCC", "key", 3, 1.5),
    Family("letter_l", "SCCC", "out", 3, 1.5),
    Family("letter_o", "Oooo", "tripod", 0, 1.5),
    Family("letter_u", "SSCC", "over_ring", -2, 1.5),
    Family("letter_v", "SSCC", "over_ring", 9, 2),
    Family("letter_w", "SSSC", "across", 7, 1.5),
    Family("letter_y", "CCCS", "out", 5, 1.5),
    Family("horns", "SCCS", "over_ring", 3, 1.5),
    *(
        Family(
            f"count_{bits:05b}",
            "".join("S" if bits >> finger & 1 else "C" for finger in range(4)),
            _counting_thumb(bits),
            5,
            0.5,
        )
        for bits in range(32)
    ),
    Family("random", "GGGG", "rest", 0, 11),
)
NAMES = tuple(family.name for family in FAMILIES)
_BLENDED = 0.25  # share of poses between two families
_CANDIDATES = 4
_TOUCH = 0.003  # metres that soft fingers give way


def _means() -> torch.Tensor:
    """Return the mean angles [F, 5, 4] in degrees."""
    table = []
    for family in FAMILIES:
        spread = [family.spread * side for side in (1.0, 0.0, -1.0, -2.0)]
        rows = [(-s, *map(float, _FINGERS[key])) for s, key in zip(spread, family.fingers, strict=True)]
        table.append([*rows, tuple(map(float, _THUMBS[family.thumb]))])
    return torch.tensor(table)


_MEANS = _means()
# The draws depend on the type, and are to be the same whatever type the rest is computed in.
_WEIGHTS = torch.tensor([family.weight for family in FAMILIES], dtype=torch.float64)


def sample_families(batch: int, generator: torch.Generator) -> torch.Tensor:
    """Sample families of poses by their weights: indices int64 [B] into :data:`FAMILIES`."""
    return Draw(batch, generator).weighted(_WEIGHTS.to(generator.device))


def family_fingers(family: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Sample finger angles [B, 5, 4] in radians around the means of families [B], inside the limits."""
    draw = Draw(family.shape[0], generator)
    low, high = LOW.to(draw.device), HIGH.to(draw.device)
    # Fingers vary together, each by itself, and its joints a little against each other.
    flexion = 5 * draw.randn(1, 1) + 5 * draw.randn(5, 1) + 3 * draw.randn(5, 3)
    outward = draw.tensor([-1.0, 0.0, 1.0, 2.0, 1.0])[:, None]
    spread = 3 * draw.randn(1, 1) * outward + 2.5 * draw.randn(5, 1)
    angles = _MEANS.to(draw.device)[family] + torch.cat((spread, flexion), dim=-1)
    # Random poses: anywhere within the limits, the joints of a finger bending together, loosely.
    curl = draw.rand(5, 1)
    loose = draw.rand(5, 4) - 0.5
    share = torch.cat((0.5 + 0.8 * loose[..., :1], curl + 0.35 * loose[..., 1:]), dim=-1)
    anywhere = low + share * (high - low)
    anywhere[:, 4, 0] = low[4, 0] + (loose[:, 4, 0] + 0.5) * (high - low)[4, 0]
    angles = torch.where((family == NAMES.index("random"))[:, None, None], anywhere, angles)
    return torch.deg2rad(_within_limits(angles))


def _within_limits(degrees: torch.Tensor) -> torch.Tensor:
    angles = torch.maximum(torch.minimum(degrees, HIGH.to(degrees.device)), LOW.to(degrees.device))
    bent = (angles[:, :4, 1] / 80).clamp(0, 1)
    angles[:, :4, 0] *= 1 - 0.75 * bent  # bent fingers cannot spread
    return angles


def sample_fingers(shape: HandShape, family: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Sample finger angles [B, 5, 4] in radians of families [B], some on the way to another family.

    Of several candidates the first is taken whose fingers do not go through each other or the palm, or else the one
    that does so least.
    """
    batch = family.shape[0]
    many = family.repeat_interleave(_CANDIDATES)
    fingers = family_fingers(many, generator)
    others = family_fingers(sample_families(batch, generator).repeat_interleave(_CANDIDATES), generator)
    blended = Draw(batch, generator).some(_BLENDED)
    weight = Draw(batch * _CANDIDATES, generator).rand()
    fingers = torch.lerp(fingers, others, (weight * blended.repeat_interleave(_CANDIDATES))[:, None, None])
    depth = penetration(shape.repeat(_CANDIDATES), fingers).view(batch, _CANDIDATES)
    best = depth.clamp_min(_TOUCH).argmin(1)
    return fingers.view(batch, _CANDIDATES, 5, 4)[torch.arange(batch, device=best.device), best]


def penetration(shape: HandShape, fingers: torch.Tensor) -> torch.Tensor:
    """Return by how many metres [B] fingers go through each other or the palm at worst.

    It is measured on a thinned set of spheres. The halves of neighbouring fingers that the palm's skin joins do not
    count, nor does the base of the thumb.
    """
    joints, radii = finger_joints(shape, fingers), shape.radii
    points, sizes = [], []
    for bone, share in _SAMPLES:
        points.append(torch.lerp(joints[:, :, bone], joints[:, :, bone + 1], share))
        sizes.append(torch.lerp(radii[:, :, bone], radii[:, :, bone + 1], share))
    base = shape.bases[:, :4]
    for share in (0.3, 0.55, 0.8):  # the palm, thinner than drawn: its flesh gives way
        points.append(torch.cat((base * share, base[:, 3:] * share), dim=1))
        sizes.append((0.85 * shape.palm[:, None]).expand(-1, 5))
    centers, r = torch.stack(points, dim=2).flatten(1, 2), torch.stack(sizes, dim=2).flatten(1, 2)
    overlap = r[:, :, None] + r[:, None] - torch.cdist(centers, centers)
    return overlap.masked_fill(~_pairs().to(overlap.device), 0.0).amax(dim=(1, 2)).clamp_min(0)


_SAMPLES = ((0, 0.6), (1, 0.0), (1, 0.5), (2, 0.0), (2, 0.4), (2, 0.72))  # bone, share of its length


def _pairs() -> torch.Tensor:
    """Return which pairs of the thinned spheres may not overlap, bool [45, 45]."""
    per = len(_SAMPLES) + 3
    finger = torch.arange(5).repeat_interleave(per)
    sample = torch.arange(per).repeat(5)
    on_finger = sample < len(_SAMPLES)
    other = finger[:, None] != finger
    outer = (sample >= 1) & on_finger
    thumb = finger == 4
    # Finger against finger: outer parts; thumb against the fingers from its middle on.
    fingers = other & outer[:, None] & outer & ~(thumb[:, None] | thumb)
    reach = thumb & (sample >= 1) & on_finger
    with_thumb = (reach[:, None] & (on_finger & ~thumb)) | (reach & (on_finger & ~thumb)[:, None])
    # Finger against palm: the outer two bones; the thumb's last bone.
    flesh = ~on_finger
    touching = on_finger & torch.where(thumb, sample >= 4, sample >= 2)
    palm = (touching[:, None] & flesh) | (touching & flesh[:, None])
    return fingers | with_thumb | palm


def sample_pose(
    shape: HandShape, family: torch.Tensor, generator: torch.Generator, near: float = 0.2, far: float = 1.2
) -> HandPose:
    """Sample poses of right hands near the camera's optical axis.

    Args:
        shape: Hands [B].
        family: Indices into :data:`FAMILIES`, int64 [B].
        generator: Source of the random numbers.
        near, far: Range of the distances in metres.
    """
    draw = Draw(family.shape[0], generator)
    fingers = sample_fingers(shape, family, generator)
    wrist = draw.randn(2) * draw.tensor([0.35, 0.18])
    wrist = torch.maximum(torch.minimum(wrist, wrist.new_tensor([1.0, 0.45])), wrist.new_tensor([-1.0, -0.45]))
    # Most hands are used at arm's length of a camera on a desk or a robot.
    z = torch.where(draw.some(0.35), draw.rand(), 0.32 + 0.18 * draw.randn())
    z = near + (far - near) * torch.where((z < 0) | (z > 1), draw.rand(), z)
    lateral = (2 * draw.rand(2) - 1) * draw.tensor([0.3, 0.22]) * z[:, None]
    orientation = sample_arm(draw.batch, generator) @ forearm_frame(wrist).transpose(1, 2)
    return HandPose(fingers, wrist, orientation, torch.cat((lateral, z[:, None]), dim=-1))


# How forearms point (from elbow to wrist, camera frame), how widely they vary, and how often.
_ARMS = torch.tensor(
    [
        [0.0, -1.0, -0.15, 0.40, 0.38],  # raised
        [0.0, -0.35, -0.95, 0.45, 0.18],  # reaching or pointing at the camera
        [0.85, -0.4, -0.3, 0.40, 0.13],  # across the image
        [-0.85, -0.4, -0.3, 0.40, 0.07],
        [0.0, 0.9, -0.3, 0.40, 0.06],  # hanging, or from above
        [0.0, -0.4, 0.9, 0.35, 0.03],  # the viewer's own hand
        [0.0, 0.0, 0.0, 1.0, 0.15],  # anyhow
    ]
)


def sample_arm(batch: int, generator: torch.Generator) -> torch.Tensor:
    """Sample frames of forearms [B, 3, 3] in the camera frame.

    Column 1 leads from elbow to wrist, column 2 out of the palm.
    """
    draw = Draw(batch, generator)
    arms = _ARMS.to(draw.device)
    kind = draw.weighted(arms[:, 4])
    direction = arms[kind, :3] + arms[kind, 3:4] * draw.randn(3)
    # An arm that comes straight from the camera hides its hand.
    steep = 1.2 * direction[:, :2].norm(dim=-1)
    direction = torch.cat((direction[:, :2], torch.minimum(direction[:, 2], steep)[:, None]), dim=-1)
    y = normalize(direction, dim=-1)
    # The palm faces the camera, or away from it, or anywhere; where that means nothing, it faces down.
    facing = torch.where(y[:, 2:].abs() > 0.85, y.new_tensor([0.0, 1.0, 0.0]), y.new_tensor([0.0, 0.0, -1.0]))
    z = normalize(facing - (facing * y).sum(-1, keepdim=True) * y, dim=-1)
    frame = torch.stack((torch.linalg.cross(y, z), y, z), dim=-1)
    how = draw.rand()
    around = 0.5 * draw.randn()
    spin = torch.where(how < 0.4, around, torch.where(how < 0.6, math.pi + around, 2 * math.pi * how / 0.4))
    return frame @ about_axis(1, spin)
