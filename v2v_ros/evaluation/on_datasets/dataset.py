# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Networks on the frames of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ...model.weights import Weights
from ...recorded.datasets.frame_set import FrameSet
from ..crops import CubeNetwork
from ..processes import Processes

DECODES = ("auto", "exact", "published")
_BATCH = 8  # the same whatever the number of processes


class Ensemble:
    """One pose network or several, whose joints are averaged.

    The published figures of V2V-PoseNet are averages over the networks after several epochs.

    Args:
        members: Weights of one skeleton.
        device: Device that the networks run on.
        runtime, threads: Runtime and CPU threads of the networks, as for :class:`~v2v_ros.estimator.PoseEstimator`.
        decode: ``exact``: between cells; ``published``: the highest cell, as the paper's code reads it; ``auto``:
            as each network was trained.

    Raises:
        ValueError: The members' skeletons differ.
    """

    def __init__(
        self,
        members: Sequence[Weights],
        device: str = "auto",
        decode: str = "auto",
        *,
        runtime: str = "auto",
        threads: int = 0,
        read_out: str = "auto",
    ) -> None:
        names = {member.skeleton.name for member in members}
        if len(names) > 1:
            raise ValueError(f"the weights are for different skeletons ({', '.join(sorted(names))}): leave some out")
        self.skeleton = members[0].skeleton
        self._members = [
            (network, trained, trained if decode == "auto" else decode == "published")
            for network, trained in (
                (CubeNetwork(member, device, runtime, threads, read_out), _as_published(member)) for member in members
            )
        ]

    @property
    def edge(self) -> float:
        """Edge of the largest cubes that the networks look at, metres."""
        return max(network.edge for network, _, _ in self._members)

    def joints(self, frames: FrameSet, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Joints float32 [B, J, 3] in metres of some frames of a dataset."""
        centers = torch.from_numpy(frames.centers[indices]).float()
        clouds: dict[tuple[float, bool], list[torch.Tensor]] = {}  # reading images takes longest
        joints = []
        for network, fill, published in self._members:
            if (network.edge, fill) not in clouds:
                clouds[network.edge, fill] = [
                    frames.points(index, center, network.edge, fill=fill)
                    for index, center in zip(indices.tolist(), centers, strict=True)
                ]
            joints.append(network.joints(clouds[network.edge, fill], centers, published=published))
        return torch.stack(joints).double().mean(0).float().numpy()


def predict(
    ensemble: Ensemble,
    frames: FrameSet,
    processes: Processes,
    tick: Callable[[], object] = lambda: None,
) -> NDArray[np.float32]:
    """Joints float32 [N, J, 3] in metres of the frames in use; the same in every process.

    Args:
        processes: Processes that share the work.
        tick: Callback after every batch of this process.
    """
    results = {}
    for part in range(batches(frames)):
        if processes.mine(part):
            results[part] = ensemble.joints(frames, frames.indices[part * _BATCH : (part + 1) * _BATCH])
            tick()
    return np.concatenate(list(processes.gather(results).values()))


def batches(frames: FrameSet) -> int:
    """Into how many parts the work is cut."""
    return -(-len(frames) // _BATCH)


def _as_published(weights: Weights) -> bool:
    """Return whether a network was trained by the paper's recipe."""
    return bool(weights.training.get("config", {}).get("recipe") == "paper")
