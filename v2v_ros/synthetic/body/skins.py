# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""MakeHuman's people (CC0) as balls under their skin, posed by the kinematics of ``BodyPose``.

``scripts/bake_skins.py`` has written the file: what a few hundred people have in common, and how they differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..chance import Draw, about_axis, turn_about, turn_between
from ..spheres import Spheres
from .kinematics import BodyPose, Frames, pose_body, segment_frames
from .shape import BodyShape
from .surface import SKIRT_SPHERES, skirt_surface

_FILE = Path(__file__).with_name("skins.safetensors")
_PAIRS = (
    "shoulder",
    "elbow",
    "hand",
    "wrist",
    "knuckle_index",
    "knuckle_little",
    "fingers",
    "hip",
    "knee",
    "foot",
)
LANDMARKS = ("head", "neck", "torso", *(f"{name}_{side}" for name in _PAIRS for side in ("right", "left")))
"""Joints of body15 and what segments turn about, in the order of the file."""
_LIMBS = ("collar", "upper_arm", "forearm", "knuckles", "fingers", "thigh", "shank", "foot")
SEGMENTS = ("pelvis", "lower", "chest", "skull", *(f"{name}_{side}" for name in _LIMBS for side in ("right", "left")))
"""Parts that move as one, in the order of the file."""
_BODY15 = (
    "head",
    "neck",
    "shoulder_right",
    "shoulder_left",
    "elbow_right",
    "elbow_left",
    "hand_right",
    "hand_left",
    "torso",
    "hip_right",
    "hip_left",
    "knee_right",
    "knee_left",
    "foot_right",
    "foot_left",
)
_CURL = 1.2  # radians that the knuckles and the middle joints of a fist are bent
_HIP = 0.8  # where trackers put the hips, as a share of the way from the middle to the joint


@dataclass(frozen=True)
class Skins:
    """A batch of people in their rest pose, in the body frame, with the middle of the hips at the origin.

    Attributes:
        balls: Balls under the skin, and clothes.
        landmarks: float [B, L, 3], points of LANDMARKS.
        weights: float [S, N], share that each of SEGMENTS has in moving each ball.
        shape: Sizes and clothes they were sampled for.
    """

    balls: Spheres
    landmarks: torch.Tensor
    weights: torch.Tensor
    shape: BodyShape


@cache
def _baked(device: torch.device) -> dict[str, torch.Tensor]:
    return {name: values.float().to(device) for name, values in load_file(_FILE).items()}


@cache
def hand_balls(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the indices of the balls of the right and of the left hand, from the wrist on."""
    baked = _baked(device)
    weights = baked["weights"].T
    mean = baked["mean"]
    count = weights.shape[1]
    centers, landmarks = mean[: 3 * count].view(count, 3), mean[4 * count :].view(-1, 3)
    hands = []
    for side in ("right", "left"):
        elbow, wrist = (landmarks[LANDMARKS.index(f"{name}_{side}")] for name in ("elbow", "wrist"))
        beyond = (centers - wrist) @ (wrist - elbow) > 0
        arm, *rest = (weights[SEGMENTS.index(f"{name}_{side}")] for name in ("forearm", "knuckles", "fingers"))
        hands.append((((arm > 0.5) & beyond) | (rest[0] + rest[1] > 0.5)).nonzero()[:, 0])
    return hands[0], hands[1]


def skin_spheres(device: torch.device) -> int:
    """Return the number of spheres of a skinned person, whose last ones are the skirt."""
    return _baked(device)["weights"].shape[0] + SKIRT_SPHERES


def sample_skins(shape: BodyShape, generator: torch.Generator) -> Skins:
    """Sample people of MakeHuman's shapes.

    Args:
        shape: Clothes, hair and heights of B people; a person of about that height is taken and brought to it.
        generator: Source of the random numbers.
    """
    draw = Draw(shape.height.shape[0], generator)
    baked = _baked(draw.device)
    count = baked["weights"].shape[0]
    landmarks = len(LANDMARKS)
    tall = _height(baked["mean"][-3 * landmarks :], baked["people"] @ baked["components"][:, -3 * landmarks :])
    # The nearest in height after a random error, so that all builds are seen at every height.
    person = (tall - (shape.height + draw.normal(0.08))[:, None]).abs().argmin(1)
    own = baked["people"][person] * (1 + draw.normal(0.1, baked["people"].shape[1]))
    values = baked["mean"] + own @ baked["components"]
    scale = (shape.height / _height(values[:, -3 * landmarks :]))[:, None]
    centers = (values[:, : 3 * count] * scale).view(-1, count, 3)
    radii = values[:, 3 * count : 4 * count] * scale
    marks = (values[:, 4 * count :] * scale).view(-1, landmarks, 3)
    shoes = 0.012 * draw.rand() * draw.some(0.8)
    worn = torch.stack((*shape.sleeves.unbind(1), *shape.trousers.unbind(1), shape.jacket, shape.hair, shoes), dim=-1)
    return Skins(Spheres(centers, radii + worn @ baked["clothes"].T), marks, baked["weights"].T, shape)


def pose_bodies(
    shape: BodyShape, pose: BodyPose, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, Spheres]:
    """Pose bodies [B] of which a share are MakeHuman's people and the others made of capsules, as ``pose_body`` does.

    Args:
        shape: Sizes of the bodies; MakeHuman's people take height and clothes from them.
        pose: Poses of them [B].
        share: Share of MakeHuman's people, in [0, 1]; with 0 no random number is drawn.
        generator: Source of the random numbers.
    """
    joints, capsules = pose_body(shape, pose)
    if share <= 0:
        return joints, capsules
    draw = Draw(shape.height.shape[0], generator)
    chosen = draw.some(share)
    skinned, skin = pose_skins(sample_skins(shape, generator), pose)
    joints = torch.where(chosen[:, None, None], skinned, joints)
    return joints, Spheres.join([capsules.where(~chosen), skin.where(chosen)])


def pose_skins(skins: Skins, pose: BodyPose) -> tuple[torch.Tensor, Spheres]:
    """Move people as ``pose_body`` does: joints float [B, 15, 3] in the order of ``body15``, and their surface."""
    frames = segment_frames(pose)
    at = {name: skins.landmarks[:, index] for index, name in enumerate(LANDMARKS)}
    moves = _moves(at, frames, pose.curl)
    rotations = torch.stack([moves[name][0] for name in SEGMENTS], dim=1)
    shifts = torch.stack([moves[name][1] for name in SEGMENTS], dim=1)
    # Linear blend skinning of the balls' centres.
    blended = torch.einsum("sn,bsij->bnij", skins.weights, rotations)
    centers = (blended @ skins.balls.centers[..., None])[..., 0] + torch.einsum("sn,bsi->bni", skins.weights, shifts)

    def moved(name: str, segment: str) -> torch.Tensor:
        rotation, shift = moves[segment]
        return _apply(rotation, at[name]) + shift

    joints = {"torso": moved("torso", "lower"), "neck": moved("neck", "chest"), "head": moved("head", "skull")}
    for side in ("right", "left"):
        joints[f"shoulder_{side}"] = moved(f"shoulder_{side}", f"collar_{side}")
        joints[f"elbow_{side}"] = moved(f"elbow_{side}", f"upper_arm_{side}")
        joints[f"hand_{side}"] = moved(f"hand_{side}", f"forearm_{side}")
        joints[f"hip_{side}"] = _HIP * at[f"hip_{side}"]
        joints[f"knee_{side}"] = moved(f"knee_{side}", f"thigh_{side}")
        joints[f"foot_{side}"] = moved(f"foot_{side}", f"shank_{side}")
    points = torch.stack([joints[name] for name in _BODY15], dim=1)
    skirt = skirt_surface(skins.shape, points[:, 9:11], points[:, 11:13], points[:, 13:15])
    surface = Spheres.join([Spheres(centers, skins.balls.radii), skirt])
    facing = about_axis(1, pose.yaw).transpose(1, 2)
    return points @ facing, Spheres(surface.centers @ facing, surface.radii)


def _moves(
    at: dict[str, torch.Tensor], frames: Frames, curl: torch.Tensor
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return rotation [B, 3, 3] and shift [B, 3] of every segment from the rest pose."""
    one = torch.eye(3, device=curl.device).expand(len(curl), 3, 3)
    moves = {"pelvis": (one, torch.zeros_like(at["torso"])), "lower": (frames.lower, torch.zeros_like(at["torso"]))}

    def attach(name: str, rotation: torch.Tensor, about: str, to: str) -> None:
        """Turn a segment about a landmark that another segment carries."""
        carried = _apply(moves[to][0], at[about]) + moves[to][1]
        moves[name] = rotation, carried - _apply(rotation, at[about])

    attach("chest", frames.chest, "torso", "lower")
    # A head turns about a point above the neck, as in ``pose_body``.
    at = {**at, "nape": torch.lerp(at["neck"], at["head"], 0.35)}
    attach("skull", frames.skull, "nape", "chest")
    for index, (side, sign) in enumerate((("right", -1.0), ("left", 1.0))):
        attach(f"collar_{side}", frames.chest @ about_axis(2, -sign * frames.rise[:, index]), "neck", "chest")
        upper, fore = _rest_limb(at, f"shoulder_{side}", f"elbow_{side}", f"wrist_{side}")
        arm = frames.upper_arms[:, index] @ upper.transpose(1, 2)
        attach(f"upper_arm_{side}", arm, f"shoulder_{side}", f"collar_{side}")
        forearm = frames.forearms[:, index] @ fore.transpose(1, 2)
        attach(f"forearm_{side}", forearm, f"elbow_{side}", f"upper_arm_{side}")
        across = torch.nn.functional.normalize(at[f"knuckle_index_{side}"] - at[f"knuckle_little_{side}"], dim=1)
        bent = turn_about(across, -sign * _CURL * curl[:, index])
        at[f"knuckles_{side}"] = (at[f"knuckle_index_{side}"] + at[f"knuckle_little_{side}"]) / 2
        attach(f"knuckles_{side}", forearm @ bent, f"knuckles_{side}", f"forearm_{side}")
        attach(f"fingers_{side}", forearm @ bent @ bent, f"fingers_{side}", f"knuckles_{side}")
        upper, fore = _rest_limb(at, f"hip_{side}", f"knee_{side}", f"foot_{side}")
        thigh = frames.thighs[:, index] @ upper.transpose(1, 2)
        attach(f"thigh_{side}", thigh, f"hip_{side}", "pelvis")
        attach(f"shank_{side}", frames.shanks[:, index] @ fore.transpose(1, 2), f"knee_{side}", f"thigh_{side}")
        # Soles are level in the rest pose.
        attach(f"foot_{side}", frames.soles[:, index], f"foot_{side}", f"shank_{side}")
    return moves


def _rest_limb(at: dict[str, torch.Tensor], start: str, middle: str, end: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the frames [B, 3, 3] of both segments of a limb in the rest pose, turned as little as possible."""
    first = torch.nn.functional.normalize(at[middle] - at[start], dim=1)
    second = torch.nn.functional.normalize(at[end] - at[middle], dim=1)
    down = first.new_tensor([0.0, 1.0, 0.0]).expand_as(first)
    upper = turn_between(down, first)
    return upper, turn_between(first, second) @ upper


def _apply(rotation: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    return (rotation @ point[..., None])[..., 0]


def _height(landmarks: torch.Tensor, change: torch.Tensor | None = None) -> torch.Tensor:
    """Return heights [N] of people from their landmarks [N, 3 * L], or [3 * L] and their changes."""
    values = landmarks if change is None else landmarks + change
    points = values.view(-1, len(LANDMARKS), 3)
    feet = points[:, [LANDMARKS.index("foot_right"), LANDMARKS.index("foot_left")], 1].mean(1)
    head = points[:, LANDMARKS.index("head"), 1]
    # The head lies 0.068 heights below the top, the ankles 0.043 above the ground.
    return (feet - head) / (1 - 0.068 - 0.043)
