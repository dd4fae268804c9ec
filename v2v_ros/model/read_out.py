# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The read-out: from the heatmaps of cubes to joints, how sure they are, and whether a subject is there.

There are two. ``peaks`` takes the highest place of every heatmap for itself, as the paper does (to a fraction of a
cell). ``refiner`` lets a joint refiner weigh the peaks of all joints against one another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from .heatmaps import covariance, decode
from .joint_refiner import JointReading
from .peaks import Peaks, find_peaks
from .runtime import make_joint_refiner_runtime
from .weights import Weights

log = logging.getLogger(__name__)

NAMES = ("auto", "refiner", "peaks")


class ReadOut:
    """Reads heatmaps, with the joint refiner of the weights or without.

    Args:
        weights: Weights of the pose network that makes the heatmaps.
        device: Device that the heatmaps lie on.
        runtime, threads: Runtime of the refiner and its number of CPU threads
            (:func:`~v2v_ros.model.runtime.make_joint_refiner_runtime`).
        name: One of :data:`NAMES`; ``auto``: ``refiner`` where the weights have one, else ``peaks``.

    Attributes:
        name: Name of the read-out, ``refiner`` or ``peaks``.
        knows_subjects: Whether its probability of a subject tells subjects from other things; otherwise the mean of the
            joints' scores is used.
        calibration: Tables that calibrate its confidences and moments; None: they are reported as they are.

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
        self._sigma, self._offset = weights.config.sigma, weights.heatmap_offset
        self._refine: Callable[[Peaks], JointReading] | None = None
        if refiner is not None:
            self._count = refiner.config.peaks
            self._refine = make_joint_refiner_runtime(runtime, refiner, weights.config.heatmap, device, threads)

    def __call__(self, heatmaps: torch.Tensor) -> JointReading:
        """Read heatmaps float32 [B, J, M, M, M]."""
        if self._refine is None:
            coordinates, heights = decode(heatmaps, self._sigma, self._offset)
            unknown = torch.zeros_like(heights[:, 0])
            return JointReading(coordinates, heights, covariance(heatmaps), unknown, unknown)
        return self._refine(find_peaks(heatmaps, self._sigma, self._count))

    def calibrated(self, confidences: torch.Tensor, moments: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores float [...] and covariances float [..., 6] in the moments' unit."""
        return (confidences, moments) if self.calibration is None else self.calibration.apply(confidences, moments)
