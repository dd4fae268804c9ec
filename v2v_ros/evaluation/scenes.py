# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``scenes_1``: whole images with no subject to several, for detectors; rendered wherever it is needed and the same
everywhere, like the sets of :mod:`~v2v_ros.evaluation.synthetic_sets`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics
from ..io.files import write_json
from ..model.detector import Detections, Detector
from ..model.detector_network import KINDS
from ..synthetic.scenes.whole import SETTINGS, Scenes, sample_scenes
from ..synthetic.sensors.presets import PRESETS
from .detections import RANGES, Known, figures_of, known_subjects
from .synthetic_sets import INTRINSICS, MM_PER_UNIT, RECORD, as_float64, quantize

NAME = "scenes_1"
_LABELS = (
    "focal",
    "principal",
    "hand_centers",
    "hand_left",
    "hand_state",
    "body_centers",
    "body_anchors",
    "body_state",
)  # of the scenes, which their hashes are made of
SAMPLES = 84
PART = 4  # images of the same setting and sensor
LIMIT = 6  # detections an image
_FIRST_SEED = 2**31 + 1000 + 100_000 * 20
# Settings that came after the set do not change it.
_ORDER = [name for name, share in SETTINGS.items() if name != "wall" for _ in range(share)]
_SENSORS = [name for name in PRESETS if name != "sr305"]  # it sees no farther than 1.5 m


@dataclass(frozen=True)
class ScenePart:
    """Some images of the set.

    Attributes:
        units: uint16 [B, H, W], depth in tenths of a millimetre, 0 where invalid.
        scenes: Scenes with their labels; the depth in them is that of the units.
        camera: Intrinsics of the images.
        sensor: Name of the sensor's preset.
        setting: Setting of the scenes.
    """

    units: NDArray[np.uint16]
    scenes: Scenes
    camera: Intrinsics
    sensor: str
    setting: str

    def hash(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of depth and labels."""
        digest = hashlib.sha256(f"{self.sensor} {self.setting} {self.units.shape}".encode())
        digest.update(self.units.astype("<u2").tobytes())
        for name in _LABELS:
            values = getattr(self.scenes, name)
            # To a tenth of a millimetre, as depth is.
            rounded = (values * (1000 / MM_PER_UNIT)).round() if values.is_floating_point() else values
            digest.update(rounded.numpy().astype("<i8").tobytes())
        return digest.hexdigest()[:16]


def make_part(index: int) -> ScenePart:
    """Return the images of a part, on the CPU."""
    generator = torch.Generator().manual_seed(_FIRST_SEED + index)
    setting = _ORDER[index % len(_ORDER)]
    sensor = _SENSORS[(index + index // len(_ORDER)) % len(_SENSORS)]
    camera = INTRINSICS[sensor]
    with as_float64(), torch.no_grad():
        scenes = sample_scenes(PART, generator, setting, camera, sensor)
        units = quantize(scenes.depth)
    metres = (units.astype(np.float64) * (MM_PER_UNIT / 1000)).astype(np.float32)
    depth = torch.from_numpy(np.where(units == 0, np.float32(np.nan), metres))
    return ScenePart(units, replace(scenes, depth=depth), camera, sensor, setting)


def generate(samples: int = SAMPLES) -> Iterator[ScenePart]:
    """Yield the first images of the set, part by part."""
    return (make_part(index) for index in range(-(-min(samples, SAMPLES) // PART)))


def is_recorded(hashes: list[str]) -> bool | None:
    """Return whether the hashes of the set's first parts are those on record; None where none are."""
    recorded = json.loads(RECORD.read_text()).get(NAME)
    return None if recorded is None else recorded["parts"][: len(hashes)] == hashes


def record(hashes: list[str]) -> None:
    """Put the hashes of all parts on record; for maintainers who have changed the scenes and the set's name."""
    content = json.loads(RECORD.read_text())
    content[NAME] = {"samples": SAMPLES, "parts": hashes}
    write_json(RECORD, dict(sorted(content.items())))


class SceneEvaluation:
    """Runs a detector on scenes, part by part.

    Args:
        detector: Detector to judge.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._found: dict[str, list[Detections]] = {kind: [] for kind in KINDS}
        self._known: dict[str, list[Known]] = {kind: [] for kind in KINDS}
        self.hashes: list[str] = []

    def add(self, part: ScenePart) -> None:
        """Take a part in."""
        self.hashes.append(part.hash())
        for index, depth in enumerate(part.scenes.depth):
            for kind in KINDS:
                self._found[kind].append(self._detector(depth.numpy(), part.camera, kind, RANGES[kind], LIMIT))
                self._known[kind].append(known_subjects(part.scenes, index, kind))

    def figures(self) -> dict[str, float | bool | None]:
        """Return the metrics over all parts, and whether the images are those on record.

        The metrics are those of :func:`~v2v_ros.evaluation.detections.figures_of`.
        """
        result: dict[str, float | bool | None] = {"images": len(self._found["hand"])}
        for kind in KINDS:
            result |= figures_of(kind, self._found[kind], self._known[kind])
        return {**result, "as_recorded": is_recorded(self.hashes)}
