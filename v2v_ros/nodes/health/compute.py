# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What computes the skeletons, and what on this machine could do it faster."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from v2v_ros.model import runtime


@dataclass(frozen=True)
class Compute:
    """The estimator's place, and the machine's abilities.

    Attributes:
        device, runtime, weights: Names of the estimator's device, runtime and weights; empty without an estimator.
        asked_device: Value of the parameter ``device``.
        gpu: Whether there is an NVIDIA GPU, be it usable by PyTorch or not.
        cuda: Whether PyTorch can use it.
        torch, torch_cuda: Version of PyTorch, and of the CUDA that it was built for; empty for none.
        vectors: Vector instructions of the CPU, as PyTorch names them, such as ``AVX512``.
        openvino: Whether OpenVINO is installed.
    """

    device: str = ""
    runtime: str = ""
    weights: str = ""
    asked_device: str = "auto"
    gpu: bool = False
    cuda: bool = False
    torch: str = ""
    torch_cuda: str = ""
    vectors: str = ""
    openvino: bool = False


def survey(about: Mapping[str, str], asked_device: str) -> Compute:
    """Compare what computes with what this machine has; at once but for the first time.

    Args:
        about: Description of the estimator with ``device``, ``runtime`` and ``weights``; empty when there is none.
    """
    gpu, cuda, vectors, openvino = _machine()
    return Compute(
        device=about.get("device", ""),
        runtime=about.get("runtime", ""),
        weights=about.get("weights", ""),
        asked_device=asked_device,
        gpu=gpu,
        cuda=cuda,
        torch=torch.__version__,
        torch_cuda=torch.version.cuda or "",
        vectors=vectors,
        openvino=openvino,
    )


@cache
def _machine() -> tuple[bool, bool, str, bool]:
    # In WSL there is no such device, but the program.
    gpu = any(Path("/dev").glob("nvidia[0-9]*")) or shutil.which("nvidia-smi") is not None
    vectors = torch.backends.cpu.get_cpu_capability()
    return gpu, torch.cuda.is_available(), vectors, "openvino" in runtime.available()


def gpu_unused(compute: Compute) -> str:
    """Return why the GPU is not used although nobody asked for the CPU, and the remedy; empty when all is well."""
    if compute.device != "cpu" or compute.asked_device != "auto" or not compute.gpu or compute.cuda:
        return ""
    what = "the network runs on the CPU although this machine has an NVIDIA GPU: "
    if compute.torch_cuda:
        return (
            f"{what}PyTorch {compute.torch} (for CUDA {compute.torch_cuda}) cannot use it; update the GPU's driver, "
            "start the container with --gpus all, or set the parameter device to cpu"
        )
    release = compute.torch.partition("+")[0]
    return (
        f"{what}PyTorch {compute.torch} is built for CPUs; install a wheel built for CUDA (+cu in its version; on "
        f"x86_64 Linux the default one: pip install --force-reinstall torch=={release} with PIP_EXTRA_INDEX_URL "
        "unset), or set the parameter device to cpu"
    )


def hints(compute: Compute) -> dict[str, str]:
    """Return what could be faster, for the diagnostics' values: not worth a warning."""
    found = {}
    if compute.device == "cpu" and compute.asked_device == "cpu" and compute.gpu:
        found["hint (GPU)"] = "this machine has an NVIDIA GPU; it is not used because the parameter device is cpu"
    if faster := _openvino(compute):
        found["hint (runtime)"] = f"OpenVINO runs networks faster on this CPU: {faster}"
    return found


def faster_network(compute: Compute) -> str:
    """Return what to do about a network that is too slow here."""
    ways = []
    if compute.weights and not compute.weights.split()[0].endswith("_lite"):
        ways.append("take the lite weights (parameter weights)")
    if compute.device == "cpu":
        if faster := _openvino(compute):
            ways.append(faster)
        ways.append("set the parameter threads to the number of free cores")
        if not compute.gpu:
            ways.append("use a machine with a GPU")
        elif compute.cuda:
            ways.append("set the parameter device to auto for the GPU")
    ways.append("lower the camera's rate")
    return ", or ".join(ways)


def _openvino(compute: Compute) -> str:
    # Measured on CPUs with AVX-512 only (docs/decisions/0012-runtimes.md).
    if compute.device != "cpu" or not compute.vectors.startswith("AVX512") or compute.runtime.startswith("openvino"):
        return ""
    if compute.openvino:
        return "set the parameter runtime to auto"
    return "install OpenVINO (pip install openvino onnx) and set the parameter runtime to auto"
