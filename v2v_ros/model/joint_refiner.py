# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The joint refiner: a small transformer that turns the peaks of all heatmaps of a subject into joints that agree.

Each joint of the pose network takes the peak of its own heatmap and knows nothing of the others, so that neighbouring
fingers, or left and right legs, change places. The refiner sees the peaks of all joints at once, one token a joint. It
weighs the places that the heatmaps propose, moves the result (also out of the cube), and says how sure it is of every
joint and whether this is a subject at all. In the spirit of Hampali et al., Keypoint Transformer, CVPR 2022.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from .peaks import Peaks

CLASSES = ("nothing", "subject", "left hand")  # contents of a cube; pose networks know right hands
MOST_PEAKS = 16
_LARGEST = 1024  # channels; a damaged file must not ask for more memory than there is
HEIGHT_GAIN = 6.0  # factor of a peak's height in the weight of its place, at first: the highest counts most
REACH = 0.3  # half cubes that an output of 1 moves a joint by


@dataclass(frozen=True)
class JointRefinerConfig:
    """Size of a joint refiner.

    Attributes:
        joints: Number of joints of the skeleton.
        peaks: Number of peaks that the refiner sees of each heatmap.
        width: Channels of a token; a multiple of the heads.
        layers: Number of layers of the transformer.
        heads: Number of heads of its attention.

    Raises:
        ValueError: A size is out of its range, or the width is no multiple of the heads.
    """

    joints: int
    peaks: int = 5
    width: int = 96
    layers: int = 4
    heads: int = 4

    def __post_init__(self) -> None:
        if self.joints < 1 or not 1 <= self.peaks <= MOST_PEAKS or not 1 <= self.layers <= 32 or self.heads < 1:
            raise ValueError(
                f"joints, peaks (up to {MOST_PEAKS}), layers (up to 32) and heads must be positive: {self}"
            )
        if not 1 <= self.width <= _LARGEST or self.width % self.heads:
            raise ValueError(f"the width must be a multiple of the heads, up to {_LARGEST}: {self}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class RefinedJoints(NamedTuple):
    """Output of a joint refiner; lengths in half cube edges, from the middle of the cube.

    Attributes:
        points: float [B, J, 3] (x, y, z); beyond 1 outside of the cube.
        nearness: float [B, J], logits of lying near the truth (20 mm of a hand, 100 mm of a body).
        precisions: float [B, J, 6]: the lower triangle xx, yx, yy, zx, zy, zz of L (its diagonal as
            logarithms), where L L^T is the inverse covariance up to a factor that calibration finds.
        classes: float [B, 3], logits of :data:`CLASSES`.
    """

    points: torch.Tensor
    nearness: torch.Tensor
    precisions: torch.Tensor
    classes: torch.Tensor


class JointReading(NamedTuple):
    """Joints read from heatmaps, before calibration; coordinates in heatmap cells.

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


class Block(nn.Module):
    """A transformer's layer with normalisation first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        projected = self.queries_keys_values(self.attention_norm(x))
        queries, keys, values = projected.view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        x = x + self.mix(attended.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.feed_forward(x)


def features_per_joint(peaks: int) -> int:
    """Return how many numbers describe the heatmap of a joint by a number of peaks."""
    return 4 * peaks + 3 + 6


class JointRefiner(nn.Module):
    """Turns the peaks of all heatmaps of a subject into its joints.

    Args:
        config: Size of the network.
    """

    def __init__(self, config: JointRefinerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.enter = nn.Sequential(
            nn.Linear(features_per_joint(config.peaks), 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        # Uniform: normal numbers for tensors without values make PyTorch import its compiler.
        self.names = nn.Parameter(nn.init.uniform_(torch.empty(config.joints, width), -0.2, 0.2))
        self.enter_whole = nn.Linear(4, width)  # where the subject is in the cube, and how high its peaks are
        self.layers = nn.Sequential(*(Block(width, config.heads) for _ in range(config.layers)))
        last = nn.Linear(width, config.peaks + 1 + 3 + 1 + 6)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.leave = nn.Sequential(nn.LayerNorm(width), last)
        self.leave_whole = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(CLASSES)))

    def forward(self, features: torch.Tensor, whole: torch.Tensor) -> RefinedJoints:
        """Args as :func:`peak_features` makes them: float [B, J, F] and float [B, 4]."""
        count = self.config.peaks
        middle = whole[:, None, :3]
        tokens = torch.cat((self.enter(features) + self.names, self.enter_whole(whole)[:, None]), dim=1)
        tokens = self.layers(tokens)
        out = self.leave(tokens[:, :-1])
        places, heights = features[..., : 3 * count].unflatten(-1, (count, 3)), features[..., 3 * count : 4 * count]
        means = features[..., 4 * count : 4 * count + 3]
        proposals = torch.cat((places, means[:, :, None]), dim=2)
        weights = out[..., : count + 1] + HEIGHT_GAIN * functional.pad(heights, (0, 1))
        points = (weights.softmax(-1)[..., None] * proposals).sum(2) + REACH * out[..., count + 1 : count + 4]
        return RefinedJoints(
            points + middle, out[..., count + 4], out[..., count + 5 :], self.leave_whole(tokens[:, -1])
        )


def peak_features(peaks: Peaks, count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a refiner is shown of peaks.

    Args:
        peaks: Peaks of heatmaps of that size, at least as many as the refiner sees.
        count: Number of peaks that the refiner sees of each heatmap, K.
        size: Cells of a heatmap along an axis, M.

    Returns:
        features float [B, J, F], of each joint the places of its peaks [K, 3], their heights [K], the mean place [3]
        and the spread [6]; and whole float [B, 4]: the middle of the highest peaks (x, y, z), and their mean height.
        Lengths are in half cubes; places are measured from that middle.
    """
    half = size / 2
    heights = peaks.heights[..., :count]
    first = heights[..., :1]
    places, means = (peaks.places[..., :count, :] - half) / half, (peaks.means - half) / half
    middle = (first * places[..., 0, :]).sum(1, keepdim=True) / first.sum(1, keepdim=True).clamp_min(1e-6)
    features = (
        (places - middle[:, :, None]).flatten(2),
        heights,
        means - middle,
        peaks.spreads / half,
    )
    return torch.cat(features, dim=-1), torch.cat((middle[:, 0], first.mean(1)), dim=-1)


def reading_of(refined: RefinedJoints, size: int) -> JointReading:
    """Return what a refiner says of heatmaps of a size, as every read-out says it."""
    half = size / 2
    nothing, subject, left = range(len(CLASSES))
    return JointReading(
        refined.points * half + half,
        refined.nearness.sigmoid(),
        covariance_of(refined.precisions) * half**2,
        1 - refined.classes.softmax(-1)[:, nothing],
        refined.classes[:, left] - refined.classes[:, subject],
    )


def covariance_of(precisions: torch.Tensor) -> torch.Tensor:
    """Covariances float [..., 6] (xx, xy, xz, yy, yz, zz) of precisions float [..., 6], in half cubes squared.

    The diagonal of L is given by logarithms, relative to a deviation of a twentieth of half a cube.
    """
    diagonal = START * precisions[..., (0, 2, 5)].clamp(-WIDEST, WIDEST).exp()
    a, c, f = diagonal.unbind(-1)
    b, d, e = (START * precisions[..., (1, 3, 4)]).unbind(-1)
    # The inverse of a lower triangle, M = L^-1; the covariance is M^T M.
    m11, m22, m33 = 1 / a, 1 / c, 1 / f
    m21 = -b * m11 * m22
    m32 = -e * m22 * m33
    m31 = (b * e - c * d) * m11 * m22 * m33
    return torch.stack(
        (
            m11 * m11 + m21 * m21 + m31 * m31,
            m21 * m22 + m31 * m32,
            m31 * m33,
            m22 * m22 + m32 * m32,
            m32 * m33,
            m33 * m33,
        ),
        dim=-1,
    )


def log_density_loss(precisions: torch.Tensor, errors: torch.Tensor) -> torch.Tensor:
    """Negative log density float [...] of errors float [..., 3] in half cubes, up to a constant.

    Student's distribution with four degrees of freedom, since joints that changed places are many and far off.
    """
    diagonal = precisions[..., (0, 2, 5)].clamp(-WIDEST, WIDEST)
    a, c, f = (START * diagonal.exp()).unbind(-1)
    b, d, e = (START * precisions[..., (1, 3, 4)]).unbind(-1)
    x, y, z = errors.unbind(-1)
    # L^T times the error.
    whitened = (a * x + b * y + d * z) ** 2 + (c * y + e * z) ** 2 + (f * z) ** 2
    return 3.5 * torch.log1p(whitened / 4) - diagonal.sum(-1)


START = 20.0  # inverse of the deviation to start with, in half cubes
WIDEST = math.log(50.0)
