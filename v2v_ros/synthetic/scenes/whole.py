# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whole depth images with hands and people in them, or without, to train a detector on.

Every scene has a setting: somebody near who holds hands towards the camera, people near and far, the viewer's own
arms, a hand and forearm alone, rooms, floors and tables without anybody. Scenes are built level (x right, y down, z
forward, the camera at the origin) and then turned into the camera's frame: it looks up to 60 degrees down or up, with
a roll of up to 30 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from ...geometry.camera import Intrinsics
from ..chance import Draw
from ..render import Cameras, render_boxes, render_planes, render_spheres
from ..sensors.sense import Draws, Sensors, sense
from ..spheres import Spheres
from ..worlds import Boxes, image_cameras
from .empty_settings import bare_surface, empty_room
from .hand_settings import hand_alone
from .people_settings import own_arms, people_in_room
from .stage import Stage
from .view import sample_cameras, sample_view
from .visible import clear_bodies, clear_hands

ABSENT, SEEN, UNCLEAR = 0, 1, 2
"""States of a subject: it is not there, it is to be found, it may be found."""
_HANDS, _BODIES = 4, 2  # in a scene, at most
SETTINGS = {"toward": 5, "near": 2, "far": 5, "own": 1, "hand": 2, "room": 2, "floor": 2, "table": 2, "wall": 4}
"""Settings and their shares, relative to each other."""
_TORSO = 8  # joint of body15


@dataclass(frozen=True)
class Scenes:
    """A batch of sensed scenes and their subjects; metres, in the camera's optical frame.

    Attributes:
        depth: float32 [B, H, W], NaN where invalid; 120 x 160 for training.
        focal: float32 [B] pixels.
        principal: float32 [B, 2] pixels.
        hand_centers: float32 [B, 4, 3], means of the 21 joints.
        hand_joints: float32 [B, 4, 21, 3]; NaN where a hand has no detail.
        hand_left: bool [B, 4].
        hand_state: uint8 [B, 4], ABSENT, SEEN or UNCLEAR.
        body_joints: float32 [B, 2, 15, 3].
        body_state: uint8 [B, 2].
    """

    depth: torch.Tensor
    focal: torch.Tensor
    principal: torch.Tensor
    hand_centers: torch.Tensor
    hand_joints: torch.Tensor
    hand_left: torch.Tensor
    hand_state: torch.Tensor
    body_joints: torch.Tensor
    body_state: torch.Tensor

    @property
    def body_centers(self) -> torch.Tensor:
        """Means of the 15 joints, float32 [B, 2, 3]."""
        return self.body_joints.mean(2)

    @property
    def body_anchors(self) -> torch.Tensor:
        """Torso joints, which are seen more often than the means, float32 [B, 2, 3]."""
        return self.body_joints[:, :, _TORSO]

    def joints(self, kind: str) -> torch.Tensor:
        """Return the joints of the subjects of a kind, float [B, K, J, 3]; NaN where they are not known."""
        return self.hand_joints if kind == "hand" else self.body_joints

    def subjects(self, kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return reference points and anchors float [B, K, 3], states uint8 [B, K] and left bool [B, K] of a kind."""
        if kind == "hand":
            return self.hand_centers, self.hand_centers, self.hand_state, self.hand_left
        never = torch.zeros_like(self.body_state, dtype=torch.bool)
        return self.body_centers, self.body_anchors, self.body_state, never

    @staticmethod
    def join(parts: list[Scenes]) -> Scenes:
        """Return the scenes of all parts, one part after the other."""
        return Scenes(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Scenes)})


def sample_scenes(
    batch: int,
    generator: torch.Generator,
    setting: str,
    camera: Intrinsics | None = None,
    sensor: str | None = None,
    skinned: float = 0.0,
) -> Scenes:
    """Sample scenes of a setting.

    Args:
        batch: Number of scenes.
        generator: Source of the random numbers.
        setting: Name of the setting, a key of SETTINGS.
        camera: Intrinsics of the camera of all scenes; None: random ones of 160 x 120 pixels.
        sensor: Name of a preset of sensors; None: random ones.
        skinned: Share of the people and hands that have the skin of MakeHuman's; the others are made of spheres.

    Raises:
        ValueError: There is no such setting or sensor, or the camera's pixels are not square.
    """
    if setting not in SETTINGS:
        raise ValueError(f"unknown setting '{setting}'; choose one of: {', '.join(SETTINGS)}")
    draw = Draw(batch, generator)
    stage = _staged(draw, setting, skinned)
    return _seen(draw, stage, sample_cameras(draw) if camera is None else image_cameras(batch, camera), sensor)


def sample_mixture(count: int, generator: torch.Generator, batch: int = 32, skinned: float = 0.0) -> Scenes:
    """Sample scenes of all settings in their shares.

    Args:
        count: Number of scenes.
        generator: Source of the random numbers.
        batch: Number of scenes of one setting in a row.
        skinned: Share of the people and hands that have the skin of MakeHuman's.
    """
    shares = torch.tensor([float(share) for share in SETTINGS.values()])
    names = list(SETTINGS)
    parts = []
    while count > 0:
        pick = int(torch.multinomial(shares, 1, generator=generator))
        parts.append(sample_scenes(min(batch, count), generator, names[pick], skinned=skinned))
        count -= batch
    return Scenes.join(parts)


def _staged(draw: Draw, setting: str, skinned: float) -> Stage:
    """Set up the worlds of a setting."""
    if setting == "own":
        return own_arms(draw, skinned)
    if setting == "hand":
        return hand_alone(draw, skinned)
    if setting == "room":
        return empty_room(draw)
    if setting in ("floor", "table"):
        return bare_surface(draw, table=setting == "table")
    return people_in_room(draw, setting, skinned)


def _seen(draw: Draw, stage: Stage, cameras: Cameras, sensor: str | None) -> Scenes:
    """Turn the world into a camera's frame, render and sense it, and find out what can be seen of the subjects."""
    turn = sample_view(draw, stage, cameras)
    back = turn.transpose(1, 2)

    def turned(spheres: Spheres) -> Spheres:
        moved = Spheres(spheres.centers @ back, spheres.radii)
        # Nothing may be so near to the camera that it fills the image.
        return moved.where(moved.centers[..., 2] - moved.radii > 0.06)

    hands, bodies = [turned(hand) for hand in stage.hands], [turned(body) for body in stage.bodies]
    spheres = Spheres.join([turned(stage.surroundings), *hands, *bodies])
    boxes = Boxes(stage.boxes.centers @ back, turn[:, None] @ stage.boxes.axes, stage.boxes.halves)
    points, normals = stage.points @ back, stage.normals @ back
    depth = render_spheres(spheres, cameras)
    depth = torch.minimum(depth, render_planes(points, normals, cameras))
    depth = torch.minimum(depth, render_boxes(boxes.centers, boxes.axes, boxes.halves, cameras))
    target = (turn @ stage.target[..., None])[:, 2, 0].clamp_min(0.2)
    sensors = (
        Sensors.sample(draw.batch, draw.generator, near_only=stage.is_near, distance=target)
        if sensor is None
        else Sensors.preset(sensor, draw.batch)
    )
    sensed = sense(depth, cameras, sensors, Draws.draw(draw.batch, cameras.height, cameras.width, draw.generator))

    centers = stage.hand_centers @ back
    joints = stage.body_joints @ back[:, None]
    hand_state = [
        _state(hand, clear_hands(hand, centers[:, index], depth, sensed, cameras)) for index, hand in enumerate(hands)
    ]
    body_state = [
        _state(body, clear_bodies(body, joints[:, index], depth, sensed, cameras)) for index, body in enumerate(bodies)
    ]
    return Scenes(
        sensed.float(),
        cameras.focal.float(),
        cameras.principal.float(),
        _padded(centers.float(), _HANDS),
        _padded((stage.hand_joints @ back[:, None]).float(), _HANDS),
        _padded(stage.hand_left, _HANDS),
        _padded(_stacked(hand_state, draw), _HANDS),
        _padded(joints.float(), _BODIES),
        _padded(_stacked(body_state, draw), _BODIES),
    )


def _state(surface: Spheres, clear: torch.Tensor) -> torch.Tensor:
    """Return ABSENT, SEEN or UNCLEAR, uint8 [B], of subjects that are clear, bool [B], or not."""
    exists = (surface.radii > 0).any(1)
    return torch.where(exists, torch.where(clear, SEEN, UNCLEAR), ABSENT).to(torch.uint8)


def _stacked(states: list[torch.Tensor], draw: Draw) -> torch.Tensor:
    """Return the states of all subjects, uint8 [B, K]."""
    if not states:
        return torch.zeros(draw.batch, 0, dtype=torch.uint8, device=draw.device)
    return torch.stack(states, dim=1)


def _padded(values: torch.Tensor, count: int) -> torch.Tensor:
    """Return values [B, K, ...] with zeros up to K = count."""
    missing = count - values.shape[1]
    return torch.cat((values, values.new_zeros(values.shape[0], missing, *values.shape[2:])), dim=1)
