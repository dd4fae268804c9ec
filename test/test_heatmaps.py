# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Our encode and decode, and the paper's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from v2v_ros.model.heatmaps import covariance, decode, encode
from v2v_ros.model.paper import Augmentation, PaperGeometry
from v2v_ros.model.voxels import occupancy

SIZE, SIGMA = 44, 1.7
inside = st.floats(0, SIZE, width=32)


@settings(deadline=None)
@given(joint=st.tuples(inside, inside, inside), sigma=st.sampled_from([1.0, 1.3, 1.7, 2.5]))
def test_decode_inverts_encode_within_a_hundredth_of_a_voxel(joint: tuple[float, float, float], sigma: float) -> None:
    coordinates = torch.tensor([[joint]])
    decoded, scores = decode(encode(coordinates, SIZE, sigma), sigma)
    # A voxel is half a heatmap cell.
    assert (decoded - coordinates).abs().max() < 0.005
    assert 0.4 < scores.item() <= 1.0


@settings(deadline=None)
@given(joint=st.tuples(inside, inside, inside), factor=st.floats(0.05, 0.9))
def test_decode_does_not_depend_on_the_height_of_the_peak(joint: tuple[float, float, float], factor: float) -> None:
    coordinates = torch.tensor([[joint]])
    decoded, _ = decode(factor * encode(coordinates, SIZE, SIGMA), SIGMA)
    assert (decoded - coordinates).abs().max() < 0.005


def test_a_joint_just_outside_the_grid_is_decoded_too() -> None:
    coordinates = torch.tensor([[[-0.7, 20.3, SIZE + 0.6]]])
    decoded, _ = decode(encode(coordinates, SIZE, SIGMA), SIGMA)
    assert (decoded - coordinates).abs().max() < 0.02


@pytest.mark.parametrize("shift", [(1, 0, 0), (0, -2, 0), (3, 1, -4)])
def test_moving_the_joints_by_whole_cells_moves_the_result_by_just_that(shift: tuple[int, int, int]) -> None:
    joints = torch.tensor([[[20.37, 18.11, 25.9], [13.5, 30.0, 9.77]]])
    still, _ = decode(encode(joints, SIZE, SIGMA), SIGMA)
    moved, _ = decode(encode(joints + torch.tensor(shift), SIZE, SIGMA), SIGMA)
    assert torch.allclose(moved - still, torch.tensor(shift).float().expand_as(still), atol=1e-4)


def test_an_absent_joint_has_an_empty_target_and_no_score() -> None:
    joints = torch.tensor([[[20.0, 20.0, torch.nan], [10.0, 10.0, 10.0]]])
    heatmaps = encode(joints, SIZE, SIGMA)
    assert heatmaps[0, 0].abs().max() == 0
    decoded, scores = decode(heatmaps, SIGMA)
    assert scores[0, 0] == 0 and scores[0, 1] > 0.8
    assert decoded.isfinite().all()


def test_noise_and_negative_values_neither_break_nor_move_the_result_far() -> None:
    generator = torch.Generator().manual_seed(0)
    joints = 6 + 32 * torch.rand(4, 21, 3, generator=generator)
    noisy = encode(joints, SIZE, SIGMA) + 0.02 * torch.randn(4, 21, SIZE, SIZE, SIZE, generator=generator)
    decoded, _ = decode(noisy, SIGMA)
    assert (decoded - joints).abs().max() < 0.25
    decoded, scores = decode(-torch.ones(1, 2, 8, 8, 8), SIGMA)
    assert decoded.isfinite().all() and (scores == 0).all()


@settings(deadline=None, max_examples=30)
@given(joint=st.tuples(*[st.floats(9.0, SIZE - 9.0, width=32)] * 3))
def test_the_covariance_of_a_perfect_heatmap_is_sigma_squared(joint: tuple[float, float, float]) -> None:
    moments = covariance(encode(torch.tensor([[joint]]), SIZE, SIGMA))[0, 0]
    expected = SIGMA**2 * torch.tensor([1.0, 0, 0, 1, 0, 1])
    assert torch.allclose(moments, expected, atol=0.02 * SIGMA**2)


def test_the_covariance_shows_in_which_direction_a_heatmap_is_long() -> None:
    # Two peaks that lie apart along the diagonal of x and y.
    peaks = encode(torch.tensor([[[18.0, 18.0, 22.0], [24.0, 24.0, 22.0]]]), SIZE, SIGMA).sum(1, keepdim=True)
    xx, xy, xz, yy, yz, zz = covariance(peaks)[0, 0].tolist()
    assert xx > 3 * zz and yy > 3 * zz and xy > 2 * zz
    assert abs(xz) < 0.05 * zz and abs(yz) < 0.05 * zz


def noisy_heatmaps(batch: int, joints: int, size: int) -> torch.Tensor:
    """Peaks anywhere, some of them double, one heatmap without any, all on a floor of noise."""
    generator = torch.Generator().manual_seed(size)
    places = size * torch.rand(2, batch, joints, 3, generator=generator)
    heatmaps = encode(places[0], size, SIGMA) + 0.5 * encode(places[1], size, SIGMA)
    heatmaps += 0.02 * torch.randn(heatmaps.shape, generator=generator)
    heatmaps[-1, -1] = -0.1
    return heatmaps


@pytest.mark.parametrize(("batch", "joints", "size"), [(1, 21, 24), (3, 5, 24), (1, 5, 44), (2, 2, 7), (1, 2, 3)])
def test_the_covariance_is_that_of_the_definition(batch: int, joints: int, size: int) -> None:
    heatmaps = noisy_heatmaps(batch, joints, size)
    weight = heatmaps.double().clamp_min(0).square()[..., None]
    z, y, x = torch.meshgrid(*3 * [torch.arange(size).double() + 0.5], indexing="ij")
    cells = torch.stack((x, y, z), dim=-1)
    total = weight.sum((2, 3, 4)).clamp_min(1e-12)
    mean = (weight * cells).sum((2, 3, 4)) / total
    away = cells - mean[:, :, None, None, None]
    moments = torch.einsum("bjzyx,bjzyxm,bjzyxn->bjmn", weight[..., 0], away, away)
    expected = 2 * moments / total[..., None]
    row, column = torch.triu_indices(3, 3)
    found = covariance(heatmaps)
    scale = expected.diagonal(dim1=-2, dim2=-1).amax(-1, keepdim=True)
    assert ((found - expected[..., row, column]).abs() <= 1e-5 * scale).all()
    assert found.dtype == torch.float32 and found[-1, -1].abs().max() == 0


@pytest.mark.parametrize(("batch", "joints", "size"), [(1, 21, 24), (2, 5, 44), (2, 2, 7), (1, 2, 3)])
def test_decode_reads_the_surroundings_of_the_highest_cell(batch: int, joints: int, size: int) -> None:
    heatmaps = noisy_heatmaps(batch, joints, size)
    heatmaps[0, 0, -1, 0, size // 2] = 3.0  # in a corner, where the window has to stay inside
    decoded, scores = decode(heatmaps, SIGMA)
    for b in range(batch):
        for j in range(joints):
            heatmap = heatmaps[b, j].double().numpy()
            peak = np.array(np.unravel_index(heatmap.argmax(), heatmap.shape))
            middle = peak.clip(1, size - 2)
            window = heatmap[tuple(slice(m - 1, m + 2) for m in middle)].clip(1e-6)
            for axis in range(3):  # z, y, x
                line = np.log(window.sum(axis=tuple({0, 1, 2} - {axis})))
                limit = 1.0 if peak[axis] == middle[axis] else 3.0
                shift = np.clip(SIGMA**2 / 2 * (line[2] - line[0]), -limit, limit)
                assert decoded[b, j, 2 - axis].item() == pytest.approx(middle[axis] + 0.5 + shift, abs=1e-5)
            assert scores[b, j].item() == pytest.approx(np.clip(heatmap.max(), 0, 1), abs=1e-6)


def test_both_take_heatmaps_of_any_layout_and_half_the_precision() -> None:
    heatmaps = noisy_heatmaps(2, 3, 24)
    strided = heatmaps.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3)
    assert torch.equal(covariance(strided), covariance(heatmaps))
    assert all(torch.equal(*pair) for pair in zip(decode(strided, SIGMA), decode(heatmaps, SIGMA), strict=True))
    halved, _ = decode(heatmaps.bfloat16(), SIGMA)
    assert (halved[:, :-1] - decode(heatmaps, SIGMA)[0][:, :-1]).abs().max() < 0.1


PAPER = PaperGeometry()
CENTER = torch.tensor([[0.0, 0.0, 0.6]])
EDGE = 0.2


def test_the_papers_decode_is_off_by_as_much_as_was_measured_on_the_published_code() -> None:
    """Argmax of targets that were floored: 2.8 mm on average in a 200 mm cube (ours: nothing)."""
    joints = CENTER[:, None] + EDGE * (torch.rand(1, 3000, 3, generator=torch.Generator().manual_seed(3)) - 0.5) * 0.8
    errors = []
    for part in joints.split(100, dim=1):
        decoded = PAPER.decode(PAPER.heatmaps(part, CENTER, EDGE), CENTER, EDGE)
        errors.append((decoded - part).norm(dim=-1))
    assert 1000 * torch.cat(errors, 1).mean().item() == pytest.approx(2.82, abs=0.15)


def test_the_papers_decode_reads_the_lower_voxel_of_a_cell() -> None:
    heatmaps = torch.zeros(1, 1, 44, 44, 44)
    heatmaps[0, 0, 22, 10, 0] = 1.0
    x, y, z = PAPER.decode(heatmaps, CENTER, EDGE)[0, 0].tolist()
    assert x == pytest.approx(0.1 * (0.5 * 2 / 88 - 1), abs=1e-6)
    assert y == pytest.approx(0.1 * (20.5 * 2 / 88 - 1), abs=1e-6)
    assert z == pytest.approx(0.6 + 0.1 * (44.5 * 2 / 88 - 1), abs=1e-6)


def test_without_augmentation_the_papers_occupancy_is_ours() -> None:
    points = CENTER[:, None] + 0.3 * (torch.rand(1, 4000, 3, generator=torch.Generator().manual_seed(4)) - 0.5)
    assert torch.equal(PAPER.occupancy(points, CENTER, EDGE), occupancy(points, CENTER, EDGE, 88))


def test_targets_peak_at_the_floored_voxel() -> None:
    voxel = EDGE / 88
    joint = CENTER[:, None] + voxel * torch.tensor([[[4.9, -7.1, 10.2]]])  # voxels 48, 36, 54
    heatmap = PAPER.heatmaps(joint, CENTER, EDGE)[0, 0]
    assert heatmap[27, 18, 24] == pytest.approx(1.0)


def test_augmentation_moves_points_and_targets_together() -> None:
    generator = torch.Generator().manual_seed(5)
    for _ in range(20):
        draw = Augmentation.sample(generator)
        assert 80 <= draw.scale <= 120 and abs(draw.angle) <= math.radians(40)
        assert all(0 <= value <= 8 for value in draw.translation)
        joint = CENTER[:, None] + 0.05 * (torch.rand(1, 1, 3, generator=generator) - 0.5)
        cell = PAPER.occupancy(joint, CENTER, EDGE, draw)[0, 0].nonzero()[0]
        peak = PAPER.heatmaps(joint, CENTER, EDGE, draw)[0, 0]
        argmax = torch.tensor(torch.unravel_index(peak.argmax(), peak.shape))
        assert (cell / 2 - argmax).abs().max() <= 1


def test_augmentation_follows_the_published_arithmetic() -> None:
    """Values worked out by hand from the published order: scale, rotate with y up, cut off."""
    geometry = PaperGeometry()
    voxel = EDGE / 88
    point = CENTER[:, None] + voxel * torch.tensor([[[10.5, 0.5, -4.5]]])  # cells 58, 48, 43 of the larger grid

    def cells(scale: float, angle: float, translation: tuple[int, int, int]) -> list[float]:
        draw = Augmentation(scale, math.radians(angle), translation)
        return geometry.coordinates(point, CENTER, EDGE, draw)[0, 0].tolist()

    assert cells(100, 0, (0, 0, 0)) == pytest.approx([58, 48, 43])
    assert cells(100, 0, (8, 3, 1)) == pytest.approx([50, 45, 42])
    # 90 %: floor(96 * 0.9) = 86 of 96, offset floor(48 - 43.2) = 4
    assert cells(90, 0, (0, 0, 0)) == pytest.approx([58 * 86 / 96 + 4, 48 * 86 / 96 + 4, 43 * 86 / 96 + 4])
    # 115 %: floor(110.4) = 110 of 96, offset -floor(55.2 - 48) = -7
    assert cells(115, 0, (0, 0, 0)) == pytest.approx([58 * 110 / 96 - 7, 48 * 110 / 96 - 7, 43 * 110 / 96 - 7])
    # +90 degrees with y up: (10.5, -0.5) from the middle becomes (0.5, 10.5), that is y = 47.5 - 10.5
    assert cells(100, 90, (0, 0, 0)) == pytest.approx([48, 37, 43], abs=1e-4)
