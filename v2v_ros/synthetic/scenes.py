"""Random scenes around a hand: what else a depth camera sees inside and behind the cube."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .hand import pose_hand, sample_pose, sample_shape
from .noise import NoiseFields, SensorNoise, apply_noise
from .render import Cameras, render_planes, render_spheres
from .spheres import Spheres


@dataclass(frozen=True)
class HandScenes:
    """A batch of labelled depth crops.

    Attributes:
        depth: float [B, P, P] metres, NaN where invalid.
        cameras: The cameras of the crops.
        joints: float [B, 21, 3] metres in the camera frame; NaN in scenes without a hand.
        centers: float [B, 3] metres: where the hand is, or where something else is that could be taken for one.
    """

    depth: torch.Tensor
    cameras: Cameras
    joints: torch.Tensor
    centers: torch.Tensor


def sample_hand_scenes(
    batch: int,
    generator: torch.Generator,
    *,
    pixels: int = 112,
    edge: float = 0.25,
    empty: float = 0.08,
    near: float = 0.25,
    far: float = 1.1,
) -> HandScenes:
    """Random right hands in random scenes, seen by random noisy cameras.

    Args:
        pixels: Side of the crop, which shows the cube and a margin of a tenth around it.
        edge: Edge of the cube in metres.
        empty: Share of the scenes that have clutter where a hand would be, but no hand.
        near, far: Range of distances in metres.
    """
    device = generator.device
    shape, pose = sample_shape(batch, generator), sample_pose(batch, generator, near, far)
    joints, hand = pose_hand(shape, pose)
    present = torch.rand(batch, generator=generator, device=device) >= empty
    hand = Spheres(hand.centers, hand.radii * present[:, None])
    clutter, points, normals = _clutter(joints.mean(1), present, generator)

    z = pose.position[:, 2]
    focal = pixels * (z - edge / 2) / (1.2 * edge)
    # The crop's window follows the subject: its principal point lies where the true camera's axis would.
    principal = (pixels - 1) / 2 - focal[:, None] * pose.position[:, :2] / z[:, None]
    cameras = Cameras(focal, principal, pixels, pixels)
    depth = torch.minimum(
        render_spheres(Spheres.join([hand, clutter]), cameras), render_planes(points, normals, cameras)
    )
    draws = NoiseFields.draw(batch, pixels, pixels, generator)
    depth = apply_noise(depth, SensorNoise.sample(batch, generator), draws)
    labelled = torch.where(present[:, None, None], joints, torch.nan)
    return HandScenes(depth, cameras, labelled, joints.mean(1))


def _clutter(
    center: torch.Tensor, present: torch.Tensor, generator: torch.Generator
) -> tuple[Spheres, torch.Tensor, torch.Tensor]:
    """A torso and loose things behind and beside the hand, walls and tables: spheres, plane points, plane normals."""
    batch, device = center.shape[0], center.device

    def rand(*size: int) -> torch.Tensor:
        return torch.rand(batch, *size, generator=generator, device=device)

    def randn(*size: int) -> torch.Tensor:
        return torch.randn(batch, *size, generator=generator, device=device)

    def some(share: float, *size: int) -> torch.Tensor:
        return rand(*size) < share

    # A torso or face: one large sphere whose front lies behind the hand.
    torso_radius = 0.08 + 0.22 * rand(1)
    gap = 0.05 + 0.35 * rand(1)
    torso_z = center[:, 2:] + gap + torso_radius
    torso = torch.cat((center[:, :2] + 0.15 * randn(2), torso_z), dim=-1)[:, None]
    # Loose things beside or behind the hand, in short rows so that some look like fingers, sticks and edges.
    start = center[:, None] + torch.cat((0.11 * randn(3, 2), 0.12 * rand(3, 1)), dim=-1)
    away = start[..., :2] - center[:, None, :2]
    away = away / away.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    start[..., :2] += 0.09 * away * present[:, None, None]
    length = torch.cat((away, 0.4 * randn(3, 1)), dim=-1) * 0.15 * rand(3, 1)
    t = torch.linspace(0, 1, 6, device=device)[:, None]
    rows = start[:, :, None] + t * length[:, :, None]
    radii = (0.006 + 0.04 * rand(3, 1).square()) * some(0.25, 3, 1)
    # Where no hand is, something compact takes its place.
    blob = center[:, None] + 0.035 * randn(8, 3)
    blob_radii = (0.008 + 0.035 * rand(8)) * some(0.7, 8) * ~present[:, None]
    spheres = Spheres(
        torch.cat((torso, rows.flatten(1, 2), blob), dim=1),
        torch.cat((torso_radius * some(0.35, 1), radii.expand(-1, -1, 6).flatten(1, 2), blob_radii), dim=1),
    )

    # A wall behind, a table below (or beside: the camera may be turned).
    towards_camera = center.new_tensor([0.0, 0.0, -1.0])
    normals = towards_camera + 0.5 * randn(2, 3)
    tilted = torch.nn.functional.normalize(randn(1, 3), dim=-1)
    normals[:, 1:] = torch.where(some(0.5, 1, 1), tilted, normals[:, 1:])
    normals = torch.nn.functional.normalize(normals, dim=-1)
    # Every plane keeps clear of the hand: it lies behind its centre, seen along the plane's normal.
    normals = torch.where((normals * center[:, None]).sum(-1, keepdim=True) > 0, -normals, normals)
    distance = 0.07 + 0.25 * rand(2, 1)
    points = center[:, None] - normals * distance
    return spheres, points, normals * some(0.4, 2, 1)
