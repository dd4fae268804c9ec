# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Joints to target heatmaps, and heatmaps back to joints, scores and covariances.

Heatmaps are [batch, joint, z, y, x]. Coordinates are in heatmap cells, (x, y, z), continuous: the centre of cell i is
i + 0.5. Encoding and decoding are exact inverses; the published decode is in :mod:`v2v_ros.model.paper`.
"""

from __future__ import annotations

import torch

_STRIDE = 4  # cells; no peak is narrower
_CACHED_CELLS = 2**16  # a quarter of a megabyte


def encode(coordinates: torch.Tensor, size: int, sigma: float) -> torch.Tensor:
    """Gaussian target heatmaps with peak 1 at the joint itself, wherever in a cell it lies.

    Args:
        coordinates: float [B, J, 3] in heatmap cells. A joint with a NaN gets an all-zero heatmap.
        size: Cells per axis, M.
        sigma: Standard deviation in cells.

    Returns:
        float [B, J, M, M, M], axes (z, y, x).
    """
    cells = torch.arange(size, device=coordinates.device, dtype=coordinates.dtype) + 0.5
    # A Gaussian is a product of three, one per axis.
    axes = torch.exp(-((cells - coordinates[..., None]) ** 2) / (2 * sigma**2)).nan_to_num(0.0)
    x, y, z = axes.unbind(dim=2)
    return z[..., :, None, None] * y[..., None, :, None] * x[..., None, None, :]


def decode(heatmaps: torch.Tensor, sigma: float, offset: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Sub-cell joint coordinates and scores.

    Around the highest cell, the heatmap is summed over the other two axes, which leaves a 1D Gaussian whatever the
    joint's place in the cell; the peak of the parabola through the logarithm of three of its values is then the
    joint, exactly. Its curvature is known from sigma, so two of the three values decide and no division can fail.

    Example:
        >>> heatmaps = encode(torch.tensor([[[3.2, 5.0, 6.7]]]), size=12, sigma=1.5)
        >>> coordinates, scores = decode(heatmaps, sigma=1.5)
        >>> coordinates.round(decimals=3).tolist()[0][0] == torch.tensor([3.2, 5.0, 6.7]).tolist()
        True

    Args:
        heatmaps: float [B, J, M, M, M], M >= 3.
        sigma: Standard deviation of the targets, in cells.
        offset: Offset of the targets from the joints along every axis, in cells; the targets of :func:`encode` have
            none.

    Returns:
        coordinates float [B, J, 3] (x, y, z) in cells, and scores float [B, J] in [0, 1]: the highest value.
    """
    size = heatmaps.shape[-1]
    flat = heatmaps.flatten(2)
    index = _argmax(flat)
    scores = flat.gather(2, index[..., None])[..., 0]
    return places_of_peaks(heatmaps, cells_of(index, size), sigma) - offset, scores.clamp(0, 1)


def places_of_peaks(heatmaps: torch.Tensor, peaks: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return where peaks lie to a fraction of a cell, as :func:`decode` finds it.

    Args:
        heatmaps: float [B, J, M, M, M], M >= 3.
        peaks: int64 [B, J, ..., 3] cells (x, y, z) that are higher than their neighbours.
        sigma: Standard deviation of the targets, in cells.

    Returns:
        float, of the shape of the peaks: (x, y, z) in cells.
    """
    middle = peaks.clamp(1, heatmaps.shape[-1] - 2)  # the 3x3x3 window stays in the grid
    shift = subcell_shift(_windows(heatmaps, middle), sigma)
    # One cell of slack beyond the window's middle cell, more where the peak touches the border of the grid.
    limit = 1.0 + 2.0 * (peaks != middle)
    return middle + 0.5 + shift.clamp(-limit, limit)


def subcell_shift(windows: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return the way from the middles of windows float [..., 3, 3, 3] (z, y, x) to the peaks of the Gaussians in them,
    float [..., 3] (x, y, z) in cells."""
    # A floor far under any peak keeps the logarithm finite where the network's output is negative.
    windows = windows.clamp_min(1e-6)
    marginals = torch.stack((windows.sum((-3, -2)), windows.sum((-3, -1)), windows.sum((-2, -1))), dim=-2)  # x, y, z
    log = marginals.log()
    return sigma**2 / 2 * (log[..., 2] - log[..., 0])


def _argmax(flat: torch.Tensor) -> torch.Tensor:
    """Index of the highest value along the last axis."""
    if flat.device.type == "cpu" and flat.dtype != torch.bfloat16:  # which NumPy lacks; it is several times as fast
        return torch.from_numpy(flat.detach().numpy().argmax(-1))
    return flat.argmax(-1)


def cells_of(index: torch.Tensor, size: int) -> torch.Tensor:
    """Turn indices into flattened (z, y, x) grids into cells [..., 3] (x, y, z)."""
    return torch.stack((index % size, index // size % size, index // size**2), dim=-1)


def _windows(heatmaps: torch.Tensor, middle: torch.Tensor) -> torch.Tensor:
    """Return the 3x3x3 neighbourhoods [B, J, ..., 3, 3, 3] (z, y, x) of the cells ``middle`` [B, J, ..., 3] (x, y,
    z)."""
    size = heatmaps.shape[-1]
    step = torch.arange(-1, 2, device=heatmaps.device)
    x = middle[..., 0, None, None, None] + step[None, None, :]
    y = middle[..., 1, None, None, None] + step[None, :, None]
    z = middle[..., 2, None, None, None] + step[:, None, None]
    index = ((z * size + y) * size + x).flatten(2)
    return heatmaps.flatten(2).gather(2, index).view(*middle.shape[:-1], 3, 3, 3)


def covariance(heatmaps: torch.Tensor) -> torch.Tensor:
    """Second central moment of every heatmap.

    The moment is taken of the squared positive values, which weighs down the floor of a network's output that would
    otherwise dominate the sum over a large grid, and is doubled, since a squared Gaussian has half the variance: a
    perfect heatmap gives exactly sigma^2 on the diagonal (up to its truncation by the grid).

    Args:
        heatmaps: float [B, J, M, M, M].

    Returns:
        float [B, J, 6] in cells squared: xx, xy, xz, yy, yz, zz.
    """
    batch, joints, size = heatmaps.shape[:3]
    # Any origin gives the same central moments, but in float32 one near the mass loses nothing; a coarse look finds it.
    coarse = heatmaps[..., ::_STRIDE, ::_STRIDE, ::_STRIDE]
    origin = _STRIDE * cells_of(_argmax(coarse.flatten(2)), coarse.shape[-1]).view(-1, 3)
    cells = torch.arange(size, device=heatmaps.device) - origin[..., None]
    cells = cells.to(heatmaps.dtype)
    powers = torch.stack((torch.ones_like(cells), cells, cells * cells), dim=2)
    x, y, z = powers.unbind(1)  # [B * J, 3, M]: the powers 0 to 2 of the cells' coordinates
    volumes = heatmaps.reshape(-1, size, size * size)
    # On a CPU a few joints at a time stay in the cache, and their memory is allocated once.
    part = max(1, _CACHED_CELLS // size**3) if heatmaps.device.type == "cpu" else len(volumes)
    planes = volumes.new_empty(len(volumes), 3, size * size)
    scratch = volumes.new_empty(part, size, size * size)
    for volume, power, plane in zip(volumes.split(part), z.split(part), planes.split(part), strict=True):
        weight = torch.clamp_min(volume, 0, out=scratch[: len(volume)]).square_()
        torch.bmm(power, weight, out=plane)
    sums = torch.bmm(planes.view(-1, 3 * size, size), x.mT).view(-1, 3, size, 3)
    sums = y[:, None] @ sums  # [B * J, 3, 3, 3]: over all cells, by the powers of (z, y, x)
    sums = sums / sums[:, :1, :1, :1].clamp_min(1e-12)
    mean_x, mean_y, mean_z = sums[:, 0, 0, 1], sums[:, 0, 1, 0], sums[:, 1, 0, 0]
    central = torch.stack(
        (
            sums[:, 0, 0, 2] - mean_x * mean_x,
            sums[:, 0, 1, 1] - mean_x * mean_y,
            sums[:, 1, 0, 1] - mean_x * mean_z,
            sums[:, 0, 2, 0] - mean_y * mean_y,
            sums[:, 1, 1, 0] - mean_y * mean_z,
            sums[:, 2, 0, 0] - mean_z * mean_z,
        ),
        dim=-1,
    )
    return 2 * central.view(batch, joints, 6)
