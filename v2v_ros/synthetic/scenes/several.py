# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Several moving subjects before one camera: depth images at any time, with everybody's true identity and joints."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from ...geometry.camera import Intrinsics
from ...geometry.estimate import Side
from ...geometry.skeletons import USUAL, Skeleton
from ..body.kinematics import BodyPose, pose_body
from ..body.motion import walking_pose
from ..body.shape import sample_body_shape
from ..chance import about_axis
from ..hand.kinematics import HandPose, pose_hand, sample_shape
from ..hand.motion import moving_pose
from ..hand.surface import HandShape
from ..render import Cameras, render_spheres
from ..spheres import Spheres
from .depth_camera import DepthCamera
from .one import CAMERA
from .paths import BODY_SCENES, HAND_SCENES, SmoothPath

SUBJECTS = 3
RATE = 30.0
"""Frames a second that the scenes are meant to be shown at."""
NAMES = ("crossing", "occlusion", "leave_and_return", "everything")

_SCATTER = {"hand": 0.008, "body": 0.05}  # metres; standard deviation of the knots between seeds
_HAND_SIDES = (Side.RIGHT, Side.LEFT, Side.RIGHT)
_OWNERS = [0, 0, 1]  # index of the person that each of the three hands belongs to
_ARMS = (0.0, 0.0, -1.2)  # radians; 0: from below, negative: from the right
_FLOOR = 0.9  # metres below the camera
_LOOK = 0.35  # m/s; slower people turn to the camera, faster ones to where they walk
_COARSE = 4  # pixels of the image to one of those in which visible surface is counted


@dataclass(frozen=True)
class SceneSubject:
    """The truth about one subject in one frame.

    Attributes:
        identity: Number of the subject, from 1; the same all through the scene.
        side: Side of a hand; UNKNOWN for bodies.
        joints: float32 [J, 3] metres in the camera's optical frame, wherever the subject is.
        visible: Share in [0, 1] of the surface that the camera would see of the subject alone, in an endless image,
            that it sees in this one: neither hidden by another subject nor beyond the border. Of hands the forearm
            does not count, though it hides others.
    """

    identity: int
    side: Side
    joints: np.ndarray
    visible: float


@dataclass(frozen=True)
class SceneFrame:
    """A depth image, float32 [H, W] metres, NaN where invalid, and the truth about everybody in the scene."""

    depth: np.ndarray
    subjects: tuple[SceneSubject, ...]


class SyntheticScene:
    """Three hands, or three people, who move, cross, hide each other, leave the image and come back.

    Two of the hands are the right and the left one of one person; left hands are mirrored right ones. The same seed
    gives the same motion; every frame gets new noise, in the order in which frames are asked for.

    Args:
        kind: ``hand`` or ``body``.
        name: One of :data:`NAMES`.
        seed: Seed of shapes, gestures and the exact paths of the subjects.
        intrinsics: Intrinsics of the camera.
        noise: Strength of the sensor's faults (SR305 for hands, Kinect v1 for bodies); 0 is a perfect camera.

    Raises:
        ValueError: There is no such kind or scene, or the camera's pixels are not square.
    """

    def __init__(
        self,
        kind: str = "hand",
        name: str = "everything",
        *,
        seed: int = 0,
        intrinsics: Intrinsics = CAMERA,
        noise: float = 1.0,
    ) -> None:
        if kind not in ("hand", "body"):
            raise ValueError(f"kind must be 'hand' or 'body', got '{kind}'")
        if name not in NAMES:
            raise ValueError(f"unknown scene '{name}'; choose one of: {', '.join(NAMES)}")
        self.kind, self.name = kind, name
        self.skeleton: Skeleton = USUAL[kind]
        self.intrinsics = intrinsics
        self._seed = seed
        random = np.random.default_rng(seed)
        self._paths = []
        for knots in (HAND_SCENES if kind == "hand" else BODY_SCENES)[name]:
            table = np.array(knots)
            table[:, 1:] += _SCATTER[kind] * random.standard_normal(table[:, 1:].shape).clip(-2, 2)
            self._paths.append(SmoothPath(table))
        self.seconds = float(table[-1, 0])
        """Length of the scene; after it, the subjects stay where they are."""
        generator = torch.Generator().manual_seed(seed)
        owners = sample_shape(2, generator)
        self._hands = [
            HandShape(**{f.name: getattr(owners, f.name)[owner : owner + 1] for f in fields(owners)})
            for owner in _OWNERS
        ]
        self._people = sample_body_shape(SUBJECTS, torch.Generator().manual_seed(seed), children=0.0)
        self._camera = DepthCamera(kind, intrinsics, noise, generator)

    def frame(self, seconds: float) -> SceneFrame:
        """Return the frame at a time from the start of the scene."""
        with torch.inference_mode():
            joints, surfaces, counted = self._pose(seconds)
            everything = Spheres(surfaces.centers.flatten(0, 1)[None], surfaces.radii.flatten()[None])
            depth = self._camera.picture(everything)
            return SceneFrame(depth, self._subjects(joints, surfaces, counted))

    def truth(self, seconds: float) -> tuple[SceneSubject, ...]:
        """Return the subjects of a frame, without its image."""
        with torch.inference_mode():
            return self._subjects(*self._pose(seconds))

    def _pose(self, seconds: float) -> tuple[torch.Tensor, Spheres, torch.Tensor]:
        """Joints [3, J, 3], surfaces [3], and which spheres count for what can be seen, bool [3, S]."""
        return self._hands_at(seconds) if self.kind == "hand" else self._people_at(seconds)

    def _subjects(self, joints: torch.Tensor, surfaces: Spheres, counted: torch.Tensor) -> tuple[SceneSubject, ...]:
        visible = visible_shares(surfaces, counted, self.intrinsics)
        sides = _HAND_SIDES if self.kind == "hand" else (Side.UNKNOWN,) * SUBJECTS
        return tuple(
            SceneSubject(index + 1, sides[index], joints[index].numpy().astype(np.float32), visible[index])
            for index in range(SUBJECTS)
        )

    def _hands_at(self, seconds: float) -> tuple[torch.Tensor, Spheres, torch.Tensor]:
        poses = []
        for index, (shape, path, arm) in enumerate(zip(self._hands, self._paths, _ARMS, strict=True)):
            pose = moving_pose(shape, SUBJECTS * self._seed + index, seconds)
            turned = about_axis(2, torch.tensor([arm])) @ pose.orientation
            place = torch.from_numpy(path(seconds)).float()[None]
            poses.append(replace(pose, orientation=turned, position=place))
        pose = HandPose(**{f.name: torch.cat([getattr(one, f.name) for one in poses]) for f in fields(HandPose)})
        shape = HandShape(
            **{f.name: torch.cat([getattr(one, f.name) for one in self._hands]) for f in fields(HandShape)}
        )
        left = torch.tensor([side == Side.LEFT for side in _HAND_SIDES])
        joints, surfaces = pose_hand(shape, pose, left)
        armless = replace(shape, forearm=0 * shape.forearm, sleeve=0 * shape.sleeve, cuff=shape.cuff + torch.inf)
        return joints, surfaces, pose_hand(armless, pose, left)[1].radii > 0

    def _people_at(self, seconds: float) -> tuple[torch.Tensor, Spheres, torch.Tensor]:
        ground = torch.from_numpy(np.stack([path(seconds) for path in self._paths])).float()
        velocity = torch.from_numpy(np.stack([path.velocity(seconds) for path in self._paths])).float()
        pose: BodyPose = walking_pose(seconds + 1.7 * torch.arange(SUBJECTS))
        heading = torch.atan2(-velocity[:, 0], _LOOK - velocity[:, 1])
        joints, surfaces = pose_body(self._people, replace(pose, yaw=heading))
        lowest = (surfaces.centers[..., 1] + surfaces.radii).amax(1)
        shift = torch.stack((ground[:, 0], _FLOOR - lowest, ground[:, 1]), dim=1)[:, None]
        return joints + shift, Spheres(surfaces.centers + shift, surfaces.radii), torch.ones_like(surfaces.radii) > 0


def visible_shares(surfaces: Spheres, counted: torch.Tensor, intrinsics: Intrinsics) -> list[float]:
    """Return which share of each surface's pixels can be seen in an image with all of them.

    Args:
        surfaces: [N].
        counted: bool [N, S]: the spheres whose pixels count; the others only hide.
        intrinsics: Intrinsics of the image; its pixels are counted four by four.

    Returns:
        N shares in [0, 1]; 0 for a surface that is farther than half an image beyond the border.
    """
    width, height = intrinsics.width // _COARSE, intrinsics.height // _COARSE
    left, top = width // 2, height // 2  # pixels around the image
    count = surfaces.radii.shape[0]
    center = torch.tensor([intrinsics.cx, intrinsics.cy]) + 0.5
    cameras = Cameras(
        torch.full((count,), intrinsics.fx / _COARSE),
        (center / _COARSE - 0.5 + torch.tensor([left, top])).expand(count, 2),
        width + 2 * left,
        height + 2 * top,
    )
    alone = render_spheres(Spheres(surfaces.centers, surfaces.radii * counted), cameras)
    before = render_spheres(surfaces, cameras)[None] < alone[:, None]  # [n, m]: m hides n
    before[range(count), range(count)] = False
    there = alone.isfinite()
    seen = (there & ~before.any(1))[:, top : top + height, left : left + width]
    return (seen.sum((1, 2)) / there.sum((1, 2)).clamp_min(1)).tolist()
