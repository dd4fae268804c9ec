# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Files of joints, as researchers publish them: read to metres in the optical frame, and written.

One frame a line, three numbers per joint in the dataset's joint order. The forms:

- ``uvd``: column and row in pixels (0-based) and depth, in the order of the test set
  (github.com/xinghaochen/awesome-hand-pose-estimation); mm, metres for ITOP.
- ``world``: x y z in the dataset's world frame (y up where the dataset has it so), mm or metres.
- ``submission``: the file's name, then world mm, as the HANDS 2017 challenge takes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from ...io.files import write_atomically
from ...recorded.datasets.dataset import DatasetError
from ...recorded.datasets.hands2017 import JOINT_ORDER
from ...recorded.datasets.registry import open_dataset
from ...recorded.datasets.specs import HANDS2017, DatasetSpec
from .lines import PredictionFileError, parse

FORMS = ("uvd", "world", "submission")
_UNITS = {"mm": 1e-3, "m": 1.0}
_METRES_BELOW = 20.0  # a median depth below is in metres, above in millimetres
_WORLD_SHARE = 0.2  # share of joints left of or above an image that tells world coordinates from pixels


@dataclass(frozen=True)
class JointFile:
    """Content of a file of joints.

    Attributes:
        path: Path of the file; of more than two in a row, that of the first and the number of the others.
        joints: float64 [F, J, 3] metres in the optical frame, in the skeleton's joint order; NaN in frames marked
            ``invalid``.
        names: Names of the frames, if the file has them.
        lines: Line number of every frame.
        form: One of ``FORMS``; ``dataset`` for the labels of a dataset itself.
        unit: ``mm`` or ``m``.
    """

    path: str
    joints: NDArray[np.float64]
    names: tuple[str, ...] | None
    lines: tuple[int, ...]
    form: str
    unit: str

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """bool [F], False where the file says ``invalid``."""
        return ~np.isnan(self.joints[:, 0, 0])


@dataclass(frozen=True)
class ReadOptions:
    """Options of reading files of joints.

    Attributes:
        form: One of ``FORMS``; ``auto``: told by the signs, as pixels are not negative and world coordinates are.
        unit: ``mm`` or ``m``; ``auto``: told by the magnitude of the depths.
        y_up: Whether the y axis of world coordinates points up; None: as in the dataset.
        intrinsics: (fx, fy, cx, cy) for ``u v d``; None: those that the community scores with.
    """

    form: str = "auto"
    unit: str = "auto"
    y_up: bool | None = None
    intrinsics: tuple[float, float, float, float] | None = None


def read(path: Path, spec: DatasetSpec, options: ReadOptions | None = None) -> JointFile:
    """Read a file of joints; separators are spaces, tabs, commas or semicolons, a name or an index may lead a line.

    Raises:
        PredictionFileError: It is not what was expected.
        OSError: It cannot be read.
    """
    options = options or ReadOptions()
    lines, names, values = parse(path, spec)
    found = values[~np.isnan(values[:, 0, 0])]
    if not len(found):
        raise PredictionFileError(f"{path}: no frame with joints; expected one frame a line")
    form = options.form if options.form != "auto" else _tell_form(found, names, spec)
    if form == "submission" and spec.name != "hands2017":
        raise PredictionFileError(f"{path}: submissions are of hands2017, not of {spec.name}: use --form uvd or world")
    if form == "submission" and names is None:
        raise PredictionFileError(
            f"{path}: a submission has the image's name before the numbers of a line, as in "
            "'frame/images/image_D00000001.png'; use --form world for files without"
        )
    unit = options.unit
    if unit == "auto":
        unit = "m" if np.median(np.abs(found[..., 2])) < _METRES_BELOW else "mm"
    metres = _UNITS[unit]
    if form == "uvd":
        joints = deproject(values, options.intrinsics or spec.score_intrinsics, metres)
    else:
        y_up = options.y_up if options.y_up is not None else spec.y_up
        # MSRA's own files look along the negative z axis.
        behind = np.median(found[..., 2]) < 0
        joints = values * (metres * np.array([1.0, -1.0 if y_up else 1.0, -1.0 if behind else 1.0]))
    return JointFile(str(path), joints[:, file_order(spec)], names, lines, form, unit)


def join(files: Sequence[JointFile]) -> JointFile:
    """Files one after another as one, such as ICVL's labels of its two test sequences."""
    if len(files) == 1:
        return files[0]
    names: tuple[str, ...] | None = None
    if all(file.names is not None for file in files):
        names = tuple(name for file in files for name in file.names or ())
        places = [f"{file.path}, line {line}" for file in files for line in file.lines]
        first: dict[str, str] = {}
        for name, place in zip(names, places, strict=True):
            if name in first:
                raise PredictionFileError(f"{place}: '{name}' was already in {first[name]}: leave one of them out")
            first[name] = place
    return replace(
        files[0],
        path=" + ".join(file.path for file in files)
        if len(files) == 2
        else f"{files[0].path} and {len(files) - 1} more",
        joints=np.concatenate([file.joints for file in files]),
        names=names,
        lines=tuple(line for file in files for line in file.lines),
    )


def match(prediction: JointFile, truth: JointFile) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the frames that have a truth, by name where both have names, otherwise by line.

    Frames that the truth calls invalid, or has no line for, are left out; a prediction may have a line for them or not.
    Frames that the prediction calls invalid, although they have a truth, are missed: the joints are NaN, for which
    :func:`~v2v_ros.evaluation.metrics.joint_errors` gives infinity.

    Returns:
        Predicted and true joints, float64 [F, J, 3] each, in the order of the truth.

    Raises:
        PredictionFileError: The frames differ.
    """
    valid = truth.valid
    if prediction.names is not None and truth.names is not None:
        rows = _rows_by_name(prediction, truth)
    elif len(prediction) == len(truth):
        rows = np.arange(len(truth))[valid]
    elif len(prediction) == valid.sum():
        rows = np.arange(len(prediction))
    elif valid.all() and prediction.valid.sum() == len(truth):
        rows = np.flatnonzero(prediction.valid)
    else:
        left_out = len(truth) - int(valid.sum())
        invalid = f" ({left_out} of them invalid, which may be left out)" if left_out else ""
        raise PredictionFileError(
            f"{prediction.path}: {len(prediction)} frames, but the truth {truth.path} has {len(truth)}{invalid}: "
            "both need one line for every frame, in the same order; score a part of a test set against the same "
            "part of the truth"
        )
    return prediction.joints[rows], truth.joints[valid]


def write_uvd(
    path: Path, joints: NDArray[np.floating], spec: DatasetSpec, intrinsics: Intrinsics | None = None
) -> None:
    """Write joints as ``u v d`` in the dataset's unit.

    Args:
        joints: [F, J, 3] metres in the optical frame, in the skeleton's joint order, in the order of the test set;
            frames that are all NaN become a line ``invalid``.
        intrinsics: Intrinsics by which the joints were measured, so that they come back to the pixels where they were
            seen; None: those that the community scores with.

    Raises:
        ValueError: A joint is not finite, though others of its frame are, or not before the camera.
    """
    known = ~np.isnan(joints).all((1, 2))
    points = _checked(joints[known])
    if not (points[..., 2] > 0).all():
        raise ValueError("joints behind the camera have no pixel")
    fx, fy, cx, cy = spec.score_intrinsics
    if intrinsics is not None:
        fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
    x, y, z = np.moveaxis(points[:, np.argsort(file_order(spec))], -1, 0)
    depth = z * 1000 / spec.millimetres_per_unit
    rows = np.stack([fx * x / z + cx, fy * y / z + cy, depth], -1).reshape(len(points), -1)
    digits = 4 if spec.millimetres_per_unit == 1 else 7
    texts = (" ".join(f"{value:.{digits}f}" for value in row) for row in rows.tolist())
    _write(path, (next(texts) if each else "invalid" for each in known.tolist()))


def write_submission(path: Path, names: Sequence[str], joints: NDArray[np.floating]) -> None:
    """Write a submission to the HANDS 2017 challenge.

    Args:
        names: Names of the frames, such as ``frame/images/image_D00000001.png``.
        joints: [F, 21, 3] metres in the optical frame, in the order of HAND21.

    Raises:
        ValueError: A joint is not finite, or the numbers of names and frames differ.
    """
    if len(names) != len(joints):
        raise ValueError(f"{len(names)} names, but {len(joints)} frames: every frame needs its name")
    rows = 1000 * _checked(joints)[:, np.argsort(file_order(HANDS2017))].reshape(len(joints), -1)
    pairs = zip(names, rows.tolist(), strict=True)
    _write(path, (name + "\t" + "\t".join(f"{value:.4f}" for value in row) for name, row in pairs))


def file_order(spec: DatasetSpec) -> NDArray[np.intp]:
    """Return for every joint of the skeleton its index in the dataset's files."""
    return np.array(JOINT_ORDER if spec.name == "hands2017" else range(len(spec.skeleton.joint_names)))


def deproject(
    uvd: NDArray[np.float64], intrinsics: tuple[float, float, float, float], metres: float = 1.0
) -> NDArray[np.float64]:
    """Return points [..., 3] in the optical frame, metres, of pixels and depths [..., 3].

    Args:
        uvd: float64 [..., 3], column and row in pixels, and depth along z.
        intrinsics: (fx, fy, cx, cy) in pixels.
        metres: Metres that one unit of the depths stands for.
    """
    fx, fy, cx, cy = intrinsics
    u, v, depth = np.moveaxis(uvd, -1, 0)
    z = depth * metres
    return np.stack([(u - cx) * z / fx, (v - cy) * z / fy, z], -1)


def _tell_form(values: NDArray[np.float64], names: tuple[str, ...] | None, spec: DatasetSpec) -> str:
    metric = np.abs(values[..., :2]).max() < _METRES_BELOW and spec.intrinsics.width > 2 * _METRES_BELOW
    negative = (values[..., :2] < 0).any(-1).mean()
    if not metric and negative < _WORLD_SHARE and np.median(values[..., 2]) > 0:
        return "uvd"
    return "submission" if spec.name == "hands2017" and names is not None else "world"


def _rows_by_name(prediction: JointFile, truth: JointFile) -> NDArray[np.int64]:
    assert prediction.names is not None and truth.names is not None
    keys = _same_folders(list(prediction.names), list(truth.names))
    index = {name: row for row, name in enumerate(keys[0])}
    remedy = "frames are matched by their names, since both files have them; remove the names to match them by line"
    wanted = [name for name, valid in zip(keys[1], truth.valid, strict=True) if valid]
    missing = [name for name in wanted if name not in index]
    if missing:
        raise PredictionFileError(
            f"{prediction.path}: {len(missing)} of the {len(wanted)} frames of the truth {truth.path} are missing, "
            f"the first is '{missing[0]}' ({remedy})"
        )
    known = set(keys[1])
    for row, name in enumerate(keys[0]):
        if name not in known:
            raise PredictionFileError(
                f"{prediction.path}, line {prediction.lines[row]}: '{name}' is not in the truth {truth.path} ({remedy})"
            )
    return np.array([index[name] for name in wanted])


def _same_folders(*names: list[str]) -> list[list[str]]:
    """Return names with the first of their folders taken off, as many as it takes until some are in both lists."""
    folders = max(name.count("/") for each in names for name in each)
    for kept in range(folders, -1, -1):
        short = [["/".join(name.split("/")[-1 - kept :]) for name in each] for each in names]
        if set(short[0]) & set(short[1]) and all(len(set(each)) == len(each) for each in short):
            return short
    return list(names)


def _checked(joints: NDArray[np.floating]) -> NDArray[np.float64]:
    points = np.asarray(joints, np.float64)
    if not np.isfinite(points).all():
        raise ValueError("a frame has joints that are not finite: leave it out")
    return points


def _write(path: Path, lines: Iterator[str]) -> None:
    write_atomically(path, "".join(line + "\n" for line in lines).encode())


def dataset_truth(
    spec: DatasetSpec,
    folder: Path,
    subjects: Sequence[int | None] = (None,),
    intrinsics: tuple[float, float, float, float] | None = None,
) -> JointFile:
    """Return the test split of a dataset, as a file of its labels would have it.

    Args:
        folder: Folder of the dataset.
        subjects: Test subjects of MSRA, in the order of the frames.
        intrinsics: (fx, fy, cx, cy) for labels that are ``u v d``; None: those that the community scores with.

    Returns:
        All frames of the split, with their names; the joints of those that the protocol leaves out are NaN.

    Raises:
        DatasetError: The dataset cannot be opened, or its test labels are not published.
    """
    if not spec.test_labels:
        raise DatasetError(f"the test labels of {spec.name} are not published: name a file of labels with --truth")
    camera = Intrinsics(*(intrinsics or spec.score_intrinsics), spec.intrinsics.width, spec.intrinsics.height)
    splits = [open_dataset(spec.name, folder, "test", test_subject=one, intrinsics=camera) for one in subjects]
    joints = [np.where(split.valid[:, None, None], split.joints, np.nan).astype(np.float64) for split in splits]
    names = tuple(split.frame_name(index) for split in splits for index in range(len(split)))
    lines = tuple(range(1, len(names) + 1))
    return JointFile(f"the test split in {folder}", np.concatenate(joints), names, lines, "dataset", "m")
