# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Ways to run a network: PyTorch, OpenVINO or ONNX Runtime, all called alike."""

from .choose import NAMES, PATTERN, Runtime, available, make_runtime
from .devices import choose_device, cpu_multiplies_bfloat16
from .fold import fold_batch_norm
from .refiner import JointRefinerRuntime, make_joint_refiner_runtime
from .torch_runtime import TorchRuntime

__all__ = [
    "NAMES",
    "PATTERN",
    "JointRefinerRuntime",
    "Runtime",
    "TorchRuntime",
    "available",
    "choose_device",
    "cpu_multiplies_bfloat16",
    "fold_batch_norm",
    "make_joint_refiner_runtime",
    "make_runtime",
]
