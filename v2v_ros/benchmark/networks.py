# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Runtimes against networks and batches: grids in, heatmaps out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..geometry.camera import deproject
from ..geometry.skeletons import get_skeleton
from ..model import weights as weights_files
from ..model.network import NetworkConfig, Residual, V2VPoseNet
from ..model.runtime import make_runtime
from ..model.voxels import occupancy
from ..model.weights import Weights
from .machine import synchronize
from .noise import take_turns
from .results import Ceilings, Efficiency, NetworkRow
from .scene import CAMERA, BenchmarkScene

EAGER = "eager float32"
"""Name of the baseline: the network as it is trained, run layer by layer by PyTorch."""
FULL_NAME = "full"


@dataclass(frozen=True)
class Choice:
    """A network to time.

    Attributes:
        name: Name that the user gave.
        weights: Weights of the network.
        random: Whether the weights are random numbers, since none of this size are shipped; the time does not depend on
            them.
    """

    name: str
    weights: Weights
    random: bool = False


def network_name(weights: str | Path) -> str:
    """Return what the network of some weights is called here: ``lite`` or ``full`` for shipped ones, else as they
    are."""
    skeleton, _, size = str(weights).partition("_")
    return size if f"{skeleton}_{size}" in weights_files.shipped() else str(weights)


def choose_network(name: str, skeleton: str) -> Choice:
    """Return a network by name.

    Args:
        name: ``lite`` or ``full`` for the shipped one of that size, or name or path of weights. Where no full one is
            shipped, the paper's network gets random weights.
        skeleton: Name of the skeleton of ``lite`` and ``full``.

    Raises:
        WeightsError: There are no such weights.
    """
    shipped = f"{skeleton}_{name}"
    if shipped in weights_files.shipped():
        return Choice(name, weights_files.load(shipped))
    if name == FULL_NAME:
        return Choice(name, _random(skeleton), random=True)
    loaded = weights_files.load(name)
    return Choice(loaded.id, loaded)


def _random(skeleton: str) -> Weights:
    """Return the paper's network with random weights of He et al. (ICCV 2015), which keep the size of what passes
    through.

    With the small ones that training begins with, numbers would shrink until they take the processor longer.
    """
    target = get_skeleton(skeleton)
    config = NetworkConfig(len(target.joint_names))
    network = V2VPoseNet(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                fan_in = module.weight[0].numel() if isinstance(module, nn.Conv3d) else module.in_channels
                module.weight.normal_(std=(2 / fan_in) ** 0.5, generator=generator)
    return Weights("full_random", target, config, target.cube_edge, network.state_dict())


@dataclass(frozen=True)
class Cost:
    """Cost of one grid in a network.

    Attributes:
        flops: Floating point operations of all convolutions, two for a multiplication with its addition.
        elements: Numbers read and written when normalisation, ReLU and addition are part of the convolution before.
        parameters: Numbers that are learnt.
    """

    flops: int
    elements: int
    parameters: int


@cache
def cost(config: NetworkConfig) -> Cost:
    """Count from the layers themselves, without running them."""
    elements = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal elements
        elements += output.numel() if isinstance(module, Residual) else inputs[0].numel() + output.numel()

    with torch.device("meta"):
        network = V2VPoseNet(config).eval()
        for module in network.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | nn.MaxPool3d | Residual):
                module.register_forward_hook(count)  # a residual's input is read again for the addition
        for skip in (network.inner_skip, network.outer_skip):
            skip.register_forward_hook(count)  # likewise the tensor that a skip is added to
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.empty(1, 1, *3 * (config.grid,)))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(counter.get_total_flops(), elements, parameters)


def arithmetic_of(description: str, device: torch.device) -> str:
    """Return what a runtime multiplies, by its description: the name of the ceiling that it is held against."""
    found = re.search(r"int8|(bf|b?float|fp|f)16|(float|fp|f)32", description.lower())
    if found is None or found[0].endswith("32"):
        # PyTorch lets a GPU's convolutions round to TensorFloat-32 unless it is told otherwise.
        return "tfloat32" if device.type == "cuda" else "float32"
    if found[0] == "int8":
        return "int8"
    return "bfloat16" if found[0].startswith("b") else "float16"


def grids(scene: BenchmarkScene, config: NetworkConfig, edge: float, batch: int, device: torch.device) -> torch.Tensor:
    """Occupancy float32 [batch, 1, N, N, N] of the scene's first frames: what comes out of a camera is nearly empty."""
    places = [scene.turn(index) for index in range(batch)]
    clouds = torch.stack([deproject(torch.from_numpy(scene.depths[each]), CAMERA).reshape(-1, 3) for each in places])
    centers = torch.tensor([scene.centers[each].tolist() for each in places])
    return occupancy(clouds, centers, edge, config.grid).to(device)


def time_networks(
    choices: Sequence[Choice],
    runtimes: Sequence[str],
    batches: Sequence[int],
    device: torch.device,
    ceilings: Ceilings,
    *,
    rounds: int,
    threads: int = 0,
    tick: Callable[[], object] = lambda: None,
) -> tuple[list[NetworkRow], list[str]]:
    """Time every combination; those of one network and batch turn by turn.

    Args:
        runtimes: Names of runtimes; :data:`EAGER` is always timed as well.
        ceilings: Ceilings of the device, see :func:`~v2v_ros.benchmark.machine.ceilings`.
        rounds: Number of turns of each that count.
        threads: Number of CPU threads; 0: as many as the runtime takes.
        tick: Callback after every network and batch.

    Returns:
        Rows, and what was left out and why.
    """
    rows: list[NetworkRow] = []
    left_out: list[str] = []
    for choice in choices:
        scene = BenchmarkScene.render(choice.weights.skeleton.kind)
        made: dict[str, Any] = {EAGER: choice.weights.build().to(device)}
        descriptions = {EAGER: f"torch {torch.__version__} float32"}
        for name in runtimes:
            try:
                made[name] = make_runtime(name, choice.weights, device, threads)
            except (ValueError, RuntimeError, ImportError) as error:
                left_out.append(f"{choice.name} with {name} on {device}: {error}")
                continue
            descriptions[name] = made[name].description
        for batch in batches:
            batch_of_grids = grids(scene, choice.weights.config, choice.weights.cube_edge, batch, device)
            calls: dict[str, Callable[[], object]] = {
                name: partial(call, batch_of_grids) for name, call in made.items()
            }
            with torch.inference_mode():
                timings = take_turns(calls, rounds, wait=partial(synchronize, device))
            tick()
            for name, timing in timings.items():
                row = NetworkRow(
                    network=choice.name,
                    weights=choice.weights.id,
                    random_weights=choice.random,
                    grid=choice.weights.config.grid,
                    width=choice.weights.config.width,
                    device=str(device),
                    runtime=name,
                    description=descriptions[name],
                    batch=batch,
                    ms=timing.percentiles(),
                    noise=timing.noise(),
                    ratio=round(timings[EAGER].p50 / timing.p50, 2),
                    efficiency=_efficiency(choice.weights.config, batch, timing.p50, descriptions[name], ceilings),
                )
                rows.append(row)
    return rows, left_out


def _efficiency(
    config: NetworkConfig, batch: int, milliseconds: float, description: str, ceilings: Ceilings
) -> Efficiency:
    """Return what was reached of what the machine can do."""
    one = cost(config)
    peaks = ceilings.matrix_gflops
    kind = arithmetic_of(description, torch.device(ceilings.device))
    # There is no product of 8 bit matrices to hold 8 bits against, nor of halves on every CPU.
    peak_of = kind if kind in peaks else max(peaks, key=lambda name: peaks[name])
    size = {"int8": 1, "bfloat16": 2, "float16": 2}.get(kind, 4)
    gflops = batch * one.flops / milliseconds / 1e6
    gigabytes = (batch * one.elements + one.parameters) * size / milliseconds / 1e6
    return Efficiency(
        precision=kind,
        gflop=round(batch * one.flops / 1e9, 3),
        gflops=round(gflops, 1),
        peak_of=peak_of,
        of_peak=round(gflops / peaks[peak_of], 4),
        of_copy=round(gigabytes / ceilings.copy_gb_per_s, 4),
    )
