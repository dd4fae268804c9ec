"""Where to look for a subject that is not tracked yet."""

from __future__ import annotations

import numpy as np
import torch

from .camera import Intrinsics, points_in_cube
from .locate import SIZES, locate, refine_center
from .refine import Refiner

_MOST_SUBJECTS = 4  # that the pose network looks at in one frame
_GUESSES_TO_REFINE = 24  # the refiner is ten times as fast as the pose network
_FREE_TO_REFINE = 0.3  # share of the directions around a guess that must be free; walls have less


class Search:
    """Proposes centres, among which the pose network decides.

    Args:
        kind: ``hand`` or ``body``.
        edge: Of the cube, metres.
        refiner: Sorts out and moves guesses; None: they are taken as they are.
    """

    def __init__(self, kind: str, edge: float, refiner: Refiner | None) -> None:
        self._size, self._edge, self._refiner = SIZES[kind], edge, refiner

    def centers(
        self,
        image: torch.Tensor,
        depth: np.ndarray,
        intrinsics: Intrinsics,
        depth_range: tuple[float, float],
        hint: np.ndarray | None = None,
        known: np.ndarray | None = None,
    ) -> np.ndarray:
        """Centres float64 [K, 3] of cubes that may hold a subject, the likeliest first.

        Args:
            image: float [H, W] metres on the device that runs the networks, NaN where invalid.
            depth: The same on the CPU.
            depth_range: Least and greatest distance of a subject, metres.
            hint: float [3] metres, where the user knows a subject to be: the first centre is the middle of what is
                there.
            known: float [T, 3] metres, middles of subjects that need not be found again.
        """
        limit = _MOST_SUBJECTS + (0 if known is None else len(known))
        if self._refiner is None:
            centers = locate(depth, intrinsics, self._size, *depth_range, limit)
        else:
            guesses = locate(depth, intrinsics, self._size, *depth_range, _GUESSES_TO_REFINE, _FREE_TO_REFINE)
            centers = self._refiner.find(image, intrinsics, guesses, self._size.separation, limit)
        if known is not None and len(known):
            distances = np.linalg.norm(centers[:, None] - known, axis=-1)
            centers = centers[(distances > self._size.separation).all(axis=1)][:_MOST_SUBJECTS]
        if hint is None:
            return centers
        middle = np.asarray(hint, dtype=np.float64)
        points = points_in_cube(image, intrinsics, tuple(middle.tolist()), self._edge)
        return np.concatenate((refine_center(points.cpu().numpy(), middle, self._edge)[None], centers))
