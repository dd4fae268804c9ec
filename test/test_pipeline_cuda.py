# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pipeline for GPUs: on a CPU it says what the other one says; on a GPU, graphs say what eager work does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from v2v_ros.estimator import PoseEstimator, estimator, pipeline_cuda
from v2v_ros.estimator.pipeline import Looks, Pipeline, make_pipeline
from v2v_ros.estimator.pipeline_cuda import CudaPipeline, Steps
from v2v_ros.estimator.stopwatch import Stopwatch
from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.model import weights
from v2v_ros.model.network import V2VPoseNet
from v2v_ros.model.peaks import dense_peaks
from v2v_ros.model.runtime import TorchRuntime
from v2v_ros.model.voxels import cube_occupancy
from v2v_ros.model.weights import Weights
from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence

CPU = torch.device("cpu")
SMALL = Intrinsics(300.0, 301.0, 159.5, 119.5, 320, 240)
STAGES = ("voxelize", "network", "joints")
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that PyTorch can use")


def frame(kind: str, second: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A depth image, and the middle of its subject."""
    shown = SyntheticSequence(kind, seed=2).frame(second)
    return shown.depth, shown.joints.mean(axis=0).astype(np.float64)


def cubes(middle: np.ndarray, count: int, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Cubes around a subject, some beside it, some as either hand, every third of them empty."""
    random = np.random.default_rng(count)
    centers = np.repeat(middle + random.uniform(-0.1, 0.1, (count, 3)) * edge, 2, axis=0)[:count]
    centers[2::3] = (0.0, 0.0, 0.02)
    return centers, np.arange(count) % 2 == 1


def look(
    pipeline: Pipeline | CudaPipeline, depth: np.ndarray, camera: Intrinsics, centers: np.ndarray, mirrored: np.ndarray
) -> Looks:
    clock = Stopwatch(CPU, STAGES)
    looks = pipeline(pipeline.upload(depth), camera, centers, mirrored, clock)
    assert all(seconds > 0 for seconds in clock.seconds.values()) or not len(centers)
    return looks


def assert_equal(found: Looks, expected: Looks, tolerance: float = 1e-5) -> None:
    np.testing.assert_array_equal(found.empty, expected.empty)
    np.testing.assert_allclose(found.points, expected.points, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=100 * tolerance)
    np.testing.assert_allclose(found.covariances, expected.covariances, rtol=1e-2, atol=10 * tolerance**2)
    np.testing.assert_allclose(found.subjects, expected.subjects, rtol=0, atol=100 * tolerance)
    np.testing.assert_allclose(found.left, expected.left, rtol=0, atol=1000 * tolerance)
    for name in ("points", "scores", "covariances", "subjects", "left", "empty"):
        assert getattr(found, name).dtype == getattr(expected, name).dtype


def use_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    make = TorchRuntime.__init__

    def make_exact(self: TorchRuntime, network: V2VPoseNet, device: torch.device, threads: int = 0) -> None:
        make(self, network, device, threads, torch.float32)

    monkeypatch.setattr(TorchRuntime, "__init__", make_exact)


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half precision rounds otherwise when the number of grids is another, and here they are filled up."""
    use_float32(monkeypatch)


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("name", weights.shipped())
def test_it_says_what_the_other_pipeline_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = weights.load(name)
    expected, found = Pipeline(loaded, CPU, "torch"), CudaPipeline(loaded, CPU)
    depth, middle = frame(loaded.skeleton.kind)
    for count in (0, 1, 2, 3, 5, 8, 11):
        where = cubes(middle, count, loaded.cube_edge)
        looks = look(expected, depth, CAMERA, *where)
        with monkeypatch.context() as patch:
            patch.setattr("v2v_ros.model.peaks._sparse", dense_peaks)  # as on a GPU: by operations of fixed size
            assert_equal(look(found, depth, CAMERA, *where), looks)
        assert looks.empty.tolist() == [k % 3 == 2 for k in range(count)]
        assert count == 0 or np.isfinite(looks.points).any()


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("read_out", ["refiner", "peaks"])
def test_it_refines_joints_as_the_other_pipeline_does(refined_weights: Path, read_out: str) -> None:
    loaded = weights.load(refined_weights)
    expected = Pipeline(loaded, CPU, "torch", read_out=read_out)
    depth, middle = frame("hand")
    where = cubes(middle, 5, loaded.cube_edge)
    looks = look(expected, depth, CAMERA, *where)
    assert_equal(look(CudaPipeline(loaded, CPU, read_out=read_out), depth, CAMERA, *where), looks)
    assert (looks.left[~looks.empty] != 0).all() == (read_out == "refiner")
    assert np.isfinite(looks.points).any() and (looks.subjects[~looks.empty] > 0).all()


@pytest.fixture
def wide_weights(make_weights: Callable[..., Path]) -> Weights:
    """A tiny network whose peaks are high enough for joints, and depend on what is in the cube."""
    loaded = weights.load(make_weights(grid=16, width=2))
    generator = torch.Generator().manual_seed(0)
    for values in loaded.state.values():
        if values.dim() == 5:
            values.normal_(std=(2 / values[0].numel()) ** 0.5, generator=generator)
    loaded.state["back.3.bias"].fill_(0.3)
    return replace(loaded, calibration=weights.load(weights.default_for("hand21")).calibration)


@pytest.mark.usefixtures("in_float32")
def test_images_and_cameras_of_several_kinds_come_in_any_order(wide_weights: Weights) -> None:
    expected, found = Pipeline(wide_weights, CPU, "torch"), CudaPipeline(wide_weights, CPU)
    depth, middle = frame("hand")
    other = replace(CAMERA, fx=CAMERA.fx * 1.1, cy=CAMERA.cy - 7)
    said = {}
    small = np.ascontiguousarray(depth[::2, ::2])
    for image, camera in ((depth, CAMERA), (depth, other), (small, SMALL), (depth, CAMERA), (small, SMALL)):
        for count in (17, 1):
            where = cubes(middle, count, 0.25)
            looks = look(expected, image, camera, *where)
            assert np.isfinite(looks.points[~looks.empty]).mean() > 0.9
            assert_equal(look(found, image, camera, *where), looks)
        said[camera] = looks.points
    assert not np.allclose(said[CAMERA], said[other], atol=1e-4)  # it depends on the camera
    # An image that was not uploaded is taken as well.
    nearer = small - np.float32(0.05)
    looks = look(expected, nearer, SMALL, *where)
    assert_equal(found(torch.from_numpy(nearer), SMALL, *where, Stopwatch(CPU, STAGES)), looks)


def test_millimetres_become_metres_where_the_pipeline_runs(untrained_weights: Path) -> None:
    pipeline = CudaPipeline(weights.load(untrained_weights), CPU)
    millimetres = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    metres = millimetres.astype(np.float32) / np.float32(1000)
    metres[0, 0] = np.nan
    np.testing.assert_array_equal(pipeline.upload(millimetres).numpy(), metres)
    np.testing.assert_array_equal(pipeline.upload(metres[::-1]).numpy(), metres[::-1])
    with pytest.raises(ValueError, match="float32 metres or uint16 millimetres, got float64"):
        pipeline.upload(metres.astype(np.float64))


def test_a_later_frame_leaves_earlier_looks_alone_and_takes_the_same_memory(wide_weights: Weights) -> None:
    pipeline = CudaPipeline(wide_weights, CPU)
    depth, middle = frame("hand")
    image = pipeline.upload(depth)
    first = look(pipeline, depth, CAMERA, *cubes(middle, 2, 0.25))
    kept = first.points.copy()
    other = look(pipeline, frame("hand", 0.5)[0], CAMERA, *cubes(middle + 0.01, 2, 0.25))
    assert np.array_equal(first.points, kept) and not np.array_equal(other.points, kept)
    assert pipeline.upload(depth) is image


def test_a_stage_asks_the_device_for_nothing(wide_weights: Weights) -> None:
    """Tensors without contents fail whatever waits for contents, or needs a tensor of the CPU."""
    nowhere = torch.device("meta")
    pipeline = CudaPipeline(wide_weights, nowhere)
    frame, batch = pipeline_cuda._Frame(240, 320, nowhere), pipeline_cuda._Batch(4, 21, nowhere)
    result = batch.result
    with torch.inference_mode():
        for step in pipeline._steps(frame, batch):
            step()
    assert batch.grids.shape == (4, 1, 16, 16, 16) and batch.heatmaps.shape == (4, 21, 8, 8, 8)
    assert batch.result is result and result.shape == (4, 213)


def test_each_number_of_cubes_and_size_of_image_is_recorded_once(
    wide_weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = 0

    def record(steps: Steps, pool: object) -> Steps:
        nonlocal recorded
        recorded += 1
        return steps

    monkeypatch.setattr(pipeline_cuda, "_record", record)
    pipeline = CudaPipeline(wide_weights, CPU)
    pipeline._graphs = True
    depth, middle = frame("hand")
    plan = [(depth, CAMERA, 1, 1), (depth, CAMERA, 1, 1), (depth, replace(CAMERA, cx=300.0), 1, 1)]
    plan += [(depth, CAMERA, 3, 2), (depth, CAMERA, 4, 2), (depth, CAMERA, 9, 3), (depth[:240, :320], SMALL, 1, 4)]
    for image, camera, count, expected in plan:
        look(pipeline, image, camera, *cubes(middle, count, 0.25))
        assert recorded == expected


@pytest.mark.usefixtures("in_float32")
def test_all_runs_without_graphs_where_they_cannot_be_recorded(
    wide_weights: Weights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(steps: Steps, pool: object) -> Steps:
        steps[0]()  # it fails in the middle
        raise RuntimeError("operation not permitted when stream is capturing")

    depth, middle = frame("hand")
    expected = look(CudaPipeline(wide_weights, CPU), depth, CAMERA, *cubes(middle, 5, 0.25))
    monkeypatch.setattr(pipeline_cuda, "_record", refuse)
    pipeline = CudaPipeline(wide_weights, CPU)
    pipeline._graphs = True
    with caplog.at_level(logging.WARNING):
        for count in (5, 1, 5):
            found = look(pipeline, depth, CAMERA, *cubes(middle, count, 0.25))
    assert_equal(found, expected)
    assert caplog.text.count("CUDA graphs cannot be used") == 1 and "stream is capturing" in caplog.text


def test_the_pipeline_is_chosen_by_device_and_runtime(untrained_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = weights.load(untrained_weights)
    monkeypatch.setattr("v2v_ros.estimator.pipeline_cuda.CudaPipeline", lambda *_, **__: "cuda")
    assert isinstance(make_pipeline(loaded, CPU, "torch"), Pipeline)
    monkeypatch.setattr("v2v_ros.estimator.pipeline.Pipeline", lambda *_: "any")
    gpu = torch.device("cuda", 1)
    chosen: list[Any] = [make_pipeline(loaded, gpu, name) for name in ("auto", "torch", "onnxruntime:CUDA")]
    assert chosen == ["cuda", "cuda", "any"]


@pytest.mark.usefixtures("in_float32")
def test_the_estimator_finds_the_same_skeletons(shipped_weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = PoseEstimator(shipped_weights, device="cpu", runtime="torch")
    monkeypatch.setattr(estimator, "make_pipeline", lambda loaded, device, *_: CudaPipeline(loaded, device))
    other = PoseEstimator(shipped_weights, device="cpu")
    sequence = SyntheticSequence("hand", seed=2)
    for index in range(4):
        depth = sequence.frame(index / 30).depth
        (expected,) = plain.estimate(depth, CAMERA, index / 30).skeletons
        (found,) = other.estimate(depth, CAMERA, index / 30).skeletons
        assert (found.id, found.side, found.tracking_state) == (expected.id, expected.side, expected.tracking_state)
        np.testing.assert_allclose(found.points, expected.points, rtol=0, atol=5e-5)  # each frame builds on the last


# What follows needs a GPU.


def gpu_pair(loaded: Weights, caplog: pytest.LogCaptureFixture) -> Callable[..., tuple[Looks, Looks]]:
    """Function that looks with graphs and without; graphs that cannot be recorded fail."""
    device = torch.device("cuda")
    recorded, eager = CudaPipeline(loaded, device), CudaPipeline(loaded, device, graphs=False)

    def both(*args: Any) -> tuple[Looks, Looks]:
        looks = look(recorded, *args), look(eager, *args)
        assert recorded._graphs and not caplog.text
        return looks

    return both


@on_gpu
@pytest.mark.parametrize("name", weights.shipped())
def test_cuda_graphs_compute_what_eager_work_does(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = weights.load(name)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)  # else convolutions may be computed in another way
    both = gpu_pair(loaded, caplog)
    sequence = SyntheticSequence(loaded.skeleton.kind, seed=2)
    for index, count in enumerate((1, 2, 3, 8, 1, 11, 4, 1, 2)):
        shown = sequence.frame(index / 10)
        where = cubes(shown.joints.mean(axis=0).astype(np.float64), count, loaded.cube_edge)
        camera = replace(CAMERA, fx=CAMERA.fx + index // 3)
        found, expected = both(shown.depth, camera, *where)
        assert_equal(found, replace(expected, covariances=found.covariances), 1e-4 * loaded.cube_edge / 0.25)
        np.testing.assert_allclose(found.covariances, expected.covariances, rtol=0.1, atol=1e-7)


@on_gpu
@pytest.mark.parametrize("name", weights.shipped())
def test_cuda_joints_stay_where_float32_on_the_cpu_has_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = weights.load(name)
    on_cuda = CudaPipeline(loaded, torch.device("cuda"))
    use_float32(monkeypatch)
    exact = Pipeline(loaded, CPU, "torch")
    ways = []
    sequence = SyntheticSequence(loaded.skeleton.kind, seed=3)
    for index in range(16):
        shown = sequence.frame(index / 3)
        where = shown.joints.mean(axis=0).astype(np.float64)[None], np.array([index % 2 == 1])
        found, expected = look(on_cuda, shown.depth, CAMERA, *where), look(exact, shown.depth, CAMERA, *where)
        ways.append(np.linalg.norm(found.points - expected.points, axis=-1))
    assert np.nanmedian(ways) < 1e-4 * loaded.cube_edge / 0.25


@on_gpu
def test_cuda_grids_are_exact() -> None:
    random = np.random.default_rng(0)
    for index in range(5):
        depth, middle = frame("hand", index / 3)
        depth = np.where(random.random(depth.shape) < 0.5, depth, random.uniform(0.2, 1.5, depth.shape))
        centers = middle + random.uniform(-0.1, 0.1, (24, 3))
        image = torch.from_numpy(depth.astype(np.float32))
        expected = cube_occupancy(image, CAMERA, centers, 0.25, 88)
        assert torch.equal(cube_occupancy(image.cuda(), CAMERA, centers, 0.25, 88).cpu(), expected)


@on_gpu
def test_cuda_millimetres_are_exact(untrained_weights: Path) -> None:
    pipeline = CudaPipeline(weights.load(untrained_weights), torch.device("cuda"))
    millimetres = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    metres = millimetres.astype(np.float32) / np.float32(1000)
    metres[0, 0] = np.nan
    np.testing.assert_array_equal(pipeline.upload(millimetres).cpu().numpy(), metres)


@on_gpu
def test_cuda_memory_does_not_grow(shipped_weights: str) -> None:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    pipeline = CudaPipeline(weights.load(shipped_weights), torch.device("cuda"))
    depth, middle = frame("hand")
    small = np.ascontiguousarray(depth[::2, ::2])

    def all_kinds() -> int:
        for count in (1, 2, 4, 8):
            look(pipeline, depth, CAMERA, *cubes(middle, count, 0.25))
        for image, camera in ((small, SMALL), (depth, CAMERA)):
            look(pipeline, image, camera, *cubes(middle, 1, 0.25))
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated()

    all_kinds()
    before = all_kinds()
    for _ in range(3):
        used = all_kinds()
    assert used <= before + 2**20
    assert torch.cuda.max_memory_reserved() < 1.5 * 2**30


@on_gpu
def test_cuda_estimator_finds_the_subject(shipped_weights: str) -> None:
    found = PoseEstimator(shipped_weights, device="cuda")
    assert isinstance(found._pipeline, CudaPipeline)
    sequence = SyntheticSequence("hand", seed=2)
    for index in range(10):
        shown = sequence.frame(index / 30)
        (skeleton,) = found.estimate(shown.depth, CAMERA, index / 30).skeletons
        assert np.nanmean(np.linalg.norm(skeleton.points - shown.joints, axis=-1)) < 0.03
