# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Four networks that differ in what goes in and what comes out.

After Moon et al., V2V-PoseNet (CVPR 2018), section 6.2: the depth image or the occupancy grid of a cube goes in; the
joints' coordinates or a 3D heatmap for every joint come out. All are made of V2V-PoseNet's blocks, in two dimensions
or three.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ...model.network import Basic, NetworkConfig, Residual, V2VPoseNet

PIXELS_PER_CELL = 2  # along a side of the cube's window, so that hardly any pixel of the image is lost
_PIXEL_WIDTH = 2  # channels in two dimensions for every one in three, which cost more


class Basic2d(nn.Sequential):
    """Convolution, batch normalisation, ReLU; keeps the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual2d(nn.Module):
    """Two 3x3 convolutions beside a skip connection."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )
        self.skip = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.branch(x) + self.skip(x))


class Upsample2d(nn.Sequential):
    """Transposed convolution that doubles the size, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(inputs, outputs, 2, stride=2),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class CoordinateHead(nn.Module):
    """Three fully connected layers from a map of features to joints [B, J, 3] in heatmap cells.

    In float32 whatever the features are: half precision is too coarse for coordinates. Layer normalisation keeps the
    units alive, of which Muon's large steps silenced more than a third in the first layer without it.
    """

    def __init__(self, inputs: int, hidden: int, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, 3 * config.joints),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        half = self.config.heatmap / 2
        with torch.autocast(features.device.type, enabled=False):
            normalized = self.layers(features.float())  # -1 and 1 are the cube's faces
        return half + half * normalized.view(-1, self.config.joints, 3)


def _pixel_front(w: int) -> nn.Sequential:
    """Pixels [B, 1, 2N, 2N] to features [B, 4w, N/2, N/2], the size of a heatmap."""
    return nn.Sequential(
        Basic2d(1, w, 7),
        nn.MaxPool2d(2),
        Residual2d(w, 2 * w),
        nn.MaxPool2d(2),
        Residual2d(2 * w, 4 * w),
        Residual2d(4 * w, 4 * w),
    )


class PixelToCoordinates(nn.Sequential):
    """Residual blocks while the image is halved four times, then fully connected layers."""

    def __init__(self, config: NetworkConfig) -> None:
        w, side = _PIXEL_WIDTH * config.width, config.grid // 8
        super().__init__(
            _pixel_front(w),
            nn.MaxPool2d(2),
            Residual2d(4 * w, 8 * w),
            Residual2d(8 * w, 8 * w),
            nn.MaxPool2d(2),
            Residual2d(8 * w, 8 * w),
            Residual2d(8 * w, 8 * w),
            CoordinateHead(8 * w * side**2, 32 * config.width, config),
        )
        _initialize(self)


class PixelToVoxel(nn.Module):
    """V2V-PoseNet's hourglass in two dimensions; the channels of a pixel are the heatmaps' cells behind one another.

    A pixel is a ray and not a column of cells: rays diverge, and the network has to learn by how much.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        w = _PIXEL_WIDTH * config.width
        self.front = _pixel_front(w)
        self.outer_skip = Residual2d(4 * w, 4 * w)
        self.outer_down = nn.Sequential(nn.MaxPool2d(2), Residual2d(4 * w, 8 * w))
        self.inner_skip = Residual2d(8 * w, 8 * w)
        self.inner = nn.Sequential(
            nn.MaxPool2d(2),
            Residual2d(8 * w, 8 * w),
            Residual2d(8 * w, 8 * w),
            Upsample2d(8 * w, 8 * w),
        )
        self.outer_up = nn.Sequential(Residual2d(8 * w, 8 * w), Upsample2d(8 * w, 4 * w))
        self.back = nn.Sequential(
            Residual2d(4 * w, 4 * w),
            Basic2d(4 * w, 8 * w, 1),
            Basic2d(8 * w, 8 * w, 1),
            nn.Conv2d(8 * w, config.joints * config.heatmap, 1),
        )
        _initialize(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pixels [B, 1, 2N, 2N] to heatmaps [B, J, N/2, N/2, N/2] (z, y, x)."""
        front = self.front(x)
        outer = self.outer_down(front)
        outer = self.inner(outer) + self.inner_skip(outer)
        maps = self.back(self.outer_up(outer) + self.outer_skip(front))
        return maps.unflatten(1, (self.config.joints, self.config.heatmap))


class VoxelToCoordinates(nn.Sequential):
    """V2V-PoseNet's encoder, then fully connected layers."""

    def __init__(self, config: NetworkConfig) -> None:
        w, side = config.width, config.grid // 8
        super().__init__(
            Basic(1, w, 7),
            nn.MaxPool3d(2),
            Residual(w, 2 * w),
            Residual(2 * w, 2 * w),
            Residual(2 * w, 2 * w),
            nn.MaxPool3d(2),
            Residual(2 * w, 4 * w),
            nn.MaxPool3d(2),
            Residual(4 * w, 8 * w),
            Residual(8 * w, 8 * w),
            Residual(8 * w, 8 * w),
            CoordinateHead(8 * w * side**3, 32 * w, config),
        )
        _initialize(self)


def _initialize(network: nn.Module) -> None:
    """Initialize the convolutions as V2V-PoseNet's own: N(0, 0.001)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Conv3d):
            nn.init.normal_(module.weight, std=0.001)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@dataclass(frozen=True)
class Representation:
    """Input and output of a network.

    Attributes:
        pixels: Whether a depth image goes in; otherwise an occupancy grid.
        heatmaps: Whether heatmaps come out; otherwise coordinates in heatmap cells.
        build: Function that makes the network.
        memory_format: Order of the input's numbers in memory that the network computes fastest in.
    """

    pixels: bool
    heatmaps: bool
    build: Callable[[NetworkConfig], nn.Module]

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.pixels else torch.channels_last_3d


REPRESENTATIONS = {
    "pixel-to-coordinates": Representation(True, False, PixelToCoordinates),
    "pixel-to-voxel": Representation(True, True, PixelToVoxel),
    "voxel-to-coordinates": Representation(False, False, VoxelToCoordinates),
    "voxel-to-voxel": Representation(False, True, V2VPoseNet),
}
