# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Sphere-meshes: surfaces as the union of many spheres, batched.

Hand models made of spheres interpolated along bones and over the palm fit real hands to about a millimetre and need
one square root per covered pixel to render (Tkach et al., Sphere-Meshes for Real-Time Hand Modeling and Tracking,
SIGGRAPH Asia 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .chance import choose


@dataclass(frozen=True)
class Spheres:
    """A batch of sphere-meshes.

    Attributes:
        centers: float [B, S, 3] metres.
        radii: float [B, S] metres; a sphere of radius 0 is not there.
    """

    centers: torch.Tensor
    radii: torch.Tensor

    @staticmethod
    def join(parts: Sequence[Spheres]) -> Spheres:
        """Return the spheres of all parts, one part after the other."""
        return Spheres(torch.cat([p.centers for p in parts], dim=1), torch.cat([p.radii for p in parts], dim=1))

    @staticmethod
    def choose(which: torch.Tensor, parts: Sequence[Spheres]) -> Spheres:
        """Return, for each sample, the spheres of the part whose index is in which, int64 [B]."""
        return Spheres(choose(which, [p.centers for p in parts]), choose(which, [p.radii for p in parts]))

    def where(self, there: torch.Tensor) -> Spheres:
        """Return the spheres without those that are not there, bool [B] or [B, S]."""
        return Spheres(self.centers, self.radii * (there[:, None] if there.dim() == 1 else there))


def tapered_capsule(
    start: torch.Tensor, end: torch.Tensor, start_radius: torch.Tensor, end_radius: torch.Tensor, count: int
) -> Spheres:
    """Return spheres along a line from start to end [B, 3] with radii that go from start_radius to end_radius [B]."""
    t = torch.linspace(0, 1, count, device=start.device)
    centers = start[:, None] + t[:, None] * (end - start)[:, None]
    return Spheres(centers, start_radius[:, None] + t * (end_radius - start_radius)[:, None])


def sheet(
    first: tuple[torch.Tensor, torch.Tensor],
    second: tuple[torch.Tensor, torch.Tensor],
    first_radii: tuple[torch.Tensor, torch.Tensor],
    second_radii: tuple[torch.Tensor, torch.Tensor],
    rows: int,
    columns: int,
) -> Spheres:
    """Return spheres over the surface between two lines, given as (start, end) points [B, 3] and radii [B]."""
    s = torch.linspace(0, 1, columns, device=first[0].device)
    starts = first[0][:, None] + s[:, None] * (second[0] - first[0])[:, None]
    ends = first[1][:, None] + s[:, None] * (second[1] - first[1])[:, None]
    start_radii = first_radii[0][:, None] + s * (second_radii[0] - first_radii[0])[:, None]
    end_radii = first_radii[1][:, None] + s * (second_radii[1] - first_radii[1])[:, None]
    t = torch.linspace(0, 1, rows, device=first[0].device)[:, None, None]
    centers = starts[:, None] + t * (ends - starts)[:, None]
    radii = start_radii[:, None] + t[..., 0] * (end_radii - start_radii)[:, None]
    return Spheres(centers.flatten(1, 2), radii.flatten(1, 2))
