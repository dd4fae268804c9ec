# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A network made ready to run: what training needs is folded away, and its first stage computed on blocks of cells.

One input channel starves vector and matrix units. The 8 cells of a block of 2x2x2 become channels, the kernel then
covers 4x4x4 blocks, and the results at a block's 8 places come out as 8 groups of channels whose maximum is what
max-pooling would give; the full-size activations are never written. The sums are the same.
"""

from __future__ import annotations

import copy
import itertools
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..network import V2VPoseNet


class BlockFront(nn.Module):
    """Stands for ``Conv3d(1, C, 7, padding=3)``, ReLU and ``MaxPool3d(2)``.

    Args:
        convolution: Convolution with a bias, batch normalisation folded in.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        assert convolution.bias is not None
        channels = convolution.out_channels
        # Padded by 3, the pair of cells (2i, 2i + 1) sees the padded cells 2i to 2i + 7: four whole blocks.
        kernels = []
        for z, y, x in itertools.product(range(2), repeat=3):
            pads = [pad for place in (x, y, z) for pad in (place, 1 - place)]
            blocks = functional.pad(convolution.weight.detach()[:, 0], pads).view(channels, 4, 2, 4, 2, 4, 2)
            kernels.append(blocks.permute(0, 2, 4, 6, 1, 3, 5).reshape(channels, 8, 4, 4, 4))
        self.channels = channels
        self.blocks = nn.Conv3d(8, 8 * channels, 4, bias=False)
        self.blocks.weight = nn.Parameter(torch.cat(kernels), requires_grad=False)
        self.bias = nn.Parameter(convolution.bias.detach().clone(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn [B, 1, N, N, N] with even N into [B, C, N/2, N/2, N/2]."""
        batch, size = x.shape[0], x.shape[-1] // 2
        padded = functional.pad(x, (3,) * 6).view(batch, *(size + 3, 2) * 3)
        cells = padded.permute(0, 2, 4, 6, 1, 3, 5).reshape(batch, 8, *3 * (size + 3,))
        sums = self.blocks(cells.contiguous(memory_format=torch.channels_last_3d))
        # Channels are last in memory: the groups lie side by side.
        groups = sums.permute(0, 2, 3, 4, 1).unflatten(-1, (8, self.channels))
        return torch.relu(groups.amax(-2) + self.bias).permute(0, 4, 1, 2, 3)


_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose3d)
_Network = TypeVar("_Network", bound=nn.Module)


def fold_batch_norm(network: _Network) -> _Network:
    """Return a copy of the network whose batch normalisations are folded into the convolutions before them."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for index in range(len(module) - 1):
            convolution, norm = module[index], module[index + 1]
            if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d) and isinstance(convolution, _CONVOLUTIONS):
                transposed = isinstance(convolution, nn.ConvTranspose3d)
                module[index] = fuse_conv_bn_eval(convolution, norm, transpose=transposed)
                module[index + 1] = nn.Identity()
    return folded


def use_blocks(folded: V2VPoseNet) -> V2VPoseNet:
    """Return a folded network, changed in place, whose first stage runs on blocks; it computes the same."""
    first = folded.front[0]
    assert isinstance(first, nn.Sequential) and isinstance(first[0], nn.Conv3d)
    folded.front[0] = BlockFront(first[0])
    folded.front[1] = nn.Identity()  # its max-pooling
    return folded
