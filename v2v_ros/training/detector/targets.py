# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Targets of a detector (heat about subjects, offsets to reference points, sides), and its losses against them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from ...geometry.subject import SUBJECTS
from ...model.detector_network import KINDS, STRIDE, cell_depth
from ...synthetic.scenes.whole import SEEN, UNCLEAR, Scenes

_BLOB = {"hand": 0.035, "body": 0.12}  # metres, standard deviation of the heat
_UNCLEAR_BLOB = {"hand": 0.06, "body": 0.35}  # metres, about subjects that may be found or not
_LEAST, _MOST = 2.5, 20.0  # pixels, of the standard deviation
_POSITIVE = 0.85  # heat from which a cell is to be hot
_TRUSTED = 0.45  # heat from which a cell is to tell offset and side
_IGNORED = 0.15  # heat of an unclear subject's blob from which cells do not count


@dataclass(frozen=True)
class KindTargets:
    """Targets for one kind of subjects.

    Attributes:
        heat: float [B, h, w], 1 at a subject's cell.
        counted: bool [B, h, w]; false near unclear subjects.
        offsets: float [B, 3, h, w] in their subjects' ``offset_unit``.
        trust: float [B, h, w], weight of the offsets.
        left: float [B, h, w], 1 for left hands.
    """

    heat: torch.Tensor
    counted: torch.Tensor
    offsets: torch.Tensor
    trust: torch.Tensor
    left: torch.Tensor


def encode_targets(scenes: Scenes, kind: str, surface: torch.Tensor) -> KindTargets:
    """Targets for scenes.

    Args:
        surface: float [B, h, w] metres, of :func:`~v2v_ros.model.detector_network.cell_depth`.
    """
    centers, anchors, state, left = scenes.subjects(kind)
    batch, rows, columns = surface.shape
    device = surface.device
    x = (torch.arange(columns, device=device) * STRIDE + (STRIDE - 1) / 2).view(1, 1, 1, -1)
    y = (torch.arange(rows, device=device) * STRIDE + (STRIDE - 1) / 2).view(1, 1, -1, 1)
    focal = scenes.focal[:, None]
    z = anchors[..., 2].clamp_min(0.05)
    u, v = ((anchors[..., i] / z * focal + scenes.principal[:, i : i + 1])[..., None, None] for i in range(2))

    def blob(size: float) -> torch.Tensor:
        sigma = (focal * size / z).clamp(_LEAST, _MOST)[..., None, None]
        return torch.exp(-((x - u).square() + (y - v).square()) / (2 * sigma.square()))

    seen, unclear = ((state == which)[..., None, None] for which in (SEEN, UNCLEAR))
    each = blob(_BLOB[kind]) * seen  # [B, K, h, w]
    # The cell in which a subject lies is hot, however small the blob.
    own = ((x - u).abs() <= STRIDE / 2) & ((y - v).abs() <= STRIDE / 2) & seen
    each = torch.where(own, 1.0, each)
    heat, whose = each.max(1)
    # A subject that is behind the camera has no blob.
    maybe = blob(_UNCLEAR_BLOB[kind]) * unclear * (anchors[..., 2] > 0.05)[..., None, None]
    counted = (maybe.amax(1) < _IGNORED) | (heat > _POSITIVE)
    index = whose[:, None].expand(-1, 3, -1, -1).flatten(2)
    center = centers.transpose(1, 2).gather(2, index).view(batch, 3, rows, columns)
    ray_x = (x[:, 0] - scenes.principal[:, :1, None]) / focal[..., None]
    ray_y = (y[:, 0] - scenes.principal[:, 1:, None]) / focal[..., None]
    offsets = torch.stack(
        (center[:, 0] - ray_x * center[:, 2], center[:, 1] - ray_y * center[:, 2], center[:, 2] - surface), dim=1
    )
    trust = torch.where((heat > _TRUSTED) & surface.isfinite(), heat, 0.0)
    return KindTargets(
        heat,
        counted,
        (offsets / SUBJECTS[kind].offset_unit).nan_to_num(0.0, 0.0, 0.0),
        trust,
        left.to(heat).gather(1, whose.flatten(1)).view(batch, rows, columns),
    )


def losses(out: torch.Tensor, scenes: Scenes, depth: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the parts of the loss, each a scalar; and ``worst`` [B], the highest false heat of every scene.

    CenterNet's focal loss for the heat (Zhou et al., Objects as Points, 2019), L1 for offsets, cross entropy for sides.
    """
    surface = cell_depth(depth)
    parts: dict[str, torch.Tensor] = {}
    worst = []
    for index, kind in enumerate(KINDS):
        target = encode_targets(scenes, kind, surface)
        logits = out[:, index].float()
        hot = target.heat > _POSITIVE
        p = logits.sigmoid()
        found = functional.logsigmoid(logits) * (1 - p).square() * hot
        quiet = functional.logsigmoid(-logits) * p.square() * (1 - target.heat).pow(4) * (~hot & target.counted)
        parts[f"{kind}_heat"] = -(found.sum() + quiet.sum()) / hot.sum().clamp_min(len(out) // 4)
        error = (out[:, 2 + 3 * index : 5 + 3 * index].float() - target.offsets).abs().clamp_max(8).sum(1)
        parts[f"{kind}_offset"] = (error * target.trust).sum() / target.trust.sum().clamp_min(1)
        if kind == "hand":
            side = functional.binary_cross_entropy_with_logits(out[:, 8].float(), target.left, reduction="none")
            parts["side"] = (side * target.trust).sum() / target.trust.sum().clamp_min(1)
        away = (target.heat < 0.1) & target.counted
        worst.append(torch.where(away, p.detach(), 0.0).flatten(1).amax(1))
    parts["worst"] = torch.stack(worst).amax(0)
    return parts


WEIGHTS = {"hand_heat": 1.0, "body_heat": 1.0, "hand_offset": 0.2, "body_offset": 0.2, "side": 0.3}
"""Weights of the parts in the sum."""


def total(parts: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the loss."""
    return torch.stack([weight * parts[name] for name, weight in WEIGHTS.items()]).sum()
