# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The detector: blocks of valid pixels, metric features, targets, decoding, weights, a small training."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from v2v_ros.evaluation import scenes as scene_set
from v2v_ros.evaluation.detections import Known, figures_of
from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.subject import SUBJECTS
from v2v_ros.model import weights
from v2v_ros.model.detector import (
    HEIGHT,
    LARGEST_FOCAL,
    WIDTH,
    Detections,
    Detector,
    decode_detections,
    on_canvas,
    select,
)
from v2v_ros.model.detector_network import KINDS, DetectorConfig, DetectorNet, cell_depth, features
from v2v_ros.model.shrink import blocks_for, shrink
from v2v_ros.synthetic.render import Cameras, render_spheres
from v2v_ros.synthetic.scenes.whole import SEEN, SETTINGS, UNCLEAR, Scenes, sample_scenes
from v2v_ros.synthetic.spheres import Spheres

CONFIG = DetectorConfig(width=4, blocks=1)


def camera(width: int, height: int, focal: float | None = None) -> Intrinsics:
    focal = 0.9 * width if focal is None else focal
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def small_weights() -> weights.DetectorWeights:
    torch.manual_seed(0)
    return weights.DetectorWeights("small_detector", CONFIG, DetectorNet(CONFIG).state_dict())


@pytest.fixture(scope="module")
def some_scenes() -> Scenes:
    return sample_scenes(8, torch.Generator().manual_seed(3), "toward")


# Blocks


def slope(width: int, height: int) -> NDArray[np.float32]:
    """A wall whose depth goes from 1 m at the left to 1.2 m at the right."""
    return np.broadcast_to(np.linspace(1.0, 1.2, width, dtype=np.float32), (height, width)).copy()


def holes(kind: str, height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels are valid."""
    rows, columns = np.mgrid[:height, :width]
    if kind == "checkerboard":
        return (rows + columns) % 2 == 0
    if kind == "rows":
        return rows % 4 != 3
    if kind == "columns":
        return columns % 3 == 0
    if kind == "one in ten":
        return np.random.default_rng(0).random((height, width)) < 0.1
    # Registered: every pixel of a coarser image lands on one pixel of this one.
    return ((rows * 0.3) % 1 < 0.3) & ((columns * 0.3) % 1 < 0.3)


@pytest.mark.parametrize("kind", ["checkerboard", "rows", "columns", "one in ten", "registered"])
@pytest.mark.parametrize("size", [(640, 480), (1920, 1080)])
@pytest.mark.parametrize("invalid", [np.nan, 0.0, -1.0, np.inf])
def test_blocks_see_through_holes(kind: str, size: tuple[int, int], invalid: float) -> None:
    width, height = size
    full = slope(width, height)
    depth = np.where(holes(kind, height, width), full, np.float32(invalid))
    side = blocks_for(camera(width, height), WIDTH, HEIGHT, LARGEST_FOCAL)
    small, intrinsics = shrink(depth, camera(width, height), side)
    whole, _ = shrink(full, camera(width, height), side)
    assert small.shape == (intrinsics.height, intrinsics.width) == whole.shape
    known = np.isfinite(small)
    assert known.mean() > (0.75 if kind == "one in ten" and width == 640 else 0.99)
    assert np.abs(small - whole)[known].max() < 0.01


def test_blocks_take_the_mean_of_the_nearest_surface() -> None:
    depth = np.full((8, 8), 3.0, dtype=np.float32)
    depth[:4, :4] = 2.0
    depth[0, 0], depth[0, 1] = 1.00, 1.02
    depth[4:, 4:] = np.nan
    small, _ = shrink(depth, camera(8, 8), 4)
    assert small[0, 0] == pytest.approx(1.01)
    assert small[0, 1] == small[1, 0] == 3.0
    assert np.isnan(small[1, 1])


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (159, 121), (641, 479), (512, 424), (1283, 719)])
def test_small_images_see_the_same_points(size: tuple[int, int]) -> None:
    width, height = size
    intrinsics = Intrinsics(300.0, 310.0, 0.4 * width, 0.6 * height, width, height)
    side = blocks_for(intrinsics, WIDTH, HEIGHT, LARGEST_FOCAL)
    small, other = shrink(slope(width, height), intrinsics, side)
    assert small.shape[0] <= HEIGHT and small.shape[1] <= WIDTH and np.isfinite(small).all()
    # The middle of a block lies on the ray of its pixel.
    u = side * np.arange(width // side) + (side - 1) / 2
    here, there = (u - intrinsics.cx) / intrinsics.fx, (np.arange(width // side) - other.cx) / other.fx
    assert np.allclose(here, there)
    assert other.fx <= LARGEST_FOCAL and other.fy <= LARGEST_FOCAL


# Features


def ball(focal: float, width: int, height: int) -> torch.Tensor:
    """Depth [1, H, W] of a ball of 8 cm before nothing, 0.6 m away."""
    cameras = Cameras(torch.tensor([focal]), torch.tensor([[(width - 1) / 2, (height - 1) / 2]]), width, height)
    depth = render_spheres(Spheres(torch.tensor([[[0.0, 0.0, 0.6]]]), torch.tensor([[0.08]])), cameras)
    return torch.where(depth.isfinite(), depth, 1.5)


def test_features_are_the_same_for_every_focal_length() -> None:
    middle = {}
    for focal, width, height in ((60.0, 80, 60), (120.0, 160, 120), (240.0, 320, 240)):
        found = features(ball(focal, width, height), torch.tensor([[focal, focal]]))
        middle[focal] = found[0, :, height // 2, width // 2]
    metric = [0, 1, 3, 4, 5, 6, 7, 8]  # all but metres per pixel
    assert torch.allclose(middle[120.0][metric], middle[240.0][metric], atol=0.06)
    assert torch.allclose(middle[60.0][metric], middle[240.0][metric], atol=0.15)
    assert (middle[60.0][2] - middle[240.0][2]).item() == pytest.approx(np.log(4), abs=1e-3)


def test_features_compare_with_the_surroundings() -> None:
    depth = ball(120.0, 160, 120)
    depth[0, :20] = torch.nan
    found = features(depth, torch.tensor([[120.0, 120.0]]))[0]
    assert (found[:, :20] == 0).all() and found.isfinite().all()
    assert found[5, 60, 80] < -0.5  # the ball is before what is within 25 cm
    assert found[3, 100, 10].abs() < 0.01  # a plane is at its own mean
    # One by one: the harmonic mean over a window.
    window = depth[0, 60 - 20 : 60 + 21, 80 - 20 : 80 + 21]
    mean = 1 / (1 / window).mean()
    assert found[4, 60, 80].item() == pytest.approx(np.tanh((depth[0, 60, 80] - mean).item() / 0.06), abs=0.02)


def test_cells_take_the_nearest_surface_or_their_neighbours() -> None:
    depth = torch.full((1, 12, 12), torch.nan)
    depth[0, 0, 0], depth[0, 1, 1], depth[0, 2, 2] = 0.50, 0.54, 0.60
    cells = cell_depth(depth)[0]
    assert cells[0, 0].item() == pytest.approx(0.52)
    assert cells[1, 1].item() == pytest.approx(0.52)
    assert cells[2].isnan().all()


# Scenes and targets


@pytest.mark.parametrize("setting", SETTINGS)
def test_scenes_are_reproducible_and_labelled_in_the_cameras_frame(setting: str) -> None:
    first, again = (sample_scenes(4, torch.Generator().manual_seed(1), setting) for _ in range(2))
    for field in fields(Scenes):
        assert torch.equal(getattr(first, field.name).nan_to_num(), getattr(again, field.name).nan_to_num())
    assert first.depth.shape == (4, HEIGHT, WIDTH)
    for kind in KINDS:
        _, anchors, state, _ = first.subjects(kind)
        there = state == SEEN
        if setting in ("room", "floor", "table"):
            assert not (state != 0).any()
        pixels = anchors[..., :2] / anchors[..., 2:] * first.focal[:, None, None] + first.principal[:, None]
        assert (pixels[there] > -0.2 * WIDTH).all() and (pixels[there] < 1.2 * WIDTH).all()


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown setting 'moon'"):
        sample_scenes(1, torch.Generator(), "moon")


def test_detailed_hands_lie_where_arms_end(some_scenes: Scenes) -> None:
    """The depth at a hand that is seen is that of the hand, within its thickness."""
    errors = []
    for index, place in (some_scenes.hand_state == SEEN).nonzero().tolist():
        x, y, z = some_scenes.hand_centers[index, place].tolist()
        focal, (cx, cy) = some_scenes.focal[index].item(), some_scenes.principal[index].tolist()
        u, v = round(focal * x / z + cx), round(focal * y / z + cy)
        around = some_scenes.depth[index, max(0, v - 3) : v + 4, max(0, u - 3) : u + 4]
        errors.append((around - z).abs().nan_to_num(9.0).min().item())
    assert errors and np.median(errors) < 0.05


def test_targets_are_decoded_to_what_they_were_made_from(some_scenes: Scenes) -> None:
    targets = pytest.importorskip("v2v_ros.training.detector.targets")
    depth = on_canvas(some_scenes.depth)
    surface = cell_depth(depth)
    count = 0
    for index, kind in enumerate(KINDS):
        made = targets.encode_targets(some_scenes, kind, surface)
        out = torch.zeros(len(depth), 9, *surface.shape[1:])
        out[:, index] = torch.logit(made.heat, 1e-4)
        out[:, 2 + 3 * index : 5 + 3 * index] = made.offsets
        out[:, 8] = 10 * made.left - 5
        centers, _, state, left = some_scenes.subjects(kind)
        for image in range(len(depth)):
            focal, (cx, cy) = some_scenes.focal[image].item(), some_scenes.principal[image].tolist()
            view = Intrinsics(focal, focal, cx, cy, WIDTH, HEIGHT)
            peaks = [
                each.numpy() for each in decode_detections(out[image : image + 1], depth[image : image + 1], view, kind)
            ]
            found = select(peaks[0], peaks[1], peaks[2], kind, (0.0, 9.0), 8)
            for place in (state[image] == SEEN).nonzero()[:, 0].tolist():
                away = np.linalg.norm(found.centers - centers[image, place].double().numpy(), axis=1)
                if len(away) and away.min() < 1e-3:
                    count += 1
                    if kind == "hand":
                        assert (found.left[away.argmin()] > 0) == bool(left[image, place])
    wanted = int((some_scenes.hand_state == SEEN).sum() + (some_scenes.body_state == SEEN).sum())
    assert count >= 0.85 * wanted  # subjects closer together than they can be told apart are one


def test_unclear_subjects_do_not_count(some_scenes: Scenes) -> None:
    targets = pytest.importorskip("v2v_ros.training.detector.targets")
    unclear = replace(some_scenes, hand_state=torch.where(some_scenes.hand_state > 0, UNCLEAR, 0).to(torch.uint8))
    surface = cell_depth(on_canvas(some_scenes.depth))
    made = targets.encode_targets(unclear, "hand", surface)
    assert made.heat.max() == 0 and not made.counted.all()
    assert targets.encode_targets(some_scenes, "hand", surface).heat.max() == 1


def test_augmented_scenes_keep_their_labels_on_their_subjects(some_scenes: Scenes) -> None:
    augmenting = pytest.importorskip("v2v_ros.training.detector.augment")
    mirrored = augmenting._mirror(some_scenes, torch.ones(8, dtype=torch.bool))
    again = augmenting._mirror(mirrored, torch.ones(8, dtype=torch.bool))
    assert torch.equal(mirrored.hand_left, ~some_scenes.hand_left)
    assert torch.allclose(again.principal, some_scenes.principal)
    assert torch.equal(again.depth.nan_to_num(), some_scenes.depth.nan_to_num())
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        changed = augmenting.augment_scenes(some_scenes, generator)
        z = changed.hand_centers[..., 2]
        pixels = (
            changed.hand_centers[..., :2] / z[..., None] * changed.focal[:, None, None] + changed.principal[:, None]
        )
        seen = pixels[changed.hand_state == SEEN]
        assert (seen > 0).all() and (seen < torch.tensor([WIDTH, HEIGHT])).all()


# Running it


def test_subjects_are_apart_in_range_and_no_more_than_asked_for() -> None:
    centers = np.array([[0, 0, 0.5], [0, 0.05, 0.5], [0.2, 0, 0.5], [0, 0, 3.0], [np.nan, 0, 1], [0.5, 0, 0.5]])
    logits, left = (np.arange(6, dtype=np.float32) for _ in range(2))
    logits, left = logits[::-1] - 2, left - 3
    found = select(centers, logits, left, "hand", (0.2, 1.5), 2)
    assert found.centers.tolist() == [[0, 0, 0.5], [0.2, 0, 0.5]]
    assert found.scores.tolist() == pytest.approx([1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-1))])
    assert found.left.tolist() == [-3, -1]


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (320, 240), (75, 120), (33, 700)])
@pytest.mark.parametrize("fill", [np.nan, 0.0, np.inf, -1.0, 1.0, 1e-30, 1e30])
def test_any_image_is_taken(size: tuple[int, int], fill: float) -> None:
    detector = Detector(small_weights(), torch.device("cpu"))
    depth = np.full((size[1], size[0]), fill, dtype=np.float32)
    for kind in KINDS:
        found = detector(depth, camera(*size), kind, (0.1, 5.0), 3)
        assert len(found) <= 3 and np.isfinite(found.centers).all() and np.isfinite(found.scores).all()
        assert found.centers.shape == (len(found), 3) and found.centers.dtype == np.float64
        assert np.isnan(found.left).all() == (kind == "body" or not len(found))
        if fill != 1.0:
            assert len(found) == 0
    assert len(detector(depth, camera(*size), "hand", (0.1, 5.0), 0)) == 0


def test_huge_images_are_taken() -> None:
    detector = Detector(small_weights(), torch.device("cpu"))
    assert len(detector(np.full((6000, 8000), np.nan, np.float32), camera(8000, 6000), "hand", (0.1, 5.0), 3)) == 0


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 'foot'"):
        Detector(small_weights(), torch.device("cpu"))(np.ones((8, 8), np.float32), camera(8, 8), "foot", (0, 5), 1)


# Figures


def test_figures_count_found_subjects_and_false_alarms() -> None:
    def known(*centers: list[float], state: int = SEEN) -> Known:
        points = np.array(centers).reshape(-1, 3)
        return Known(points, np.full(len(points), state, np.uint8), np.zeros(len(points), bool))

    def found(*rows: tuple[list[float], float]) -> Detections:
        centers = np.array([row[0] for row in rows]).reshape(-1, 3)
        logits = np.array([np.log(row[1] / (1 - row[1])) for row in rows], dtype=np.float32)
        return select(centers, logits, -np.ones_like(logits), "hand", (0.0, 9.0), 9)

    near, far, off = [0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.03, 1.0]
    figures = figures_of(
        "hand",
        [found((off, 0.9), (far, 0.2)), found((near, 0.8)), found((near, 0.6)), found((near, 0.3))],
        [known(near, far), known(near), known(), known(near, state=UNCLEAR)],
    )
    # The false alarm at 0.6 is one too many: from 0.8 on, two of three are found.
    assert figures["hand_recall"] == pytest.approx(2 / 3) and figures["hand_threshold"] == pytest.approx(0.8)
    assert figures["hand_found"] == 1 and figures["side_right"] == 1
    assert figures["hand_error_mm"] == pytest.approx(0.0, abs=1e-6) or figures["hand_error_mm"] == pytest.approx(30)
    assert figures["hand_empty_p99"] == pytest.approx(0.6)


def test_the_scenes_of_the_test_set_are_those_on_record() -> None:
    part = scene_set.make_part(0)
    assert part.setting in SETTINGS and part.units.dtype == np.uint16
    assert scene_set.is_recorded([part.hash()]) is True


# Weights


def test_weights_come_back_as_they_were_saved(tmp_path: Path) -> None:
    path = tmp_path / "small_detector.safetensors"
    made = small_weights()
    weights.save(made, path)
    loaded = weights.load_detector(path)
    assert loaded.id == made.id and loaded.config == made.config and loaded.hash
    assert all(torch.equal(loaded.state[key], value.float()) for key, value in made.state.items())
    x = torch.rand(1, 9, 32, 64)
    assert torch.equal(loaded.build()(x), made.build()(x))
    assert made.build()(x).shape == (1, 9, 8, 16)


def test_other_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "small_detector.safetensors"
    weights.save(small_weights(), path)
    content = path.read_bytes()
    with pytest.raises(weights.WeightsError, match="pose weights are needed"):
        weights.load(path)
    with pytest.raises(weights.WeightsError, match="detector weights are needed, as 'v2v train --network detector'"):
        weights.load_detector(weights.shipped()[0])
    with pytest.raises(weights.WeightsError, match="does not exist"):
        weights.load_detector(tmp_path / "missing.safetensors")
    for damaged in (content[: len(content) // 2], content.replace(b'\\"width\\": 4', b'\\"width\\": 5'), b""):
        path.write_bytes(damaged)
        with pytest.raises(weights.WeightsError, match="small_detector"):
            weights.load_detector(path)
    bad = replace(small_weights(), state={**small_weights().state, "head.bias": torch.full((9,), torch.nan)})
    weights.save(bad, path)
    with pytest.raises(weights.WeightsError, match="not finite"):
        weights.load_detector(path)


@pytest.mark.parametrize("size", [{"width": 0}, {"width": 3}, {"width": 1000}, {"blocks": 0}, {"blocks": 99}])
def test_sizes_that_make_no_sense_are_refused(size: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        DetectorConfig(**size)


def test_the_shipped_detector_is_no_pose_network() -> None:
    assert "detector" in weights.shipped_detectors()
    assert not set(weights.shipped_detectors()) & set(weights.shipped())
    assert (Path(weights.__file__).parent / "shipped" / "detector.safetensors").stat().st_size < 2e6
    assert set(SUBJECTS) == set(KINDS)


# Training


def test_a_run_leaves_weights_and_goes_on_where_it_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pytorch_lightning")
    from v2v_ros.cli import main
    from v2v_ros.training.detector import train as detector

    monkeypatch.setattr(
        detector, "load_held_out", lambda *_: sample_scenes(8, torch.Generator().manual_seed(1), "hand")
    )
    run = detector.DetectorTraining(
        samples=32,
        batch=8,
        validation_samples=8,
        validation_interval=16,
        width=4,
        blocks=1,
        chunk=32,
        chunks=1,
        cooling=0.0,
    )
    lines: list[str] = []
    whole = tmp_path / "whole_detector.safetensors"
    figures = detector.train_detector(run, whole, report=lines.append)
    assert "hand_recall" in figures and any("32 samples" in line for line in lines)
    cut = tmp_path / "cut_detector.safetensors"
    detector.train_detector(replace(run, samples=16), cut, report=lines.append)
    assert weights.load_detector(cut).training["samples"] == 16
    detector.train_detector(run, cut, resume=True, report=lines.append)
    first, second = weights.load_detector(whole), weights.load_detector(cut)
    assert first.training["samples"] == second.training["samples"] == 32
    card = whole.with_suffix(".md").read_text()
    assert "No recorded data was used" in card and "| 32 |" in card
    assert len(json.loads((tmp_path / "cut_detector_run" / "validations.json").read_text())) == 2
    # A run that exists is not overwritten by chance, and options of other networks are refused.
    options = ["train", "--network", "detector", "--output", str(whole), "--quiet"]
    assert main(options) != 0
    assert main([*options, "--overwrite", "--grid", "48"]) != 0
    with pytest.raises(ValueError, match="network of"):
        detector.train_detector(replace(run, width=6), cut, resume=True)
    (tmp_path / "cut_detector_run" / "last.pt").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="damaged"):
        detector.train_detector(run, cut, resume=True)
