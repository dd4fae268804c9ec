# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Where the cameras of scenes look, and how wide."""

from __future__ import annotations

import math

import torch

from ..chance import Draw, about_axis
from ..render import Cameras
from .stage import Stage

WIDTH, HEIGHT = 160, 120
"""Size in pixels of the images of random cameras."""


def sample_cameras(draw: Draw) -> Cameras:
    """Sample cameras of 160 x 120 pixels, focal lengths of 0.42 to 1.35 widths, principal points near the middle."""
    focal = WIDTH * torch.where(draw.some(0.85), draw.uniform(0.55, 1.15), draw.uniform(0.42, 1.35))
    middle = focal.new_tensor([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    return Cameras(focal, middle + draw.normal(2.0, 2), WIDTH, HEIGHT)


def sample_view(draw: Draw, stage: Stage, cameras: Cameras) -> torch.Tensor:
    """Sample rotations [B, 3, 3] into the frames of cameras that see the target somewhere in the image.

    Args:
        draw: Random numbers [B].
        stage: Worlds [B] with targets.
        cameras: Cameras [B].
    """
    if not stage.level:
        roll = torch.where(draw.some(0.5), draw.normal(0.2), draw.uniform(-math.pi, math.pi))
        return about_axis(2, roll)
    x, y, z = stage.target.unbind(-1)
    off = draw.uniform(-0.42, 0.42, 2) * torch.where(draw.some(0.75), 0.7, 1.1)[:, None]
    across = (off[:, 0] * cameras.width / cameras.focal).atan()
    down = (off[:, 1] * cameras.height / cameras.focal).atan()
    # Turned to the target about the vertical, then about the camera's x axis, as cameras on stands are.
    yaw = -(torch.atan2(x, z) - across)
    pitch = torch.atan2(y, (x.square() + z.square()).sqrt()) - down
    pitch = pitch.clamp(-math.radians(62), math.radians(75))
    roll = torch.where(draw.some(0.8), draw.normal(0.06), draw.uniform(-0.53, 0.53))
    if stage.any_roll:
        roll = draw.uniform(-math.pi, math.pi)
    return about_axis(2, roll) @ about_axis(0, pitch) @ about_axis(1, yaw)
