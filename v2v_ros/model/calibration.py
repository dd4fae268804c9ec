# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the peak of a heatmap and its spread mean: probabilities and metric covariances, by tables fitted on data.

A network's peaks grow with how sure it is, but a peak of 0.7 is no probability of 0.7, and a heatmap is as wide as its
target even where the joint is not that well known. ``v2v evaluate calibrate`` measures both (docs/evaluation.md).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Calibration:
    """Tables over the peaks of heatmaps; linear between the knots, constant beyond the first and the last.

    Attributes:
        peaks: The knots, strictly increasing.
        probabilities: Probabilities in [0, 1] that a joint with such a peak lies near the truth (20 mm for a hand, 100
            mm for a body), not decreasing.
        variance_factors: Factors, above zero, that turn the second moment of a heatmap with such a peak into a
            covariance.

    Raises:
        ValueError: The tables are not of that form.
    """

    peaks: tuple[float, ...]
    probabilities: tuple[float, ...]
    variance_factors: tuple[float, ...]

    def __post_init__(self) -> None:
        columns = (self.peaks, self.probabilities, self.variance_factors)
        if not self.peaks or len({len(column) for column in columns}) > 1:
            raise ValueError("the calibration's tables must be of one length and not empty")
        if not all(math.isfinite(value) for column in columns for value in column):
            raise ValueError("the calibration's tables must hold finite numbers")
        if any(after <= before for before, after in pairwise(self.peaks)):
            raise ValueError("the calibration's peaks must be strictly increasing")
        if any(after < before for before, after in pairwise(self.probabilities)):
            raise ValueError("the calibration's probabilities must not decrease")
        if self.probabilities[0] < 0 or self.probabilities[-1] > 1 or min(self.variance_factors) <= 0:
            raise ValueError("the calibration's probabilities must lie in [0, 1] and its factors above zero")

    def apply(self, peaks: torch.Tensor, moments: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and covariances of joints.

        Args:
            peaks: float [...] of the heatmaps, as :func:`~v2v_ros.model.heatmaps.decode` gives them.
            moments: float [..., 6] second moments, in any unit; NaN stays NaN.

        Returns:
            float [...] probabilities and float [..., 6] covariances in the moments' unit.
        """
        probabilities = self._interpolate(peaks, self.probabilities)
        return probabilities, moments * self._interpolate(peaks, self.variance_factors)[..., None]

    def _interpolate(self, peaks: torch.Tensor, values: tuple[float, ...]) -> torch.Tensor:
        return interpolate(peaks, peaks.new_tensor(self.peaks), peaks.new_tensor(values))

    def to_dict(self) -> dict[str, Any]:
        """Return the tables as JSON can hold them."""
        return {name: list(column) for name, column in asdict(self).items()}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> Calibration:
        """Inverse of :meth:`to_dict`.

        Raises:
            KeyError, TypeError, ValueError: It is not such a dictionary.
        """
        columns = ("peaks", "probabilities", "variance_factors")
        return Calibration(*(tuple(float(value) for value in content[name]) for name in columns))


def interpolate(peaks: torch.Tensor, knots: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Return values float [...] at peaks float [...] of a table [T] over knots [T]: linear between, constant beyond
    them."""
    if peaks.device.type == "cpu":
        found = np.interp(peaks.numpy(), knots.numpy(), table.numpy())  # one call in place of eight small ones
        return torch.from_numpy(found).to(peaks.dtype)
    if len(knots) == 1:
        return table[0].expand(peaks.shape)
    after = torch.searchsorted(knots, peaks.contiguous()).clamp(1, len(knots) - 1)
    share = ((peaks - knots[after - 1]) / (knots[after] - knots[after - 1])).clamp(0, 1)
    return torch.lerp(table[after - 1], table[after], share)
