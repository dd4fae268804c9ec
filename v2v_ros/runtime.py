"""Ways to run a network. One so far: PyTorch, with batch normalisation folded into the convolutions."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .network import V2VPoseNet


def choose_device(name: str) -> torch.device:
    """The device for a name: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ValueError: There is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ValueError(f"unknown device '{name}'; choose 'auto', 'cpu', 'cuda' or 'cuda:N'")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ValueError(
            f"device '{name}' is not on this machine ({torch.cuda.device_count()} CUDA devices seen by PyTorch "
            f"{torch.__version__}); use 'cpu' or 'auto', or install a PyTorch built for CUDA"
        )
    return device


def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16; without them it is slower than float32.

    PyTorch's own question before it takes bfloat16 is only whether it can be emulated.
    """
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, hence not everywhere
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


class TorchRuntime:
    """Runs a network eagerly on a CPU or a GPU.

    Half the precision is used where the hardware multiplies it natively; heatmaps come out as float32.

    Args:
        network: Left as it is; a folded copy runs.
        device: Where to run.
    """

    def __init__(self, network: V2VPoseNet, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            self._dtype = torch.float16
        else:
            self._dtype = torch.bfloat16 if cpu_multiplies_bfloat16() else torch.float32
        folded = fold_batch_norm(network).to(device, self._dtype)
        self._network = folded.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    @property
    def description(self) -> str:
        return f"torch {torch.__version__} {str(self._dtype).removeprefix('torch.')}"

    @torch.inference_mode()
    def __call__(self, grids: torch.Tensor) -> torch.Tensor:
        """Occupancy float [B, 1, N, N, N] to heatmaps float32 [B, J, N/2, N/2, N/2] on the same device."""
        batch = grids.shape[0]
        # PyTorch sends small single-sample float32 convolutions to a path several times slower than the whole batch
        # of two takes on the usual one.
        padded = batch == 1 and self._dtype == torch.float32
        grids = torch.cat((grids, grids)) if padded else grids
        grids = grids.to(self.device, self._dtype, memory_format=torch.channels_last_3d)
        heatmaps = self._network(grids)[:batch]
        return heatmaps.float().contiguous()


def fold_batch_norm(network: V2VPoseNet) -> V2VPoseNet:
    """A copy of the network whose batch normalisations are folded into the convolutions before them."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for index in range(len(module) - 1):
            convolution, norm = module[index], module[index + 1]
            if isinstance(norm, nn.BatchNorm3d) and isinstance(convolution, nn.Conv3d | nn.ConvTranspose3d):
                transposed = isinstance(convolution, nn.ConvTranspose3d)
                module[index] = fuse_conv_bn_eval(convolution, norm, transpose=transposed)
                module[index + 1] = nn.Identity()
    return folded
