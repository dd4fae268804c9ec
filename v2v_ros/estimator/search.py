# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Where to look for subjects that are not tracked yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics, deproject, points_in_cube, thinned
from ..geometry.subject import Subject
from ..model.detector import Detections, Detector
from ..model.network import CenterRefiner
from ..model.voxels import cube_occupancy
from ..model.weights import CenterWeights

_MOST_SUBJECTS = 4  # that the pose network looks at in one frame
_LEAST_SCORE = 0.04  # lowest score of a detection that is worth a look
_RASTER_ROWS = 120  # a whole image is thinned out to about this many rows
_NEAREST = 20  # points of the raster that must be as near as the nearest blob, lest it be a speck


SHIFTS = 6
"""Most steps of a mean shift."""


@dataclass(frozen=True)
class Proposals:
    """Cubes that may hold subjects, the likeliest first.

    Attributes:
        centers: float64 [K, 3] metres.
        left: float32 [K], logits of a left hand; 0 where nothing is known.
        scores: float32 [K] in [0, 1], scores of the detector; 0.5, which says nothing, without one.
        best: Highest score of the detector in the image, in [0, 1]; NaN without a detector.
    """

    centers: NDArray[np.float64]
    left: NDArray[np.float32]
    scores: NDArray[np.float32]
    best: float

    def without(self, known: NDArray[np.float64], distance: float) -> Proposals:
        """Return those that lie farther than a distance from known subjects [T, 3], metres."""
        apart = np.linalg.norm(self.centers[:, None] - known, axis=-1) > distance
        kept = apart.all(axis=1)
        kept = np.flatnonzero(kept)[:_MOST_SUBJECTS]
        return Proposals(self.centers[kept], self.left[kept], self.scores[kept], self.best)


class Search:
    """Proposes cubes, among which the pose network decides.

    Args:
        subject: Kind of subject to look for.
        edge: Edge of the cubes, metres.
        detector: Detector that finds subjects in whole images; None: the nearest things are proposed.
    """

    def __init__(self, subject: Subject, edge: float, detector: Detector | None) -> None:
        self._subject, self._edge, self._detector = subject, edge, detector

    @property
    def knows_subjects(self) -> bool:
        """Whether it tells subjects from other things."""
        return self._detector is not None

    def __call__(
        self,
        depth: NDArray[np.float32],
        intrinsics: Intrinsics,
        depth_range: tuple[float, float],
        limit: int = _MOST_SUBJECTS,
    ) -> Proposals:
        """Look at a whole image.

        Args:
            depth: float32 [H, W] metres, NaN where invalid.
            intrinsics: Intrinsics of the image.
            depth_range: Least and greatest distance of a subject, metres.
            limit: Largest number of proposals.
        """
        if self._detector is None:
            subject = self._subject
            centers = nearest_blobs(depth, intrinsics, depth_range, subject.blob, subject.separation, limit)
            unknown = np.zeros(len(centers), np.float32)
            return Proposals(centers, unknown, unknown + np.float32(0.5), np.nan)
        found: Detections = self._detector(depth, intrinsics, self._subject.kind, depth_range, limit)
        best = float(found.scores[0]) if len(found) else 0.0
        worth = found.scores >= _LEAST_SCORE
        return Proposals(found.centers[worth], np.nan_to_num(found.left[worth]), found.scores[worth], best)

    def hinted(self, image: NDArray[np.float32], intrinsics: Intrinsics, hint: np.ndarray) -> NDArray[np.float64]:
        """Return the middle float64 [3] of what lies about a hint [3], metres."""
        x, y, z = (float(value) for value in hint)
        points = points_in_cube(torch.from_numpy(image), intrinsics, (x, y, z), self._edge).double().numpy()
        middle = np.array([x, y, z])
        near = points[(np.abs(points - middle) <= self._edge / 2).all(axis=1)]
        return refine_center(near, middle, self._edge)


def _cloud(depth: NDArray[np.float32], intrinsics: Intrinsics) -> NDArray[np.float64]:
    """Return the valid points float64 [P, 3] of a thinned out image."""
    stride = max(1, depth.shape[0] // _RASTER_ROWS)
    thin = np.ascontiguousarray(depth[::stride, ::stride], dtype=np.float64)
    points = deproject(torch.from_numpy(thin), thinned(intrinsics, stride)).numpy().reshape(-1, 3)
    return np.asarray(points[np.isfinite(points).all(axis=1)])


def nearest_blobs(
    depth: NDArray[np.float32],
    intrinsics: Intrinsics,
    depth_range: tuple[float, float],
    radius: float,
    separation: float,
    limit: int,
) -> NDArray[np.float64]:
    """Return middles float64 [K, 3] of the nearest things in an image, nearest first, metres.

    What the literature on single hands does (Oberweger and Lepetit, DeepPrior++, ICCV Workshops 2017): whatever is
    nearest to the camera is the subject.

    Args:
        depth: float32 [H, W] metres, NaN where invalid.
        depth_range: Least and greatest distance, metres.
        radius: Radius of the ball whose content is averaged into a middle, metres.
        separation: Smallest distance between two middles, metres.
        limit: Largest number of middles.
    """
    points = _cloud(depth, intrinsics)
    points = points[(points[:, 2] >= depth_range[0]) & (points[:, 2] <= depth_range[1])]
    found: list[NDArray[np.float64]] = []
    while len(found) < limit and len(points) >= _NEAREST:
        order = np.argpartition(points[:, 2], _NEAREST - 1)
        start = points[order[:_NEAREST]].mean(axis=0)
        middle = refine_center(points, start, 2 * radius)
        found.append(middle)
        left_over = np.linalg.norm(points - middle, axis=1) >= separation
        points = points[left_over & (np.linalg.norm(points - start, axis=1) >= separation)]
    return np.array(found).reshape(-1, 3)


@dataclass(frozen=True)
class FoundCenters:
    """Result of a centre refiner for K guesses.

    Attributes:
        centers: float64 [K, 3] metres, the reference point of the subject that is nearest to each guess.
        presence: float32 [K], logit of there being one.
    """

    centers: np.ndarray
    presence: np.ndarray


class CenterFinder:
    """Finds centres with a centre refiner that looks at cubes around guesses.

    Args:
        weights: Weights of the network.
        device: Device that the network runs on.
    """

    def __init__(self, weights: CenterWeights, device: torch.device) -> None:
        self._network = weights.build().to(device)
        self._edge, self._grid = weights.cube_edge, weights.config.grid

    @torch.inference_mode()
    def __call__(self, image: torch.Tensor, intrinsics: Intrinsics, guesses: np.ndarray) -> FoundCenters:
        """Look around guesses float64 [K, 3] in a depth image float [H, W] in metres."""
        if not len(guesses):
            return FoundCenters(np.zeros((0, 3)), np.zeros(0, np.float32))
        span = CenterRefiner.SPAN * self._edge
        grids = cube_occupancy(image, intrinsics, guesses, span, self._grid)
        out = self._network(grids.float()).cpu().numpy()
        return FoundCenters(guesses + out[:, :3].astype(np.float64) * self._edge, out[:, 3])

    def find(
        self, image: torch.Tensor, intrinsics: Intrinsics, guesses: np.ndarray, separation: float, limit: int
    ) -> np.ndarray:
        """Centres float64 [S, 3] of the subjects near guesses float64 [K, 3], the surest first.

        Every guess is moved to where a subject seems to be and looked at again there, as its cube may have shown
        only part of it. Of several that end up at one subject the surest is kept.

        Args:
            separation: Smallest distance between two subjects, metres.
            limit: Largest number of subjects.
        """
        first = self(image, intrinsics, guesses)
        second = self(image, intrinsics, first.centers[first.presence > _PLAUSIBLE])
        kept: list[int] = []
        for index in np.argsort(-second.presence).tolist():
            apart = np.linalg.norm(second.centers[kept] - second.centers[index], axis=1) > separation
            if second.presence[index] > _PLAUSIBLE and apart.all() and len(kept) < limit:
                kept.append(index)
        return second.centers[kept]


_PLAUSIBLE = -4.0  # logit; the pose network decides, the refiner only sorts out what cannot be


def mean_shift(
    inside: Callable[[np.ndarray], np.ndarray], start: np.ndarray, still: float, shifts: int = SHIFTS
) -> tuple[np.ndarray, np.ndarray]:
    """Mean shift from a start to the middle of the points [3, N] in a ball, and these points.

    Args:
        inside: Function that returns the points in the ball around a centre.
        still: Length of a step, metres, below which it is the last one.
    """
    center = start
    near = inside(center)
    for _ in range(shifts):
        if not near.size:
            break
        moved = near.mean(axis=1)
        if np.linalg.norm(moved - center) < still:
            break
        center = moved
        near = inside(center)
    return center, near


def in_ball(points: np.ndarray, center: np.ndarray, radius: float) -> np.ndarray:
    """Return those of points [3, P] that are closer to a centre than a radius; false for NaN."""
    near: np.ndarray = points[:, ((points - center[:, None]) ** 2).sum(axis=0) < radius**2]
    return near


def refine_center(points: np.ndarray, center: np.ndarray, edge: float) -> np.ndarray:
    """Move a cube's centre onto the middle of what lies inside it.

    Args:
        points: float [N, 3] metres.
        center: float [3] metres.
        edge: Edge of the cube, metres.

    Returns:
        float64 [3]; the centre itself when the cube is empty.
    """
    columns = np.ascontiguousarray(points.T)
    start = np.asarray(center, dtype=np.float64)
    return mean_shift(lambda middle: in_ball(columns, middle, edge / 2), start, 0.01 * edge)[0]
