"""Which datasets lie in a folder."""

from __future__ import annotations

from pathlib import Path

# Any of the files or folders tells a dataset, so that one that is not complete is found as well.
LAYOUTS: dict[str, tuple[str, ...]] = {
    "icvl": ("Training/labels.txt", "Training/Depth", "Testing/test_seq_?.txt", "Testing/Depth"),
    "nyu": (*(f"{split}/{file}" for split in ("train", "test") for file in ("joint_data.mat", "depth_1_0000001.png")),),
    "msra": ("P[0-8]/*/joint.txt", "P[0-8]/*/000000_depth.bin"),
    "hands2017": ("training/Training_Annotation.txt", "training/images", "frame/BoundingBox.txt", "frame/images"),
    "itop_side": ("ITOP_side_*.h5", "ITOP_side_*.h5.gz"),
    "itop_top": ("ITOP_top_*.h5", "ITOP_top_*.h5.gz"),
}
"""What a folder with a dataset has, as patterns of paths."""


def find_datasets(folder: Path) -> list[tuple[str, Path]]:
    """Names and folders of the datasets in a folder and in the folders in it."""
    folders = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    return [(name, place) for place in folders for name in LAYOUTS if has_dataset(place, name)]


def has_dataset(folder: Path, name: str) -> bool:
    """Whether this dataset, or a part of it, is in a folder itself."""
    return any(next(folder.glob(pattern), None) is not None for pattern in LAYOUTS[name])
