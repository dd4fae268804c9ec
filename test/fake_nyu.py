"""Writes a tiny NYU dataset in its published format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fake_hands import Truth, hands
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.recorded.datasets.specs import NYU

_CAMERA = NYU.intrinsics
_CAMERAS, _POINTS = 3, 36
_EVALUATED = [0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32]
_WALL = 1.6  # metres
_JOINT = {name: index for index, name in enumerate(HAND21.joint_names)}


def write(folder: Path, train: int = 3, test: int = 2, seed: int = 0) -> list[Truth]:
    """Rendered hands before a wall, whose left edge was not measured.

    Returns:
        The training split, then the test split.
    """
    joints21, depth = hands(train + test, _CAMERA, seed, near=0.5, far=0.9)
    joints = to_hand14(joints21)
    depth[np.isnan(depth)] = np.float32(_WALL)
    depth[:, :, :40] = np.nan
    written = []
    for split, part in (("train", slice(0, train)), ("test", slice(train, None))):
        (folder / split).mkdir(parents=True)
        savemat(folder / split / "joint_data.mat", _joint_data(joints[part], seed))
        for number, (pose, image) in enumerate(zip(joints[part], depth[part], strict=True), start=1):
            name = f"{split}/depth_1_{number:07d}.png"
            Image.fromarray(_pack(image)).save(folder / name, compress_level=1)
            written.append(Truth(name, pose, image))
        for other in range(2, _CAMERAS + 1):
            Image.new("RGB", (_CAMERA.width, _CAMERA.height)).save(folder / split / f"depth_{other}_0000001.png")
    return written


def to_hand14(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 14 joints [F, 14, 3] from those of hand21, roughly: PIP joints as the fingers' middles, the two points of the
    wrist a quarter of the hand's width to either side of its middle, and the palm between wrist and knuckles."""

    def joint(name: str) -> NDArray[np.float32]:
        return joints[:, _JOINT[name]]

    across = (joint("index_mcp") - joint("little_mcp")) / 4
    fingers = [joint(f"{finger}_{part}") for finger in ("little", "ring", "middle", "index") for part in ("tip", "pip")]
    thumb = [joint(f"thumb_{part}") for part in ("tip", "ip", "mcp")]
    palm = (joint("wrist") + joint("index_mcp") + joint("little_mcp")) / 3
    return np.stack([*fingers, *thumb, joint("wrist") - across, joint("wrist") + across, palm], axis=1)


def _pack(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    millimetres = np.nan_to_num(1000 * depth).round().astype(np.uint16)
    return np.stack((np.zeros_like(millimetres), millimetres >> 8, millimetres & 255), axis=-1).astype(np.uint8)


def _joint_data(joints: NDArray[np.float32], seed: int) -> dict[str, NDArray[np.float64]]:
    """Millimetres with y up for all cameras; only the first camera's 14 joints are true."""
    xyz = np.random.default_rng(seed).uniform(100, 900, (_CAMERAS, len(joints), _POINTS, 3))
    xyz[0][:, _EVALUATED] = joints.astype(np.float64) * (1000, -1000, 1000)
    z = xyz[..., 2:]
    uv = (_CAMERA.cx, _CAMERA.cy) + np.array((_CAMERA.fx, -_CAMERA.fy)) * xyz[..., :2] / z
    return {"joint_xyz": xyz, "joint_uvd": np.concatenate((uv, z), axis=-1)}
