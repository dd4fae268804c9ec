"""Moving subjects before a camera: depth images at any time, with the true joints."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..camera import Intrinsics
from ..skeletons import BODY15, HAND21, Skeleton
from .body import pose_body
from .body_motion import walking_pose
from .body_shape import sample_body_shape
from .hand import UPRIGHT, HandPose, pose_hand, sample_shape
from .hand_poses import sample_families, sample_fingers
from .render import Cameras, render_planes, render_spheres
from .rotations import about_axis
from .sensors import Draws, Sensors, sense
from .spheres import Spheres

CAMERA = Intrinsics(475.0, 475.0, 319.5, 239.5, 640, 480)
_KEYFRAME_SECONDS = 1.5
_FLOOR = 0.9  # metres below the camera, where the walking person's feet are
_SPARE = 64  # pixels by which the random fields are larger than the image


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

    The same seed gives the same motion; noise is drawn anew for every frame.

    Args:
        kind: ``hand`` or ``body``.
        seed: Of shape and motion.
        intrinsics: Of the camera.
        noise: Strength of the sensor's faults (SR305 for hands, Kinect v1 for bodies); 0 is a perfect camera.

    Raises:
        ValueError: The kind is neither, or the camera's pixels are not square.
    """

    def __init__(
        self, kind: str = "hand", *, seed: int = 0, intrinsics: Intrinsics = CAMERA, noise: float = 1.0
    ) -> None:
        if kind not in ("hand", "body"):
            raise ValueError(f"kind must be 'hand' or 'body', got '{kind}'")
        if intrinsics.fx != intrinsics.fy:
            raise ValueError(f"synthetic cameras have square pixels: fx and fy must be equal, got {intrinsics}")
        self.kind = kind
        self.skeleton: Skeleton = HAND21 if kind == "hand" else BODY15
        self.intrinsics = intrinsics
        self._seed = seed
        self._generator = torch.Generator().manual_seed(seed)
        self._shape = sample_shape(1, self._generator)
        self._person = sample_body_shape(1, torch.Generator().manual_seed(seed), children=0.0)
        one = torch.ones(1)
        sensor = Sensors.preset("sr305" if kind == "hand" else "kinect_v1").scaled(noise)
        self._sensor = replace(sensor, focal=intrinsics.fx * one)  # a sensor with the resolution that is asked for
        width, height = intrinsics.width, intrinsics.height
        # Random numbers for every pixel cost more than the picture: draw once, larger, and cut at random places.
        self._draws = Draws.draw(1, height + _SPARE, width + _SPARE, self._generator)
        self._cameras = Cameras(intrinsics.fx * one, torch.tensor([[intrinsics.cx, intrinsics.cy]]), width, height)
        self._background = render_planes(
            torch.tensor([[[0.0, 0.0, 1.2 if kind == "hand" else 4.0]]]),
            torch.tensor([[[0.15, -0.05, -1.0]]]),
            self._cameras,
        )

    def frame(self, seconds: float) -> SyntheticFrame:
        """The frame at a time from the start of the sequence."""
        with torch.inference_mode():
            joints, surface = self._hand(seconds) if self.kind == "hand" else self._body(seconds)
            depth = torch.minimum(render_spheres(surface, self._cameras), self._background)
            top, left = torch.randint(_SPARE + 1, (2,), generator=self._generator).tolist()
            draws = self._draws.crop(top, left, self.intrinsics.height, self.intrinsics.width)
            noisy = sense(depth, self._cameras, self._sensor, draws)
        return SyntheticFrame(noisy[0].numpy(), joints[0].numpy().astype(np.float32))

    def _hand(self, seconds: float) -> tuple[torch.Tensor, Spheres]:
        place = max(0.0, seconds) / _KEYFRAME_SECONDS
        first = int(place)
        # Ease in and out: a gesture is held for a moment.
        weight = 0.5 - 0.5 * math.cos(math.pi * (place - first))
        pose = self._keyframe(first).lerp(self._keyframe(first + 1), weight)
        return pose_hand(self._shape, pose)

    def _keyframe(self, index: int) -> HandPose:
        """Pose at a keyframe, from a seed of its own, so that any time can be asked for in any order."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + index)

        def around(low: list[float], high: list[float]) -> torch.Tensor:
            bounds = torch.tensor([low, high])
            return bounds[:1] + (bounds[1:] - bounds[:1]) * torch.rand(1, len(low), generator=generator)

        spin, tilt, roll = around([-1.0, -0.5, -0.6], [1.0, 0.5, 0.6]).unbind(-1)
        return HandPose(
            fingers=sample_fingers(self._shape, sample_families(1, generator), generator),
            wrist=around([-0.3, -0.2], [0.3, 0.2]),
            orientation=about_axis(2, roll) @ about_axis(0, tilt) @ UPRIGHT @ about_axis(1, spin),
            position=around([-0.12, -0.08, 0.42], [0.12, 0.06, 0.60]),
        )

    def _body(self, seconds: float) -> tuple[torch.Tensor, Spheres]:
        joints, surface = pose_body(self._person, walking_pose(torch.tensor([seconds])))
        lowest = (surface.centers[..., 1] + surface.radii).amax()
        shift = torch.stack((torch.tensor(0.25 * math.sin(0.9 * seconds)), _FLOOR - lowest, torch.tensor(2.6)))
        return joints + shift, Spheres(surface.centers + shift, surface.radii)
