# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A depth camera before a wall, for moving pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from ..render import Cameras, render_planes, render_spheres
from ..sensors.sense import Draws, Sensors, sense
from ..spheres import Spheres

_SPARE = 64  # pixels by which the random fields are larger than the image


class DepthCamera:
    """Renders one surface after another, with new noise for every image.

    Args:
        kind: Kind of the subjects: ``hand`` (an SR305, the wall is at 1.2 m) or ``body`` (a Kinect v1, 4 m).
        intrinsics: Intrinsics of the images.
        noise: Strength of the sensor's faults; 0 is a perfect camera.
        generator: Source of the noise.

    Raises:
        ValueError: The pixels are not square.
    """

    def __init__(self, kind: str, intrinsics: Intrinsics, noise: float, generator: torch.Generator) -> None:
        if intrinsics.fx != intrinsics.fy:
            raise ValueError(f"synthetic cameras have square pixels: fx and fy must be equal, got {intrinsics}")
        one = torch.ones(1)
        sensor = Sensors.preset("sr305" if kind == "hand" else "kinect_v1").scaled(noise)
        self._sensor = replace(sensor, focal=intrinsics.fx * one)  # a sensor with the resolution that is asked for
        width, height = intrinsics.width, intrinsics.height
        # Random numbers for every pixel cost more than the picture: draw once, larger, and cut at random places.
        self._draws = Draws.draw(1, height + _SPARE, width + _SPARE, generator)
        self._generator = generator
        self._cameras = Cameras(intrinsics.fx * one, torch.tensor([[intrinsics.cx, intrinsics.cy]]), width, height)
        self._background = render_planes(
            torch.tensor([[[0.0, 0.0, 1.2 if kind == "hand" else 4.0]]]),
            torch.tensor([[[0.15, -0.05, -1.0]]]),
            self._cameras,
        )

    def picture(self, surface: Spheres) -> NDArray[np.float32]:
        """Return the depth image, float32 [H, W] metres, NaN where invalid, of a surface [1]."""
        depth = torch.minimum(render_spheres(surface, self._cameras), self._background)
        top, left = torch.randint(_SPARE + 1, (2,), generator=self._generator).tolist()
        draws = self._draws.crop(top, left, self._cameras.height, self._cameras.width)
        noisy: NDArray[np.float32] = sense(depth, self._cameras, self._sensor, draws)[0].numpy()
        return noisy
