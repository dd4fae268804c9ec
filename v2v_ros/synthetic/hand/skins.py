# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Hands of MakeHuman's people (CC0) as balls under their skin, on the skeleton of ``pose_hand``.

``scripts/bake_skins.py`` has written the file. Every bone carries its part of the skin and stretches it to its own
length and thickness, so a skinned hand has the very joints of the hand made of spheres.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..chance import Draw, frames_along
from ..spheres import Spheres
from .kinematics import BASES, PALM, RADII, HandPose, Placement, finger_chains, pose_hand
from .surface import HandShape, forearm_frame, forearm_surface

_FILE = Path(__file__).with_name("skins.safetensors")
_FINGERS = ("index", "middle", "ring", "little", "thumb")
SEGMENTS = (
    "palm",
    "forearm",
    *(f"{finger}_{bone}" for finger in _FINGERS[:4] for bone in ("metacarpal", "proximal", "middle", "distal")),
    *(f"thumb_{bone}" for bone in ("metacarpal", "proximal", "distal")),
)
"""Parts that move as one, in the order of the file."""
ULNAR = torch.tensor([-1.0, 0.0, 0.0])
"""Direction of the little finger's side in the hand frame."""
_FOREARM = 0.0245  # metres, radius of the mean forearm at the wrist


@cache
def _baked(device: torch.device) -> dict[str, torch.Tensor]:
    return {name: values.float().to(device) for name, values in load_file(_FILE).items()}


def pose_hands(
    shape: HandShape,
    pose: HandPose,
    share: float,
    generator: torch.Generator,
    left: torch.Tensor | None = None,
) -> tuple[torch.Tensor, Spheres]:
    """Pose hands [B] of which a share have skin and the others are made of spheres, as ``pose_hand`` does.

    Args:
        shape: Hands.
        pose: Poses of them [B].
        share: Share of the hands with skin, in [0, 1]; with 0 no random number is drawn.
        generator: Source of the random numbers.
        left: Mask of the left hands, bool [B]. None: all are right hands.
    """
    joints, plain = pose_hand(shape, pose, left)
    if share <= 0:
        return joints, plain
    draw = Draw(shape.palm.shape[0], generator)
    chosen = draw.some(share)
    surface = skin_surface(shape, pose, draw)
    place = Placement.of(shape, pose, left)
    skin = Spheres(place(surface.centers), surface.radii)
    return joints, Spheres.join([plain.where(~chosen), skin.where(chosen)])


def skin_surface(shape: HandShape, pose: HandPose, draw: Draw) -> Spheres:
    """Return the skins of hands of random people in the hand frame of right hands, with forearms and sleeves."""
    baked = _baked(draw.device)
    count, bones = baked["weights"].shape
    own = baked["people"][draw.integers(len(baked["people"]))] * (1 + draw.normal(0.1, baked["people"].shape[1]))
    values = baked["mean"] + own @ baked["components"]
    centers, radii = values[:, : 3 * count].view(-1, count, 3), values[:, 3 * count : 4 * count]
    points = values[:, 4 * count :].view(-1, bones, 2, 3)  # where each bone starts and ends in the rest pose
    starts, axes, stretch = _bones(shape, pose, points)
    matrices = axes @ (stretch[..., None] * baked["axes"].mT)  # [B, S, 3, 3]
    shifts = starts - (matrices @ points[:, :, 0, :, None])[..., 0]
    weights = baked["weights"]
    blended = torch.einsum("ns,bsij->bnij", weights, matrices)
    moved = (blended @ centers[..., None])[..., 0] + torch.einsum("ns,bsi->bni", weights, shifts)
    thickness = (stretch[..., 0] * stretch[..., 2]).sqrt() @ weights.T
    return Spheres.join([Spheres(moved, radii * thickness), forearm_surface(shape, pose.wrist)])


def _bones(shape: HandShape, pose: HandPose, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return where the segments start [B, S, 3], their axes [B, S, 3, 3], and how they stretch along these [B, S, 3].

    Args:
        points: float [B, S, 2, 3], start and end of every segment in the rest pose.
    """
    joints, bones = finger_chains(shape, pose.fingers)
    batch, device = joints.shape[0], joints.device
    one = torch.eye(3, device=device).expand(batch, 3, 3)
    wrist = torch.zeros(batch, 3, device=device)
    width = shape.bases[:, 0, 0] - shape.bases[:, 3, 0]
    width = width / (BASES[0, 0] - BASES[3, 0])
    length = shape.bases[:, 1, 1] / BASES[1, 1]
    thick = shape.palm / PALM
    fingers = (shape.radii / RADII.to(device)).mean(2)  # [B, 5]
    forearm = shape.forearm / _FOREARM
    starts, axes = [wrist, wrist], [one, forearm_frame(pose.wrist)]
    stretch = [torch.stack((width, length, thick), dim=-1), forearm[:, None].expand(-1, 3)]
    rest = (points[:, :, 1] - points[:, :, 0]).norm(dim=-1)
    for finger in range(5):
        if finger < 4:
            base = joints[:, finger, 0]
            starts.append(wrist)
            axes.append(frames_along(base / base.norm(dim=1, keepdim=True), ULNAR.to(device).expand_as(base)))
            along = base.norm(dim=1) / rest[:, len(stretch)]
            stretch.append(torch.stack((width, along, thick), dim=-1))
        for bone in range(3):
            starts.append(joints[:, finger, bone])
            axes.append(bones[:, finger, bone])
            along = shape.bones[:, finger, bone] / rest[:, len(stretch)]
            stretch.append(torch.stack((fingers[:, finger], along, fingers[:, finger]), dim=-1))
    return torch.stack(starts, dim=1), torch.stack(axes, dim=1), torch.stack(stretch, dim=1)
