# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The joint refiner as ONNX nodes, operator by operator, as :mod:`.graph` writes the pose network."""

from __future__ import annotations

import torch
from torch import nn

from ..joint_refiner import HEIGHT_GAIN, REACH, Block, JointRefiner
from .graph import Nodes


def add_refiner(nodes: Nodes, refiner: JointRefiner, features: str, whole: str) -> None:
    """Add a refiner; it reads the tensors of these names, and writes what
    :class:`~v2v_ros.model.joint_refiner.RefinedJoints` has, the points as ``refined_points``."""
    config = refiner.config
    count, joints, width = config.peaks, config.joints, config.width
    own = nodes.node("Add", [_sequence(nodes, refiner.enter, features), nodes.constant(refiner.names)])
    about = nodes.node("Unsqueeze", [_linear(nodes, refiner.enter_whole, whole), nodes.integers(1)])
    tokens = nodes.node("Concat", [own, about], axis=1)
    for block in refiner.layers:
        assert isinstance(block, Block)
        tokens = _block(nodes, block, tokens, joints + 1, width)
    own = nodes.cut(tokens, 1, 0, joints)
    last = nodes.node("Squeeze", [nodes.cut(tokens, 1, joints, joints + 1), nodes.integers(1)])
    nodes.node("Identity", [_sequence(nodes, refiner.leave_whole, last)], ["classes"])

    out = _sequence(nodes, refiner.leave, own)
    heights = nodes.cut(features, 2, 3 * count, 4 * count)
    gain = nodes.node("Mul", [heights, nodes.constant(torch.tensor(HEIGHT_GAIN))])
    padded = nodes.node("Pad", [gain, nodes.integers(0, 0, 0, 0, 0, 1)])
    weights = nodes.node("Softmax", [nodes.node("Add", [nodes.cut(out, 2, 0, count + 1), padded])], axis=-1)
    proposals = nodes.node(
        "Concat",
        [nodes.cut(features, 2, 0, 3 * count), nodes.cut(features, 2, 4 * count, 4 * count + 3)],
        axis=2,
    )
    proposals = nodes.node("Reshape", [proposals, nodes.integers(0, joints, count + 1, 3)])
    weights = nodes.node("Unsqueeze", [weights, nodes.integers(2)])
    points = nodes.node("Squeeze", [nodes.node("MatMul", [weights, proposals]), nodes.integers(2)])
    moved = nodes.node("Mul", [nodes.cut(out, 2, count + 1, count + 4), nodes.constant(torch.tensor(REACH))])
    middle = nodes.node("Unsqueeze", [nodes.cut(whole, 1, 0, 3), nodes.integers(1)])
    nodes.node("Add", [nodes.node("Add", [points, moved]), middle], ["refined_points"])
    nodes.node("Squeeze", [nodes.cut(out, 2, count + 4, count + 5), nodes.integers(2)], ["nearness"])
    nodes.node("Identity", [nodes.cut(out, 2, count + 5, count + 11)], ["precisions"])


def _block(nodes: Nodes, block: Block, x: str, tokens: int, width: int) -> str:
    heads, channels = block.heads, width // block.heads
    projected = _linear(nodes, block.queries_keys_values, _norm(nodes, block.attention_norm, x))
    projected = nodes.node("Reshape", [projected, nodes.integers(0, tokens, 3, heads, channels)])

    def part(index: int, *order: int) -> str:
        one = nodes.node("Squeeze", [nodes.cut(projected, 2, index, index + 1), nodes.integers(2)])
        return nodes.node("Transpose", [one], perm=list(order))

    queries, keys, values = part(0, 0, 2, 1, 3), part(1, 0, 2, 3, 1), part(2, 0, 2, 1, 3)
    scaled = nodes.node("Mul", [queries, nodes.constant(torch.tensor(channels**-0.5))])
    weights = nodes.node("Softmax", [nodes.node("MatMul", [scaled, keys])], axis=-1)
    attended = nodes.node("Transpose", [nodes.node("MatMul", [weights, values])], perm=[0, 2, 1, 3])
    attended = nodes.node("Reshape", [attended, nodes.integers(0, tokens, width)])
    x = nodes.node("Add", [x, _linear(nodes, block.mix, attended)])
    return nodes.node("Add", [x, _sequence(nodes, block.feed_forward, x)])


def _sequence(nodes: Nodes, sequence: nn.Sequential, x: str) -> str:
    for module in sequence:
        if isinstance(module, nn.Linear):
            x = _linear(nodes, module, x)
        elif isinstance(module, nn.LayerNorm):
            x = _norm(nodes, module, x)
        elif isinstance(module, nn.GELU):
            x = _gelu(nodes, x)
        else:
            raise TypeError(f"{type(module).__name__} has no ONNX form here")
    return x


def _linear(nodes: Nodes, module: nn.Linear, x: str) -> str:
    product = nodes.node("MatMul", [x, nodes.constant(module.weight.T)])
    return nodes.node("Add", [product, nodes.constant(module.bias)])


def _norm(nodes: Nodes, module: nn.LayerNorm, x: str) -> str:
    operands = [x, nodes.constant(module.weight), nodes.constant(module.bias)]
    return nodes.node("LayerNormalization", operands, axis=-1, epsilon=module.eps)


def _gelu(nodes: Nodes, x: str) -> str:
    inside = nodes.node("Erf", [nodes.node("Mul", [x, nodes.constant(torch.tensor(0.5**0.5))])])
    share = nodes.node("Add", [inside, nodes.constant(torch.tensor(1.0))])
    return nodes.node("Mul", [nodes.node("Mul", [x, share]), nodes.constant(torch.tensor(0.5))])
