"""The read-out: from the heatmaps of cubes to joints, how sure they are, and whether a subject is there.

There are two. ``peaks`` takes the highest place of every heatmap for itself, as the paper does (to a fraction of a
cell). ``refiner`` lets a joint refiner weigh the peaks of all joints against one another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import torch

from .heatmaps import covariance, decode
from .joint_refiner import CLASSES, RefinedJoints, covariance_of, describe
from .peaks import find_peaks
from .runtime import make_refiner_runtime
from .weights import Weights

log = logging.getLogger(__name__)

NAMES = ("auto", "refiner", "peaks")
_NOTHING, _SUBJECT, _LEFT = range(len(CLASSES))


class Reading(NamedTuple):
    """What heatmaps say, before calibration; coordinates in heatmap cells.

    Attributes:
        coordinates: float [B, J, 3] (x, y, z); the refiner's may lie outside of the grid.
        confidences: float [B, J] in [0, 1]: heights of the peaks, or probabilities by the refiner.
        moments: float [B, J, 6] cells squared, xx xy xz yy yz zz.
        subjects: float [B] in [0, 1]: probability of a subject, of hands of either one; 0 where the read-out does not
            know it.
        left: float [B], logit of a left hand against a right one; 0 where the read-out does not know it.
    """

    coordinates: torch.Tensor
    confidences: torch.Tensor
    moments: torch.Tensor
    subjects: torch.Tensor
    left: torch.Tensor


class ReadOut:
    """Reads heatmaps, with the joint refiner of the weights or without.

    Args:
        weights: Of the pose network that makes the heatmaps.
        device: Where they are.
        runtime, threads: What runs the refiner (:func:`~v2v_ros.model.runtime.make_refiner_runtime`).
        name: One of :data:`NAMES`; ``auto``: with the refiner where the weights have one.

    Attributes:
        name: Which one it is, ``refiner`` or ``peaks``.
        knows_subjects: It tells subjects from other things; otherwise the mean of the joints' scores must do.
        calibration: What its confidences and moments mean; None: they are reported as they are.

    Raises:
        ValueError: There is no such read-out, or the weights have no refiner.
    """

    def __init__(
        self, weights: Weights, device: torch.device, runtime: str = "torch", threads: int = 0, name: str = "auto"
    ) -> None:
        if name not in NAMES:
            raise ValueError(f"unknown read-out '{name}'; choose one of: {', '.join(NAMES)}")
        refiner = None if name == "peaks" else weights.refiner
        if name == "refiner" and refiner is None:
            raise ValueError(
                f"the weights '{weights.id}' have no joint refiner: add one with 'v2v train --network joints "
                f"--weights {weights.id}', or choose the read-out 'auto' or 'peaks'"
            )
        if name == "auto" and refiner is None:
            log.info("the weights '%s' have no joint refiner: every joint takes the peak of its heatmap", weights.id)
        self.name = "peaks" if refiner is None else "refiner"
        self.knows_subjects = refiner is not None and refiner.knows_others
        self.calibration = weights.calibration if refiner is None else refiner.calibration
        self._sigma, self._offset, self._size = weights.config.sigma, weights.heatmap_offset, weights.config.heatmap
        self._refine: Callable[[torch.Tensor, torch.Tensor], RefinedJoints] | None = None
        if refiner is not None:
            self._count = refiner.config.peaks
            self._refine = make_refiner_runtime(runtime, refiner, device, threads)

    def __call__(self, heatmaps: torch.Tensor) -> Reading:
        """Read heatmaps float32 [B, J, M, M, M]."""
        if self._refine is None:
            coordinates, heights = decode(heatmaps, self._sigma, self._offset)
            unknown = torch.zeros_like(heights[:, 0])
            return Reading(coordinates, heights, covariance(heatmaps), unknown, unknown)
        features, whole = describe(find_peaks(heatmaps, self._sigma, self._count), self._count, self._size)
        refined = self._refine(features, whole)
        half = self._size / 2
        classes = refined.classes
        return Reading(
            refined.points * half + half,
            refined.nearness.sigmoid(),
            covariance_of(refined.precisions) * half**2,
            1 - classes.softmax(-1)[:, _NOTHING],
            classes[:, _LEFT] - classes[:, _SUBJECT],
        )

    def calibrated(self, confidences: torch.Tensor, moments: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores float [...] and covariances float [..., 6] in the moments' unit."""
        return (confidences, moments) if self.calibration is None else self.calibration.apply(confidences, moments)
