"""Where to look for a subject that is not tracked yet, and which hand to expect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .camera import Intrinsics, points_in_cube
from .locate import SIZES, locate, refine_center
from .refine import Refiner
from .tracking import Side

_MOST_SUBJECTS = 4  # that the network looks at in one frame
_GUESSES, _GUESSES_TO_REFINE = 4, 16  # the refiner is ten times as fast as the network and tells many guesses apart
_SURE_SIDE = 2.0  # logit; when the refiner is less sure which hand it is, the network looks at it as either


@dataclass(frozen=True)
class Hypothesis:
    """A cube to look into, by its centre float64 [3] in metres, and the hand to expect there."""

    center: np.ndarray
    side: Side


class Search:
    """Makes hypotheses for the network, which decides among them.

    Args:
        kind: ``hand`` or ``body``.
        edge: Of the cube, metres.
        refiner: Sorts out and moves guesses; None: they are taken as they are, and hands are looked at as either.
    """

    def __init__(self, kind: str, edge: float, refiner: Refiner | None) -> None:
        self._kind, self._edge, self._refiner = kind, edge, refiner

    def hypotheses(
        self,
        image: torch.Tensor,
        depth: np.ndarray,
        intrinsics: Intrinsics,
        depth_range: tuple[float, float],
        side: Side,
        hint: np.ndarray | None = None,
    ) -> list[Hypothesis]:
        """What to look at in one frame; hypotheses around the hint come first and share one centre.

        Args:
            image: float [H, W] metres on the device that runs the networks, NaN where invalid.
            depth: The same on the CPU.
            depth_range: Least and greatest distance of a subject, metres.
            side: Which hand is expected; UNKNOWN: either.
            hint: float [3] metres, where the user knows a subject to be.
        """
        size = SIZES[self._kind]
        guesses = locate(
            depth, intrinsics, size, *depth_range, _GUESSES if self._refiner is None else _GUESSES_TO_REFINE
        )
        centers, left = guesses, np.zeros(len(guesses), np.float32)
        if self._refiner is not None:
            found = self._refiner.find(image, intrinsics, guesses, size.separation, _MOST_SUBJECTS)
            centers, left = found.centers, found.left
        if hint is not None:
            middle = np.asarray(hint, dtype=np.float64)
            points = points_in_cube(image, intrinsics, tuple(middle.tolist()), self._edge)
            hinted = refine_center(points.cpu().numpy(), middle, self._edge)[None]
            # Whether there is a subject, the user knows better than the refiner.
            hinted_left = left[:0] if self._refiner is None else self._refiner(image, intrinsics, hinted).left
            centers = np.concatenate((hinted, centers))
            left = np.concatenate((hinted_left if len(hinted_left) else np.zeros(1, np.float32), left))
        return [
            Hypothesis(center, each)
            for center, logit in zip(centers, left.tolist(), strict=True)
            for each in self._sides(logit, side)
        ]

    def _sides(self, left: float, expected: Side) -> tuple[Side, ...]:
        """The sides to look at a subject as, given the logit of a left hand."""
        if self._kind != "hand" or expected != Side.UNKNOWN:
            return (expected,)
        if abs(left) >= _SURE_SIDE:
            return (Side.LEFT if left > 0 else Side.RIGHT,)
        return (Side.RIGHT, Side.LEFT)

    def side_evidence(self, image: torch.Tensor, intrinsics: Intrinsics, center: np.ndarray) -> float:
        """Logit of a left hand around a centre; 0 for bodies and without a refiner. One look says only so much."""
        if self._refiner is None or self._kind != "hand":
            return 0.0
        left = self._refiner(image, intrinsics, center[None]).left[0]
        return float(np.clip(left, -_SURE_SIDE, _SURE_SIDE))
