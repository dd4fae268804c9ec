# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""V2V-PoseNet (Moon et al., CVPR 2018): an occupancy grid in, one 3D heatmap per joint out."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

LARGEST_GRID = 256  # cells per axis; a larger one takes gigabytes for every channel
DEEPEST = 32  # residual blocks in a row; building many more from a damaged file would take forever


@dataclass(frozen=True)
class NetworkConfig:
    """Size of a V2V-PoseNet.

    Attributes:
        joints: Number of joints, and so of heatmaps.
        grid: Cells per axis of the occupancy grid; the heatmaps have half as many. A multiple of 8.
        width: Channels after the first convolution; the paper's network has 16.
        sigma: Standard deviation of the target Gaussian, in heatmap cells.
        depth: Residual blocks in a row at the heatmaps' resolution, before the hourglass, and at its narrowest place;
            the paper's network has 3.

    Raises:
        ValueError: A size is not positive or too large, or the grid is not a multiple of 8.
    """

    joints: int
    grid: int = 88
    width: int = 16
    sigma: float = 1.7
    depth: int = 3

    def __post_init__(self) -> None:
        if self.joints < 1 or self.width < 1 or not 0 < self.sigma < math.inf:
            raise ValueError(f"joints, width and sigma must be positive, got {self}")
        if not 1 <= self.depth <= DEEPEST:
            raise ValueError(f"the depth must be from 1 to {DEEPEST}, got {self.depth}")
        if self.grid % 8 or not 8 <= self.grid <= LARGEST_GRID:
            raise ValueError(
                f"the grid must be a multiple of 8 (three poolings halve it) up to {LARGEST_GRID}, got {self.grid}"
            )

    @property
    def heatmap(self) -> int:
        """Cells per axis of a heatmap."""
        return self.grid // 2

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


_HALF_PRECISION = (torch.bfloat16, torch.float16)


class BlockConv3d(nn.Conv3d):
    """A 7x7x7 convolution of one channel that keeps the size, computed on blocks of 2x2x2 cells where that is faster.

    Matrix units for half precision are fed by many channels. The 8 cells of a block become input channels and the 8
    results of a block output channels; the kernel covers 5x5x5 blocks. The sums are the same.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__(1, outputs, 7, padding=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        autocast = x.device.type in ("cpu", "cuda") and torch.is_autocast_enabled(x.device.type)
        return self.blockwise(x) if autocast or x.dtype in _HALF_PRECISION else super().forward(x)

    def blockwise(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution on blocks; [B, 1, N, N, N] with even N."""
        batch, _, size = x.shape[:3]
        blocks = size // 2
        x = x.reshape(batch, blocks, 2, blocks, 2, blocks, 2).permute(0, 2, 4, 6, 1, 3, 5)
        x = x.reshape(batch, 8, blocks, blocks, blocks).contiguous(memory_format=torch.channels_last_3d)
        bias = None if self.bias is None else self.bias.repeat(8)
        x = nn.functional.conv3d(x, self._block_weight(), bias, padding=2)
        x = x.view(batch, 2, 2, 2, self.out_channels, blocks, blocks, blocks).permute(0, 4, 5, 1, 6, 2, 7, 3)
        return x.reshape(batch, self.out_channels, size, size, size).contiguous(memory_format=torch.channels_last_3d)

    def _block_weight(self) -> torch.Tensor:
        """Kernels [8 C, 8, 5, 5, 5]: for every place of the result in its block, shifted by as much."""
        kernels = []
        for z, y, x in itertools.product(range(2), repeat=3):
            pads = [pad for place in (x, y, z) for pad in (1 + place, 2 - place)]
            padded = nn.functional.pad(self.weight[:, 0], pads)
            blocks = padded.view(self.out_channels, 5, 2, 5, 2, 5, 2).permute(0, 2, 4, 6, 1, 3, 5)
            kernels.append(blocks.reshape(self.out_channels, 8, 5, 5, 5))
        return torch.cat(kernels).contiguous(memory_format=torch.channels_last_3d)


class Basic(nn.Sequential):
    """Convolution, batch normalisation, ReLU; keeps the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(
            BlockConv3d(outputs)
            if (inputs, kernel) == (1, 7)
            else nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2),
            nn.BatchNorm3d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3x3 convolutions beside a skip connection."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, padding=1),
            nn.BatchNorm3d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv3d(outputs, outputs, 3, padding=1),
            nn.BatchNorm3d(outputs),
        )
        self.skip = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(nn.Conv3d(inputs, outputs, 1), nn.BatchNorm3d(outputs))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.branch(x) + self.skip(x))


def residuals(inputs: int, outputs: int, count: int) -> list[Residual]:
    """Residual blocks in a row; the first one changes the number of channels."""
    return [Residual(inputs if index == 0 else outputs, outputs) for index in range(count)]


class Upsample(nn.Sequential):
    """Transposed convolution that doubles the size, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.ConvTranspose3d(inputs, outputs, 2, stride=2),
            nn.BatchNorm3d(outputs),
            nn.ReLU(inplace=True),
        )


class V2VPoseNet(nn.Module):
    """The voxel-to-voxel network, layer by layer as published (paper, section 5 and figure 3).

    ``width=16, grid=88`` is the paper's network: 3,410,453 parameters for 21 joints.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.front = nn.Sequential(
            Basic(1, w, 7),
            nn.MaxPool3d(2),
            *residuals(w, 2 * w, config.depth),
        )
        self.outer_skip = Residual(2 * w, 2 * w)
        self.outer_down = nn.Sequential(nn.MaxPool3d(2), Residual(2 * w, 4 * w))
        self.inner_skip = Residual(4 * w, 4 * w)
        self.inner = nn.Sequential(
            nn.MaxPool3d(2),
            *residuals(4 * w, 8 * w, config.depth),
            Upsample(8 * w, 4 * w),
        )
        self.outer_up = nn.Sequential(Residual(4 * w, 4 * w), Upsample(4 * w, 2 * w))
        self.back = nn.Sequential(
            Residual(2 * w, 2 * w),
            Basic(2 * w, 2 * w, 1),
            Basic(2 * w, 2 * w, 1),
            nn.Conv3d(2 * w, config.joints, 1),
        )
        self._initialize()

    def _initialize(self) -> None:
        # N(0, 0.001) as published. Wider initialisations start with heatmaps far above the targets' range of
        # [0, 1] and were seen not to recover in thousands of steps. (Batch normalisation starts with a scale of 1,
        # today's default; the published code drew it from U(0, 1), the default of its time.)
        for module in self.modules():
            # Random numbers for tensors without values make PyTorch import its compiler: seconds, and 80 MB.
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d) and not module.weight.is_meta:
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Occupancy [B, 1, N, N, N] to heatmaps [B, J, N/2, N/2, N/2], both (z, y, x)."""
        front = self.front(x)
        outer = self.outer_down(front)
        outer = self.inner(outer) + self.inner_skip(outer)
        return self.back(self.outer_up(outer) + self.outer_skip(front))


def network_text(config: NetworkConfig) -> str:
    """Return a V2V-PoseNet's size in words."""
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in V2VPoseNet(config).parameters())
    depth = "" if config.depth == 3 else f" depth {config.depth}"
    return f"V2V-PoseNet {config.grid}/{config.heatmap} width {config.width}{depth} ({parameters / 1e6:.2f} M)"


@dataclass(frozen=True)
class CenterRefinerConfig:
    """Size of a :class:`CenterRefiner`.

    Attributes:
        grid: Cells per axis of the occupancy grid; a multiple of 8.
        width: Channels after the first convolution.

    Raises:
        ValueError: A size is not positive or the grid is not a multiple of 8.
    """

    grid: int = 32
    width: int = 16

    def __post_init__(self) -> None:
        if self.width < 1 or self.grid % 8 or not 8 <= self.grid <= LARGEST_GRID:
            raise ValueError(f"the width must be positive and the grid a multiple of 8, got {self}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class CenterRefiner(nn.Module):
    """Looks at a generous cube around a guess and says where the subject's reference point is, if there is one.

    In the spirit of the reference-point refinement that precedes V2V-PoseNet (paper, section 4, after Oberweger and
    Lepetit, DeepPrior++, ICCV Workshops 2017), on the same occupancy grids that the pose network sees. It also says
    whether there is a subject at all, so one small network sorts out many candidates.
    """

    SPAN = 1.6  # the cube's edge, in edges of the skeleton's cube

    def __init__(self, config: CenterRefinerConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width

        def halve(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
            convolution = nn.Conv3d(inputs, outputs, kernel, stride=2, padding=kernel // 2)
            return [convolution, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)]

        self.features = nn.Sequential(
            *halve(1, w, 5),
            *halve(w, 2 * w, 3),
            *halve(2 * w, 4 * w, 3),
            nn.Conv3d(4 * w, 4 * w, 3, padding=1),
            nn.BatchNorm3d(4 * w),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(4 * w * (config.grid // 8) ** 3, 8 * w), nn.ReLU(inplace=True), nn.Linear(8 * w, 4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Occupancy [B, 1, N, N, N] (z, y, x) to float [B, 4]: the offset from the cube's centre to the reference
        point (x, y, z) in edges of the skeleton's cube, and the logit of there being a subject."""
        return self.head(self.features(x))
