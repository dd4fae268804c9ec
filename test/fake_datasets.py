# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Writers of tiny datasets in the published formats: rendered hands and people, whose joints lie on their depth.

Every writer returns what a reader must find, by split; :data:`WRITERS` has them by the names of the datasets.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from v2v_ros.geometry.camera import Intrinsics, project
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.recorded.datasets.dataset import DepthDataset, Split
from v2v_ros.recorded.datasets.itop import View
from v2v_ros.recorded.datasets.registry import open_dataset
from v2v_ros.recorded.datasets.specs import HANDS2017, ICVL, ITOP_SIDE, MSRA, NYU
from v2v_ros.synthetic.body.worlds import sample_body_worlds
from v2v_ros.synthetic.hand.kinematics import pose_hand, sample_shape
from v2v_ros.synthetic.hand.poses import sample_families, sample_pose
from v2v_ros.synthetic.render import render_spheres
from v2v_ros.synthetic.spheres import Spheres
from v2v_ros.synthetic.worlds import image_cameras, render_worlds

SUBJECT = 7
"""The subject of MSRA whose frames are the test split."""

_FINGERS = ("thumb", "index", "middle", "ring", "little")
_ICVL_FAR = 32.001  # metres, in all that is not the hand
_MSRA_GESTURES = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "I", "IP", "L", "MP", "RP", "T", "TIP", "Y")
_NYU_EVALUATED = (0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32)
_HANDS2017_ORDER = (
    "wrist",
    *(f"{finger}_{'cmc' if finger == 'thumb' else 'mcp'}" for finger in _FINGERS),
    *(f"thumb_{joint}" for joint in ("mcp", "ip", "tip")),
    *(f"{finger}_{joint}" for finger in _FINGERS[1:] for joint in ("pip", "dip", "tip")),
)


@dataclass(frozen=True)
class Truth:
    """A frame that was written, in the conventions of v2v_ros.

    Attributes:
        name: Name that its reader gives it.
        joints: Array float32 [J, 3] of metres in the optical frame, in the skeleton's order.
        depth: Array float32 [H, W] of metres, NaN where nothing was measured.
        valid: Whether the protocol keeps it.
    """

    name: str
    joints: NDArray[np.float32]
    depth: NDArray[np.float32]
    valid: bool = True


Written = dict[Split, list[Truth]]
Pose = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Joints and depth, of one frame or of several."""


def open_fake(name: str, folder: Path, split: Split = "train", **more: Any) -> DepthDataset:
    """Open a split of a dataset, of MSRA with the subject that the writer leaves out."""
    return open_dataset(name, folder, split, test_subject=SUBJECT if name == "msra" else None, **more)


def icvl(folder: Path, train: int = 4, test: int = 2, seed: int = 0) -> Written:
    """Write two training sequences of ``train`` hands and two test sequences of ``test`` hands.

    Folders of their own hold copies of the training images that are turned by a quarter, either way.
    """
    joints, depth = _hands(2 * (train + test), ICVL.intrinsics, seed)
    poses = iter(zip(_hand16(joints), depth, strict=True))
    written: Written = {"train": [], "test": []}
    for sequence in ("201403121135", "201403121140"):
        chosen = list(islice(poses, train))
        for turn, place in ((0, sequence), (1, f"{sequence}/90"), (-1, f"{sequence}/-90")):
            turned = (_turned(*pose, turn) if turn else pose for pose in chosen)
            written["train"] += _icvl_images(folder, f"Training/Depth/{place}", turned)
    _save(folder / "Training/labels.txt", "".join(_icvl_label(frame) + "\n" for frame in written["train"]))
    # The published files have blank lines, and one of them odd line ends.
    for sequence, end in (("test_seq_1", "\r\r\n"), ("test_seq_2", "\n")):
        part = _icvl_images(folder, f"Testing/Depth/{sequence}", islice(poses, test))
        _save(folder / f"Testing/{sequence}.txt", end.join(_icvl_label(frame) + " " for frame in part) + end + end)
        written["test"] += part
    return written


def _icvl_images(folder: Path, place: str, poses: Iterable[Pose]) -> list[Truth]:
    part = [Truth(f"{place}/image_{n:04d}.png", joints, depth.copy()) for n, (joints, depth) in enumerate(poses)]
    for frame in part:
        frame.depth[4:] = np.nan_to_num(frame.depth[4:], nan=_ICVL_FAR)  # only the first rows hold 0
        _save(folder / frame.name, _millimetres(frame.depth))
    return part


def _icvl_label(frame: Truth) -> str:
    values = np.concatenate((_pixels(frame.joints, ICVL.intrinsics), 1000 * frame.joints[:, 2:]), axis=-1)
    return f"{frame.name.split('Depth/')[1]} {_text(values, 3)}"


def _turned(joints: NDArray[np.float32], depth: NDArray[np.float32], turn: int) -> Pose:
    """Turn a hand about the optical axis: in an image of the same size rows and columns change places."""
    v, u = np.mgrid[:240, :320] - np.array([120, 160])[:, None, None]
    wide = np.pad(depth, ((41, 41), (0, 0)), constant_values=np.nan)
    return joints[:, [1, 0, 2]] * np.array([-turn, turn, 1], np.float32), wide[161 - turn * u, 160 + turn * v]


def _hand16(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ICVL's joints [F, 16, 3] from those of hand21, roughly.

    A finger has its first joint, the middle of its two middle joints, and its tip; the palm is the mean of the wrist
    and of the four fingers' first joints.
    """
    fingers = joints[:, 1:].reshape(-1, 5, 4, 3)[:, [4, 0, 1, 2, 3]]
    three = np.stack((fingers[:, :, 0], fingers[:, :, 1:3].mean(2), fingers[:, :, 3]), axis=2)
    palm = joints[:, [0, 1, 5, 9, 13]].mean(1, keepdims=True)
    return np.concatenate((palm, three.reshape(-1, 15, 3)), axis=1)


def nyu(folder: Path, train: int = 3, test: int = 2, seed: int = 0) -> Written:
    """Write hands before a wall, whose left edge was not measured.

    Of three cameras and 36 points only those that the literature evaluates are true.
    """
    joints, depth = _hands(train + test, NYU.intrinsics, seed, near=0.5, far=0.9)
    joints = _hand14(joints)
    depth[:, :, 40:] = np.nan_to_num(depth[:, :, 40:], nan=1.6)
    written: Written = {}
    for split, part in _splits(train):
        xyz = np.random.default_rng(seed).uniform(100, 900, (3, len(joints[part]), 36, 3))
        xyz[0][:, _NYU_EVALUATED] = joints[part].astype(np.float64) * (1000, -1000, 1000)
        written[split] = _truths(f"{split}/depth_1_{{:07d}}.png", joints[part], depth[part])
        for frame in written[split]:
            high, low = np.divmod(_millimetres(frame.depth), 256)
            _save(folder / frame.name, np.stack((0 * high, high, low), axis=-1).astype(np.uint8))
        _save(folder / split / "depth_2_0000001.png", np.zeros((480, 640, 3), np.uint8))
        savemat(folder / split / "joint_data.mat", {"joint_xyz": xyz})
    return written


def _hand14(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return NYU's joints [F, 14, 3] from those of hand21, roughly.

    PIP joints are the fingers' middles, the two points of the wrist lie a quarter of the hand's width to either side of
    its middle, and the palm lies between wrist and knuckles.
    """
    joint = dict(zip(HAND21.joint_names, np.moveaxis(joints, 1, 0), strict=True))
    across = (joint["index_mcp"] - joint["little_mcp"]) / 4
    fingers = [joint[f"{finger}_{part}"] for finger in _FINGERS[:0:-1] for part in ("tip", "pip")]
    thumb = [joint[f"thumb_{part}"] for part in ("tip", "ip", "mcp")]
    palm = (joint["wrist"] + joint["index_mcp"] + joint["little_mcp"]) / 3
    return np.stack([*fingers, *thumb, joint["wrist"] - across, joint["wrist"] + across, palm], axis=1)


def msra(folder: Path, frames: int = 1, seed: int = 0) -> Written:
    """Write nine subjects with seventeen gestures of ``frames`` hands each; :data:`SUBJECT` is the test split."""
    gestures = [f"P{subject}/{gesture}" for subject in range(9) for gesture in _MSRA_GESTURES]
    joints, depth = _hands(len(gestures) * frames, MSRA.intrinsics, seed)
    written: Written = {"train": [], "test": []}
    for index, gesture in enumerate(gestures):
        part = slice(index * frames, (index + 1) * frames)
        truths = _truths(f"{gesture}/{{:06d}}_depth.bin", joints[part], depth[part], first=0)
        # x right, y up, z towards the viewer, so negative; millimetres.
        lines = [str(frames), *(_text(frame.joints * (1000, -1000, -1000), 3) for frame in truths)]
        _save(folder / gesture / "joint.txt", "\n".join(lines) + "\n")
        for frame in truths:
            _save(folder / frame.name, _msra_image(frame.depth))
        written["test" if gesture.startswith(f"P{SUBJECT}/") else "train"] += truths
    return written


def _msra_image(depth: NDArray[np.float32]) -> bytes:
    """Return the size, the rectangle that holds the hand, and its depth in millimetres, 0 beside the hand."""
    rows, columns = np.nonzero(np.isfinite(depth))
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    patch = np.nan_to_num(1000 * depth[top:bottom, left:right])
    return struct.pack("<6i", depth.shape[1], depth.shape[0], left, top, right, bottom) + patch.astype("<f4").tobytes()


def hands2017(folder: Path, train: int = 8, test: int = 4, seed: int = 0) -> Written:
    """Write hands before a wall, whose left edge was not measured.

    Of the test split the joints are returned, but only boxes 20 pixels around them are written.
    """
    joints, depth = _hands(train + test, HANDS2017.intrinsics, seed)
    depth[:, :, 8:] = np.nan_to_num(depth[:, :, 8:], nan=0.9)
    order = [HAND21.joint_names.index(name) for name in _HANDS2017_ORDER]
    labels = {"train": "training/Training_Annotation.txt", "test": "frame/BoundingBox.txt"}
    images = {"train": "training/images", "test": "frame/images"}
    written: Written = {}
    for split, part in _splits(train):
        written[split] = _truths(f"{images[split]}/image_D{{:08d}}.png", joints[part], depth[part])
        lines = []
        for frame in written[split]:
            _save(folder / frame.name, _millimetres(frame.depth))
            pixels = _pixels(frame.joints, HANDS2017.intrinsics)
            box = np.stack((pixels.min(0) - 20, np.ptp(pixels, 0) + 40))
            values = 1000 * frame.joints[order] if split == "train" else box
            lines.append(f"{Path(frame.name).name} {_text(values, 4)}\n".replace(" ", "\t"))
        _save(folder / labels[split], "".join(lines))
    return written


def itop(folder: Path, train: int = 4, test: int = 4, seed: int = 0, view: View = "side") -> Written:
    """Write people in rooms without furniture, without the clouds and labels that nothing reads.

    Every fourth frame is not valid, and its joints are wrong.
    """
    joints, depth = _bodies(train + test, seed, view)
    people = np.arange(train + test) % 2
    written: Written = {}
    for split, part in _splits(train):
        ids = [f"{person + 4 * (split == 'train'):02d}_{index:05d}" for index, person in enumerate(people[part])]
        valid = np.arange(len(ids)) % 4 != 3
        pose = joints[part] + np.where(valid, 0, 0.5).astype(np.float16)[:, None, None]
        metres = np.where(depth[part] > 0, depth[part], np.float16(np.nan)).astype(np.float32)
        rows = zip(ids, pose.astype(np.float32), metres, valid.tolist(), strict=True)
        written[split] = [Truth(*row) for row in rows]
        labels = {"real_world_coordinates": pose * np.array([1, -1, 1], np.float16), "is_valid": valid.astype(np.uint8)}
        for kind, content in (("depth_map", {"data": depth[part]}), ("labels", labels)):
            folder.mkdir(parents=True, exist_ok=True)
            with h5py.File(folder / f"ITOP_{view}_{split}_{kind}.h5", "w") as file:
                file.update({"id": np.array(ids, "S8"), **content})
    return written


WRITERS: dict[str, Callable[..., Written]] = {
    "icvl": icvl,
    "nyu": nyu,
    "msra": msra,
    "hands2017": hands2017,
    "itop_side": itop,
    "itop_top": partial(itop, view="top"),
}


def _splits(train: int) -> tuple[tuple[Split, slice], ...]:
    return ("train", slice(0, train)), ("test", slice(train, None))


def _truths(name: str, joints: NDArray[np.float32], depth: NDArray[np.float32], first: int = 1) -> list[Truth]:
    return [Truth(name.format(first + index), *frame) for index, frame in enumerate(zip(joints, depth, strict=True))]


def _save(path: Path, content: str | bytes | NDArray[Any]) -> None:
    """Write a text, bytes, or an image as PNG, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, np.ndarray):
        Image.fromarray(content).save(path, compress_level=1)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def _millimetres(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.nan_to_num(1000 * depth).round().astype(np.uint16)


def _pixels(joints: NDArray[np.float32], camera: Intrinsics) -> NDArray[np.float64]:
    x, y, z = joints.astype(np.float64).T
    return np.stack((camera.cx + camera.fx * x / z, camera.cy + camera.fy * y / z), axis=-1)


def _text(values: NDArray[Any], digits: int) -> str:
    return " ".join(f"{value:.{digits}f}" for value in values.ravel())


def _hands(count: int, camera: Intrinsics, seed: int, near: float = 0.4, far: float = 0.55) -> Pose:
    """Render right hands alone in the middle of images.

    Returns:
        Joints [count, 21, 3] of hand21 and depth [count, H, W]: metres rounded to millimetres, NaN beside the hand.
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = [16] * (count // 16) + [count % 16] * (count % 16 > 0)  # larger batches take longer in all
    parts = [_hand_batch(size, camera, generator, near, far) for size in sizes]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _hand_batch(count: int, camera: Intrinsics, generator: torch.Generator, near: float, far: float) -> Pose:
    shape = sample_shape(count, generator)
    pose = sample_pose(shape, sample_families(count, generator), generator, near, far)
    joints, surface = pose_hand(shape, pose)
    # All joints in the picture: their mean within a tenth of the distance from the axis.
    center = joints.mean(1)
    wanted = center.clone()
    wanted[:, :2] = 0.1 * center[:, 2:] * (2 * torch.rand(count, 2, generator=generator) - 1)
    shift = (wanted - center)[:, None]
    cameras = image_cameras(count, replace(camera, fy=camera.fx))  # square pixels, to 0.2 % true of all datasets
    depth = render_spheres(Spheres(surface.centers + shift, surface.radii), cameras)
    millimetres = (1000 * depth).round()
    metres = torch.where(millimetres.isfinite(), millimetres / 1000, torch.nan)
    return (joints + shift).numpy(), metres.numpy()


def _bodies(count: int, seed: int, view: View) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Render people who are wholly in view: joints [count, 15, 3], and depth [count, H, W] up to 8 m, 0 beyond."""
    camera, generator = ITOP_SIDE.intrinsics, torch.Generator().manual_seed(seed)
    worlds = sample_body_worlds(
        40 * count, generator, view="top" if view == "top" else "front", near=2.0, far=3.5, empty=0.0
    )
    pixels = project(worlds.joints, camera)
    inside = ((pixels > 2) & (pixels < torch.tensor([camera.width, camera.height]) - 2)).all(-1).all(-1)
    worlds = _chosen(worlds, inside.nonzero()[:count, 0])
    assert len(worlds.joints) == count
    worlds = replace(worlds, boxes=replace(worlds.boxes, halves=0 * worlds.boxes.halves))  # nothing hides them
    depth = render_worlds(worlds, image_cameras(count, camera)).numpy()
    return worlds.joints.numpy().astype(np.float16), np.where(depth < 8, depth, 0).astype(np.float16)


def _chosen(part: Any, indices: torch.Tensor) -> Any:
    """Return some of the worlds, tensor by tensor."""
    if isinstance(part, torch.Tensor):
        return part[indices]
    return replace(part, **{name: _chosen(value, indices) for name, value in vars(part).items()})
