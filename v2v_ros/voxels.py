"""Points and cubes to occupancy grids.

A cube is (centre, edge). The grid coordinate of a point p is (p - centre) / edge * N + N / 2 per axis; cell i covers
[i, i + 1). Grids are [batch, channel, z, y, x].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .camera import Intrinsics, points_in_cube


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
    depth: torch.Tensor, intrinsics: Intrinsics, center: Sequence[float], edge: float, grid: int
) -> torch.Tensor:
    """Occupancy grid of one cube in a depth image.

    Args:
        depth: float [H, W] metres along z, NaN where invalid.
        center, edge: Of the cube, metres.
        grid: Cells per axis, N.

    Returns:
        float32 [1, 1, N, N, N] of 0 and 1, axes (z, y, x).
    """
    x, y, z = center
    points = points_in_cube(depth, intrinsics, (x, y, z), edge)
    return occupancy(points[None], torch.tensor([[x, y, z]], dtype=depth.dtype, device=depth.device), edge, grid)


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
