"""The centre refiner at work: from guesses where a subject could be to where it is, if it is there at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..geometry.camera import Intrinsics
from ..model.network import CenterRefiner
from ..model.voxels import cube_occupancy
from ..model.weights import CenterWeights


@dataclass(frozen=True)
class Refined:
    """What the refiner says of K guesses.

    Attributes:
        centers: float64 [K, 3] metres, the reference point of the subject that is nearest to each guess.
        presence: float32 [K], logit of there being one.
    """

    centers: np.ndarray
    presence: np.ndarray


class Refiner:
    """Runs a centre refiner on the cubes around guesses.

    Args:
        weights: Of the network.
        device: Where to run.
    """

    def __init__(self, weights: CenterWeights, device: torch.device) -> None:
        self._network = weights.build().to(device)
        self._edge, self._grid = weights.cube_edge, weights.config.grid

    @torch.inference_mode()
    def __call__(self, image: torch.Tensor, intrinsics: Intrinsics, guesses: np.ndarray) -> Refined:
        """Look around guesses float64 [K, 3] in a depth image float [H, W] in metres."""
        if not len(guesses):
            return Refined(np.zeros((0, 3)), np.zeros(0, np.float32))
        span = CenterRefiner.SPAN * self._edge
        grids = cube_occupancy(image, intrinsics, guesses, span, self._grid)
        out = self._network(grids.float()).cpu().numpy()
        return Refined(guesses + out[:, :3].astype(np.float64) * self._edge, out[:, 3])

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
