# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Worlds before a camera: a subject and what else is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..geometry.camera import Intrinsics
from .chance import choose
from .render import Cameras, render_boxes, render_planes, render_spheres
from .spheres import Spheres


@dataclass(frozen=True)
class Boxes:
    """A batch of sets of boxes: furniture, walls of finite size, things to hold.

    Attributes:
        centers: float [B, K, 3] metres.
        axes: float [B, K, 3, 3]; the columns are the directions of the edges.
        halves: float [B, K, 3] metres, half the edges; a box with a half of 0 is not there.
    """

    centers: torch.Tensor
    axes: torch.Tensor
    halves: torch.Tensor

    @staticmethod
    def join(parts: Sequence[Boxes]) -> Boxes:
        """Return the boxes of all parts, one part after the other."""
        return Boxes(
            torch.cat([p.centers for p in parts], dim=1),
            torch.cat([p.axes for p in parts], dim=1),
            torch.cat([p.halves for p in parts], dim=1),
        )

    @staticmethod
    def choose(which: torch.Tensor, parts: Sequence[Boxes]) -> Boxes:
        """Return, for each sample, the boxes of the part whose index is in which, int64 [B]."""
        return Boxes(
            choose(which, [p.centers for p in parts]),
            choose(which, [p.axes for p in parts]),
            choose(which, [p.halves for p in parts]),
        )

    def where(self, there: torch.Tensor) -> Boxes:
        """Return the boxes without those that are not there, bool [B] or [B, K]."""
        return Boxes(self.centers, self.axes, self.halves * (there[:, None] if there.dim() == 1 else there)[..., None])


@dataclass(frozen=True)
class Worlds:
    """A batch of worlds in the camera frame, metres.

    Attributes:
        spheres, boxes: Surfaces of finite size, that of the subject included.
        plane_points, plane_normals: float [B, K, 3], walls, floors and tables without end; a normal of zero: not there.
        joints: float [B, J, 3]; NaN in worlds without a subject.
        centers: float [B, 3]: the mean of the subject's joints, or where something else is that could be taken for one.
        left: bool [B], whether the subject is a left hand (false for bodies).
    """

    spheres: Spheres
    boxes: Boxes
    plane_points: torch.Tensor
    plane_normals: torch.Tensor
    joints: torch.Tensor
    centers: torch.Tensor
    left: torch.Tensor

    @property
    def present(self) -> torch.Tensor:
        """Whether there is a subject, bool [B]."""
        return ~self.joints.isnan().any(dim=(1, 2))


def render_worlds(worlds: Worlds, cameras: Cameras) -> torch.Tensor:
    """Render depth [B, H, W] in metres without noise; infinity where nothing is."""
    depth = render_spheres(worlds.spheres, cameras)
    planes = render_planes(worlds.plane_points, worlds.plane_normals, cameras)
    boxes = render_boxes(worlds.boxes.centers, worlds.boxes.axes, worlds.boxes.halves, cameras)
    return torch.minimum(torch.minimum(depth, planes), boxes)


CROP_MARGIN = 1.2  # side of a crop over that of its cube
_LARGEST_VIEW = 0.6  # smallest focal length in widths of the image: 80 degrees, more than most depth cameras see


def crop_cameras(centers: torch.Tensor, edge: float, pixels: int, front: float = 0.5) -> Cameras:
    """Return cameras whose images show cubes and a margin around them, as far as a real camera so near could.

    The window follows the subject: the principal point lies where the true camera's axis would, so that the subject
    is seen under the same perspective as in the whole image.

    Args:
        centers: Middles of the cubes, float [B, 3] metres in the camera frame.
        edge: Edge of the cubes in metres.
        pixels: Side of the images.
        front: Depth before the centre, in edges, up to which a cube fits into the window; nearer corners are cut off.
    """
    z = centers[:, 2].clamp_min(0.05)
    focal = (pixels * (z - front * edge) / (CROP_MARGIN * edge)).clamp_min(_LARGEST_VIEW * pixels)
    principal = (pixels - 1) / 2 - focal[:, None] * centers[:, :2] / z[:, None]
    return Cameras(focal, principal, pixels, pixels)


def image_cameras(batch: int, intrinsics: Intrinsics, device: torch.device | str = "cpu") -> Cameras:
    """Return the same whole-image camera for every sample.

    Args:
        batch: Number of samples.
        intrinsics: Intrinsics of the camera.
        device: Device of the tensors.

    Raises:
        ValueError: Its pixels are not square.
    """
    if intrinsics.fx != intrinsics.fy:
        raise ValueError(f"synthetic cameras have square pixels: fx and fy must be equal, got {intrinsics}")
    principal = torch.tensor([intrinsics.cx, intrinsics.cy], device=device).expand(batch, 2)
    focal = torch.full((batch,), intrinsics.fx, device=device)
    return Cameras(focal, principal, intrinsics.width, intrinsics.height)
