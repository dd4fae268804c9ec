"""Ways to run a network: PyTorch, OpenVINO or ONNX Runtime, all called alike."""

from .choose import NAMES, PATTERN, Runtime, available, make_runtime
from .devices import choose_device, cpu_multiplies_bfloat16
from .fold import fold_batch_norm
from .torch_runtime import TorchRuntime

__all__ = [
    "NAMES",
    "PATTERN",
    "Runtime",
    "TorchRuntime",
    "available",
    "choose_device",
    "cpu_multiplies_bfloat16",
    "fold_batch_norm",
    "make_runtime",
]
