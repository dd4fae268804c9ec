# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Whether the centre files of a dataset fit its frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .center_files import center_file_name, find_centers, read_centers
from .dataset import DatasetError, Split
from .frame_set import reference_points
from .specs import DatasetSpec

# A centre further from the middle of the joints than this, in edges of the cube, leaves most of the subject outside.
_FAR = 0.5


def check_centers(
    spec: DatasetSpec, folder: Path, joints: Mapping[str, NDArray[np.float32] | None], subject: int | None = None
) -> tuple[list[str], list[str], list[str], list[Path]]:
    """Read the centre files of a dataset.

    Args:
        joints: [F, J, 3] metres, by split or, for MSRA, by subject (``P0``); None: they could not all be read.
        subject: Subject of MSRA to look at; None: all.

    Returns:
        The files that fit, errors, warnings, and where every file that is not there is expected.
    """
    fitting: list[str] = []
    errors: list[str] = []
    warnings: list[str] = []
    missing: list[Path] = []
    for split, left_out, parts in _files(spec, joints, subject):
        expected = folder / "centers" / center_file_name(spec, split, left_out)
        try:
            path = find_centers(spec, folder, split, left_out)
        except OSError as error:
            errors.append(f"{expected}: cannot be read: {error.strerror}")
            continue
        if path is None:
            missing.append(expected)
            continue
        labels = [part for part in parts if part is not None]
        if not labels or len(labels) < len(parts):
            warnings.append(f"{path}: not checked, as labels are missing")
            continue
        truth = np.concatenate(labels) if len(labels) > 1 else labels[0]
        try:
            centers = read_centers(path, spec, len(truth))
        except DatasetError as error:
            errors.append(str(error))
            continue
        away = np.linalg.norm(centers - reference_points(truth), axis=1)
        known = away[np.isfinite(away)]
        if len(known) and np.median(known) > _FAR * spec.cube_edge:
            warnings.append(
                f"{path}: half of the centres are more than {np.median(known):.3g} m from the middle of their joints: "
                "is this the file of other frames, or does it use other units?"
            )
        else:
            fitting.append(str(path))
    return fitting, errors, warnings, missing


def _files(
    spec: DatasetSpec, joints: Mapping[str, NDArray[np.float32] | None], subject: int | None
) -> Iterator[tuple[Split, int | None, list[NDArray[np.float32] | None]]]:
    """Split, left-out subject and labels of every centre file that there can be."""
    splits: tuple[Split, ...] = ("train", "test")
    if spec.name != "msra":
        yield from ((split, None, [joints[split]]) for split in splits)
        return
    if subject is not None:
        yield "test", subject, [joints[f"P{subject}"]]
        return
    for left_out in range(len(joints)):
        yield "train", left_out, [part for name, part in joints.items() if name != f"P{left_out}"]
        yield "test", left_out, [joints[f"P{left_out}"]]
