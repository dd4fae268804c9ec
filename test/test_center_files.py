# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Centre files in the published format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from v2v_ros.recorded.datasets.center_files import center_file_name, find_centers, read_centers, write_centers
from v2v_ros.recorded.datasets.dataset import DatasetError
from v2v_ros.recorded.datasets.specs import ICVL, ITOP_SIDE, ITOP_TOP, MSRA, NYU, SPECS, DatasetSpec

coordinates = st.one_of(st.just(float("nan")), st.floats(-10, 10, allow_subnormal=False))


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(0, 6), st.just(3)), elements=coordinates), st.sampled_from(list(SPECS)))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, centers: np.ndarray, name: str) -> None:
    path = tmp_path_factory.mktemp("centers") / "center.txt"
    write_centers(path, SPECS[name], centers)
    found = read_centers(path, SPECS[name], len(centers))
    # A frame whose centre is not whole has none.
    expected = np.where(np.isnan(centers).any(1)[:, None], np.nan, centers)
    assert found.dtype == np.float64 and found.shape == centers.shape
    assert np.allclose(found, expected, rtol=0, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize(
    ("spec", "line", "expected"),
    [
        (MSRA, "11.039422988892 -8.8311672210693 260.65124511719", (0.011039423, 0.0088311672, 0.2606512451)),
        (ICVL, "11.039422988892 -8.8311672210693 260.65124511719", (0.011039423, -0.0088311672, 0.2606512451)),
        (NYU, "1 2 3e2", (0.001, -0.002, 0.3)),
        (ITOP_SIDE, "0.25 -0.5 2.75", (0.25, 0.5, 2.75)),
    ],
)
def test_units_and_signs_are_those_of_the_dataset(
    tmp_path: Path, spec: DatasetSpec, line: str, expected: tuple[float, ...]
) -> None:
    path = tmp_path / "center.txt"
    path.write_text(f"{line}\ninvalid invalid invalid\n\n")
    centers = read_centers(path, spec, 2)
    assert np.allclose(centers[0], expected, rtol=0, atol=1e-9) and np.isnan(centers[1]).all()


def test_files_are_written_as_published(tmp_path: Path) -> None:
    path = tmp_path / "new" / "center_test_refined.txt"
    write_centers(path, NYU, np.array([[0.001, -0.002, 0.7], [0.0, np.nan, 0.7]]))
    assert path.read_text() == "1.000000 2.000000 700.000000\ninvalid invalid invalid\n"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n", r"expected 2 lines, one for each frame of nyu, found 1"),
        ("1 2 3\n1 2 3\n1 2 3\n", r"expected 2 lines.*found 3"),
        ("", r"expected 2 lines.*found 0"),
        ("1 2 3\n1 2\n", r"line 2: expected three numbers, or three times 'invalid', found 2 words"),
        ("1 2 3 4\n1 2 3\n", r"line 1: .*found 4 words"),
        ("1 2 3 4\n1 2\n", r"line 1: .*found 4 words"),
        ("1 2 3\n\n1 2 3\n", r"found 3"),
        ("\n1 2 3\n", r"line 1: .*found 0 words"),
        ("1 2 3\n1 2_0 3\n", r"line 2: .*found '1 2_0 3'"),
        ("1 2 3\n1 two 3\n", r"line 2: .*found '1 two 3'"),
        ("1 2 3\n1 invalid 3\n", r"line 2: .*found '1 invalid 3'"),
        ("invalid\n1 2 3\n", r"line 1: .*found 1 words"),
        ("nan nan nan\n1 2 3\n", r"line 1: .*found 'nan nan nan'"),
        ("1 2 inf\n1 2 3\n", r"line 1: .*found '1 2 inf'"),
    ],
)
def test_other_files_are_refused_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "center_train_refined.txt"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message) as error:
        read_centers(path, NYU, 2)
    assert str(path) in str(error.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"missing\.txt: cannot read the centre file: No such file"):
        read_centers(tmp_path / "missing.txt", NYU, 1)
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"binary\.txt: not a text file"):
        read_centers(tmp_path / "binary.txt", NYU, 1)


def test_centres_that_are_none_are_not_written(tmp_path: Path) -> None:
    for centers in (np.zeros((2, 2)), np.zeros(3), np.array([[0.0, np.inf, 1.0]])):
        with pytest.raises(ValueError, match=r"centres are \[F, 3\] numbers"):
            write_centers(tmp_path / "center.txt", NYU, centers)
    assert not list(tmp_path.iterdir())


def test_files_are_found_under_their_published_names(tmp_path: Path) -> None:
    def put(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    assert find_centers(NYU, tmp_path, "train") is None
    beside = put("center_train_refined.txt")
    assert find_centers(NYU, tmp_path, "train") == beside and find_centers(NYU, tmp_path, "test") is None
    inside = put("centers/center_train_refined.txt")
    assert find_centers(NYU, tmp_path, "train") == inside == find_centers(ICVL, tmp_path, "train")

    subject = put("centers/center_test_3_refined.txt")
    assert find_centers(MSRA, tmp_path, "test", 3) == subject and find_centers(MSRA, tmp_path, "test", 4) is None
    with pytest.raises(ValueError, match="test subject"):
        find_centers(MSRA, tmp_path, "test")

    assert find_centers(ITOP_SIDE, tmp_path, "train") is None
    shared = put("centers/center_train.txt")
    assert find_centers(ITOP_SIDE, tmp_path, "train") == shared
    top = put("centers/top/center_train.txt")
    assert center_file_name(ITOP_TOP, "test") == "center_test.txt" == center_file_name(ITOP_SIDE, "test")
    assert find_centers(ITOP_TOP, tmp_path, "train") == top and find_centers(ITOP_SIDE, tmp_path, "train") == shared
