# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Fixed synthetic test sets, rendered wherever they are needed and the same everywhere, bit for bit.

A set is a row of parts of a few samples each. Every part has its own seed, so the first samples of a set do not depend
on how many follow. Everything is computed in float64, whose rounding differs between processors only far below the
0.1 mm that depth is stored in, and the hashes of all parts are recorded beside this module.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..geometry.camera import Intrinsics
from ..geometry.skeletons import BODY15, HAND21, Skeleton
from ..io.files import write_atomically, write_json
from ..io.pillow import importing_pillow
from ..synthetic.body.worlds import sample_body_worlds
from ..synthetic.hand.worlds import sample_hand_worlds
from ..synthetic.render import Cameras
from ..synthetic.sensors.presets import PRESETS
from ..synthetic.sensors.sense import Draws, Sensors, sense
from ..synthetic.worlds import Worlds, crop_cameras, image_cameras, render_worlds

RECORD = Path(__file__).with_name("test_sets.json")
MM_PER_UNIT = 0.1
PART = 8  # samples that share a sensor and a side or view
CROP_PIXELS = 208  # more than two a cell of the finest grid
CENTER_SIGMA = 0.04  # share of the cube's edge, per axis
_FIRST_SEED = 2**31 + 1000  # training hashes its seeds to 64 bits: none of them is so small
_SEEDS_PER_SET = 100_000
_RANGE = {"hand": (0.3, 1.2), "body": (1.2, 4.5)}  # metres, of the subjects
_NEARER_END = {"hand": 0.15, "body": 0.5}  # metres from what a sensor sees at its nearest and farthest to a subject
_REACH = {"hand": 1.2, "body": 4.0}  # metres that a sensor must see
# The presets' whole images. No preset says how many pixels high they are; these are the sensors' usual modes.
INTRINSICS = {
    "kinect_v1": Intrinsics(580.0, 580.0, 319.5, 239.5, 640, 480),
    "sr305": Intrinsics(476.0, 476.0, 319.5, 239.5, 640, 480),
    "kinect_v2": Intrinsics(365.0, 365.0, 255.5, 211.5, 512, 424),
    "azure_kinect": Intrinsics(504.0, 504.0, 319.5, 287.5, 640, 576),
    "d435": Intrinsics(390.0, 390.0, 319.5, 239.5, 640, 480),
    "zed2": Intrinsics(530.0, 530.0, 639.5, 359.5, 1280, 720),
    "oak_d": Intrinsics(441.0, 441.0, 319.5, 199.5, 640, 400),
    "perfect": Intrinsics(525.0, 525.0, 319.5, 239.5, 640, 480),
}


@dataclass(frozen=True)
class SyntheticSet:
    """A test set.

    Attributes:
        name: Unique name; its last number is the version, which changes whenever a single bit does.
        skeleton: Skeleton of its labels.
        form: ``crops`` (cubes as the pose network sees them), ``images`` (whole ones with a subject) or ``empty``
            (whole ones without).
        samples: Number of samples.
        number: Number that sets its seeds apart from those of other sets.
    """

    name: str
    skeleton: Skeleton
    form: str
    samples: int
    number: int


@dataclass(frozen=True)
class SetPart:
    """Some samples of a set.

    Attributes:
        units: uint16 [B, H, W], depth in tenths of a millimetre, 0 where invalid.
        cameras: Cameras that took them, float32.
        joints: float32 [B, J, 3] metres; NaN without a subject.
        centers: float32 [B, 3] metres, the subject's reference point.
        cube_centers: float32 [B, 3] metres, the reference point as far off as a locator's; for crops.
        left: bool [B]: whether the subject is a left hand.
        sensor: Name of the preset of the depth camera.
        view: ``front`` or ``top`` for bodies, empty for hands.
    """

    units: NDArray[np.uint16]
    cameras: Cameras
    joints: torch.Tensor
    centers: torch.Tensor
    cube_centers: torch.Tensor
    left: torch.Tensor
    sensor: str
    view: str

    @property
    def depth(self) -> torch.Tensor:
        """float32 [B, H, W] metres, NaN where invalid."""
        metres = (self.units.astype(np.float64) * (MM_PER_UNIT / 1000)).astype(np.float32)
        return torch.from_numpy(np.where(self.units == 0, np.float32(np.nan), metres))

    def intrinsics(self, index: int) -> Intrinsics:
        """Return the camera of a sample."""
        focal, (cx, cy) = self.cameras.focal[index].item(), self.cameras.principal[index].tolist()
        return Intrinsics(focal, focal, cx, cy, self.cameras.width, self.cameras.height)

    def hash(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of depth and labels."""
        digest = hashlib.sha256(f"{self.sensor} {self.view} {self.units.shape}".encode())
        digest.update(self.units.astype("<u2").tobytes())
        cameras = (self.cameras.focal, self.cameras.principal)
        for tensor in (*cameras, self.joints, self.centers, self.cube_centers):
            # There are many NaNs, which are one here.
            digest.update(np.nan_to_num(tensor.numpy().astype("<f4"), nan=-1000.0).tobytes())
        digest.update(self.left.numpy().tobytes())
        return digest.hexdigest()[:16]

    def first(self, count: int) -> SetPart:
        """Return the first samples of this part."""
        focal, principal = self.cameras.focal[:count], self.cameras.principal[:count]
        return replace(
            self,
            units=self.units[:count],
            cameras=replace(self.cameras, focal=focal, principal=principal),
            joints=self.joints[:count],
            centers=self.centers[:count],
            cube_centers=self.cube_centers[:count],
            left=self.left[:count],
        )


_SETS = (
    SyntheticSet("hand_crops_1", HAND21, "crops", 1024, 0),
    SyntheticSet("hand_images_1", HAND21, "images", 200, 1),
    SyntheticSet("hand_empty_1", HAND21, "empty", 300, 2),
    SyntheticSet("body_crops_1", BODY15, "crops", 1024, 3),
    SyntheticSet("body_images_1", BODY15, "images", 200, 4),
    SyntheticSet("body_empty_1", BODY15, "empty", 300, 5),
)
SETS = {each.name: each for each in _SETS}
# What scores and covariances are fitted on; no test set.
CALIBRATION_SETS = {
    "hand": SyntheticSet("hand_calibration_1", HAND21, "crops", 1024, 6),
    "body": SyntheticSet("body_calibration_1", BODY15, "crops", 1024, 7),
}


def get_set(name: str) -> SyntheticSet:
    """Look a test set up by name.

    Raises:
        ValueError: There is none of this name; the message lists those that exist.
    """
    if name not in SETS:
        raise ValueError(f"unknown test set '{name}'; choose one of: {', '.join(SETS)}")
    return SETS[name]


def sets_for(skeleton: Skeleton) -> list[SyntheticSet]:
    """Return the test sets with labels of a skeleton."""
    return [each for each in _SETS if each.skeleton == skeleton]


def part_count(test_set: SyntheticSet, samples: int | None = None) -> int:
    """Return the number of parts that hold the first samples of a set, all by default."""
    return -(-_wanted(test_set, samples) // PART)


def make(test_set: SyntheticSet, index: int, samples: int | None = None) -> SetPart:
    """Make a part of the first samples of a set (all by default), on the CPU."""
    wanted = _wanted(test_set, samples)
    with as_float64():
        part = _make(test_set, index)
    return part.first(wanted - index * PART) if wanted < (index + 1) * PART else part


def generate(test_set: SyntheticSet, samples: int | None = None) -> Iterator[SetPart]:
    """Make the first samples of a set (all by default), part by part, on the CPU."""
    return (make(test_set, index, samples) for index in range(part_count(test_set, samples)))


def _wanted(test_set: SyntheticSet, samples: int | None) -> int:
    return test_set.samples if samples is None else min(samples, test_set.samples)


def is_recorded(test_set: SyntheticSet, hashes: list[str]) -> bool | None:
    """Return whether the hashes of a set's first parts are those on record; None where none are."""
    recorded = _record().get(test_set.name)
    return None if recorded is None else recorded["parts"][: len(hashes)] == hashes


def record(test_set: SyntheticSet, hashes: list[str]) -> None:
    """Put the hashes of all parts of a set on record."""
    content = _record()
    content[test_set.name] = {"samples": test_set.samples, "parts": hashes}
    write_json(RECORD, dict(sorted(content.items())))


def _record() -> dict[str, Any]:
    if not RECORD.is_file():
        return {}
    content: dict[str, Any] = json.loads(RECORD.read_text())
    return content


@contextmanager
def as_float64() -> Iterator[None]:
    """Compute in float64 meanwhile."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _make(test_set: SyntheticSet, index: int) -> SetPart:
    """Return the samples of a part, in the default dtype until they are stored."""
    generator = torch.Generator().manual_seed(_FIRST_SEED + _SEEDS_PER_SET * test_set.number + index)
    kind, edge = test_set.skeleton.kind, test_set.skeleton.cube_edge
    names = [name for name, preset in PRESETS.items() if preset.far >= _REACH[kind]]
    sensor = names[index % len(names)]
    # Sides and views alternate, and the other way round in the next row of sensors.
    other = (index % len(names) + index // len(names)) % 2 == 1
    near = max(_RANGE[kind][0], PRESETS[sensor].near + _NEARER_END[kind])
    far = min(_RANGE[kind][1], PRESETS[sensor].far - _NEARER_END[kind])
    view = "" if kind == "hand" else "top" if other else "front"
    empty = float(test_set.form == "empty")
    crops = test_set.form == "crops"

    def draw() -> Worlds:
        if kind == "hand":
            left = float(other and not crops)  # pose networks see right hands alone
            return sample_hand_worlds(PART, generator, near=near, far=far, empty=empty, left=left)
        return sample_body_worlds(PART, generator, view=view, near=near, far=far, empty=empty)

    if crops:
        worlds = draw()
        cube_centers = worlds.centers + CENTER_SIGMA * edge * torch.randn(PART, 3, generator=generator)
        cameras = crop_cameras(cube_centers, edge, CROP_PIXELS)
    else:
        cameras = image_cameras(PART, INTRINSICS[sensor])
        worlds = draw() if empty else _in_view(draw, cameras)
        cube_centers = worlds.centers
    fitting = test_set in CALIBRATION_SETS.values()
    sensors = (
        Sensors.sample(PART, generator, near_only=kind == "hand", distance=worlds.centers[:, 2])
        if fitting
        else Sensors.preset(sensor, PART)
    )
    draws = Draws.draw(PART, cameras.height, cameras.width, generator)
    return SetPart(
        units=quantize(sense(render_worlds(worlds, cameras), cameras, sensors, draws)),
        cameras=Cameras(cameras.focal.float(), cameras.principal.float(), cameras.width, cameras.height),
        joints=worlds.joints.float(),
        centers=worlds.centers.float(),
        cube_centers=cube_centers.float(),
        left=worlds.left,
        sensor="random" if fitting else sensor,
        view=view,
    )


def _in_view(draw: Callable[[], Worlds], cameras: Cameras) -> Worlds:
    """Worlds that show at least four fifths of the subject's joints."""
    draws: list[Worlds] = []
    choices: list[torch.Tensor] = []
    missing = PART
    while missing > 0:
        worlds = draw()
        z = worlds.joints[..., 2:]
        pixels = worlds.joints[..., :2] / z * cameras.focal[0] + cameras.principal[0]
        size = torch.tensor([cameras.width, cameras.height])
        inside = ((pixels > 0) & (pixels < size - 1)).all(-1) & (z[..., 0] > 0)
        chosen = (inside.to(z).mean(1) >= 0.8).nonzero()[:missing, 0]
        draws.append(worlds)
        choices.append(chosen)
        missing -= len(chosen)
    merged: Worlds = _merge(draws, choices)
    return merged


def _merge(parts: list[Any], choices: list[torch.Tensor]) -> Any:
    """Return the chosen samples of several batches as one; batches are tensors, or dataclasses of batches."""
    first = parts[0]
    if isinstance(first, torch.Tensor):
        return torch.cat([part[chosen] for part, chosen in zip(parts, choices, strict=True)])
    return type(first)(**{f.name: _merge([getattr(part, f.name) for part in parts], choices) for f in fields(first)})


def quantize(depth: torch.Tensor) -> NDArray[np.uint16]:
    """Turn metres into tenths of a millimetre, 0 where that cannot be."""
    units = (depth * (1000 / MM_PER_UNIT)).round()
    usable = units.isfinite() & (units > 0) & (units < 2**16)
    return torch.where(usable, units, 0).to(torch.int32).numpy().astype(np.uint16)


def write_set(
    test_set: SyntheticSet, folder: Path, samples: int | None = None, tick: Callable[[], object] = lambda: None
) -> list[str]:
    """Write a test set as a frame list (``frames.json``, docs/formats.md) and its labels (``truth.json``).

    The labels are ``{"skeleton", "joint_names", "frames": [{"id", "joints_mm", "center_mm", "side", "sensor",
    "view"}]}``; without a subject ``joints_mm`` and ``side`` are null. Crops have ``center_mm`` in the frame list too:
    the middle of the cube that the pose network is shown.

    Returns:
        The hashes of its parts, as :func:`~v2v_ros.evaluation.synthetic_sets.is_recorded` takes them.

    Raises:
        OSError: A file cannot be written.
        RuntimeError: Pillow is not installed.
    """
    with importing_pillow("writing depth images"):
        from PIL import Image
    records: list[dict[str, Any]] = []
    truths: list[dict[str, Any]] = []
    hashes: list[str] = []
    for part in generate(test_set, samples):
        for index, units in enumerate(part.units):
            name = f"{test_set.name}_{len(records):04}"
            png = BytesIO()
            Image.fromarray(units).save(png, "PNG")
            write_atomically(folder / "depth" / f"{name}.png", png.getvalue())
            camera = part.intrinsics(index)
            record: dict[str, Any] = {
                "id": name,
                "path": f"depth/{name}.png",
                "mm_per_unit": MM_PER_UNIT,
                "K": {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy},
            }
            if test_set.form == "crops":
                record["center_mm"] = (1000 * part.cube_centers[index].double()).tolist()
            records.append(record)
            present = not part.joints[index].isnan().any()
            side = (
                ("left" if part.left[index] else "right") if present and test_set.skeleton.subject.has_sides else None
            )
            truths.append(
                {
                    "id": name,
                    "joints_mm": (1000 * part.joints[index].double()).tolist() if present else None,
                    "center_mm": (1000 * part.centers[index].double()).tolist() if present else None,
                    "side": side,
                    "sensor": part.sensor,
                    "view": part.view or None,
                }
            )
        if len(part.units) == PART or len(records) == test_set.samples:
            hashes.append(part.hash())
        tick()
    skeleton = test_set.skeleton
    truth = {"skeleton": skeleton.name, "joint_names": list(skeleton.joint_names), "frames": truths}
    for file, content in (("frames.json", {"frames": records}), ("truth.json", truth)):
        write_json(folder / file, content)
    return hashes
