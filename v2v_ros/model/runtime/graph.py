# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The network as an ONNX graph, which other runtimes read.

Built operator by operator rather than traced: the graph is the same with every version of PyTorch, needs no compiler of
its own, and stands for what the runtimes compute fastest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..network import Residual, V2VPoseNet
from .fold import BlockFront, fold_batch_norm, use_blocks

OPSET = 18
IR_VERSION = 9  # read by every OpenVINO and ONNX Runtime of the last years
FLOAT = 1  # onnx.TensorProto.FLOAT


def onnx_model(
    network: V2VPoseNet, batch: int | None = None, more: Callable[[Nodes], dict[str, list[int]]] | None = None
) -> Any:
    """Return a network in evaluation mode as an ``onnx.ModelProto``.

    Args:
        network: Network to convert; it is not changed, batch normalisations are folded in the model.
        batch: Number of samples of a call; None: any number.
        more: Function that adds nodes that read ``heatmaps``, and returns the names of their outputs, float32, with
            their shapes without the batch.

    Returns:
        Input ``grids`` uint8 [B, 1, N, N, N] of 0 and 1, output ``heatmaps`` float32 [B, J, N/2, N/2, N/2], (z, y, x).

    Raises:
        ModuleNotFoundError: ONNX is not installed.
    """
    from onnx import TensorProto, helper

    config = network.config
    builder = _Builder(config.grid)
    builder.network(use_blocks(fold_batch_norm(network)))
    count: int | str = "batch" if batch is None else batch
    outputs = {"heatmaps": [config.joints, *3 * (config.heatmap,)]}
    outputs |= {} if more is None else more(builder)
    graph = helper.make_graph(
        builder.nodes,
        "v2v_posenet",
        [helper.make_tensor_value_info("grids", TensorProto.UINT8, [count, 1, *3 * (config.grid,)])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [count, *shape]) for name, shape in outputs.items()],
        builder.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


class Nodes:
    """Collects the nodes of a graph; tensors are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, inputs: list[str], outputs: list[str] | None = None, **attributes: Any) -> str:
        """Add a node; returns the name of its first output."""
        from onnx import helper

        name = f"{kind.lower()}_{len(self.nodes)}"
        outputs = outputs or [name]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=name, **attributes))
        return outputs[0]

    def constant(self, value: torch.Tensor) -> str:
        """Add a tensor of fixed values."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value.detach().contiguous().numpy(), name))
        return name

    def integers(self, *values: int) -> str:
        """Add a vector of integers, such as a shape."""
        return self.constant(torch.tensor(values))

    def cut(self, x: str, axis: int, start: int, end: int) -> str:
        """Add a slice along an axis."""
        return self.node("Slice", [x, *(self.integers(each) for each in (start, end, axis))])


class _Builder(Nodes):
    """Adds a pose network.

    Args:
        size: Cells per axis of the grid.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def network(self, network: V2VPoseNet) -> None:
        """Add all of a folded network."""
        front = self._module(network.front, "grids")
        outer = self._module(network.outer_down, front)
        inner = self.node("Add", [self._module(network.inner, outer), self._module(network.inner_skip, outer)])
        upper = self.node("Add", [self._module(network.outer_up, inner), self._module(network.outer_skip, front)])
        self.node("Identity", [self._module(network.back, upper)], ["heatmaps"])

    def _module(self, module: nn.Module, x: str) -> str:
        """Add what a module makes of a tensor."""
        if isinstance(module, nn.Sequential):
            for child in module:
                x = self._module(child, x)
            return x
        if isinstance(module, Residual):
            return self.node("Relu", [self.node("Add", [self._module(module.branch, x), self._module(module.skip, x)])])
        if isinstance(module, BlockFront):
            return self._block_front(module, x)
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            kind = "ConvTranspose" if isinstance(module, nn.ConvTranspose3d) else "Conv"
            kernel, strides = list(module.kernel_size), list(module.stride)
            pads = 2 * [int(one) for one in module.padding]
            assert module.bias is not None
            operands = [x, self.constant(module.weight), self.constant(module.bias)]
            return self.node(kind, operands, kernel_shape=kernel, strides=strides, pads=pads)
        if isinstance(module, nn.MaxPool3d):
            kernel = 3 * [int(module.kernel_size)]  # type: ignore[arg-type]
            return self.node("MaxPool", [x], kernel_shape=kernel, strides=kernel)
        if isinstance(module, nn.ReLU):
            return self.node("Relu", [x])
        if isinstance(module, nn.Identity):
            return x
        raise TypeError(f"{type(module).__name__} has no ONNX form here")

    def _block_front(self, front: BlockFront, x: str) -> str:
        size = self._size // 2 + 3
        x = self.node("Pad", [x, self.integers(0, 0, 3, 3, 3, 0, 0, 3, 3, 3)])
        x = self.node("Reshape", [x, self.integers(0, size, 2, size, 2, size, 2)])  # 0: the batch, whatever it is
        x = self.node("Transpose", [x], perm=[0, 2, 4, 6, 1, 3, 5])
        x = self.node("Cast", [self.node("Reshape", [x, self.integers(0, 8, size, size, size)])], to=FLOAT)
        # A convolution for every 16 channels, the width of vectors and matrix tiles: maxima of separate results are
        # cheap, but cutting a result into groups of channels was half of the stage's time in OpenVINO.
        together = next(count for count in (8, 4, 2, 1) if count * front.channels <= 16 or count == 1)
        kernels = front.blocks.weight.split(together * front.channels)
        x = self._maximum([self.node("Conv", [x, self.constant(kernel)], kernel_shape=[4] * 3) for kernel in kernels])
        if together > 1:
            groups = [f"{x}_{index}" for index in range(together)]
            self.node("Split", [x], groups, axis=1, num_outputs=together)
            x = self._maximum(groups)
        bias = self.constant(front.bias.view(1, -1, 1, 1, 1))
        return self.node("Relu", [self.node("Add", [x, bias])])

    def _maximum(self, names: list[str]) -> str:
        while len(names) > 1:
            names = [self.node("Max", names[index : index + 2]) for index in range(0, len(names), 2)]
        return names[0]
