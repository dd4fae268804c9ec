# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The network as an ONNX file, for other programs and other machines."""

from __future__ import annotations

import json

from ..weights import Weights
from .graph import Nodes, onnx_model


def export_onnx(weights: Weights) -> bytes:
    """Content of an ONNX file that says what it is.

    Input ``grids`` uint8 [batch, 1, N, N, N] of 0 and 1, output ``heatmaps`` float32 [batch, J, N/2, N/2, N/2], both
    (z, y, x). Weights with a joint refiner also give, float32, in cube edges from the middle of the cube, ``points``
    [batch, J, 3] (x, y, z) and ``covariances`` [batch, J, 6] (xx, xy, xz, yy, yz, zz); ``scores`` [batch, J] and
    ``subject`` [batch], probabilities; and ``left`` [batch], the logit of a left hand against a right one. The file's
    metadata hold the ``skeleton`` and its ``joint_names`` (JSON), the ``cube_edge`` in metres, ``sigma`` of the
    heatmaps in their cells, ``heatmap_offset``, and ``id`` and ``hash`` of the weights.

    Raises:
        ModuleNotFoundError: ONNX is not installed.
    """
    from onnx import helper

    def read_out(nodes: Nodes) -> dict[str, list[int]]:
        from .read_out_graph import add_read_out

        add_read_out(nodes, weights, "heatmaps")
        joints = weights.config.joints
        return {"points": [joints, 3], "scores": [joints], "covariances": [joints, 6], "subject": [], "left": []}

    model = onnx_model(weights.build(), more=None if weights.refiner is None else read_out)
    about = {
        "id": weights.id,
        "hash": weights.hash,
        "skeleton": weights.skeleton.name,
        "joint_names": json.dumps(weights.skeleton.joint_names),
        "cube_edge": str(weights.cube_edge),
        "sigma": str(weights.config.sigma),
        "heatmap_offset": str(weights.heatmap_offset),
    }
    helper.set_model_props(model, about)
    return bytes(model.SerializeToString())
