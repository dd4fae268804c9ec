# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The whole read-out with a joint refiner as ONNX nodes: from heatmaps to joints, scores and covariances."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from ..calibration import Calibration
from ..joint_refiner import CLASSES, START, WIDEST
from ..peaks import FLOOR
from ..weights import JointRefinerWeights, Weights
from .graph import FLOAT, IR_VERSION, OPSET, Nodes
from .refiner_graph import add_refiner


def add_read_out(nodes: Nodes, weights: Weights, heatmaps: str) -> None:
    """Add what :class:`~v2v_ros.model.read_out.ReadOut` and its calibration make of heatmaps.

    ``points`` [B, J, 3] and ``covariances`` [B, J, 6] are in cube edges, from the middle of the cube; ``scores`` [B, J]
    and ``subject`` [B] are probabilities; ``left`` [B] is the logit of a left hand against a right one.
    """
    assert weights.refiner is not None
    size, count = weights.config.heatmap, weights.refiner.config.peaks
    _peaks(nodes, heatmaps, size, count, weights.config.joints, weights.config.sigma)
    _reading(nodes, weights.refiner, size)
    away = nodes.node("Sub", ["coordinates", _number(nodes, size / 2)])
    _scaled(nodes, away, 1 / size, "points")
    covariances = "moments"
    tables = weights.refiner.calibration
    if tables is None:
        nodes.node("Identity", ["confidences"], ["scores"])
    else:
        factors = _interpolate(nodes, "confidences", tables, tables.variance_factors)
        covariances = nodes.node("Mul", [covariances, nodes.node("Unsqueeze", [factors, nodes.integers(2)])])
        nodes.node("Identity", [_interpolate(nodes, "confidences", tables, tables.probabilities)], ["scores"])
    _scaled(nodes, covariances, 1 / size**2, "covariances")
    nodes.node("Identity", ["subjects"], ["subject"])


def reading_model(refiner: JointRefinerWeights, size: int, batch: int | None = None) -> Any:
    """Return the way from peaks to a reading as an ``onnx.ModelProto``.

    Args:
        refiner: Joint refiner to convert; it is not changed.
        size: Cells of a heatmap along an axis.
        batch: Number of subjects of a call; None: any number.

    Returns:
        Inputs as :class:`~v2v_ros.model.peaks.Peaks` has them, outputs as
        :class:`~v2v_ros.model.joint_refiner.JointReading` has them.

    Raises:
        ModuleNotFoundError: ONNX is not installed.
    """
    from onnx import helper

    nodes = Nodes()
    _reading(nodes, refiner, size)
    joints, count = refiner.config.joints, refiner.config.peaks
    inputs = {"places": (joints, count, 3), "heights": (joints, count), "means": (joints, 3), "spreads": (joints, 6)}
    outputs = {"coordinates": (joints, 3), "confidences": (joints,), "moments": (joints, 6), "subjects": (), "left": ()}
    given, made = (
        [
            helper.make_tensor_value_info(name, FLOAT, ["batch" if batch is None else batch, *shape])
            for name, shape in each.items()
        ]
        for each in (inputs, outputs)
    )
    graph = helper.make_graph(nodes.nodes, "joint_refiner", given, made, nodes.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _reading(nodes: Nodes, refiner: JointRefinerWeights, size: int) -> None:
    """Add what a refiner makes of ``places``, ``heights``, ``means`` and ``spreads``."""
    half = size / 2
    _describe(nodes, size)
    add_refiner(nodes, refiner.build(), "features", "whole")
    moved = nodes.node("Mul", ["refined_points", _number(nodes, half)])
    nodes.node("Add", [moved, _number(nodes, half)], ["coordinates"])
    nodes.node("Sigmoid", ["nearness"], ["confidences"])
    _scaled(nodes, _covariances(nodes), half**2, "moments")
    nothing, subject, left = range(len(CLASSES))
    shares = nodes.node("Softmax", ["classes"], axis=-1)
    rest = nodes.node("Sub", [_number(nodes, 1.0), nodes.cut(shares, 1, nothing, nothing + 1)])
    nodes.node("Squeeze", [rest, nodes.integers(1)], ["subjects"])
    ways = [nodes.cut("classes", 1, index, index + 1) for index in (left, subject)]
    nodes.node("Squeeze", [nodes.node("Sub", ways), nodes.integers(1)], ["left"])


def _number(nodes: Nodes, value: float) -> str:
    return nodes.constant(torch.tensor(value, dtype=torch.float32))


def _scaled(nodes: Nodes, x: str, factor: float, name: str) -> None:
    nodes.node("Mul", [x, _number(nodes, factor)], [name])


def _peaks(nodes: Nodes, heatmaps: str, size: int, count: int, joints: int, sigma: float) -> None:
    """Add ``places``, ``heights``, ``means`` and ``spreads``, as :func:`~v2v_ros.model.peaks.dense_peaks` does."""
    zero, half = _number(nodes, 0.0), _number(nodes, size / 2)
    above = nodes.node("Where", [nodes.node("Greater", [heatmaps, _number(nodes, FLOOR)]), heatmaps, zero])
    highest = nodes.node("MaxPool", [above], kernel_shape=[3] * 3, pads=[1] * 6)
    summits = nodes.node("Where", [nodes.node("Equal", [above, highest]), above, zero])
    flat = nodes.node("Reshape", [summits, nodes.integers(0, joints, size**3)])
    heights, index = "heights", "peak_cells"
    nodes.node("TopK", [flat, nodes.integers(count)], [heights, index], axis=-1)

    # The cell of each peak, kept off the border, and the 27 cells around it.
    row = nodes.node("Div", [index, nodes.integers(size)])
    axes = [
        nodes.node("Mod", [index, nodes.integers(size)]),
        nodes.node("Mod", [row, nodes.integers(size)]),
        nodes.node("Div", [row, nodes.integers(size)]),
    ]
    limits = nodes.constant(torch.tensor(1)), nodes.constant(torch.tensor(size - 2))
    middles = [nodes.node("Clip", [axis, *limits]) for axis in axes]
    base = middles[2]
    for axis in (middles[1], middles[0]):
        base = nodes.node("Add", [nodes.node("Mul", [base, nodes.integers(size)]), axis])
    steps = torch.tensor(list(itertools.product((-1, 0, 1), repeat=3)))  # (z, y, x)
    around = nodes.constant(steps @ torch.tensor([size * size, size, 1]))
    cells = nodes.node("Add", [nodes.node("Unsqueeze", [base, nodes.integers(3)]), around])
    cells = nodes.node("Reshape", [cells, nodes.integers(0, joints, count * 27)])
    values = nodes.node("Reshape", [heatmaps, nodes.integers(0, joints, size**3)])
    windows = nodes.node("GatherElements", [values, cells], axis=2)
    windows = nodes.node("Max", [windows, _number(nodes, 1e-6)])
    windows = nodes.node("Reshape", [windows, nodes.integers(0, joints, count, 27)])
    xyz = steps.flip(-1).float()
    ahead, behind = (
        nodes.node("Log", [nodes.node("MatMul", [windows, nodes.constant((xyz == side).float())])]) for side in (1, -1)
    )
    shift = nodes.node("Mul", [nodes.node("Sub", [ahead, behind]), _number(nodes, sigma**2 / 2)])

    def together(parts: list[str]) -> str:
        columns = [nodes.node("Unsqueeze", [part, nodes.integers(3)]) for part in parts]
        return nodes.node("Cast", [nodes.node("Concat", columns, axis=3)], to=FLOAT)

    cell, middle = together(axes), together(middles)
    moved = nodes.node("Cast", [nodes.node("Greater", [_distance(nodes, cell, middle), zero])], to=FLOAT)
    limit = nodes.node("Add", [nodes.node("Mul", [moved, _number(nodes, 2.0)]), _number(nodes, 1.0)])
    shift = nodes.node("Max", [nodes.node("Min", [shift, limit]), nodes.node("Neg", [limit])])
    places = nodes.node("Add", [nodes.node("Add", [middle, _number(nodes, 0.5)]), shift])
    there = nodes.node("Unsqueeze", [nodes.node("Greater", [heights, zero]), nodes.integers(3)])
    nodes.node("Where", [there, places, half], ["places"])

    # Moments under the cubed heights: of 1, x, y, xx, xy, yy on planes (y, x), of z, xz, zz on (z, x), of yz on (z, y).
    weight = nodes.node("Mul", [nodes.node("Mul", [above, above]), above])
    cells_from_middle = torch.arange(size) + 0.5 - size / 2
    rows, columns = (
        axis.reshape(-1, 1) for axis in torch.meshgrid(cells_from_middle, cells_from_middle, indexing="ij")
    )
    one = torch.ones_like(rows)

    def moments(axis: int, *powers: torch.Tensor) -> str:
        plane = nodes.node("ReduceSum", [weight, nodes.integers(axis)], keepdims=0)
        plane = nodes.node("Reshape", [plane, nodes.integers(0, joints, size * size)])
        return nodes.node("MatMul", [plane, nodes.constant(torch.cat(powers, dim=1))])

    sums = nodes.node(
        "Concat",
        [
            moments(2, one, columns, rows, columns**2, rows * columns, rows**2),
            moments(3, rows, rows * columns, rows**2),
            moments(4, rows * columns),
        ],
        axis=2,
    )
    mass = nodes.node("Max", [nodes.cut(sums, 2, 0, 1), _number(nodes, 1e-12)])
    sums = nodes.node("Div", [sums, mass])
    first, second = nodes.constant(torch.tensor([1, 2, 6])), nodes.constant(torch.tensor([3, 4, 7, 5, 9, 8]))
    means, squares = (nodes.node("Gather", [sums, chosen], axis=2) for chosen in (first, second))
    left, right = nodes.constant(torch.tensor([0, 0, 0, 1, 1, 2])), nodes.constant(torch.tensor([0, 1, 2, 1, 2, 2]))
    products = nodes.node("Mul", [nodes.node("Gather", [means, each], axis=2) for each in (left, right)])
    nodes.node("Add", [means, half], ["means"])
    nodes.node("Sub", [squares, products], ["spreads"])


def _distance(nodes: Nodes, one: str, other: str) -> str:
    return nodes.node("Abs", [nodes.node("Sub", [one, other])])


def _describe(nodes: Nodes, size: int) -> None:
    """Add ``features`` and ``whole``, as :func:`~v2v_ros.model.joint_refiner.peak_features` makes them."""
    half = _number(nodes, size / 2)
    heights = "heights"
    places, means = (nodes.node("Div", [nodes.node("Sub", [each, half]), half]) for each in ("places", "means"))
    first = nodes.cut(heights, 2, 0, 1)
    highest = nodes.node("Squeeze", [nodes.cut(places, 2, 0, 1), nodes.integers(2)])
    total = nodes.node("Max", [nodes.node("ReduceSum", [first, nodes.integers(1)]), _number(nodes, 1e-6)])
    weighted = nodes.node("ReduceSum", [nodes.node("Mul", [first, highest]), nodes.integers(1)])
    middle = nodes.node("Div", [weighted, total])  # [B, 1, 3]
    away = nodes.node("Sub", [places, nodes.node("Unsqueeze", [middle, nodes.integers(2)])])
    # The first two axes as they are, then all places of a joint in a row.
    shape = nodes.node("Concat", [nodes.node("Shape", [heights], start=0, end=2), nodes.integers(-1)], axis=0)
    parts = [
        nodes.node("Reshape", [away, shape]),
        heights,
        nodes.node("Sub", [means, middle]),
        nodes.node("Div", ["spreads", half]),
    ]
    nodes.node("Concat", parts, ["features"], axis=2)
    mean = nodes.node("ReduceMean", [first, nodes.integers(1)])
    nodes.node("Squeeze", [nodes.node("Concat", [middle, mean], axis=2), nodes.integers(1)], ["whole"])


def _covariances(nodes: Nodes) -> str:
    """Return what :func:`~v2v_ros.model.joint_refiner.covariance_of` makes of ``precisions``."""

    def column(index: int) -> str:
        return nodes.cut("precisions", 2, index, index + 1)

    def mul(*factors: str) -> str:
        product = factors[0]
        for factor in factors[1:]:
            product = nodes.node("Mul", [product, factor])
        return product

    def add(*terms: str) -> str:
        total = terms[0]
        for term in terms[1:]:
            total = nodes.node("Add", [total, term])
        return total

    start, widest = _number(nodes, START), _number(nodes, WIDEST)
    lowest = _number(nodes, -WIDEST)
    diagonal = [
        mul(nodes.node("Exp", [nodes.node("Max", [nodes.node("Min", [column(i), widest]), lowest])]), start)
        for i in (0, 2, 5)
    ]
    m11, m22, m33 = (nodes.node("Reciprocal", [each]) for each in diagonal)
    b, d, e = (mul(column(i), start) for i in (1, 3, 4))
    m21 = nodes.node("Neg", [mul(b, m11, m22)])
    m32 = nodes.node("Neg", [mul(e, m22, m33)])
    m31 = mul(nodes.node("Sub", [mul(b, e), mul(diagonal[1], d)]), m11, m22, m33)
    entries = [
        add(mul(m11, m11), mul(m21, m21), mul(m31, m31)),
        add(mul(m21, m22), mul(m31, m32)),
        mul(m31, m33),
        add(mul(m22, m22), mul(m32, m32)),
        mul(m32, m33),
        mul(m33, m33),
    ]
    return nodes.node("Concat", entries, axis=2)


def _interpolate(nodes: Nodes, x: str, tables: Calibration, values: tuple[float, ...]) -> str:
    """Return a table over confidences [B, J]: linear between the knots, constant beyond."""
    knots, table = torch.tensor(tables.peaks), torch.tensor(values)
    if len(knots) == 1:
        return nodes.node("Add", [nodes.node("Mul", [x, _number(nodes, 0.0)]), _number(nodes, values[0])])
    inside = nodes.node("Unsqueeze", [x, nodes.integers(2)])
    inside = nodes.node("Min", [nodes.node("Max", [inside, nodes.constant(knots[:-1])]), nodes.constant(knots[1:])])
    steps = nodes.node("Sub", [inside, nodes.constant(knots[:-1])])
    slopes = nodes.constant((table.diff() / knots.diff())[:, None])
    rise = nodes.node("Squeeze", [nodes.node("MatMul", [steps, slopes]), nodes.integers(2)])
    return nodes.node("Add", [rise, _number(nodes, values[0])])
