# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The parts of a dataset that can be checked one by one, and how many frames they have as published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from .dataset import DatasetError, DepthDataset, Split
from .msra import GESTURES, SUBJECTS, VERSIONS, read_depth, read_joints
from .registry import open_dataset
from .specs import MSRA, get_spec

MSRA_GESTURE_FRAMES = 500
"""Number of frames of a gesture without losses."""
MSRA_FAULTY = (
    "P2/TIP 172-174; P2/MP 173-175, 345-354, 356, 359, 360; P3/T 120, 489; P8/4 168: these images are known to be "
    "faulty; the published protocol keeps them"
)


@dataclass(frozen=True)
class LabelFile:
    """A text file of labels: :func:`~v2v_ros.recorded.datasets.labels.read_labels` has the meaning of the fields."""

    path: Path
    columns: int
    named: bool = True
    skip: int = 0


@dataclass(frozen=True)
class DatasetPart:
    """A part of a dataset.

    Attributes:
        name: Name, such as ``train`` or ``P3/IP``.
        group: Name of the group that its frames are counted in: a split or a subject.
        open: Function that opens it with the given intrinsics; None for the published ones.
        labels: Label files that are text.
    """

    name: str
    group: str
    open: Callable[[Intrinsics | None], DepthDataset]
    labels: tuple[LabelFile, ...] = ()


class MsraGesture(DepthDataset):
    """One gesture of a subject of MSRA."""

    def __init__(self, folder: Path, gesture: str, intrinsics: Intrinsics | None = None) -> None:
        joints = read_joints(folder, gesture)
        super().__init__(MSRA, folder, "test", joints, np.ones(len(joints), np.bool_), intrinsics)
        self._gesture = gesture

    def frame_name(self, index: int) -> str:
        return f"{self._gesture}/{range(len(self))[index]:06d}_depth.bin"

    def depth(self, index: int) -> NDArray[np.float32]:
        return read_depth(self.folder / self.frame_name(index), self.intrinsics.width, self.intrinsics.height)


def parts_of(name: str, folder: Path, subject: int | None = None) -> list[DatasetPart]:
    """Return the parts of a dataset, in its order.

    Args:
        subject: Subject of MSRA to look at; None: all.

    Raises:
        DatasetError: MSRA has no such subject.
    """
    if name == "msra":
        if subject is not None and subject not in SUBJECTS:
            raise DatasetError(f"MSRA has the subjects 0 to 8, there is no subject {subject}")
        return [
            DatasetPart(
                f"P{one}/{gesture}",
                f"P{one}",
                partial(MsraGesture, folder, f"P{one}/{gesture}"),
                (LabelFile(folder / f"P{one}/{gesture}/joint.txt", 63, named=False, skip=1),),
            )
            for one in (SUBJECTS if subject is None else [subject])
            for gesture in GESTURES
        ]
    splits: tuple[Split, ...] = ("train", "test")
    return [
        DatasetPart(split, split, partial(_open, name, folder, split), _labels(name, folder, split)) for split in splits
    ]


def published_frames(name: str, group: str) -> tuple[int, ...]:
    """Return how many frames a group of parts has; more than one number if there are several versions."""
    if name == "msra":
        return tuple(sorted({counts[int(group[1:])] for counts in VERSIONS.values()}))
    spec = get_spec(name)
    return (spec.train_frames if group == "train" else spec.test_frames,)


def _open(name: str, folder: Path, split: Split, intrinsics: Intrinsics | None) -> DepthDataset:
    return open_dataset(name, folder, split, intrinsics=intrinsics)


def _labels(name: str, folder: Path, split: Split) -> tuple[LabelFile, ...]:
    files = {
        ("icvl", "train"): [("Training/labels.txt", 48)],
        ("icvl", "test"): [("Testing/test_seq_1.txt", 48), ("Testing/test_seq_2.txt", 48)],
        ("hands2017", "train"): [("training/Training_Annotation.txt", 63)],
        ("hands2017", "test"): [("frame/BoundingBox.txt", 4)],
    }
    return tuple(LabelFile(folder / path, columns) for path, columns in files.get((name, split), []))
