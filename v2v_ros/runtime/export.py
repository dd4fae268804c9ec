"""The network as an ONNX file, for other programs and other machines."""

from __future__ import annotations

import json

from ..weights import Weights
from .graph import onnx_model


def export_onnx(weights: Weights) -> bytes:
    """Content of an ONNX file that says what it is.

    Input ``grids`` uint8 [batch, 1, N, N, N] of 0 and 1, output ``heatmaps`` float32 [batch, J, N/2, N/2, N/2], both
    (z, y, x). The file's metadata hold the ``skeleton`` and its ``joint_names`` (JSON), the ``cube_edge`` in metres,
    ``sigma`` of the heatmaps in their cells, ``heatmap_offset``, and ``id`` and ``hash`` of the weights.

    Raises:
        ModuleNotFoundError: ONNX is not installed.
    """
    from onnx import helper

    model = onnx_model(weights.build())
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
