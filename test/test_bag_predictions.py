"""``v2v predict`` of bags as cameras and recorders make them: joints are where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed")

from recordings import cut, errors, predict, rendered, shots, write

ROI = (80, 60, 480, 360)


@pytest.mark.parametrize(
    ("step", "info"),
    [
        (1, {"roi": ROI, "width": 480, "height": 360}),
        (2, {"binning_x": 2, "binning_y": 2, "width": 0, "height": 0}),
        (2, {"binning_x": 2, "binning_y": 2, "roi": ROI}),
    ],
)
def test_regions_of_interest_and_binning(tmp_path: Path, step: int, info: dict[str, Any]) -> None:
    recording = [cut(shot, info.get("roi", (0, 0, 640, 480)), step, info) for shot in shots(2)]
    assert np.nanmean(errors(predict(write(tmp_path / "bag", recording)), rendered(2))) < 12
