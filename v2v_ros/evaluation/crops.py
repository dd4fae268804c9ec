# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pose network alone on a set of crops."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from ..geometry.estimate import Side, SkeletonEstimate, TrackingState
from ..model.paper import peak_coordinates
from ..model.read_out import ReadOut
from ..model.runtime import choose_device, make_runtime
from ..model.voxels import metric_coordinates, occupancy
from ..model.weights import Weights
from . import metrics
from .calibration import CovarianceCoverage, Reliability, apply, covariance_coverage, reliability
from .figures import FigureRecord
from .metrics import CURVE_MM, PRECISION_MM, SUCCESS_MM, GroupFigures, by_group, error_figures
from .processes import Processes
from .reports.contact_sheet import Tile
from .synthetic_sets import PART, SetPart

_WORST = 24  # crops that are kept for a picture


@dataclass(frozen=True, kw_only=True)
class CropJointFigures(FigureRecord):
    """Errors of a joint, or of several together, in millimetres."""

    mean_mm: float
    median_mm: float
    missed_share: float
    precision_10cm: float


@dataclass(frozen=True, kw_only=True)
class ReadOutFigures(FigureRecord):
    """Errors of joints that one read-out found, in millimetres."""

    mean_mm: float
    median_mm: float
    missed_share: float
    success_30mm: float
    success_300mm: float
    map_10cm: float


@dataclass(frozen=True)
class SuccessCurve(FigureRecord):
    """Shares of samples whose worst joint is within thresholds."""

    threshold_mm: tuple[int, ...]
    success: list[float]


@dataclass(frozen=True, kw_only=True)
class CropFigures(FigureRecord):
    """Figures of a pose network on crops.

    Attributes:
        read_outs: Figures of the heatmaps' peaks alone, and of the read-out that was judged, by name.
        joints, parts, sensors, views: Figures by name of the joint, part, sensor and view; views for bodies only.
        calibrated: Whether scores and covariances are calibrated.
    """

    mean_mm: float
    median_mm: float
    success_30mm: float
    map_10cm: float
    read_outs: dict[str, ReadOutFigures]
    ms_per_crop: float
    joints: dict[str, CropJointFigures]
    parts: dict[str, CropJointFigures]
    sensors: dict[str, GroupFigures]
    views: dict[str, GroupFigures] | None = None
    curve: SuccessCurve
    calibrated: bool
    reliability: Reliability
    covariance: CovarianceCoverage


@dataclass(frozen=True)
class _Record:
    """Results of a part: errors [B, J] in mm, of the peaks alone too, vectors [B, J, 3], confidences [B, J] and
    moments [B, J, 6]."""

    errors: torch.Tensor
    plain_errors: torch.Tensor
    vectors: torch.Tensor
    confidences: torch.Tensor
    moments: torch.Tensor
    sensor: str
    view: str
    seconds: float


class Crops:
    """Runs a pose network on crops, part by part, and makes figures of all of them.

    Args:
        weights: Weights of the network.
        device: Device that the network runs on.
        runtime, threads: Runtime and CPU threads of the network, as for :class:`~v2v_ros.estimator.PoseEstimator`.
        read_out: Name of the read-out that turns its heatmaps into joints, likewise.
    """

    def __init__(
        self, weights: Weights, device: str, runtime: str = "auto", threads: int = 0, read_out: str = "auto"
    ) -> None:
        self._weights = weights
        self._network = CubeNetwork(weights, device, runtime, threads, read_out)
        self._records: dict[int, _Record] = {}
        self._worst: list[tuple[float, int, Tile]] = []

    def add(self, index: int, part: SetPart) -> None:
        """Take the part of an index in."""
        results = self._network(part)
        errors = 1000 * metrics.joint_errors(results.joints, part.joints)
        vectors = results.joints - part.joints
        seconds = results.seconds
        plain = 1000 * metrics.joint_errors(results.plain, part.joints)
        confidences, moments = results.confidences, results.moments
        record = _Record(errors, plain, vectors, confidences, moments, part.sensor, part.view, seconds)
        self._records[index] = record
        self._keep_worst(index * PART, part, results, errors.mean(1))

    def gather(self, processes: Processes) -> None:
        """Take in what the other processes have."""
        self._records = processes.gather(self._records)
        shares = processes.gather({processes.rank: self._worst})
        self._worst = _worst_of([each for share in shares.values() for each in share])

    def _keep_worst(self, first: int, part: SetPart, results: CubeResults, errors: torch.Tensor) -> None:
        for index, error in enumerate(errors.tolist()):
            if len(self._worst) == _WORST and error <= self._worst[-1][0]:
                continue
            center = part.cube_centers[index].double().numpy()
            found = SkeletonEstimate(
                id="",
                side=Side.UNKNOWN,
                tracking_state=TrackingState.DETECTED,
                score=float(results.confidences[index].mean()),
                center=center,
                cube_edge=self._weights.cube_edge,
                points=results.joints[index].numpy(),
                scores=results.confidences[index].numpy(),
                covariances=results.moments[index].numpy(),
                velocities=np.full(results.joints[index].shape, np.nan, np.float32),
            )
            name = f"{first + index:04d} {part.sensor} {center[2]:.1f} m"
            truth = part.joints[index].numpy()
            depth = part.depth[index].numpy()
            tile = Tile(name, depth, part.intrinsics(index), found, truth, f"{error:.0f} mm")
            self._worst.append((error, first + index, tile))
        self._worst = _worst_of(self._worst)

    def worst(self) -> list[Tile]:
        """Return the crops with the largest mean errors, the worst first."""
        return [tile for _, _, tile in self._worst]

    def joints(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return confidences [N], errors [N, 3] and moments [N, 6], float64, of all joints with a truth."""
        records = self._records.values()
        vectors = torch.cat([record.vectors for record in records]).flatten(0, 1)
        labelled = vectors.isfinite().all(1)
        confidences = torch.cat([record.confidences for record in records]).flatten()
        moments = torch.cat([record.moments for record in records]).flatten(0, 1)
        columns = (each[labelled].double().numpy() for each in (confidences, vectors, moments))
        return next(columns), next(columns), next(columns)

    def figures(self) -> CropFigures:
        """Return the metrics over all parts."""
        records = list(self._records.values())
        errors = torch.cat([record.errors for record in records])
        skeleton = self._weights.skeleton
        precision = metrics.precision(errors, PRECISION_MM)
        columns = {name: index for index, name in enumerate(skeleton.joint_names)}
        confidences, vectors, moments = self.joints()
        read_out = self._network.read_out
        scores, covariances = apply(read_out.calibration, confidences, moments)
        plain = torch.cat([record.plain_errors for record in records])
        radius = skeleton.subject.near
        thresholds = CURVE_MM[skeleton.kind]
        sensors = [record.sensor for record in records for _ in record.errors]
        views = [record.view for record in records for _ in record.errors]
        return CropFigures(
            mean_mm=metrics.mean_error(errors),
            median_mm=metrics.median_error(errors),
            success_30mm=metrics.success_rate(errors, SUCCESS_MM),
            map_10cm=metrics.mean_precision(errors, PRECISION_MM),
            read_outs={
                name: ReadOutFigures(
                    **error_figures(each),
                    success_30mm=metrics.success_rate(each, SUCCESS_MM),
                    success_300mm=metrics.success_rate(each, 10 * SUCCESS_MM),
                    map_10cm=metrics.mean_precision(each, PRECISION_MM),
                )
                for name, each in {"peaks": plain, read_out.name: errors}.items()
            },
            ms_per_crop=1000 * sum(record.seconds for record in records) / len(errors),
            joints={
                name: CropJointFigures(**error_figures(errors[:, index]), precision_10cm=precision[index])
                for name, index in columns.items()
            },
            parts={
                name: CropJointFigures(
                    **error_figures(errors[:, [columns[joint] for joint in joints]]),
                    precision_10cm=float(np.mean([precision[columns[joint]] for joint in joints])),
                )
                for name, joints in metrics.joint_groups(skeleton.kind).items()
            },
            sensors=by_group(errors, sensors),
            views=by_group(errors, views) if skeleton.kind == "body" else None,
            curve=SuccessCurve(thresholds, metrics.success_curve(errors, torch.tensor(thresholds))),
            calibrated=read_out.calibration is not None,
            reliability=reliability(scores, np.linalg.norm(vectors, axis=1), radius),
            covariance=covariance_coverage(vectors, covariances),
        )


def _worst_of(tiles: list[tuple[float, int, Tile]]) -> list[tuple[float, int, Tile]]:
    return sorted(tiles, key=lambda each: each[:2], reverse=True)[:_WORST]


@dataclass(frozen=True)
class CubeResults:
    """Joints that a network finds in some cubes, on the CPU.

    Attributes:
        joints: float32 [B, J, 3] metres.
        confidences: float32 [B, J], before calibration.
        moments: float32 [B, J, 6] covariances before calibration, square metres.
        plain: float32 [B, J, 3] metres: the joints read off the heatmaps' highest peaks alone.
        seconds: Seconds that the batch took, voxelization included.
    """

    joints: torch.Tensor
    confidences: torch.Tensor
    moments: torch.Tensor
    plain: torch.Tensor
    seconds: float


class CubeNetwork:
    """A pose network as the estimator runs it.

    Args:
        weights, device, runtime, threads, read_out: Arguments as for :class:`~v2v_ros.estimator.PoseEstimator`.

    Attributes:
        read_out: Read-out of the heatmaps.

    Raises:
        ValueError: There is no such device, runtime or read-out.
    """

    def __init__(
        self,
        weights: Weights,
        device: str = "auto",
        runtime: str = "auto",
        threads: int = 0,
        read_out: str = "auto",
    ) -> None:
        self._device = choose_device(device)
        self._config, self.edge = weights.config, weights.cube_edge
        self._heatmap_offset = weights.heatmap_offset
        self.read_out = ReadOut(weights, self._device, runtime, threads, read_out)
        # Where the peaks are read plainly already, there is nothing to compare with.
        self._plain = None if self.read_out.name == "peaks" else ReadOut(weights, self._device, name="peaks")
        self._run = make_runtime(runtime, weights, self._device, threads)
        self._run(torch.zeros(1, 1, *3 * (weights.config.grid,), device=self._device))  # warm up

    @torch.inference_mode()
    def __call__(self, part: SetPart) -> CubeResults:
        depth = part.depth
        points = part.cameras.deproject(depth).to(self._device)
        centers = part.cube_centers.to(self._device)
        started = time.perf_counter()
        heatmaps = self._run(occupancy(points, centers, self.edge, self._config.grid))
        reading = self.read_out(heatmaps)
        cell = self.edge / self._config.heatmap
        joints = metric_coordinates(reading.coordinates, centers, self.edge, self._config.heatmap)
        results = joints.cpu(), reading.confidences.cpu(), (reading.moments * cell**2).cpu()
        seconds = time.perf_counter() - started
        plain = joints
        if self._plain is not None:
            plain = metric_coordinates(self._plain(heatmaps).coordinates, centers, self.edge, self._config.heatmap)
        return CubeResults(*results, plain.cpu(), seconds)

    @torch.inference_mode()
    def joints(self, points: list[torch.Tensor], centers: torch.Tensor, *, published: bool = False) -> torch.Tensor:
        """Find the joints of cubes in which clouds of different sizes are.

        Args:
            points: float [P, 3] metres, for every cube.
            centers: float [B, 3] metres.
            published: Whether to take the middle of the highest cell, as the published code does (for networks trained
                as published: of the voxel that its targets mean), not the place between cells.

        Returns:
            float32 [B, J, 3] metres, on the CPU.
        """
        grid, edge = self._config.grid, self.edge
        cubes = [
            occupancy(cloud[None], center[None], edge, grid) for cloud, center in zip(points, centers, strict=True)
        ]
        heatmaps = self._run(torch.cat(cubes).to(self._device))
        if published:
            coordinates = peak_coordinates(heatmaps) + 0.5 - self._heatmap_offset
        else:
            coordinates = self.read_out(heatmaps).coordinates
        return metric_coordinates(coordinates, centers.to(self._device), edge, self._config.heatmap).cpu()
