"""Datasets by name."""

from __future__ import annotations

from pathlib import Path

from ...geometry.camera import Intrinsics
from .dataset import DatasetError, DepthDataset, Split
from .detect import find_datasets, has_dataset
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
        name: Of :data:`~v2v_ros.recorded.datasets.specs.SPECS`.
        folder: That was unpacked there.
        test_subject: Of MSRA, the subject to test on; None elsewhere.
        intrinsics: Instead of the published ones.
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
    from .cache import CachedDataset
    from .cache_parts import cache_part

    return CachedDataset(dataset, cache_part(cache, split, test_subject))


def _check_folder(spec: DatasetSpec, folder: Path) -> None:
    if not folder.exists():
        raise DatasetError(f"the folder '{folder}' does not exist: get {spec.title} from {spec.source} (docs/datasets)")
    if not folder.is_dir():
        raise DatasetError(f"'{folder}' is not a folder: name the one that {spec.title} was unpacked in")
    if not has_dataset(folder, spec.name):
        inside = [str(place) for name, place in find_datasets(folder) if name == spec.name]
        if inside:
            raise DatasetError(f"'{folder}' does not have the layout of {spec.name}: did you mean '{inside[0]}'?")
