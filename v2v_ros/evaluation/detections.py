# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How good a detector is on scenes whose subjects are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics
from ..geometry.subject import SUBJECTS
from ..model.detector import Detections, decode_detections, on_canvas, select
from ..model.detector_network import KINDS, DetectorNet, features
from ..synthetic.scenes.whole import ABSENT, SEEN, Scenes

ALARMS_PER_IMAGE = 0.01
_LIMIT = 6
RANGES = {"hand": (0.1, 2.2), "body": (0.4, 7.0)}
"""Metres from the camera in which a detector is asked for subjects."""


@dataclass(frozen=True)
class Known:
    """The subjects of a kind in one image: centres float64 [K, 3] metres, states [K], left bool [K]."""

    centers: NDArray[np.float64]
    state: NDArray[np.uint8]
    left: NDArray[np.bool_]


def figures_of(kind: str, found: list[Detections], known: list[Known]) -> dict[str, float]:
    """Return the recall where one image in a hundred has a false alarm, the score at which that is so, and others.

    The others are the error of the centres in millimetres, for hands the share of right sides, and of the images
    without any subject the highest scores.
    """
    near = SUBJECTS[kind].found_within
    scores, hits, wanted, errors, sides, empty = [], [], 0, [], [], []
    for some, truth in zip(found, known, strict=True):
        is_seen = truth.state == SEEN
        wanted += int(is_seen.sum())
        free = is_seen.copy()
        if not (truth.state != ABSENT).any():
            empty.append(float(some.scores.max(initial=0.0)))
        for center, score, left in zip(some.centers, some.scores, some.left, strict=True):
            away = np.linalg.norm(truth.centers - center, axis=1)
            match = np.where(free, away, np.inf)
            best = int(match.argmin()) if len(match) else -1
            if best >= 0 and match[best] < near:
                free[best] = False
                scores.append(float(score))
                hits.append(True)
                errors.append(1000 * float(match[best]))
                sides.append((left > 0) == truth.left[best])
                continue
            # A second detection of a subject, and one of what may be found or not, is no alarm.
            if ((truth.state != ABSENT) & (away < 2 * near)).any():
                continue
            scores.append(float(score))
            hits.append(False)
    order = np.argsort(-np.asarray(scores)) if scores else np.zeros(0, dtype=int)
    good = np.asarray(hits, dtype=bool)[order]
    alarms = np.cumsum(~good)
    allowed = alarms <= ALARMS_PER_IMAGE * len(found)
    count = int(allowed.sum())
    threshold = float(np.asarray(scores)[order][count - 1]) if count else 1.0
    figures = {
        f"{kind}_recall": float(good[:count].sum()) / max(1, wanted),
        f"{kind}_threshold": threshold,
        f"{kind}_found": float(good.sum()) / max(1, wanted),
        f"{kind}_error_mm": float(np.median(errors)) if errors else float("nan"),
        f"{kind}_empty_p99": float(np.quantile(empty, 0.99)) if empty else float("nan"),
    }
    if SUBJECTS[kind].has_sides:
        figures["side_right"] = float(np.mean(sides)) if sides else float("nan")
    return figures


def known_subjects(scenes: Scenes, index: int, kind: str) -> Known:
    """Return the labels of one scene's subjects."""
    centers, _, state, left = scenes.subjects(kind)
    return Known(centers[index].double().numpy(), state[index].numpy(), left[index].numpy())


@torch.inference_mode()
def detector_figures(
    network: DetectorNet, scenes: Scenes, device: torch.device | str = "cpu", batch: int = 16
) -> dict[str, float]:
    """Return figures of both kinds on rendered scenes."""
    count = len(scenes.depth)
    found: dict[str, list[Detections]] = {kind: [] for kind in KINDS}
    for first in range(0, count, batch):
        depth = on_canvas(scenes.depth[first : first + batch].float()).to(device)
        focal = scenes.focal[first : first + batch, None].expand(-1, 2).to(device)
        out = network(features(depth, focal).contiguous(memory_format=torch.channels_last)).float()
        for row in range(len(depth)):
            index = first + row
            f, (cx, cy) = scenes.focal[index].item(), scenes.principal[index].tolist()
            camera = Intrinsics(f, f, cx, cy, scenes.depth.shape[2], scenes.depth.shape[1])
            for kind in KINDS:
                peaks = decode_detections(out[row : row + 1], depth[row : row + 1], camera, kind)
                centers, logits, left = (each.cpu().numpy() for each in peaks)
                found[kind].append(select(centers, logits, left, kind, RANGES[kind], _LIMIT))
    figures: dict[str, float] = {}
    for kind in KINDS:
        figures |= figures_of(kind, found[kind], [known_subjects(scenes, index, kind) for index in range(count)])
    return figures
