# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Datasets by name."""

from __future__ import annotations

from pathlib import Path

from ...geometry.camera import Intrinsics
from .dataset import DatasetError, DepthDataset, Split
from .specs import DatasetSpec, get_spec


def open_dataset(
    name: str,
    folder: Path,
    split: Split,
    *,
    test_subject: int | None = None,
    intrinsics: Intrinsics | None = None,
    cache: Path | None = None,
) -> DepthDataset:
    """Open a split of a dataset.

    Args:
        name: Name of the dataset, one of :data:`~v2v_ros.recorded.datasets.specs.SPECS`.
        folder: Folder that the dataset was unpacked in.
        test_subject: Subject of MSRA to test on; None for other datasets.
        intrinsics: Intrinsics in place of the published ones.
        cache: Folder that 'v2v data cache' wrote, or the cache of this split in it; images are read from there.

    Raises:
        ValueError: There is no such dataset.
        DatasetError: The folder is missing, or what is in it is not the dataset's; the cache is not this split's.
    """
    spec = get_spec(name)
    _check_folder(spec, folder)
    dataset: DepthDataset
    if spec.name == "msra":
        from .msra import MsraDataset

        if test_subject is None:
            raise DatasetError("msra is tested on one subject and trained on the other eight: say which (--subject)")
        dataset = MsraDataset(folder, split, test_subject=test_subject, intrinsics=intrinsics)
    elif spec.name == "icvl":
        from .icvl import IcvlDataset

        dataset = IcvlDataset(folder, split, intrinsics=intrinsics)
    elif spec.name == "hands2017":
        from .hands2017 import Hands2017Dataset

        dataset = Hands2017Dataset(folder, split, intrinsics=intrinsics)
    elif spec.name == "nyu":
        from .nyu import NyuDataset

        dataset = NyuDataset(folder, split, intrinsics=intrinsics)
    else:
        from .itop import ItopDataset

        dataset = ItopDataset(folder, split, view="side" if spec.name == "itop_side" else "top", intrinsics=intrinsics)
    if cache is None:
        return dataset
    from .cache import CachedDataset, cache_part

    return CachedDataset(dataset, cache_part(cache, split, test_subject))


def _check_folder(spec: DatasetSpec, folder: Path) -> None:
    if not folder.exists():
        raise DatasetError(
            f"the folder '{folder}' does not exist: get {spec.title} from {spec.source} (docs/datasets.md)"
        )
    if not folder.is_dir():
        raise DatasetError(f"'{folder}' is not a folder: name the one that {spec.title} was unpacked in")
    if not has_dataset(folder, spec.name):
        inside = [str(place) for name, place in find_datasets(folder) if name == spec.name]
        if inside:
            raise DatasetError(f"'{folder}' does not have the layout of {spec.name}: did you mean '{inside[0]}'?")


# Any of the files or folders tells a dataset, so that one that is not complete is found as well.
LAYOUTS: dict[str, tuple[str, ...]] = {
    "icvl": ("Training/labels.txt", "Training/Depth", "Testing/test_seq_?.txt", "Testing/Depth"),
    "nyu": (*(f"{split}/{file}" for split in ("train", "test") for file in ("joint_data.mat", "depth_1_0000001.png")),),
    "msra": ("P[0-8]/*/joint.txt", "P[0-8]/*/000000_depth.bin"),
    "hands2017": ("training/Training_Annotation.txt", "training/images", "frame/BoundingBox.txt", "frame/images"),
    "itop_side": ("ITOP_side_*.h5", "ITOP_side_*.h5.gz"),
    "itop_top": ("ITOP_top_*.h5", "ITOP_top_*.h5.gz"),
}
"""Patterns of the paths in a dataset's folder, by name of the dataset."""


def find_datasets(folder: Path) -> list[tuple[str, Path]]:
    """Return names and folders of the datasets in a folder and in the folders in it."""
    folders = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    return [(name, place) for place in folders for name in LAYOUTS if has_dataset(place, name)]


def has_dataset(folder: Path, name: str) -> bool:
    """Return whether this dataset, or a part of it, is in a folder itself."""
    return any(next(folder.glob(pattern), None) is not None for pattern in LAYOUTS[name])
