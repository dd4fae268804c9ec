# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Peaks of heatmaps, found on a few cells and by operations of fixed size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from v2v_ros.model.heatmaps import decode, encode
from v2v_ros.model.peaks import FLOOR, dense_peaks, find_peaks

SIZE, SIGMA = 24, 1.3
place = st.tuples(*[st.floats(0.0, SIZE, width=32)] * 3)


def mixed(seed: int, noise: float = 0.01) -> torch.Tensor:
    """Heatmaps [2, 5, M, M, M] with three peaks each, some beyond the border, and noise."""
    generator = torch.Generator().manual_seed(seed)
    heatmaps = noise * torch.randn(2, 5, SIZE, SIZE, SIZE, generator=generator)
    for height in (0.8, 0.5, 0.3):
        where = (SIZE + 2) * torch.rand(2, 5, 3, generator=generator) - 1
        heatmaps += height * encode(where, SIZE, SIGMA)
    return heatmaps


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
def test_both_ways_find_the_same(seed: int, noise: float) -> None:
    heatmaps = mixed(seed, noise)
    found, expected = find_peaks(heatmaps, SIGMA, 4), dense_peaks(heatmaps, SIGMA, 4)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(first=place, second=place)
def test_peaks_come_by_height_and_the_first_is_what_decoding_finds(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> None:
    both = [encode(torch.tensor([[one]]), SIZE, SIGMA) for one in (first, second)]
    heatmaps = torch.maximum(0.9 * both[0], 0.5 * both[1])
    peaks = find_peaks(heatmaps, SIGMA, 16)
    coordinates, scores = decode(heatmaps, SIGMA)
    torch.testing.assert_close(peaks.places[:, :, 0], coordinates)
    torch.testing.assert_close(peaks.heights[:, :, 0], scores)
    assert (peaks.heights.diff(dim=-1) <= 0).all()
    if torch.dist(torch.tensor(first), torch.tensor(second)) > 6 * SIGMA:
        # Cells of the same height are peaks each: up to eight where a joint lies on a corner.
        assert (peaks.places[0, 0] - torch.tensor(second)).norm(dim=-1).min() < 0.3


def test_noise_is_no_peak_and_where_there_is_none_stands_the_middle() -> None:
    heatmaps = FLOOR * torch.rand(1, 2, SIZE, SIZE, SIZE)
    peaks = find_peaks(heatmaps, SIGMA, 2)
    assert not peaks.heights.any() and not peaks.spreads.any()
    assert (peaks.places == SIZE / 2).all() and (peaks.means == SIZE / 2).all()


def test_the_spread_of_a_gaussian_is_a_third_of_its_variance() -> None:
    peaks = find_peaks(encode(torch.tensor([[[10.2, 12.7, 9.9]]]), SIZE, SIGMA), SIGMA, 1)
    # The cube of a Gaussian has a third of its variance; less a little for what is below the floor.
    torch.testing.assert_close(peaks.spreads[0, 0, [0, 3, 5]], torch.full((3,), SIGMA**2 / 3), rtol=0.02, atol=0)
    assert peaks.spreads[0, 0, [1, 2, 4]].abs().max() < 0.01
    torch.testing.assert_close(peaks.means[0, 0], torch.tensor([10.2, 12.7, 9.9]), rtol=0, atol=0.02)


def test_heatmaps_that_are_not_finite_have_no_peaks() -> None:
    heatmaps = torch.full((1, 1, SIZE, SIZE, SIZE), torch.nan)
    assert not find_peaks(heatmaps, SIGMA, 2).heights.any()
