"""Ways to run a joint refiner: by the same libraries that run the pose network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch

from ..joint_refiner import RefinedJoints
from ..weights import JointRefinerWeights
from .choose import resolve

RefinerRuntime: TypeAlias = Callable[[torch.Tensor, torch.Tensor], RefinedJoints]


def make_refiner_runtime(
    name: str, weights: JointRefinerWeights, device: torch.device, threads: int = 0
) -> RefinerRuntime:
    """What maps features float32 [B, J, F] and float32 [B, 4] to what the refiner says of them.

    Args:
        name, device, threads: As :func:`~v2v_ros.model.runtime.make_runtime` takes them. Execution providers other than
            the CPU's of ONNX Runtime leave so small a network to PyTorch.
        weights: Of the refiner.

    Raises:
        ValueError: There is no such runtime, or it is not installed.
    """
    chosen = resolve(name, device)
    if chosen == "openvino":
        return _openvino(weights, threads)
    if chosen == "onnxruntime":
        return _onnx_runtime(weights, threads)
    network = weights.build().to(device)

    @torch.inference_mode()
    def run(features: torch.Tensor, whole: torch.Tensor) -> RefinedJoints:
        refined: RefinedJoints = network(features, whole)
        return refined

    return run


def _openvino(weights: JointRefinerWeights, threads: int) -> RefinerRuntime:
    from .openvino_runtime import compile_model
    from .refiner_graph import OUTPUTS, refiner_model

    request = compile_model(refiner_model(weights.build()), threads, precision="f32").create_infer_request()

    def run(features: torch.Tensor, whole: torch.Tensor) -> RefinedJoints:
        results = request.infer({"features": features.numpy(), "whole": whole.numpy()}, share_inputs=True)
        return RefinedJoints(*(torch.from_numpy(results[name].copy()) for name in OUTPUTS))

    return run


def _onnx_runtime(weights: JointRefinerWeights, threads: int) -> RefinerRuntime:
    import onnxruntime

    from .refiner_graph import OUTPUTS, refiner_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = refiner_model(weights.build()).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(features: torch.Tensor, whole: torch.Tensor) -> RefinedJoints:
        inputs = {"features": features.numpy(), "whole": whole.numpy()}
        return RefinedJoints(*map(torch.from_numpy, session.run(list(OUTPUTS), inputs)))

    return run
