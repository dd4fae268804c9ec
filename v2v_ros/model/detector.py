# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Hands and people in a whole depth image: one look of a small 2D network, and where its heat is highest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..geometry.camera import Intrinsics
from ..geometry.subject import SUBJECTS
from .detector_network import KINDS, STRIDE, as_convolved, cell_depth, features
from .runtime.fold import fold_batch_norm
from .shrink import blocks_for, shrink

if TYPE_CHECKING:
    from .weights import DetectorWeights

WIDTH, HEIGHT = 160, 120
"""Pixels that images are brought to at most."""
LARGEST_FOCAL = 215.0
"""Pixels; images of narrower views are made smaller still, so that subjects have the sizes that the network knows."""
_MULTIPLE = 32  # pixels; the network's levels need sides that are multiples of it
_CANDIDATES = 64  # cells that are looked at for each kind


@dataclass(frozen=True)
class Detections:
    """Subjects that were found, best first.

    Attributes:
        centers: float64 [K, 3] metres in the camera's optical frame: the mean of the joints.
        scores: float32 [K], 0 to 1.
        left: float32 [K], logits of a hand's being a left one; NaN for bodies.
    """

    centers: NDArray[np.float64]
    scores: NDArray[np.float32]
    left: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def nothing() -> Detections:
        empty = np.zeros(0, dtype=np.float32)
        return Detections(np.zeros((0, 3)), empty, empty)


class Detector:
    """Finds hands or bodies in whole depth images.

    Args:
        weights: Weights of the network.
        device: Device that the network runs on.
    """

    def __init__(self, weights: DetectorWeights, device: torch.device) -> None:
        self._device = device
        self._network = as_convolved(fold_batch_norm(weights.build()).to(device))

    @torch.inference_mode()
    def __call__(
        self,
        depth: NDArray[np.float32],
        intrinsics: Intrinsics,
        kind: str,
        depth_range: tuple[float, float],
        limit: int,
    ) -> Detections:
        """Find subjects in one image.

        Args:
            depth: float32 [H, W] metres; what is not finite or not above 0 is invalid.
            intrinsics: Intrinsics of the image.
            kind: ``hand`` or ``body``.
            depth_range: Metres from the camera along its axis, between which reported centres lie.
            limit: Largest number of detections.

        Raises:
            ValueError: The kind is unknown.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind '{kind}'; choose one of: {', '.join(KINDS)}")
        side = blocks_for(intrinsics, WIDTH, HEIGHT, LARGEST_FOCAL)
        small, camera = shrink(depth, intrinsics, side)
        canvas = on_canvas(torch.from_numpy(small)).to(self._device)
        focal = torch.tensor([[camera.fx, camera.fy]], dtype=torch.float32, device=self._device)
        x = features(canvas[None], focal).contiguous(memory_format=torch.channels_last)
        out = self._network(x)
        centers, logits, left = decode_detections(out, canvas[None], camera, kind)
        return select(centers.cpu().numpy(), logits.cpu().numpy(), left.cpu().numpy(), kind, depth_range, limit)


def on_canvas(depth: torch.Tensor) -> torch.Tensor:
    """Depth [..., H, W] at the upper left of an image whose sides are multiples of 32, NaN elsewhere."""
    height, width = depth.shape[-2:]
    padding = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
    return functional.pad(depth, padding, value=torch.nan) if any(padding) else depth


def decode_detections(
    out: torch.Tensor, depth: torch.Tensor, camera: Intrinsics, kind: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the peaks of one image's heat, highest first.

    Args:
        out: float [1, 9, H / 4, W / 4], output of the network.
        depth: float [1, H, W] metres, NaN where invalid: the image that the network saw.
        camera: Intrinsics of that image.
        kind: ``hand`` or ``body``.

    Returns:
        Centres float [K, 3] metres, logits [K] and logits of left [K] (NaN for bodies); K is at most 64. A centre in
        depth that cannot be told is NaN.
    """
    index = KINDS.index(kind)
    heat = out[0, index]
    peaks = heat == functional.max_pool2d(heat[None, None], 3, 1, 1)[0, 0]
    best, place = torch.where(peaks, heat, -torch.inf).flatten().topk(min(_CANDIDATES, heat.numel()))
    columns = heat.shape[1]
    offset = out[0, 2 + 3 * index : 5 + 3 * index].flatten(1)[:, place] * SUBJECTS[kind].offset_unit
    z = cell_depth(depth)[0].flatten()[place] + offset[2]
    u = (place % columns) * STRIDE + (STRIDE - 1) / 2
    v = torch.div(place, columns, rounding_mode="floor") * STRIDE + (STRIDE - 1) / 2
    x = (u - camera.cx) / camera.fx * z + offset[0]
    y = (v - camera.cy) / camera.fy * z + offset[1]
    left = out[0, 8].flatten()[place] if SUBJECTS[kind].has_sides else torch.full_like(z, torch.nan)
    return torch.stack((x, y, z), dim=1), best, left


def select(
    centers: NDArray[np.float32],
    logits: NDArray[np.float32],
    left: NDArray[np.float32],
    kind: str,
    depth_range: tuple[float, float],
    limit: int,
) -> Detections:
    """Return the best of the peaks that lie in the range and apart from each other."""
    near, far = depth_range
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(centers).all(1) & np.isfinite(logits) & (centers[:, 2] >= near) & (centers[:, 2] <= far)
    chosen: list[int] = []
    for candidate in np.flatnonzero(usable):
        if len(chosen) >= limit:
            break
        if all(np.linalg.norm(centers[candidate] - centers[other]) >= SUBJECTS[kind].separation for other in chosen):
            chosen.append(int(candidate))
    scores = 1 / (1 + np.exp(-logits[chosen].clip(-60, 60).astype(np.float64)))
    return Detections(centers[chosen].astype(np.float64), scores.astype(np.float32), left[chosen].astype(np.float32))
