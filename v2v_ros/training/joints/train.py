# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Training of a joint refiner on the peaks of a frozen pose network."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ...geometry.covariances import as_matrices, as_six
from ...geometry.skeletons import Skeleton
from ...model.joint_refiner import JointRefiner, JointRefinerConfig, RefinedJoints, log_density_loss, peak_features
from ...model.peaks import Peaks
from ..cubes import Label
from ..optimisation import learning_rate_factor, weight_average
from .peak_sets import PeakSet

_ROUND = 0.02  # half cubes; errors below weigh by their square


@dataclass(frozen=True)
class JointTraining:
    """Configuration of a joint refiner's training.

    Attributes:
        draws: Number of samples drawn, with repetition, each with a new augmentation.
        batch: Number of draws in a step.
        learning_rate: Highest learning rate.
        decay: Decay of the moving average of the weights, a step.
        seed: Seed of initialisation and draws.
    """

    draws: int = 2_000_000
    batch: int = 128
    learning_rate: float = 1.5e-3
    decay: float = 0.998
    seed: int = 0
    weight_decay: float = 0.05
    drop: float = 0.08
    jitter: float = 0.01
    tilt: float = 0.25
    scale: float = 0.12


def augment_peaks(
    batch: PeakSet, skeleton: Skeleton, size: int, generator: torch.Generator, config: JointTraining
) -> PeakSet:
    """Turn, tilt, scale and disturb peaks, and leave some out; bodies are mirrored half of the time."""
    samples, device = len(batch.labels), batch.places.device
    half = size / 2

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    turn = 2 * math.pi * uniform(samples) if skeleton.kind == "hand" else 0.2 * normal(samples)
    tilts = config.tilt * normal(2, samples)
    matrix = _rotation(2, turn) @ _rotation(0, tilts[0]) @ _rotation(1, tilts[1])
    matrix = matrix * (1 + config.scale * normal(samples)).clamp(0.7, 1.4)[:, None, None]

    def turned(points: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bij,b...j->b...i", matrix, points - half) + half

    places, means, joints = turned(batch.places), turned(batch.means), turned(batch.joints)
    spreads = as_six(matrix[:, None] @ as_matrices(batch.spreads) @ matrix.mT[:, None])
    places = places + config.jitter * half * normal(*places.shape)
    means = means + config.jitter * half * normal(*means.shape)
    heights = batch.heights * (1 + 0.15 * normal(samples, 1, 1)).clamp(0.5, 1.5)
    heights = (heights * (1 + 0.1 * normal(*heights.shape))).clamp(0, 1.2)
    # A peak that is left out: those behind it move up.
    gone = uniform(*heights.shape) < config.drop
    gone[..., -1] = False
    order = (gone.float() * 1000 + torch.arange(heights.shape[-1], device=device)).argsort(-1)
    heights = torch.where(gone, 0.0, heights).gather(-1, order)
    places = torch.where(gone[..., None], half, places).gather(-2, order[..., None].expand(-1, -1, -1, 3))
    if skeleton.kind == "body":
        flip = uniform(samples) < 0.5
        swap = torch.tensor(skeleton.mirrored, device=device)

        def mirrored(values: torch.Tensor, signs: torch.Tensor, offset: float = 0.0) -> torch.Tensor:
            where = flip.view(-1, *[1] * (values.dim() - 1))
            return torch.where(where, (offset * (signs < 0) + signs * values)[:, swap], values)

        sign = torch.tensor([-1.0, 1.0, 1.0], device=device)
        places, means, joints = (mirrored(each, sign, size) for each in (places, means, joints))
        spreads = mirrored(spreads, torch.tensor([1.0, -1.0, -1.0, 1.0, 1.0, 1.0], device=device))
        heights = mirrored(heights, torch.ones(1, device=device))
    return PeakSet(places, heights, means, spreads, joints, batch.labels)


def _rotation(axis: int, angle: torch.Tensor) -> torch.Tensor:
    matrix = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    i, j = [index for index in range(3) if index != axis]
    matrix[:, i, i] = matrix[:, j, j] = angle.cos()
    matrix[:, i, j], matrix[:, j, i] = -angle.sin(), angle.sin()
    return matrix


def loss_of(refined: RefinedJoints, batch: PeakSet, size: int, near: float) -> torch.Tensor:
    """Return the loss: distances of the joints, their probabilities and densities, and the content of the cube.

    Args:
        near: Distance in half cubes that the probabilities speak of.
    """
    half = size / 2
    known = batch.joints.isfinite().all(-1).all(-1) & (batch.labels == Label.SUBJECT)
    errors = (refined.points - (batch.joints - half) / half)[known]
    distances = errors.norm(dim=-1)
    loss = 10 * (distances.square() + _ROUND**2).sqrt().mean()
    loss = loss + 0.2 * binary_cross_entropy_with_logits(refined.nearness[known], (distances.detach() < near).float())
    loss = loss + 0.1 * log_density_loss(refined.precisions[known], errors.detach()).mean()
    return loss + 0.5 * cross_entropy(refined.classes, batch.labels)


def train_joint_refiner(
    data: PeakSet,
    skeleton: Skeleton,
    size: int,
    edge: float,
    config: JointRefinerConfig,
    training: JointTraining,
    report: Callable[[int, JointRefiner], None] = lambda step, network: None,
    reports: int = 6,
    start: JointRefiner | None = None,
) -> JointRefiner:
    """Train a joint refiner.

    Args:
        data: Peaks with their truth; the training runs on their device.
        size: Cells of a heatmap along an axis.
        edge: Edge of the cubes, metres.
        report: Function that gets the draws so far and the averaged network, ``reports`` times in the run.
        start: Refiner of that configuration to go on from; None: one with random weights.

    Returns:
        The average over the last steps, in evaluation mode, on the CPU.
    """
    torch.manual_seed(training.seed)
    device = data.places.device
    generator = torch.Generator(device).manual_seed(training.seed)
    network = JointRefiner(config).to(device)
    if start is not None:
        network.load_state_dict(start.state_dict())
    average = JointRefiner(config).to(device).eval()
    average.load_state_dict(network.state_dict())
    update_average = weight_average(training.decay)
    steps = max(1, training.draws // training.batch)
    optimizer = torch.optim.AdamW(network.parameters(), training.learning_rate, weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_factor(steps))
    near = skeleton.subject.near / (edge / 2)
    for step in range(1, steps + 1):
        chosen = torch.randint(len(data.labels), (training.batch,), generator=generator, device=device)
        batch = augment_peaks(PeakSet(*(column[chosen] for column in data)), skeleton, size, generator, training)
        refined = network(*peak_features(Peaks(*batch[:4]), config.peaks, size))
        loss = loss_of(refined, batch, size, near)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            update_average(list(average.parameters()), list(network.parameters()), step)
        if step % max(1, steps // reports) == 0:
            report(step * training.batch, copy.deepcopy(average).cpu())
    return average.cpu()
