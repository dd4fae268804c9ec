# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Sensor models: shadows, steps, noise, edges, holes, ranges, resolutions."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from v2v_ros.synthetic.render import Cameras, render_planes
from v2v_ros.synthetic.sensors.presets import KINDS, PRESETS
from v2v_ros.synthetic.sensors.sense import Draws, Sensors, sense

TRIANGULATING = [name for name, row in PRESETS.items() if row.baseline]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def camera(size: int, focal: float = 400.0, batch: int = 1) -> Cameras:
    return Cameras(torch.full((batch,), focal), torch.full((batch, 2), (size - 1) / 2), size, size)


def only(name: str, **values: float) -> Sensors:
    """A preset's kind and geometry, with no faults but those given."""
    clean = Sensors.preset(name).scaled(0)
    return replace(clean, **{key: torch.tensor([value]) for key, value in {"near": 0.0, **values}.items()})


def seen(depth: torch.Tensor, sensors: Sensors, focal: float = 400.0, seed: int = 1) -> torch.Tensor:
    size = depth.shape[-1]
    return sense(depth, camera(size, focal), sensors, Draws.draw(1, size, size, generator(seed)))


def square(near: float = 0.5, far: float = 1.5, size: int = 200, half: int = 30) -> torch.Tensor:
    """A square in front of a wall."""
    depth = torch.full((1, size, size), far)
    middle = slice(size // 2 - half, size // 2 + half)
    depth[:, middle, middle] = near
    return depth


@pytest.mark.parametrize("name", PRESETS)
def test_without_strength_depth_stays_and_only_nothing_and_what_is_out_of_range_is_invalid(name: str) -> None:
    depth = square(0.6, 1.4)
    depth[:, :10], depth[:, 10:20], depth[:, 20:30] = torch.inf, 0.05, 30.0
    before = depth.clone()
    clean = seen(depth, Sensors.preset(name).scaled(0))
    assert torch.equal(depth, before)
    assert clean[:, :10].isnan().all()
    assert torch.allclose(clean[:, 30:], depth[:, 30:], rtol=1e-6)
    if name != "perfect":
        assert clean[:, 10:30].isnan().all()


def test_the_perfect_sensor_loses_nothing() -> None:
    depth = 0.1 + 20 * torch.rand(1, 64, 64, generator=generator(3))
    assert torch.allclose(seen(depth, Sensors.preset("perfect")), depth, rtol=1e-6)


@pytest.mark.parametrize("name", TRIANGULATING)
def test_the_shadow_lies_on_the_side_of_the_baseline_and_has_its_width(name: str) -> None:
    baseline = PRESETS[name].baseline
    lost = seen(square(0.5, 1.5), only(name, baseline=baseline, half_width=torch.inf))[0, 100].isnan()
    width = 400 * abs(baseline) * (1 / 0.5 - 1 / 1.5)
    assert not lost[70:130].any()
    shadow, other = (lost[:70].flip(0), lost[130:]) if baseline > 0 else (lost[130:], lost[:70])
    assert not other.any()
    assert shadow.sum().item() == pytest.approx(width, abs=1.01)
    assert shadow[: int(width) - 1].all()  # it touches what casts it


@pytest.mark.parametrize("name", ["kinect_v1", "d435", "oak_d"])
def test_depth_comes_in_steps_of_disparity_that_grow_with_distance_squared(name: str) -> None:
    row = PRESETS[name]
    for distance in (1.0, 2.0, 4.0):
        cameras = camera(256, 580.0)
        normal = torch.tensor([[[0.3, 0.0, -1.0]]])
        depth = render_planes(torch.tensor([[[0.0, 0.0, distance]]]), normal, cameras)
        found = seen(depth, only(name, step=row.step), 580.0).unique()
        disparity = row.focal * row.baseline / found
        fraction = row.step * row.focal * row.baseline
        assert torch.allclose(disparity.diff().abs(), torch.tensor(fraction), rtol=0.02)
        middle = found[1:-1][(found[1:-1] - distance).abs().argmin() - 1 :][:2]
        assert middle.diff().item() == pytest.approx(distance**2 * row.step, rel=0.15)


def test_units_and_ranges_are_those_of_the_wire() -> None:
    depth = torch.linspace(0.1, 2.0, 128).expand(1, 128, 128)
    for unit in (0.1e-3, 0.125e-3, 0.25e-3, 1e-3):
        result = seen(depth, only("sr305", unit=unit, far=3.0))
        assert ((result / unit) - (result / unit).round()).abs().max() < 0.01
        assert (result - depth).abs().max() <= unit / 2 + 1e-6
    limited = seen(depth, only("sr305", near=0.4, far=1.5))
    assert torch.equal(limited.isfinite(), (depth >= 0.4) & (depth <= 1.5))


def test_noise_has_the_strength_that_it_says() -> None:
    depth = torch.full((1, 400, 400), 2.0)
    assert seen(depth, only("perfect", white=0.003)).std().item() == pytest.approx(0.003 * 4, rel=0.05)
    assert seen(depth, only("perfect", floor=0.003)).std().item() == pytest.approx(0.003, rel=0.05)
    bumps = seen(depth, only("d435", bumps=0.003, focal=400.0))
    assert bumps.std().item() == pytest.approx(0.003 * 4, rel=0.15)
    assert (bumps.diff(dim=-1).std() < 0.7 * bumps.std()).item()  # neighbours share it
    # The bumps of a fine sensor in a coarse image: as strong, but shared less.
    coarse = seen(depth, only("d435", bumps=0.003, focal=1600.0))
    assert coarse.std().item() == pytest.approx(0.003 * 4, rel=0.15)
    assert coarse.diff(dim=-1).std() > 1.1 * coarse.std()
    both = seen(depth, only("perfect", white=0.003, floor=0.012))  # of one photon noise: they do not cancel
    assert both.std().item() == pytest.approx(0.024, rel=0.05)


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_holes_take_about_the_share_that_they_say(share: float) -> None:
    holes = seen(torch.full((1, 400, 400), 1.0), only("d435", holes=share)).isnan()
    assert 0.5 * share < holes.float().mean() < 2 * share
    again = holes[..., 1:][holes[..., :-1]].float().mean()
    assert again > 0.6  # patches, not specks


def test_flying_pixels_lie_between_the_surfaces_and_only_at_edges() -> None:
    depth = square()
    flying = seen(depth, only("kinect_v2", mixed=2.0, focal=400.0))
    between = (flying > 0.55) & (flying < 1.45)
    assert between[0, 69:71, 80:120].float().mean() > 0.8
    assert (flying >= 0.4999).all() and (flying <= 1.5001).all()
    flat = torch.ones(1, 200, 200, dtype=torch.bool)
    flat[:, 68:132, 68:132] = False
    flat[:, 72:128, 72:128] = True
    assert torch.allclose(flying[flat], depth[flat])
    depth[depth == 1.5] = torch.inf  # nothing behind: nothing to mix with
    assert torch.allclose(seen(depth, only("kinect_v2", mixed=2.0, focal=400.0)).nan_to_num(0.5), torch.tensor(0.5))


def test_lateral_noise_moves_edges_but_makes_no_depth_of_its_own() -> None:
    ragged = seen(square(), only("kinect_v1", mixed=2.0, focal=400.0))
    assert torch.isclose(ragged, torch.tensor(0.5)).logical_or(torch.isclose(ragged, torch.tensor(1.5))).all()
    inside = torch.isclose(ragged[0, 70, 80:120], torch.tensor(0.5)).float().mean()
    assert 0.2 < inside < 0.8


@pytest.mark.parametrize(("width", "lost_at"), [(2.0, 1), (4.0, 2)])
def test_edges_are_lost_over_the_width_that_they_say(width: float, lost_at: int) -> None:
    lost = seen(square(), only("sr305", edge=width, focal=400.0)).isnan()[0, 100]
    for boundary in (70, 130):
        assert lost[boundary - lost_at : boundary + lost_at].all()
    assert lost.sum() == 4 * lost_at
    half = seen(square(), only("sr305", edge=2.0, focal=800.0)).isnan()[0, 80:120, 68:72]
    assert 0.3 < half.float().sum() / 80 < 0.7  # the same pixels of a finer sensor fill half of the image's


def test_slanted_surfaces_are_lost_the_more_the_steeper_they_are() -> None:
    shares = []
    for slope in (0.5, 3.0, 5.0):
        normal = torch.tensor([[[slope, 0.0, -1.0]]])
        cameras = camera(64, 400.0)
        depth = render_planes(torch.tensor([[[0.0, 0.0, 1.0]]]), normal, cameras)
        shares.append(
            seen(depth, only("kinect_v1", grazing=1.0, focal=400.0)).isnan()[:, 8:-8, 24:40].float().mean().item()
        )
    assert shares[0] == 0 and 0.05 < shares[1] < shares[2]


def test_stereo_lets_thin_things_grow_or_vanish_and_gaps_close() -> None:
    depth = torch.full((1, 120, 120), 1.5)
    depth[:, 20:100, 40:44] = depth[:, 20:100, 47:51] = 0.5  # two thin fingers with a gap of 3
    grown = seen(depth, only("d435", fatten=2.0, focal=400.0))[0, 60]
    assert (grown[38:53] < 0.6).all() and (grown[:38] > 1.4).all() and (grown[53:] > 1.4).all()
    gone = seen(depth, only("d435", fatten=2.0, vanish=1.0, focal=400.0))[0, 60]
    assert (gone > 1.4).all()
    coarse = seen(depth, only("d435", fatten=2.0, focal=800.0))[0, 60]
    assert (coarse[39:45] < 0.6).all() and (coarse[:39] > 1.4).all()  # half as many pixels of the image,
    assert coarse[45] > 1.4  # and the middle of the gap stays open


def test_stereo_has_no_match_at_the_left_border() -> None:
    sensors = only("d435", half_width=100 / 400, baseline=0.05)
    lost = seen(torch.full((1, 200, 200), 1.0), sensors)[0, 100].isnan()
    assert lost[:19].all() and not lost[21:].any()  # 400 * 0.05 / 1 m


def test_multipath_draws_depth_towards_the_surroundings_and_wiggling_is_bounded() -> None:
    near = seen(square(), only("azure_kinect", multipath=0.05))
    assert ((near - square())[0, 100, 70:74] > 0.002).all()  # the edge of the near thing seems farther
    assert ((near - square()).abs() <= 0.05 * 0.2 + 1e-5).all()
    depth = torch.linspace(0.5, 3.0, 128).expand(1, 128, 128)
    error = seen(depth, only("kinect_v2", wiggle=0.004)) - depth
    assert error.abs().max() == pytest.approx(0.004, rel=0.02) and error.mean().abs() < 1e-3


def test_a_hexagonal_field_cuts_the_corners() -> None:
    lost = seen(torch.ones(1, 201, 201), only("azure_kinect", field=0.2))[0].isnan()  # 80 pixels to the flat sides
    assert not lost[100, 10:191].any() and lost[100, :7].all()  # the corners at the sides: 80 / cos 30 degrees
    assert not lost[22:179, 100].any() and lost[:19].all()
    assert torch.equal(lost, lost.flip(0)) and torch.equal(lost, lost.flip(1))


@pytest.mark.parametrize("ratio", [1.5, 2.0, 3.7])
def test_images_finer_than_the_sensor_keep_the_pixels_that_it_has(ratio: float) -> None:
    kept = seen(torch.ones(1, 200, 200), only("perfect", focal=400 / ratio)).isfinite().float().mean().item()
    assert kept == pytest.approx(ratio**-2, rel=0.1)
    assert seen(torch.ones(1, 50, 50), only("perfect", focal=400 * ratio)).isfinite().all()


def test_random_sensors_are_of_all_kinds_and_see_their_subjects() -> None:
    sensors = Sensors.sample(400, generator(5), near_only=True)
    again = Sensors.sample(400, generator(5), near_only=True)
    for field in fields(Sensors):
        values = getattr(sensors, field.name)
        assert values.shape == (400,) and not values.isnan().any()
        assert torch.equal(values, getattr(again, field.name))
    assert (sensors.kind.bincount(minlength=len(KINDS)) > 50).all()
    assert (sensors.near <= 0.2).all() and (sensors.far >= 1.5).all()
    distance = torch.linspace(0.3, 5.0, 400)
    aimed = Sensors.sample(400, generator(6), distance=distance)
    assert (aimed.near < 0.75 * distance).all() and (aimed.far > 1.2 * distance).all()


def test_mixed_batches_give_what_each_sample_gives_alone() -> None:
    batch, size = 12, 64
    depth = torch.cat([square(0.4 + 0.02 * i, 1.0 + 0.1 * i, size, 14) for i in range(batch)])
    sensors, draws = Sensors.sample(batch, generator(7), near_only=True), Draws.draw(batch, size, size, generator(8))
    assert len(sensors.kind.unique()) == len(KINDS)
    cameras = camera(size, 200.0, batch)
    together = sense(depth, cameras, sensors, draws)
    assert torch.equal(together.nan_to_num(), sense(depth, cameras, sensors, draws).nan_to_num())
    for index in range(batch):
        one = torch.tensor([index])
        alone = sense(depth[one], camera(size, 200.0), sensors.select(one), draws.select(one))
        assert torch.allclose(alone[0].nan_to_num(), together[index].nan_to_num(), atol=1e-6)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_sees_most_of_a_scene_with_noise_of_millimetres(name: str) -> None:
    depth = square(0.7, 1.2, 160).expand(3, -1, -1)
    cameras, draws = camera(160, 300.0, 3), Draws.draw(3, 160, 160, generator(4))
    result = sense(depth, cameras, Sensors.preset(name, 3), draws)
    assert result.isfinite().float().mean() > 0.75
    inside = (result - depth)[:, 80 - 12 : 80 + 12, 80 - 12 : 80 + 12]
    assert inside[inside.isfinite()].std() < 0.004
    assert PRESETS[name].source and PRESETS[name].kind in KINDS


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown sensor 'kinect'; known are kinect_v1, "):
        Sensors.preset("kinect")


def test_crops_of_draws_are_views() -> None:
    draws = Draws.draw(1, 40, 50, generator())
    part = draws.crop(3, 5, 20, 30)
    assert torch.equal(part.white, draws.white[:, 3:23, 5:35]) and part.fate.data_ptr() != draws.fate.data_ptr()
    assert part.patches.min() >= 0 and part.patches.max() < 1
