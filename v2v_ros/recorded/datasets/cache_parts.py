"""Caches of the splits of a dataset, side by side in one folder."""

from __future__ import annotations

from pathlib import Path

from .dataset import Split


def cache_part(folder: Path, split: Split, test_subject: int | None = None) -> Path:
    """Where the cache of a split is in a folder that 'v2v data cache' wrote; the folder itself if it is a cache.

    Args:
        test_subject: Of datasets that are split by leaving one subject out.
    """
    if (folder / "header.json").is_file():
        return folder
    return folder / (split if test_subject is None else f"{split}_{test_subject}")
