# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""A network made ready to run: what training needs is folded away."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..network import V2VPoseNet
from .blocks import BlockFront

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
