# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Checks a dataset in a folder: everything that is missing or broken is found, not only the first problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...geometry.camera import Intrinsics
from . import labels
from .check_centers import check_centers
from .dataset import DatasetError, DepthDataset
from .image_files import find_files
from .msra import VERSIONS
from .parts import MSRA_FAULTY, MSRA_GESTURE_FRAMES, DatasetPart, LabelFile, parts_of, published_frames
from .projection import LabelFit
from .specs import get_spec

_NAMED = 3  # missing images, by name
_LISTED = 10  # problems of a kind
_PROJECTED = 200  # frames whose labels are compared with their depth
_LEFT_OUT = 0.01  # share of ICVL's images that may be missing, as from published copies; its reader skips them


@dataclass
class Group:
    """Frames that are counted together: of a split, or of a subject.

    Attributes:
        published: Number of frames in the published dataset; several where it has several versions.
        frames: Number of frames with labels.
        valid: Number of these that the protocol uses and that have an image.
        missing: Number of these without an image, or with one in a folder that cannot be read.
        whole: Whether all its labels could be read.
    """

    name: str
    published: tuple[int, ...]
    frames: int = 0
    valid: int = 0
    missing: int = 0
    whole: bool = True


class DatasetCheck:
    """The check of one dataset. Labels are read and folders listed at once, images with :meth:`decode`.

    Args:
        name: Name of the dataset.
        folder: Folder of the dataset.
        subject: Subject of MSRA to look at; None: all.
        intrinsics: Intrinsics in place of the published ones.
        frames: Number of images to decode, evenly spread; None: all.

    Attributes:
        errors: Messages about files that are missing or broken.
        warnings: Messages about content that differs from the published one.
        notes: Messages that are good to know.
        incomplete: Whether something of the dataset itself is missing or broken; centre files and intrinsics do not
            count.
        sample: Images to decode, each as a dataset and the place in it.

    Raises:
        DatasetError: MSRA has no such subject.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        subject: int | None = None,
        intrinsics: Intrinsics | None = None,
        frames: int | None = 200,
    ) -> None:
        self.spec, self.folder = get_spec(name), folder
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.centers: list[str] = []
        self._subject = subject
        self._fit = LabelFit(self.spec, intrinsics or self.spec.intrinsics)
        self._groups: dict[str, Group] = {}
        self._opened: dict[str, DepthDataset] = {}
        self._usable: list[tuple[DepthDataset, NDArray[np.intp]]] = []
        self._decoded = self._broken = self._bytes = 0
        self._closed: list[str] = []
        parts = parts_of(name, folder, subject)
        for part in parts:
            self._open(part, intrinsics)
        self._label_bytes = sum(_size(file.path) for part in parts for file in part.labels)
        self._count_frames()
        if self._closed:
            self.notes.append(f"because of the errors no images were decoded of {_names(self._closed)}")
        self.incomplete = bool(self.errors or self.warnings)
        if name == "msra":
            self._tell_version()
        self.sample = list(_spread(self._usable, frames))

    def decode(self, tick: Callable[[], object] = lambda: None) -> None:
        """Decode the sample, and look whether labels lie on the depth; ``tick`` is called after each image."""
        broken: list[str] = []
        empty: list[str] = []
        near, far = self.spec.measured
        each = max(1, len(self.sample) // _PROJECTED)
        for place, (dataset, index) in enumerate(self.sample):
            try:
                depth = dataset.depth(index)
            except DatasetError as error:
                broken.append(str(error))
            else:
                if not ((depth >= near) & (depth <= far)).any():
                    empty.append(dataset.frame_name(index))
                elif place % each == 0:
                    self._fit.add(depth, dataset.joints[index])
            self._bytes += _size(self.folder / dataset.frame_name(index))
            tick()
        self._decoded, self._broken = len(self.sample), len(broken)
        self.errors += _first(broken, "broken images")
        self.incomplete |= bool(broken or empty)
        if empty:
            self.warnings.append(f"{len(empty)} of {self._decoded} decoded images show nothing: {_names(empty)}")
        if warning := self._fit.warning():
            self.warnings.append(warning)

    def check_centers(self, required: bool = False) -> None:
        """Look whether the centre files fit.

        Args:
            required: Whether missing ones are errors.
        """
        joints: dict[str, NDArray[np.float32] | None] = {}
        for group in self._groups.values():
            found = [data.joints for name, data in self._opened.items() if name.split("/")[0] == group.name]
            joints[group.name] = _joined(found) if group.whole and found else None
        self.centers, errors, warnings, missing = check_centers(self.spec, self.folder, joints, self._subject)
        self.errors += errors
        self.warnings += warnings
        if missing and required:
            remedy = "there is no such centre file: put the released one there, or make it with 'v2v data centers'"
            self.errors += [f"{path}: {remedy}" for path in missing]
        elif missing:
            self.notes.append(
                f"centre files that are not there: {len(missing)} ({_names([path.name for path in missing])}); put the "
                f"released ones into '{self.folder / 'centers'}', or make them with 'v2v data centers'"
            )

    def result(self) -> dict[str, Any]:
        """Return what was found, as plain data."""
        return {
            "dataset": self.spec.name,
            "title": self.spec.title,
            "folder": str(self.folder),
            "source": self.spec.source,
            "groups": [asdict(group) for group in self._groups.values()],
            "decoded": self._decoded,
            "broken": self._broken,
            "labels_on_depth": self._fit.share,
            "centers": self.centers,
            "bytes": self._disk_bytes(),
            "errors": self.errors,
            "warnings": self.warnings,
            "notes": self.notes,
        }

    def _open(self, part: DatasetPart, intrinsics: Intrinsics | None) -> None:
        published = published_frames(self.spec.name, part.group)
        group = self._groups.setdefault(part.group, Group(part.group, published))
        try:
            dataset = part.open(intrinsics)
        except (DatasetError, OSError) as error:
            group.whole = False
            self._closed.append(part.name)
            found = [message for file in part.labels for message in bad_lines(file)] or [_told(error)]
            # Of a missing folder of a subject every gesture says the same.
            self.errors += [message for message in _first(found, "problems") if message not in self.errors]
            return
        self._opened[part.name] = dataset
        present, lost = np.ones(len(dataset), np.bool_), np.empty(0, np.intp)
        if not self.spec.name.startswith("itop"):  # whose images are in one file, which was opened
            present, lost, errors = _find_images(dataset)
            self.errors += errors
        group.frames += len(dataset)
        group.valid += int((dataset.valid & present).sum())
        group.missing += int((~present).sum())
        if len(lost):
            message = f"{part.name}: {len(lost)} of {len(dataset)} images are missing: " + _names(
                [dataset.frame_name(index) for index in lost[: _NAMED + 1].tolist()], len(lost)
            )
            tolerated = self.spec.name == "icvl" and len(lost) <= _LEFT_OUT * len(dataset)
            (self.warnings if tolerated else self.errors).append(message)
        self._usable.append((dataset, np.flatnonzero(dataset.valid & present)))

    def _count_frames(self) -> None:
        for group in self._groups.values():
            if group.whole and group.frames not in group.published:
                published = " or ".join(f"{count:,}" for count in group.published)
                self.warnings.append(f"{group.name}: {group.frames:,} of {published} frames")

    def _tell_version(self) -> None:
        counts = {name: len(dataset) for name, dataset in self._opened.items()}
        frames = tuple(group.frames for group in self._groups.values())
        version = next((name for name, published in VERSIONS.items() if published == frames), None)
        if version is not None:
            self.notes.append(f"this is the version {version}")
        short = [f"{name} {count}" for name, count in counts.items() if count != MSRA_GESTURE_FRAMES]
        if 0 < len(short) < len(counts) / 2:  # else the counts of the subjects tell enough
            self.notes.append(f"gestures that have not {MSRA_GESTURE_FRAMES} frames: {_names(short, shown=40)}")
        self.notes.append(MSRA_FAULTY)

    def _disk_bytes(self) -> int:
        """Return the bytes of all files that are read; those of single images are estimated from the decoded ones."""
        if self.spec.name.startswith("itop"):
            return sum(_size(path) for path in self.folder.glob(f"ITOP_{self.spec.name[5:]}_*"))
        images = sum(group.frames - group.missing for group in self._groups.values())
        return self._label_bytes + round(images * self._bytes / max(1, self._decoded))


def _find_images(dataset: DepthDataset) -> tuple[NDArray[np.bool_], NDArray[np.intp], list[str]]:
    """Look for the images of a dataset.

    Returns:
        bool [F] whether an image has its file, the indices of those that have none, and a message for every folder
        that cannot be listed; whether images are in there is not known.
    """
    names = [dataset.frame_name(index) for index in range(len(dataset))]
    present, unlisted = find_files(dataset.folder, names)
    lost = [index for index in np.flatnonzero(~present).tolist() if names[index].rpartition("/")[0] not in unlisted]
    return present, np.array(lost, np.intp), [_told(error) for error in unlisted.values()]


def _told(error: Exception) -> str:
    """Return the message of an error; the system's, such as a missing permission, name their file at the end."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: cannot be read: {error.strerror}"
    return str(error)


def _spread(
    usable: list[tuple[DepthDataset, NDArray[np.intp]]], count: int | None
) -> Iterator[tuple[DepthDataset, int]]:
    """Return at most a number of all frames, evenly spread; None: all."""
    total = sum(len(indices) for _, indices in usable)
    places = np.arange(total) if count is None or count >= total else np.linspace(0, total - 1, count).round()
    wanted = set(places.astype(int).tolist())
    first = 0
    for dataset, indices in usable:
        yield from ((dataset, index) for place, index in enumerate(indices.tolist(), first) if place in wanted)
        first += len(indices)


def _joined(arrays: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Concatenated; a single array is not copied, of a million labels it has 240 MB."""
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _first(messages: list[str], kind: str) -> list[str]:
    """Return the first of many messages, and how many there are."""
    more = len(messages) - _LISTED
    return messages[:_LISTED] + ([f"and {more} more {kind}"] if more > 0 else [])


def _names(names: list[str], count: int | None = None, shown: int = _NAMED) -> str:
    more = (len(names) if count is None else count) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def bad_lines(file: LabelFile) -> list[str]:
    """Return a message for every line that is not as it must be, and one if the file is missing or cannot be read."""
    try:
        if not file.path.exists():
            # Without its folder the reader's own message tells more.
            return [f"{file.path}: the label file is missing"] if file.path.parent.is_dir() else []
        return list(labels.bad_lines(file.path, file.columns, named=file.named, skip=file.skip))
    except OSError as error:
        return [f"{file.path}: cannot be read: {error.strerror}"]
