"""Rendered hands for the writers of tiny datasets: joints that lie on depth, without noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.synthetic.hand.kinematics import pose_hand, sample_shape
from v2v_ros.synthetic.hand.poses import sample_families, sample_pose
from v2v_ros.synthetic.render import render_spheres
from v2v_ros.synthetic.spheres import Spheres
from v2v_ros.synthetic.worlds import image_cameras

_BATCH = 16  # larger ones take longer in all


@dataclass(frozen=True)
class Truth:
    """A frame that was written, in the conventions of v2v_ros.

    Attributes:
        name: Of the frame, as its reader calls it.
        joints: float32 [J, 3] metres in the optical frame, in the skeleton's order.
        depth: float32 [H, W] metres, NaN where nothing was measured.
    """

    name: str
    joints: NDArray[np.float32]
    depth: NDArray[np.float32]


def hands(
    count: int, camera: Intrinsics, seed: int, near: float = 0.4, far: float = 0.55
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Right hands alone in the middle of images.

    Returns:
        Joints [count, 21, 3] of hand21 and depth [count, H, W]: metres rounded to millimetres, NaN beside the hand.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = [_batch(min(_BATCH, count - first), camera, generator, near, far) for first in range(0, count, _BATCH)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _batch(
    count: int, camera: Intrinsics, generator: torch.Generator, near: float, far: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    shape = sample_shape(count, generator)
    pose = sample_pose(shape, sample_families(count, generator), generator, near, far)
    joints, surface = pose_hand(shape, pose)
    # All joints in the picture: their mean within a tenth of the distance from the axis.
    center = joints.mean(1)
    wanted = center.clone()
    wanted[:, :2] = 0.1 * center[:, 2:] * (2 * torch.rand(count, 2, generator=generator) - 1)
    shift = (wanted - center)[:, None]
    cameras = image_cameras(count, replace(camera, fy=camera.fx))  # square pixels, to 0.2 % true of all datasets
    depth = render_spheres(Spheres(surface.centers + shift, surface.radii), cameras)
    millimetres = (1000 * depth).round()
    metres = torch.where(millimetres.isfinite(), millimetres / 1000, torch.nan)
    return (joints + shift).numpy(), metres.numpy()
