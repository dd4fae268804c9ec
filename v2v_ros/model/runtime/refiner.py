# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Ways to run a joint refiner: by the same libraries that run the pose network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch

from ..joint_refiner import JointReading, peak_features, reading_of
from ..peaks import Peaks
from ..weights import JointRefinerWeights
from .choose import resolve

JointRefinerRuntime: TypeAlias = Callable[[Peaks], JointReading]


def make_joint_refiner_runtime(
    name: str, weights: JointRefinerWeights, size: int, device: torch.device, threads: int = 0
) -> JointRefinerRuntime:
    """Return what maps the peaks of heatmaps to what the refiner says of them.

    Args:
        name, device, threads: Runtime, device and number of CPU threads, see
            :func:`~v2v_ros.model.runtime.make_runtime`. Execution providers of ONNX Runtime other than the CPU's leave
            so small a network to PyTorch.
        weights: Weights of the refiner.
        size: Cells of a heatmap along an axis.

    Raises:
        ValueError: There is no such runtime, or it is not installed.
    """
    chosen = resolve(name, device)
    if chosen == "openvino":
        return _openvino(weights, size, threads)
    if chosen == "onnxruntime":
        return _onnx_runtime(weights, size, threads)
    network = weights.build().to(device)

    @torch.inference_mode()
    def run(peaks: Peaks) -> JointReading:
        return reading_of(network(*peak_features(peaks, weights.config.peaks, size)), size)

    return run


# One graph from the peaks to the reading: as single operations, what surrounds so small a network takes longer than it.
def _openvino(weights: JointRefinerWeights, size: int, threads: int) -> JointRefinerRuntime:
    from .openvino_runtime import compile_model
    from .read_out_graph import reading_model

    # Of one subject: with a number that is left open, OpenVINO takes half as long again.
    model = reading_model(weights, size, batch=1)
    request = compile_model(model, threads, precision="f32").create_infer_request()

    def run(peaks: Peaks) -> JointReading:
        inputs, parts = _named(peaks), []
        for index in range(len(peaks.heights)):
            one = {name: values[index : index + 1] for name, values in inputs.items()}
            results = request.infer(one, share_inputs=True)
            parts.append([results[name].copy() for name in JointReading._fields])
        return JointReading(*(torch.from_numpy(np.concatenate(column)) for column in zip(*parts, strict=True)))

    return run


def _onnx_runtime(weights: JointRefinerWeights, size: int, threads: int) -> JointRefinerRuntime:
    import onnxruntime

    from .read_out_graph import reading_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = reading_model(weights, size).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(peaks: Peaks) -> JointReading:
        return JointReading(*map(torch.from_numpy, session.run(list(JointReading._fields), _named(peaks))))

    return run


def _named(peaks: Peaks) -> dict[str, np.ndarray]:
    return {name: values.numpy() for name, values in peaks._asdict().items()}
