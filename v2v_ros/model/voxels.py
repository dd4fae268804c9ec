# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Points and cubes to occupancy grids.

A cube is (centre, edge). The grid coordinate of a point p is (p - centre) / edge * N + N / 2 per axis; cell i covers
[i, i + 1). Grids are [batch, channel, z, y, x].
"""

from __future__ import annotations

import numpy as np
import torch

from ..geometry.camera import Intrinsics, cube_region

MOST_CUBES = 8  # that are voxelized at once on a GPU; 150 MB for an image of 640x480


def grid_coordinates(points: torch.Tensor, centers: torch.Tensor, edge: float, grid: int) -> torch.Tensor:
    """Continuous grid coordinates of points.

    Args:
        points: float [B, ..., 3] metres, in (x, y, z) order.
        centers: float [B, 3] metres.
        edge: Metres.
        grid: Cells per axis, N.

    Returns:
        float [B, ..., 3]; inside the cube when all three lie in [0, N).
    """
    shape = (centers.shape[0],) + (1,) * (points.dim() - 2) + (3,)
    return (points - centers.view(shape)) * (grid / edge) + grid / 2


def metric_coordinates(coordinates: torch.Tensor, centers: torch.Tensor, edge: float, grid: int) -> torch.Tensor:
    """Inverse of :func:`grid_coordinates`: float [B, ..., 3] grid coordinates to metres."""
    shape = (centers.shape[0],) + (1,) * (coordinates.dim() - 2) + (3,)
    return (coordinates - grid / 2) * (edge / grid) + centers.view(shape)


def occupancy(points: torch.Tensor, centers: torch.Tensor, edge: float, grid: int) -> torch.Tensor:
    """Voxelize points into binary occupancy grids, one per cube.

    Args:
        points: float [B, P, 3] metres; points that are NaN or outside their cube are left out.
        centers: float [B, 3] metres.
        edge: Metres.
        grid: Cells per axis, N.

    Returns:
        float32 [B, 1, N, N, N] of 0 and 1, axes (z, y, x).
    """
    return occupancy_from_coordinates(grid_coordinates(points, centers, edge, grid), grid)


def cube_occupancy(
    depth: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, edge: float, grid: int
) -> torch.Tensor:
    """Occupancy grids of cubes in one depth image.

    The cells are those that :func:`occupancy` finds in float64, bit for bit, but only pixels that can see into a cube
    become points.

    Example:
        >>> camera = Intrinsics(475.0, 475.0, 319.5, 239.5, 640, 480)
        >>> wall = torch.full((480, 640), 0.5)
        >>> grids = cube_occupancy(wall, camera, np.array([[0.0, 0.0, 0.5]]), edge=0.25, grid=48)
        >>> tuple(grids.shape), int(grids.sum(dim=(0, 1, 3, 4)).argmax())  # the layer in the middle is full
        ((1, 1, 48, 48, 48), 24)

    Args:
        depth: float32 [H, W] metres along z, NaN where invalid.
        intrinsics: Intrinsics of the image.
        centers: float64 [K, 3] metres.
        edge: Edge of the cubes, metres.
        grid: Cells per axis, N.

    Returns:
        uint8 [K, 1, N, N, N] of 0 and 1, axes (z, y, x), where the image is.
    """
    if depth.device.type != "cpu":
        return _whole_image_occupancy(depth, intrinsics, torch.from_numpy(centers).to(depth.device), edge, grid)
    volumes = np.zeros((len(centers), 1, grid, grid, grid), np.uint8)
    image = depth.numpy()
    for volume, (x, y, z) in zip(volumes, centers.tolist(), strict=True):
        _mark(volume.reshape(-1), image, intrinsics, (x, y, z), edge, grid)
    return torch.from_numpy(volumes)


def count_occupied(grids: torch.Tensor) -> np.ndarray:
    """Occupied cells int [K] of grids uint8 [K, 1, N, N, N] of 0 and 1."""
    if grids.device.type == "cpu":  # NumPy counts booleans several times as fast as PyTorch
        return np.array([np.count_nonzero(volume) for volume in grids.numpy().view(bool)], dtype=np.int64)
    return grids.flatten(1).sum(1).cpu().numpy()


def _mark(
    cells: np.ndarray,
    image: np.ndarray,
    intrinsics: Intrinsics,
    center: tuple[float, float, float],
    edge: float,
    grid: int,
) -> None:
    """Set the cells [N * N * N] of one cube that hold a point of an image.

    NumPy's calls cost a third of PyTorch's, and what is in the cube is a few thousand pixels.
    """
    region = cube_region(center, edge, intrinsics)
    if region.empty:
        return
    part = np.ascontiguousarray(image[region.top : region.bottom, region.left : region.right])
    # One float32 more on either side, so that only the exact comparison below decides.
    near = np.nextafter(np.float32(center[2] - edge / 2), np.float32(-np.inf))
    far = np.nextafter(np.float32(center[2] + edge / 2), np.float32(np.inf))
    pixels = np.flatnonzero((part >= near) & (part <= far)).astype(np.int32)  # halves the price of the division
    v = pixels // np.int32(part.shape[1])
    u = pixels - v * np.int32(part.shape[1])
    # From here on the operations of deproject and grid_coordinates, in their order.
    points = np.empty((3, len(pixels)))
    points[2] = part.reshape(-1).take(pixels)
    points[0] = ((np.arange(region.left, region.right) - intrinsics.cx) / intrinsics.fx).take(u)
    points[1] = ((np.arange(region.top, region.bottom) - intrinsics.cy) / intrinsics.fy).take(v)
    points[:2] *= points[2]
    points -= np.array(center)[:, None]
    points *= grid / edge
    points += grid / 2
    inside = ((points >= 0) & (points < grid)).all(axis=0)
    x, y, z = points.astype(np.int64)
    cells[((z * grid + y) * grid + x)[inside]] = 1


def _whole_image_occupancy(
    depth: torch.Tensor, intrinsics: Intrinsics, centers: torch.Tensor, edge: float, grid: int
) -> torch.Tensor:
    """:func:`cube_occupancy` where a wait for how many pixels there are costs more than all the pixels do."""
    columns, rows = (torch.from_numpy(each).to(depth.device) for each in rays(intrinsics))
    parts = [
        scatter_occupancy(depth, columns, rows, part, torch.zeros_like(part[:, 0], dtype=torch.bool), edge, grid)
        for part in centers.split(MOST_CUBES)
    ]
    return torch.cat(parts)


def rays(intrinsics: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """Return what :func:`~v2v_ros.geometry.camera.deproject` multiplies depths by: float64 [W] and [H].

    Made by NumPy for all devices: PyTorch divides by a number on a GPU by multiplying with its reciprocal, which may
    round otherwise.
    """
    columns = (np.arange(intrinsics.width) - intrinsics.cx) / intrinsics.fx
    return columns, (np.arange(intrinsics.height) - intrinsics.cy) / intrinsics.fy


def scatter_occupancy(
    depth: torch.Tensor,
    columns: torch.Tensor,
    rows: torch.Tensor,
    centers: torch.Tensor,
    mirrored: torch.Tensor,
    edge: float,
    grid: int,
) -> torch.Tensor:
    """Occupancy grids of cubes, without waiting for the device: the same work whatever is in the image.

    Takes some 60 bytes for every pixel and cube: call it with up to :data:`MOST_CUBES` at a time.

    Args:
        depth: float32 [H, W] metres along z, NaN where invalid.
        columns, rows: float64 [W] and [H], see :func:`rays`.
        centers: float64 [K, 3] metres; a cube around NaN is empty.
        mirrored: bool [K]: whether a grid is that of the mirror image, from left to right, of its cube's content.
        edge: Edge of the cubes, metres.
        grid: Cells per axis, N.

    Returns:
        uint8 [K, 1, N, N, N] of 0 and 1, axes (z, y, x).
    """
    count = len(centers)
    z = depth.double()
    points = torch.stack((columns * z, rows[:, None] * z, z)).flatten(1)
    # From here on the operations of grid_coordinates, in their order, and none that a GPU could round otherwise.
    coordinates = points[:, None] - centers.T[:, :, None]
    coordinates.mul_(grid / edge).add_(grid / 2)
    inside = ((coordinates >= 0) & (coordinates < grid)).all(dim=0)
    x, y, z = coordinates.long().unbind()  # anything at all for points outside
    x = torch.where(mirrored[:, None], grid - 1 - x, x)
    cubes = torch.arange(count, device=depth.device)[:, None]
    index = z.add_(cubes * grid).mul_(grid).add_(y).mul_(grid).add_(x)
    index.masked_fill_(~inside, count * grid**3)  # one cell more, for points outside
    cells = torch.zeros(count * grid**3 + 1, dtype=torch.uint8, device=depth.device)
    return cells.scatter_(0, index.flatten(), 1)[:-1].view(count, 1, grid, grid, grid)


def occupancy_from_coordinates(coordinates: torch.Tensor, grid: int) -> torch.Tensor:
    """Voxelize continuous grid coordinates, float [B, P, 3] -> float32 [B, 1, N, N, N]."""
    batch = coordinates.shape[0]
    # The comparison is false for NaN, and being made before the cast it also keeps (-1, 0) out of cell 0.
    inside = ((coordinates >= 0) & (coordinates < grid)).all(dim=-1)
    cells = torch.where(inside[..., None], coordinates, 0).long()
    sample = torch.arange(batch, device=coordinates.device)[:, None]
    index = ((sample * grid + cells[..., 2]) * grid + cells[..., 1]) * grid + cells[..., 0]
    volume = torch.zeros(batch * grid**3, device=coordinates.device)
    volume[index[inside]] = 1.0
    return volume.view(batch, 1, grid, grid, grid)
