# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Finding the reference points of a dataset's frames, and what that is worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...estimator.search import CenterFinder
from ...geometry.camera import deproject
from ...recorded.datasets.dataset import DepthDataset
from ...recorded.datasets.frame_set import reference_points
from ..figures import FigureRecord
from ..processes import Processes
from .locate import SIZES, locate

_PART = 32  # frames
_GUESSES = 24
_FREE = 0.3  # share of the directions around a guess that must be free
_BODY_RANGE = (0.5, 6.0)  # metres; ITOP publishes none


def center_of_mass(depth: NDArray[np.float32], dataset: DepthDataset) -> NDArray[np.float64]:
    """Return the mean [3] of the points of a dataset's image within its range of depths, metres; NaN if none are.

    The usual first guess of the literature (Oberweger and Lepetit, DeepPrior++, ICCV Workshops 2017).
    """
    near, far = dataset.spec.depth_range or _BODY_RANGE
    points = deproject(torch.from_numpy(depth), dataset.intrinsics)
    inside = points[(points[..., 2] >= near) & (points[..., 2] <= far)]
    center: NDArray[np.float64] = inside.double().mean(0).numpy()
    return center


def find_centers(
    finder: CenterFinder, dataset: DepthDataset, processes: Processes, tick: Callable[[], object] = lambda: None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find centres of mass, and the reference points that a centre network finds.

    Args:
        processes: Processes that share the work.
        tick: Callback after every part of this process.

    Returns:
        Two float64 [F, 3] in metres; NaN in frames that the protocol leaves out or that show nothing. The same in
        every process.
    """
    results = {}
    for part in range(work_parts(dataset)):
        if processes.mine(part):
            frames = range(part * _PART, min((part + 1) * _PART, len(dataset)))
            results[part] = np.stack([_find(finder, dataset, frame) for frame in frames])
            tick()
    both = np.concatenate(list(processes.gather(results).values()))
    return both[:, 0], both[:, 1]


def work_parts(dataset: DepthDataset) -> int:
    """Return the number of parts into which the work is cut."""
    return -(-len(dataset) // _PART)


def _find(finder: CenterFinder, dataset: DepthDataset, index: int) -> NDArray[np.float64]:
    """Return centre of mass and reference point, [2, 3]."""
    if not dataset.valid[index]:
        return np.full((2, 3), np.nan)
    depth, kind = dataset.depth(index), dataset.spec.skeleton.kind
    middle = center_of_mass(depth, dataset)
    if not np.isfinite(middle).all():
        return np.full((2, 3), np.nan)
    near, far = dataset.spec.depth_range or _BODY_RANGE
    found = locate(depth, dataset.intrinsics, SIZES[kind], near, far, _GUESSES, _FREE)
    guesses = np.concatenate((middle[None], found))
    centers = finder.find(torch.from_numpy(depth), dataset.intrinsics, guesses, SIZES[kind].separation, 1)
    return np.stack((middle, centers[0] if len(centers) else middle))


@dataclass(frozen=True)
class CenterFigures(FigureRecord):
    """Figures of centres, on frames that have labels and a centre.

    Attributes:
        frames: Number of these frames.
        mean_mm, median_mm, p95_mm: Distance to the reference point.
        joints_inside_share, frames_inside_share: Share of the joints, and of the frames with all joints, in the paper's
            cube.
    """

    frames: int
    mean_mm: float = math.nan
    median_mm: float = math.nan
    p95_mm: float = math.nan
    joints_inside_share: float = math.nan
    frames_inside_share: float = math.nan


def center_figures(centers: NDArray[np.float64], dataset: DepthDataset) -> CenterFigures:
    """Measure how good centres float64 [F, 3] are."""
    truth = reference_points(dataset.joints)
    used = dataset.valid & np.isfinite(centers).all(1) & np.isfinite(truth).all(1)
    if not used.any():
        return CenterFigures(0)
    off = 1000 * np.linalg.norm(centers[used] - truth[used], axis=1)
    near = np.abs(dataset.joints[used] - centers[used][:, None]) < dataset.spec.cube_edge / 2
    inside: NDArray[np.bool_] = np.all(near, axis=-1)
    return CenterFigures(
        frames=int(used.sum()),
        mean_mm=float(off.mean()),
        median_mm=float(np.median(off)),
        p95_mm=float(np.percentile(off, 95)),
        joints_inside_share=float(inside.mean()),
        frames_inside_share=float(np.all(inside, axis=1).mean()),
    )
