# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Depth images of sphere-meshes and planes, batched, on any device.

Every sphere is drawn into the square of pixels that its silhouette can reach; the nearest surface wins by a
scatter-minimum. Spheres are grouped by the size of their squares, so the work is near that of the covered pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .spheres import Spheres


@dataclass(frozen=True)
class Cameras:
    """A batch of pinhole cameras with images of one size.

    Attributes:
        focal: float [B], pixels.
        principal: float [B, 2], pixels (cx, cy).
        width, height: Pixels.
    """

    focal: torch.Tensor
    principal: torch.Tensor
    width: int
    height: int

    def rays(self) -> torch.Tensor:
        """Return float [B, H, W, 3]: the points at depth 1 that the pixels see."""
        device = self.focal.device
        u = torch.arange(self.width, device=device) - self.principal[:, :1]
        v = torch.arange(self.height, device=device) - self.principal[:, 1:]
        x = (u / self.focal[:, None])[:, None, :].expand(-1, self.height, -1)
        y = (v / self.focal[:, None])[:, :, None].expand(-1, -1, self.width)
        return torch.stack((x, y, torch.ones_like(x)), dim=-1)

    def deproject(self, depth: torch.Tensor) -> torch.Tensor:
        """Return float [B, H * W, 3]: the points of depth images [B, H, W]."""
        return self.rays().flatten(1, 2) * depth.flatten(1, 2)[..., None]


_SMALLEST = 3  # pixels; half the side of the smallest square
_GROWTH = 1.6  # from one group of squares to the next


def render_spheres(spheres: Spheres, cameras: Cameras) -> torch.Tensor:
    """Depth [B, H, W] in metres of the spheres' front surfaces, infinity where there is none."""
    batch = spheres.radii.shape[0]
    height, width = cameras.height, cameras.width
    focal = cameras.focal[:, None]
    z = spheres.centers[..., 2]
    nearest = z - spheres.radii
    visible = (spheres.radii > 0) & (nearest > 0.01)
    u = spheres.centers[..., 0] / z * focal + cameras.principal[:, None, 0]
    v = spheres.centers[..., 1] / z * focal + cameras.principal[:, None, 1]
    # The silhouette of a sphere off the axis is an ellipse whose centre lies a little beside the centre's projection.
    eccentric = 1 + (spheres.centers[..., :2] / z[..., None]).square().sum(-1)
    reach = focal * spheres.radii / nearest.clamp_min(1e-3) * eccentric + 1
    visible &= (u + reach > 0) & (u - reach < width) & (v + reach > 0) & (v - reach < height)

    depth = spheres.radii.new_full((batch, height, width), torch.inf)
    limit = 2 * max(width, height)
    half, smaller = _SMALLEST, 0.0
    while smaller < limit and bool((visible & (reach > smaller)).any()):
        last = half >= limit
        group = visible & (reach > smaller) & ((reach <= half) | last)
        if group.any():
            sample, sphere = group.nonzero(as_tuple=True)
            squares = _Squares(sample, sphere, u[sample, sphere].round().long(), v[sample, sphere].round().long(), half)
            _splat(depth, spheres, cameras, squares)
        smaller, half = float(half), min(limit, int(half * _GROWTH) + 1)
    return depth


@dataclass(frozen=True)
class _Squares:
    """Spheres of a batch, the pixels at their middle, and half the side of the square that each is drawn into."""

    sample: torch.Tensor
    sphere: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor
    half: int


def _splat(depth: torch.Tensor, spheres: Spheres, cameras: Cameras, squares: _Squares) -> None:
    """Draw spheres into depth [B, H, W]."""
    batch, height, width = depth.shape
    step = torch.arange(-squares.half, squares.half + 1, device=depth.device)
    whole = step.shape[0] ** 2 > width * height  # the image is less work than the square
    pixels = width * height if whole else step.shape[0] ** 2
    # One column and one row more than the image take what falls outside.
    padded = depth.new_full((batch * (height + 1) * (width + 1),), torch.inf)
    chunk = max(1, 1_000_000 // pixels)  # bounds the memory of large squares
    for first in range(0, squares.sample.shape[0], chunk):
        part = slice(first, first + chunk)
        b, s = squares.sample[part], squares.sphere[part]
        middle_u, middle_v = squares.u[part, None], squares.v[part, None]
        if whole:
            u = torch.arange(width, device=depth.device).expand(len(b), -1)
            v = torch.arange(height, device=depth.device).expand(len(b), -1)
        else:
            u, v = middle_u + step, middle_v + step
        focal, principal = cameras.focal[b, None], cameras.principal[b]
        x, y = (u - principal[:, :1]) / focal, (v - principal[:, 1:]) / focal
        cx, cy, cz = spheres.centers[b, s].unbind(-1)
        # |t (x, y, 1) - center| = radius, smaller root. All but five operations are on rows or columns alone.
        c = cx**2 + cy**2 + cz**2 - spheres.radii[b, s] ** 2
        a = (x**2)[:, None, :] + (y**2 + 1)[:, :, None]
        half_b = (x * cx[:, None])[:, None, :] + (y * cy[:, None] + cz[:, None])[:, :, None]
        square = torch.addcmul(half_b**2, a, c[:, None, None], value=-1)
        passes_by = square < 0
        # Roots of negative numbers are many times slower than others on CPUs.
        t = half_b.sub_(square.clamp_min_(0).sqrt_()).div_(a).masked_fill_(passes_by, torch.inf)
        u_reached = (u >= 0) & (u < width) & ((u - middle_u).abs() <= squares.half)
        v_reached = (v >= 0) & (v < height) & ((v - middle_v).abs() <= squares.half)
        column = torch.where(u_reached, u, width)
        row = torch.where(v_reached, v, height) + b[:, None] * (height + 1)
        index = (row * (width + 1))[:, :, None] + column[:, None, :]
        padded.scatter_reduce_(0, index.flatten(), t.flatten(), "amin")
    torch.minimum(depth, padded.view(batch, height + 1, width + 1)[:, :height, :width], out=depth)


def render_planes(points: torch.Tensor, normals: torch.Tensor, cameras: Cameras) -> torch.Tensor:
    """Depth [B, H, W] of planes through points [B, K, 3] with normals [B, K, 3]; infinity where no plane is hit.

    A plane whose normal is zero is not there.
    """
    rays = cameras.rays().flatten(1, 2)
    slope = rays @ normals.transpose(1, 2)
    t = (points * normals).sum(-1)[:, None] / slope
    t = torch.where((t > 0.01) & t.isfinite(), t, torch.inf)
    return t.amin(-1).view(-1, cameras.height, cameras.width)


def render_boxes(centers: torch.Tensor, axes: torch.Tensor, halves: torch.Tensor, cameras: Cameras) -> torch.Tensor:
    """Depth [B, H, W] of boxes seen from outside: centers [B, K, 3], axes [B, K, 3, 3] (columns), halves [B, K, 3].

    Infinity where no box is hit. A box with a half of 0, or one that the camera is in, is not there.
    """
    rays = cameras.rays().flatten(1, 2)
    depth = rays.new_full(rays.shape[:2], torch.inf)
    for box in range(centers.shape[1]):
        there = (halves[:, box] > 0).all(-1).nonzero()[:, 0]
        frame, half = axes[there, box], halves[there, box, None]
        slope = rays[there] @ frame  # the rays in the box's own frame
        middle = (centers[there, box, None] @ frame) / slope  # where the rays cross its middle planes
        reach = (half / slope).abs()
        enter, leave = (middle - reach).amax(-1), (middle + reach).amin(-1)
        hit = torch.where((enter < leave) & (enter > 0.01), enter, torch.inf)
        depth[there] = torch.minimum(depth[there], hit)
    return depth.view(-1, cameras.height, cameras.width)
