"""Writes a tiny ITOP dataset in its published format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from fake_hands import Truth
from numpy.typing import NDArray

from v2v_ros.geometry.camera import project
from v2v_ros.recorded.datasets.itop import View
from v2v_ros.recorded.datasets.specs import ITOP_SIDE
from v2v_ros.synthetic.body.worlds import sample_body_worlds
from v2v_ros.synthetic.worlds import Worlds, image_cameras, render_worlds

_CAMERA = ITOP_SIDE.intrinsics
_FAR = 8.0  # metres; what is beyond was not measured
INVALID_EVERY = 4
"""Number of frames, of which the last is not valid and has wrong joints."""


def write(folder: Path, train: int = 4, test: int = 4, seed: int = 0, view: View = "side") -> list[Truth]:
    """Rendered people in rooms without furniture, in one view. Images and clouds, which nothing reads, are left
    out.

    Returns:
        The training split, then the test split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    depth, joints = _bodies(train + test, seed, view)
    people = np.arange(train + test) % 2
    written = []
    for split, part in (("train", slice(0, train)), ("test", slice(train, None))):
        ids = [f"{person + 4 * (split == 'train'):02d}_{index:05d}" for index, person in enumerate(people[part])]
        pose = joints[part].copy()
        pose[INVALID_EVERY - 1 :: INVALID_EVERY] += np.float16(0.5)
        start = folder / f"ITOP_{view}_{split}"
        _save(Path(f"{start}_depth_map.h5"), {"data": depth[part], "id": np.array(ids, "S8")})
        _save(Path(f"{start}_labels.h5"), {"id": np.array(ids, "S8"), **_labels(pose, depth[part])})
        metres = np.where(depth[part] > 0, depth[part], np.float16(np.nan)).astype(np.float32)
        written += [Truth(*frame) for frame in zip(ids, pose.astype(np.float32), metres, strict=True)]
    return written


def _labels(joints: NDArray[np.float16], depth: NDArray[np.float16]) -> dict[str, NDArray[Any]]:
    pixels = project(torch.from_numpy(joints.astype(np.float32)), _CAMERA)
    middle = joints.astype(np.float32).mean(1)[:, None, None, 2]
    return {
        "is_valid": (np.arange(len(joints)) % INVALID_EVERY != INVALID_EVERY - 1).astype(np.uint8),
        "visible_joints": np.ones(joints.shape[:2], np.int16),
        "image_coordinates": pixels.round().numpy().astype(np.int16),
        "real_world_coordinates": joints * np.array([1, -1, 1], np.float16),  # y up
        "segmentation": np.where(abs(depth - middle) < 0.5, 0, -1).astype(np.int8),
    }


def _save(path: Path, content: dict[str, NDArray[Any]]) -> None:
    with h5py.File(path, "w") as file:
        for key, value in content.items():
            file[key] = value


def _bodies(count: int, seed: int, view: View) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Depth [count, H, W], 0 where nothing was measured, and joints [count, 15, 3] of people who are wholly in view."""
    generator = torch.Generator().manual_seed(seed)
    worlds = sample_body_worlds(
        40 * count, generator, view="top" if view == "top" else "front", near=2.0, far=3.5, empty=0.0
    )
    pixels = project(worlds.joints, _CAMERA)
    inside = ((pixels > 2) & (pixels < torch.tensor([_CAMERA.width, _CAMERA.height]) - 2)).all(-1).all(-1)
    worlds = _chosen(worlds, inside.nonzero()[:count, 0])
    assert len(worlds.joints) == count
    worlds = replace(worlds, boxes=replace(worlds.boxes, halves=0 * worlds.boxes.halves))  # nothing hides them
    depth = render_worlds(worlds, image_cameras(count, _CAMERA)).numpy()
    return np.where(depth < _FAR, depth, 0).astype(np.float16), worlds.joints.numpy().astype(np.float16)


def _chosen(worlds: Worlds, indices: torch.Tensor) -> Worlds:
    def pick(part: Any) -> Any:
        if isinstance(part, torch.Tensor):
            return part[indices]
        return type(part)(**{name: value[indices] for name, value in vars(part).items()})

    return Worlds(**{name: pick(part) for name, part in vars(worlds).items()})
