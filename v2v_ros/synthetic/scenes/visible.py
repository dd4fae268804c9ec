# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Which subjects of a scene can be seen well enough to be found."""

from __future__ import annotations

import torch

from ..render import Cameras
from ..spheres import Spheres
from .view import WIDTH

_TORSO = 8  # joint of body15
_HAND_RANGE, _BODY_RANGE = (0.12, 1.7), (0.5, 5.5)  # metres, in which subjects are to be found
_LEAST = 0.4  # share of a subject that must be visible
_SMALLEST = 6.0  # pixels that the palm of a hand to be found is wide, of 160 that the image has
_PALM = 0.09  # metres
_HAND_REACH = 0.11  # metres from its middle, beyond which a hand's surface is forearm
_TOLERANCE = {"hand": 0.06, "body": 0.25}  # metres; a surface that is nearer by more hides a subject


def clear_hands(
    hand: Spheres, center: torch.Tensor, depth: torch.Tensor, sensed: torch.Tensor, cameras: Cameras
) -> torch.Tensor:
    """Return which hands, bool [B], are in their range, large enough, and visible by two fifths.

    Args:
        hand: Surfaces of the hands with forearms, in the camera frame.
        center: Middles of the hands, float [B, 3] metres.
        depth: Depth without noise, float [B, H, W] metres.
        sensed: Depth as the sensor sees it, float [B, H, W] metres, NaN where invalid.
        cameras: Cameras [B].
    """
    near = (hand.centers - center[:, None]).norm(dim=-1) < _HAND_REACH
    visible = _visible_shares(hand.where(near), depth, sensed, cameras, _TOLERANCE["hand"])
    z = center[:, 2]
    wide = cameras.focal * (WIDTH / cameras.width) * _PALM / z.clamp_min(0.02)
    return (visible > _LEAST) & (z > _HAND_RANGE[0]) & (z < _HAND_RANGE[1]) & (wide > _SMALLEST)


def clear_bodies(
    body: Spheres, joints: torch.Tensor, depth: torch.Tensor, sensed: torch.Tensor, cameras: Cameras
) -> torch.Tensor:
    """Return which bodies, bool [B], are in their range, with the torso in the image, and visible by two fifths.

    Args:
        body: Surfaces of the bodies in the camera frame.
        joints: Joints in the order of ``body15``, float [B, 15, 3] metres.
        depth: Depth without noise, float [B, H, W] metres.
        sensed: Depth as the sensor sees it, float [B, H, W] metres, NaN where invalid.
        cameras: Cameras [B].
    """
    visible = _visible_shares(body, depth, sensed, cameras, _TOLERANCE["body"])
    torso, z = joints[:, _TORSO], joints.mean(1)[:, 2]
    pixel = torso[:, :2] / torso[:, 2:].clamp_min(0.05) * cameras.focal[:, None] + cameras.principal
    inside = (pixel > 0).all(1) & (pixel < pixel.new_tensor([cameras.width - 1.0, cameras.height - 1.0])).all(1)
    return (visible > _LEAST) & inside & (z > _BODY_RANGE[0]) & (z < _BODY_RANGE[1])


def _visible_shares(
    spheres: Spheres, depth: torch.Tensor, sensed: torch.Tensor, cameras: Cameras, tolerance: float
) -> torch.Tensor:
    """Return the share [B] of a surface's spheres that the sensor sees.

    Their middles are in the image, valid there, and not hidden by what is nearer by more than the tolerance in metres.
    """
    z = spheres.centers[..., 2]
    there = spheres.radii > 0
    pixels = spheres.centers[..., :2] / z.clamp_min(0.02)[..., None] * cameras.focal[:, None, None]
    u, v = (pixels + cameras.principal[:, None]).round().unbind(-1)
    inside = there & (u >= 0) & (u < cameras.width) & (v >= 0) & (v < cameras.height) & (z > 0.05)
    index = v.clamp(0, cameras.height - 1).long() * cameras.width + u.clamp(0, cameras.width - 1).long()
    clean = depth.flatten(1).gather(1, index)
    valid = sensed.isfinite().flatten(1).gather(1, index)
    visible = inside & (clean > z - spheres.radii - tolerance) & valid
    return visible.sum(1) / there.sum(1).clamp_min(1)
