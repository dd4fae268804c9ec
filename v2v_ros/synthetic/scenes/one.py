# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Moving subjects before a camera: depth images at any time, with the true joints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ...geometry.camera import Intrinsics
from ...geometry.skeletons import USUAL, Skeleton
from ..body.kinematics import pose_body
from ..body.motion import walking_pose
from ..body.shape import sample_body_shape
from ..hand.kinematics import pose_hand, sample_shape
from ..hand.motion import moving_pose
from ..spheres import Spheres
from .depth_camera import DepthCamera

CAMERA = Intrinsics(475.0, 475.0, 319.5, 239.5, 640, 480)
_FLOOR = 0.9  # metres below the camera, where the walking person's feet are


@dataclass(frozen=True)
class SyntheticFrame:
    """A depth image and the truth about it.

    Attributes:
        depth: float32 [H, W] metres, NaN where invalid.
        joints: float32 [J, 3] metres in the camera's optical frame.
    """

    depth: np.ndarray
    joints: np.ndarray


class SyntheticSequence:
    """A right hand that moves, turns and changes its gesture before a wall; or a person who walks, waves and turns.

    The same seed gives the same motion; every frame gets new noise.

    Args:
        kind: ``hand`` or ``body``.
        seed: Seed of shape and motion.
        intrinsics: Intrinsics of the camera.
        noise: Strength of the sensor's faults (SR305 for hands, Kinect v1 for bodies); 0 is a perfect camera.

    Raises:
        ValueError: The kind is neither, or the camera's pixels are not square.
    """

    def __init__(
        self, kind: str = "hand", *, seed: int = 0, intrinsics: Intrinsics = CAMERA, noise: float = 1.0
    ) -> None:
        if kind not in ("hand", "body"):
            raise ValueError(f"kind must be 'hand' or 'body', got '{kind}'")
        self.kind = kind
        self.skeleton: Skeleton = USUAL[kind]
        self.intrinsics = intrinsics
        self._seed = seed
        generator = torch.Generator().manual_seed(seed)
        self._shape = sample_shape(1, generator)
        self._person = sample_body_shape(1, torch.Generator().manual_seed(seed), children=0.0)
        self._camera = DepthCamera(kind, intrinsics, noise, generator)

    def frame(self, seconds: float) -> SyntheticFrame:
        """Return the frame at a time from the start of the sequence."""
        with torch.inference_mode():
            joints, surface = self._hand(seconds) if self.kind == "hand" else self._body(seconds)
            depth = self._camera.picture(surface)
        return SyntheticFrame(depth, joints[0].numpy().astype(np.float32))

    def _hand(self, seconds: float) -> tuple[torch.Tensor, Spheres]:
        return pose_hand(self._shape, moving_pose(self._shape, self._seed, seconds))

    def _body(self, seconds: float) -> tuple[torch.Tensor, Spheres]:
        joints, surface = pose_body(self._person, walking_pose(torch.tensor([seconds])))
        lowest = (surface.centers[..., 1] + surface.radii).amax()
        shift = torch.stack((torch.tensor(0.25 * math.sin(0.9 * seconds)), _FLOOR - lowest, torch.tensor(2.6)))
        return joints + shift, Spheres(surface.centers + shift, surface.radii)
