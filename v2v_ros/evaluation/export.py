"""Test sets as files that any program can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from ..io.files import write_atomically
from .synthetic_sets import MM_PER_UNIT, PART, SyntheticSet, generate


def write_set(
    test_set: SyntheticSet, folder: Path, samples: int | None = None, tick: Callable[[], object] = lambda: None
) -> list[str]:
    """Write a test set as a frame list (``frames.json``, docs/formats.md) and its labels (``truth.json``).

    The labels are ``{"skeleton", "joint_names", "frames": [{"id", "joints_mm", "center_mm", "side", "sensor",
    "view"}]}``; without a subject ``joints_mm`` and ``side`` are null. Crops have ``center_mm`` in the frame list too:
    the middle of the cube that the pose network is shown.

    Returns:
        The hashes of its parts, as :func:`~v2v_ros.evaluation.synthetic_sets.is_recorded` takes them.

    Raises:
        OSError: A file cannot be written.
        RuntimeError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise RuntimeError("to write depth images needs Pillow: pip install pillow") from error
    records: list[dict[str, Any]] = []
    truths: list[dict[str, Any]] = []
    hashes: list[str] = []
    for part in generate(test_set, samples):
        for index, units in enumerate(part.units):
            name = f"{test_set.name}_{len(records):04}"
            png = BytesIO()
            Image.fromarray(units).save(png, "PNG")
            write_atomically(folder / "depth" / f"{name}.png", png.getvalue())
            camera = part.intrinsics(index)
            record: dict[str, Any] = {
                "id": name,
                "path": f"depth/{name}.png",
                "mm_per_unit": MM_PER_UNIT,
                "K": {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy},
            }
            if test_set.form == "crops":
                record["center_mm"] = (1000 * part.cube_centers[index].double()).tolist()
            records.append(record)
            present = not part.joints[index].isnan().any()
            side = ("left" if part.left[index] else "right") if present and test_set.skeleton.kind == "hand" else None
            truths.append(
                {
                    "id": name,
                    "joints_mm": (1000 * part.joints[index].double()).tolist() if present else None,
                    "center_mm": (1000 * part.centers[index].double()).tolist() if present else None,
                    "side": side,
                    "sensor": part.sensor,
                    "view": part.view or None,
                }
            )
        if len(part.units) == PART or len(records) == test_set.samples:
            hashes.append(part.hash())
        tick()
    skeleton = test_set.skeleton
    truth = {"skeleton": skeleton.name, "joint_names": list(skeleton.joint_names), "frames": truths}
    for file, content in (("frames.json", {"frames": records}), ("truth.json", truth)):
        write_atomically(folder / file, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    return hashes
