# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Signs that a file of joints was not read as it was meant: pixels for world coordinates, swapped axes, units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...recorded.datasets.specs import DatasetSpec
from .files import JointFile, ReadOptions, deproject

# Median length of all bones in metres: of the labels of ICVL, NYU and ITOP; hand21 has the proportions of an adult's.
_BONES = {"hand16": 0.028, "hand14": 0.057, "hand21": 0.029, "body15": 0.308}
_BONE_FACTOR = 1.6
_PAIR_FACTOR = 1.35  # ratio of predicted to true bones
_BODY_RANGE = (0.3, 8.0)
_SHARE = 0.05  # share of the joints that may lie anywhere
_CAMERA_SHARE = 0.02
_LARGE = 0.2  # share of the cube's edge; the medians of published methods are below a tenth


def check_intrinsics(spec: DatasetSpec, options: ReadOptions) -> list[str]:
    """Return whether given intrinsics are those of the dataset's camera."""
    if options.intrinsics is None:
        return []
    camera = spec.score_intrinsics
    size = (camera[0], camera[1], spec.intrinsics.width, spec.intrinsics.height)
    differ = [abs(a - b) / s > _CAMERA_SHARE for a, b, s in zip(options.intrinsics, camera, size, strict=True)]
    if not any(differ):
        return []
    return [
        f"--intrinsics {_numbers(options.intrinsics)} are not those of {spec.name}, {_numbers(camera)} "
        "(order: fx fy cx cy): the figures do not compare with published ones"
    ]


def check_file(file: JointFile, spec: DatasetSpec, options: ReadOptions, *, truth: bool = False) -> list[str]:
    """Return whether joints are in the image, at the dataset's depths, and as far from each other as people's are.

    Args:
        truth: Whether it is the file of the truth, which has options of its own.
    """
    joints = file.joints[file.valid]
    warnings = []
    prefix = "--truth-" if truth else "--"
    form, unit = f"{prefix}form", f"{prefix}unit"
    axis = "" if file.form == "uvd" else f"{prefix}y-axis, "
    camera = (options.intrinsics if file.form == "uvd" else None) or spec.score_intrinsics
    pixels = _project(joints, camera)
    width, height = spec.intrinsics.width, spec.intrinsics.height
    outside = ((pixels < 0) | (pixels >= (width, height)) | ~np.isfinite(pixels)).any(-1).mean()
    if outside > _SHARE:
        warnings.append(
            f"{outside:.0%} of the joints are outside of the {width}x{height} image when read as {_form(file)}: "
            f"check {form}, {unit}, {axis}--dataset"
        )
    near, far = spec.depth_range or _BODY_RANGE
    depths = joints[..., 2]
    off = ((depths < near) | (depths > far)).mean()
    if off > _SHARE:
        warnings.append(
            f"{off:.0%} of the depths are not from {near:g} to {far:g} m, where {spec.name} has its subjects: "
            f"check {unit}, {form}, --dataset"
        )
    bone, usual = bone_length(joints, spec), _BONES[spec.skeleton.name]
    if not usual / _BONE_FACTOR < bone < usual * _BONE_FACTOR:
        warnings.append(
            f"the median bone is {1000 * bone:.0f} mm when read as {_form(file)}, about {1000 * usual:.0f} mm are "
            f"usual: check {form}, --intrinsics, and the order of the joints"
        )
    return [f"{file.path}: {warning}" for warning in warnings]


def check_pair(
    files: tuple[JointFile, JointFile],
    joints: NDArray[np.float64],
    truth: NDArray[np.float64],
    spec: DatasetSpec,
    options: tuple[ReadOptions, ReadOptions],
) -> list[str]:
    """Return whether frames are missed, and whether the others would fit the truth much better if they were read
    otherwise.

    Args:
        files: Files of the prediction and of the truth.
        joints, truth: float64 [F, J, 3] metres, predicted and true joints as
            :func:`~v2v_ros.evaluation.predictions.files.match` returns them.
        options: Options by which both were read.
    """
    warnings = []
    missed = np.isnan(joints).any((1, 2))
    if missed.any():
        first = int(np.flatnonzero(files[1].valid)[np.argmax(missed)])
        names = files[1].names
        warnings.append(
            f"{missed.sum()} of the {len(truth)} frames that have a truth are missed ('invalid'), the first of them "
            f"{f'line {files[1].lines[first]} of the truth' if names is None else names[first]}: they count as "
            "failures and are left out of the mean, so that it compares with no published one"
        )
    joints, truth = joints[~missed], truth[~missed]
    if not len(joints):
        return [f"{files[0].path}: {warning}" for warning in warnings]
    ratio = bone_length(joints, spec) / bone_length(truth, spec)
    if not 1 / _PAIR_FACTOR < ratio < _PAIR_FACTOR:
        warnings.append(
            f"its bones have {ratio:.2f} times the length of the truth's: other intrinsics, form or order of joints?"
        )
    pixels, depth = _project(joints, spec.score_intrinsics), joints[..., 2:]
    others = {
        "with u and v (columns and rows) swapped": deproject(
            np.concatenate([pixels[..., ::-1], depth], -1), spec.score_intrinsics
        ),
        _other_axis(files, spec, options): joints * np.array([1.0, -1.0, 1.0]),
    }
    error = _median_error(joints, truth)
    if error > _LARGE * spec.cube_edge:
        warnings.append(
            f"the median error is {1000 * error:.0f} mm: check --form, --truth-form, the order of joints and frames"
        )
    for reading, other in others.items():
        better = _median_error(other, truth)
        if better < error / 2:
            warnings.append(
                f"{reading} the median error would be {1000 * better:.1f} instead of {1000 * error:.1f} mm: "
                "is the file as it was meant?"
            )
    return [f"{files[0].path}: {warning}" for warning in warnings]


def _other_axis(files: tuple[JointFile, JointFile], spec: DatasetSpec, options: tuple[ReadOptions, ReadOptions]) -> str:
    """Return what turns the y axis of the prediction, or else of the truth."""
    remedies = []
    for file, read_as, flag in zip(files, options, ("--y-axis", "--truth-y-axis"), strict=True):
        if file.form in ("world", "submission"):
            up = spec.y_up if read_as.y_up is None else read_as.y_up
            remedies.append(f"{flag} {'down' if up else 'up'}")
    return f"with the y axis the other way ({' or '.join(remedies) or 'rows counted from below'})"


def bone_length(joints: NDArray[np.float64], spec: DatasetSpec) -> float:
    """Median length of all bones of joints [F, J, 3]."""
    parents, children = np.array(spec.skeleton.bones).T
    return float(np.median(np.linalg.norm(joints[:, parents] - joints[:, children], axis=-1)))


def _project(joints: NDArray[np.float64], camera: tuple[float, float, float, float]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return joints[..., :2] / joints[..., 2:] * np.array(camera[:2]) + np.array(camera[2:])


def _median_error(joints: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return float(np.median(np.linalg.norm(joints - truth, axis=-1)))


def _form(file: JointFile) -> str:
    return f"{'u v d' if file.form == 'uvd' else 'world coordinates'} in {file.unit}"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
