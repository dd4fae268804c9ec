# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The labels of a dataset itself as the truth for files of joints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...geometry.camera import Intrinsics
from ...recorded.datasets.dataset import DatasetError
from ...recorded.datasets.registry import open_dataset
from ...recorded.datasets.specs import DatasetSpec
from .files import JointFile


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
