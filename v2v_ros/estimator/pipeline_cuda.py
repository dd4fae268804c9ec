# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""From cubes in a depth image to joints on a GPU: one upload, no wait in between, one download.

The work does not depend on what is in the image, and a number of cubes always uses the same memory. So each stage can
be recorded as a CUDA graph once and replayed for every frame, which spares launching its kernels one by one. All but
the recording runs on any device.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from ..geometry.camera import Intrinsics
from ..io.depth import decode_image
from ..model.calibration import interpolate
from ..model.read_out import ReadOut
from ..model.runtime import TorchRuntime
from ..model.voxels import MOST_CUBES, metric_coordinates, rays, scatter_occupancy
from ..model.weights import Weights
from .pipeline import FEWEST_VOXELS, JOINT_SCORE, Looks
from .stopwatch import Stopwatch

log = logging.getLogger(__name__)

SIZES = (1, 2, 4, MOST_CUBES)  # cubes that are looked at together; fewer are filled up, more come in turn
Steps = tuple[Callable[[], None], ...]
_STAGES = ("voxelize", "network", "joints")
_WARM_UPS = 3  # PyTorch's advice before recording
_VALUES = 10  # values of a joint: point, score, covariance
_WHOLE = 3  # values of a cube: probability of a subject, logit of a left hand, number of occupied cells


class _Frame:
    """Buffers for images of one size, and the camera that they come from."""

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        self.depth = torch.empty(height, width, device=device)
        self.columns = torch.empty(width, dtype=torch.float64, device=device)
        self.rows = torch.empty(height, dtype=torch.float64, device=device)
        self.batches: dict[int, _Batch] = {}
        # Graphs of one pool share memory: only one runs at a time, and what it leaves is fetched before the next.
        self.pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None
        self._staging: dict[torch.dtype, tuple[torch.Tensor, torch.Tensor]] = {}
        self._intrinsics: Intrinsics | None = None

    def staging(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where images of that type are copied from, in pinned memory, and to."""
        if dtype not in self._staging:
            there = self.depth if dtype == self.depth.dtype else torch.empty_like(self.depth, dtype=dtype)
            self._staging[dtype] = _pinned(self.depth.shape, dtype, self.depth.device), there
        return self._staging[dtype]

    def see_by(self, intrinsics: Intrinsics) -> None:
        if intrinsics != self._intrinsics:
            columns, rows = rays(intrinsics)
            self.columns.copy_(torch.from_numpy(columns))
            self.rows.copy_(torch.from_numpy(rows))
            self._intrinsics = intrinsics


class _Batch:
    """Buffers, and the CUDA graph, for a fixed number of cubes."""

    def __init__(self, size: int, joints: int, device: torch.device) -> None:
        self.asked = _pinned((size, 4), torch.float64, device)  # x, y, z, whether it is mirrored
        self.cubes = torch.empty(size, 4, dtype=torch.float64, device=device)
        self.grids = self.heatmaps = torch.empty(0)  # each stage leaves here what the next one takes
        self.result = torch.empty(size, joints * _VALUES + _WHOLE, device=device)
        self.answer = _pinned(self.result.shape, torch.float32, device)
        self.replays: Steps = ()  # replays of the stages, when they are recorded


class CudaPipeline:
    """Does what :class:`~v2v_ros.estimator.pipeline.Pipeline` does, for one thread at a time.

    A number of cubes that comes for the first time is recorded, which takes longer than any frame after it.

    Args:
        weights: Weights of the network.
        device: Device that the network runs on; anything but a GPU only shows that the results are the same.
        threads: Number of PyTorch's CPU threads, of the whole process; 0: as it is set.
        read_out: Name of the read-out (:class:`~v2v_ros.model.read_out.ReadOut`) that turns heatmaps into joints.
        graphs: Whether to record CUDA graphs, on a GPU; where that fails the reason is logged and all runs without.

    Attributes:
        description: Description of the runtime, for people.
        read_out: Read-out of the heatmaps.
    """

    def __init__(
        self,
        weights: Weights,
        device: torch.device,
        threads: int = 0,
        *,
        read_out: str = "auto",
        graphs: bool = True,
    ) -> None:
        self._device, self._on_gpu = device, device.type == "cuda"
        self._config, self._edge = weights.config, weights.cube_edge
        self.read_out = ReadOut(weights, device, "torch", threads, read_out)
        self._run = TorchRuntime(weights.build(), device, threads)
        self._graphs = graphs and self._on_gpu
        self.description = f"{self._run.description}{', CUDA graphs' if self._graphs else ''}"
        millimetres = decode_image("16UC1", 256, 256, 512, False, np.arange(65536, dtype=np.uint16).tobytes())
        self._metres = torch.from_numpy(millimetres.flatten()).to(device)
        self._calibration: torch.Tensor | None = None
        if (tables := self.read_out.calibration) is not None:
            columns = (tables.peaks, tables.probabilities, tables.variance_factors)
            self._calibration = torch.tensor(columns, dtype=torch.float32, device=device)
        self._mirror = torch.tensor([1, -1, -1, 1, 1, 1], dtype=torch.float32, device=device)  # xy and xz
        self._frame: _Frame | None = None
        with self._current():
            self._events = [torch.cuda.Event(enable_timing=True) for _ in range(4)] if self._on_gpu else []
            self._uploaded = torch.cuda.Event() if self._on_gpu else None
            self._run(torch.zeros(1, 1, *3 * (self._config.grid,), device=device))  # warm up
        self._times = [0.0] * 4

    @torch.inference_mode()
    def upload(self, depth: np.ndarray) -> torch.Tensor:
        """Start to bring an image to the device.

        Args:
            depth: [H, W], float32 metres or uint16 millimetres, 0 where invalid.

        Returns:
            float32 [H, W] metres on the device, until the next upload.

        Raises:
            ValueError: The image is of another type.
        """
        if depth.dtype not in (np.float32, np.uint16):
            raise ValueError(f"depth must be float32 metres or uint16 millimetres, got {depth.dtype}")
        with self._current():
            frame = self._frame_for(depth.shape)
            # PyTorch can do little with uint16: the same bits travel as int16.
            numbers = depth.view(np.int16) if depth.dtype == np.uint16 else depth
            here, there = frame.staging(torch.int16 if depth.dtype == np.uint16 else torch.float32)
            if self._uploaded is not None:
                self._uploaded.synchronize()  # the last image has left
            np.copyto(here.numpy(), numbers)
            there.copy_(here, non_blocking=True)
            if self._uploaded is not None:
                self._uploaded.record()
            if there is not frame.depth:
                places = (there.int() & 0xFFFF).flatten()
                torch.index_select(self._metres, 0, places, out=frame.depth.view(-1))
            return frame.depth

    @torch.inference_mode()
    def __call__(
        self, image: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, mirrored: np.ndarray, clock: Stopwatch
    ) -> Looks:
        """Look into cubes; as :meth:`v2v_ros.estimator.pipeline.Pipeline.__call__`.

        The clock gets what the device took; that the CPU waited for it or prepared its work is in no stage.
        """
        with self._current():
            frame = self._frame_for(image.shape)
            if image is not frame.depth:
                frame.depth.copy_(image)
            frame.see_by(intrinsics)
            answers = [np.zeros((0, self._config.joints * _VALUES + _WHOLE), np.float32)]
            for start in range(0, len(centers), MOST_CUBES):
                part = slice(start, start + MOST_CUBES)
                answers.append(self._look(frame, centers[part], mirrored[part], clock))
        answer = np.concatenate(answers)
        values = answer[:, :-_WHOLE].reshape(len(centers), self._config.joints, _VALUES)
        subjects, left, occupied = answer[:, -_WHOLE:].T
        return Looks(values[..., :3], values[..., 3], values[..., 4:], subjects, left, empty=occupied < FEWEST_VOXELS)

    def _current(self) -> AbstractContextManager[object]:
        return torch.cuda.device(self._device) if self._on_gpu else nullcontext()

    def _frame_for(self, shape: tuple[int, ...]) -> _Frame:
        if self._frame is None or self._frame.depth.shape != shape:
            self._frame = None  # first give back the memory of the last one, and its graphs
            height, width = shape
            self._frame = _Frame(height, width, self._device)
        return self._frame

    def _look(self, frame: _Frame, centers: np.ndarray, mirrored: np.ndarray, clock: Stopwatch) -> np.ndarray:
        """Up to :data:`MOST_CUBES` cubes: the values of their joints, and how many cells are occupied."""
        size = next(size for size in SIZES if size >= len(centers))
        if size not in frame.batches:
            frame.batches[size] = self._prepare(frame, size)
        batch = frame.batches[size]
        asked = batch.asked.numpy()
        asked[:] = np.nan  # a cube nowhere is empty
        asked[: len(centers), :3] = centers
        asked[: len(centers), 3] = mirrored
        self._mark(0)
        batch.cubes.copy_(batch.asked, non_blocking=True)
        voxelize, predict, read = batch.replays or self._steps(frame, batch)
        voxelize()
        self._mark(1)
        predict()
        self._mark(2)
        read()
        batch.answer.copy_(batch.result, non_blocking=True)
        self._mark(3)
        if self._on_gpu:
            self._events[3].synchronize()
        for index, stage in enumerate(_STAGES):
            clock.seconds[stage] += self._seconds(index)
        return batch.answer[: len(centers)].numpy().copy()

    def _mark(self, index: int) -> None:
        if self._on_gpu:
            self._events[index].record()
        else:
            self._times[index] = time.perf_counter()

    def _seconds(self, index: int) -> float:
        if self._on_gpu:
            return self._events[index].elapsed_time(self._events[index + 1]) / 1000
        return self._times[index + 1] - self._times[index]

    def _prepare(self, frame: _Frame, size: int) -> _Batch:
        batch = _Batch(size, self._config.joints, self._device)
        if self._graphs:
            batch.cubes.fill_(torch.nan)
            try:
                batch.replays = _record(self._steps(frame, batch), frame.pool)
            except RuntimeError as error:
                log.warning("CUDA graphs cannot be used, all runs without, and slower: %s", error)
                self._graphs = False
        return batch

    def _steps(self, frame: _Frame, batch: _Batch) -> Steps:
        return (lambda: self._voxelize(frame, batch)), (lambda: self._predict(batch)), (lambda: self._read(batch))

    def _voxelize(self, frame: _Frame, batch: _Batch) -> None:
        centers, mirrored = batch.cubes[:, :3], batch.cubes[:, 3] == 1
        config = self._config
        batch.grids = scatter_occupancy(
            frame.depth, frame.columns, frame.rows, centers, mirrored, self._edge, config.grid
        )
        batch.result[:, -1] = batch.grids.flatten(1).sum(1, dtype=torch.float32)

    def _predict(self, batch: _Batch) -> None:
        batch.heatmaps = self._run(batch.grids)

    def _read(self, batch: _Batch) -> None:
        size = self._config.heatmap
        centers, mirrored = batch.cubes[:, :3].float(), (batch.cubes[:, 3] == 1)[:, None]
        reading = self.read_out(batch.heatmaps)
        coordinates, confidences = reading.coordinates, reading.confidences
        moments = reading.moments * (self._edge / size) ** 2  # square metres
        scores = confidences
        if self._calibration is not None:
            knots, probabilities, factors = self._calibration
            scores = interpolate(confidences, knots, probabilities)
            moments = moments * interpolate(confidences, knots, factors)[..., None]
        x, y, z = coordinates.unbind(-1)
        coordinates = torch.stack((torch.where(mirrored, size - x, x), y, z), dim=-1)
        moments = torch.where(mirrored[..., None], moments * self._mirror, moments)
        points = metric_coordinates(coordinates, centers, self._edge, size)
        full = batch.result[:, -1:] >= FEWEST_VOXELS
        there = (confidences >= JOINT_SCORE) & full
        scores = scores.masked_fill(~there, 0)
        subjects = reading.subjects[:, None] if self.read_out.knows_subjects else scores.mean(1, keepdim=True)
        left = torch.where(mirrored, -reading.left[:, None], reading.left[:, None])
        points, moments = (each.masked_fill(~there[..., None], torch.nan) for each in (points, moments))
        batch.result[:, :-_WHOLE] = torch.cat((points, scores[..., None], moments), dim=-1).flatten(1)
        batch.result[:, -_WHOLE:-1] = torch.cat((subjects, left), dim=1).masked_fill(~full, 0)


def _pinned(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Memory of the CPU, from which a GPU can copy by itself."""
    return torch.empty(shape, dtype=dtype, pin_memory=device.type == "cuda")


def _record(steps: Steps, pool: Any) -> Steps:
    """Functions that replay the steps, in this order, on the memory that they use now.

    Raises:
        RuntimeError: A step waits for the device or needs what cannot be recorded.
    """
    benchmark = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True  # sizes never change: it pays to try all ways of computing a convolution
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                for step in steps:
                    step()
        torch.cuda.current_stream().wait_stream(side)
        replays: list[Callable[[], None]] = []
        for step in steps:
            graph = torch.cuda.CUDAGraph()
            # Other threads may go on using the GPU meanwhile.
            with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
                step()
            replays.append(graph.replay)
        return tuple(replays)
    finally:
        torch.backends.cudnn.benchmark = benchmark
