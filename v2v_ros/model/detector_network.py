# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The detector's network: a small 2D network over a whole depth image, with heatmaps of hands and bodies."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

STRIDE = 4  # pixels a cell of the heatmaps
CHANNELS = 9  # channels of the input
KINDS = ("hand", "body")
OUTPUTS = 9  # two heats, three offsets of hands, three of bodies, the side
"""Metres that an offset of 1 stands for."""
_WINDOWS = ((0.04, 0.03), (0.10, 0.06), (0.25, 0.15), (0.60, 0.40))  # metres: half the side, and the unit of contrasts
_FINE = 2  # number of windows, the first ones, that are computed for every pixel
_VALID_IN = (1, 2)  # indices of the windows whose share of valid pixels is a channel
_NEAREST, _FARTHEST = 0.08, 15.0  # metres; nearer depths are invalid, farther ones are clipped
_SURFACE = 0.05  # metres behind the nearest pixel of a cell that count as the same surface
_PRIOR = -4.0  # logit of the heat at the start of training
_WIDEST, _LARGEST = 512, 8


@dataclass(frozen=True)
class DetectorConfig:
    """Size of a detector.

    Attributes:
        width: Channels of the heatmaps' level; the coarser levels have 2, 3.5 and 3.5 times as many.
        blocks: Residual blocks of the coarser levels.

    Raises:
        ValueError: A size is not positive or too large.
    """

    width: int = 24
    blocks: int = 2

    def __post_init__(self) -> None:
        if not 2 <= self.width <= _WIDEST or self.width % 2:
            raise ValueError(f"the width must be an even number from 2 to {_WIDEST}, got {self.width}")
        if not 1 <= self.blocks <= _LARGEST:
            raise ValueError(f"there must be 1 to {_LARGEST} blocks, got {self.blocks}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.second(self.first(x)))


class DetectorNet(nn.Module):
    """Features float [B, 9, H, W] to logits and offsets float [B, 9, H / 4, W / 4]; H and W are multiples of 32.

    Out: heat of hands, heat of bodies (logits), offsets x, y, z of hands and of bodies in their subjects'
    ``offset_unit``, and the logit of a hand's being a left one.
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        c = config.width
        wide, deep = 2 * c, 7 * c // 2
        self.stem = _convolution(CHANNELS, c // 2, 2)
        self.quarter = nn.Sequential(_convolution(c // 2, c, 2), _Block(c))
        self.eighth = nn.Sequential(_convolution(c, wide, 2), *(_Block(wide) for _ in range(config.blocks)))
        self.sixteenth = nn.Sequential(_convolution(wide, deep, 2), _Block(deep))
        self.coarsest = nn.Sequential(_convolution(deep, deep, 2), _Block(deep))
        self.up_sixteenth = _convolution(deep, deep, kernel=1)
        self.up_eighth = _convolution(deep, wide, kernel=1)
        self.merge_eighth = _convolution(wide, wide)
        self.up_quarter = _convolution(wide, c, kernel=1)
        self.merge_quarter = nn.Sequential(_convolution(c, c), _convolution(c, c))
        self.head = nn.Conv2d(c, OUTPUTS, 1)
        with torch.no_grad():
            bias = torch.zeros(OUTPUTS)
            bias[: len(KINDS)] = _PRIOR
            self.head.bias = nn.Parameter(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        quarter = self.quarter(self.stem(x))
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        sixteenth = sixteenth + _twice(self.up_sixteenth(self.coarsest(sixteenth)))
        eighth = self.merge_eighth(eighth + _twice(self.up_eighth(sixteenth)))
        heat: torch.Tensor = self.head(self.merge_quarter(quarter + _twice(self.up_quarter(eighth))))
        return heat


def as_convolved(network: DetectorNet) -> DetectorNet:
    """Return the network with its kernels in the order in which convolutions are fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _twice(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def features(depth: torch.Tensor, focal: torch.Tensor) -> torch.Tensor:
    """Return what the network sees of depth images.

    Validity, inverse depth, the logarithm of metres per pixel, and how much farther each pixel is than the mean of its
    surroundings in four windows of metric size, in two of which also the share of valid pixels: what is of the same
    size in metres has the same contrasts, whatever the focal length and the distance.

    Args:
        depth: float32 [B, H, W] metres, NaN where invalid; H and W are even.
        focal: float32 [B, 2] pixels, fx and fy.

    Returns:
        float32 [B, 9, H, W]; 0 where invalid.
    """
    batch, height, width = depth.shape
    valid = depth > _NEAREST  # false for NaN
    z = torch.where(valid, depth, 1.0).clamp_max(_FARTHEST)
    shown = valid.to(depth.dtype)
    inverse = shown / z
    # Sums over rectangles are differences of sums from the corner. Inverse depth and validity are the two parts of
    # complex numbers, so that both are fetched at once.
    sums = depth.new_zeros(batch, height + 1, width + 1, 2, dtype=torch.float64)
    sums[:, 1:, 1:, 0] = inverse
    sums[:, 1:, 1:, 1] = shown
    corners = torch.view_as_complex(sums.cumsum_(1).cumsum_(2).to(depth.dtype)).flatten()
    line = width + 1
    first = torch.arange(batch, device=depth.device)[:, None, None] * (height + 1) * line
    result = [shown, 0.4 * inverse, shown * torch.log(z * (250.0 / focal.prod(1).sqrt())[:, None, None])]
    shares = []
    for index, (half, unit) in enumerate(_WINDOWS):
        # Wide windows of neighbours hold about the same: one serves for four pixels.
        every = 1 if index < _FINE else 2
        near = inverse if every == 1 else functional.max_pool2d(inverse[:, None], 2)[:, 0]
        reach = (focal[:, :, None, None] * half * near[:, None] + 0.5).clamp_(1, max(height, width)).long()
        rows = torch.arange(0, height, every, device=depth.device)[:, None]
        columns = torch.arange(0, width, every, device=depth.device)
        left, right = (columns - reach[:, 0]).clamp_min_(0), (columns + reach[:, 0]).add_(every).clamp_max_(width)
        top, bottom = (rows - reach[:, 1]).clamp_min_(0), (rows + reach[:, 1]).add_(every).clamp_max_(height)
        area = ((right - left) * (bottom - top)).to(depth.dtype) if index in _VALID_IN else None
        top, bottom = top.mul_(line).add_(first), bottom.mul_(line).add_(first)
        total = corners.take(bottom + right) - corners.take(bottom + left)
        total += corners.take(top + left) - corners.take(top + right)
        mean = total.imag / total.real.clamp_min(1e-6)  # harmonic: what is far away counts little
        result.append(shown * torch.tanh((z - _spread(mean, every)) / unit))
        if area is not None:
            shares.append(shown * _spread(total.imag / area, every))
    return torch.stack([*result, *shares], dim=1)


def _spread(values: torch.Tensor, every: int) -> torch.Tensor:
    """Return values [B, h, w] with each of them repeated ``every`` times along rows and columns."""
    if every == 1:
        return values
    return functional.interpolate(values[:, None], scale_factor=float(every), mode="nearest")[:, 0]


def cell_depth(depth: torch.Tensor) -> torch.Tensor:
    """Return the nearest surface of every cell, to which offsets in depth refer: float [B, H / 4, W / 4] metres.

    The mean of the cell's valid pixels within 5 cm of the nearest; a cell without any takes the nearest of its eight
    neighbours, and is NaN where these have none either.

    Args:
        depth: float [B, H, W] metres, NaN where invalid; H and W are multiples of 4.
    """
    batch, height, width = depth.shape
    pixels = depth.view(batch, height // STRIDE, STRIDE, width // STRIDE, STRIDE)
    pixels = torch.where(pixels > _NEAREST, pixels, torch.inf).permute(0, 1, 3, 2, 4).flatten(3)
    nearest = pixels.amin(-1, keepdim=True)
    same = (pixels <= nearest + _SURFACE) & (pixels < torch.inf)
    surface = torch.where(same, pixels, 0.0).sum(-1) / same.sum(-1)  # NaN where there is none
    around = -functional.max_pool2d(-surface.nan_to_num(nan=torch.inf)[:, None], 3, 1, 1)[:, 0]
    filled = torch.where(surface.isnan(), around, surface)
    return torch.where(filled.isinf(), torch.nan, filled)
