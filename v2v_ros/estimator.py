"""PoseEstimator: the whole way of a frame, from a depth image to skeletons, without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import weights as weights_files
from .camera import Intrinsics
from .camera_roll import CameraRoll
from .estimate import Estimate, SkeletonEstimate
from .filters import NAMES, make_filter
from .network import describe
from .observe import Observer
from .pipeline import make_pipeline
from .refine import Refiner
from .runtime import choose_device
from .search import Search
from .stopwatch import Stopwatch
from .tracker import Tracker
from .tracking import Observation, Side, TrackingState

__all__ = ["Estimate", "PoseEstimator", "Side", "SkeletonEstimate", "TrackingState"]

DEPTH_RANGE = {"hand": (0.15, 1.5), "body": (0.5, 5.0)}  # metres; where a subject is looked for
# Finds most subjects and leaves out most of what is none, on synthetic images (docs/weights.md).
SCORE_THRESHOLD = {"hand": 0.6, "body": 0.4}
_FIRST_LOOK = 0.5  # share of the threshold that a candidate must reach, whose cube may be off by much of a hand
_BIRTH_MARGIN = 0.5  # of what is above the threshold; while somebody is seen, others must be surer
_SEARCH_SECONDS = 0.3  # between two searches for more subjects, while some are seen

_STAGES = ("locate", "voxelize", "network", "joints", "track")


@dataclass(frozen=True)
class _Lead:
    """A place where a subject may be, to be looked at with the next frame.

    Attributes:
        center: float64 [3] metres.
        centered: The subject, if it is one, is in the middle: what the network then says counts.
    """

    center: np.ndarray
    centered: bool


class PoseEstimator:
    """Finds hands or bodies in depth images and follows them.

    While nobody is seen, every frame is searched until the end: that takes several looks of the network. While somebody
    is seen and there is room for more, a search is begun now and then, and what it proposes is looked at together with
    the tracks in the frames after it, so that no frame takes much longer than another.

    Args:
        weights: Name of shipped weights or path of a weights file.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        runtime: What runs the pose network, one of :data:`v2v_ros.runtime.NAMES`.
        threads: CPU threads for it; 0: the runtime's choice. PyTorch's are those of the whole process.
        read_out: How joints are read off the network's heatmaps: ``peaks``, each by itself, as the paper does;
            ``refiner``, by the joint refiner of the weights; ``auto``: by the refiner where the weights have one.
        skeleton: When given, weights for any other skeleton are refused.
        center_weights: Name or path of a centre refiner's weights; ``auto``: those shipped for the skeleton, if any;
            None: the subject is found by its shape alone.
        side: Which hand to expect; UNKNOWN: either, and always for bodies. The networks know right hands and see left
            ones mirrored.
        score_threshold: Skeletons with a lower score are not reported; None: by the kind of subject.
        min_depth, max_depth: Range of distances along z, metres, in which a new subject, the middle of its joints, is
            taken in; one who is followed is lost a tenth beyond. None: by the kind of subject.
        max_subjects: How many are followed at once: those found first, or that a hint points at.
        filter: Of the joints over time, one of :data:`v2v_ros.filters.NAMES`.
        confirmation: Frames in which a subject must have been seen before it is reported.
        hold_seconds: For how long a subject that is not seen is still reported, as predicted.
        memory_seconds: For how long it then keeps its identity.
        camera_roll: The camera is mounted turned clockwise about its optical axis, as seen from behind it, by 0, 90,
            180 or 270 degrees. Images are turned upright before anything else; hints and results are in the frame of
            the image as it came.

    All but the first seven can be changed between frames as attributes.

    Raises:
        WeightsError: The weights cannot be used.
        ValueError: There is no such device, runtime, read-out, filter or camera roll.
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        device: str = "auto",
        runtime: str = "auto",
        threads: int = 0,
        read_out: str = "auto",
        center_weights: str | Path | None = "auto",
        skeleton: str | None = None,
        side: Side = Side.UNKNOWN,
        score_threshold: float | None = None,
        min_depth: float | None = None,
        max_depth: float | None = None,
        max_subjects: int = 1,
        filter: str = "none",
        confirmation: int = 1,
        hold_seconds: float = 0.25,
        memory_seconds: float = 5.0,
        camera_roll: int = 0,
    ) -> None:
        torch_device = choose_device(device)
        loaded = weights_files.load(weights, skeleton)
        self._edge, self._device = loaded.cube_edge, torch_device
        self._pipeline = make_pipeline(loaded, torch_device, runtime, threads, read_out)
        self._observe = Observer(self._pipeline)
        if center_weights == "auto":
            center_weights = weights_files.center_for(loaded.skeleton.name)
        refiner = None
        if center_weights is not None:
            refiner = Refiner(weights_files.load_center(center_weights, loaded.skeleton.name), torch_device)
        self._search = Search(loaded.skeleton.kind, self._edge, refiner)
        self._tracker = Tracker(loaded.skeleton, self._edge)
        self._leads: list[_Lead] = []
        self._searched = -np.inf

        self.skeleton = loaded.skeleton
        self.weights_id, self.weights_hash = loaded.id, loaded.hash
        self.network = describe(loaded.config)
        self.runtime = self._pipeline.description
        self.read_out = self._pipeline.read_out.name
        self.device = str(torch_device)
        nearest, farthest = DEPTH_RANGE[self.skeleton.kind]
        self._roll = CameraRoll(camera_roll)
        self.side = side
        kind = self.skeleton.kind
        self.score_threshold = SCORE_THRESHOLD[kind] if score_threshold is None else score_threshold
        self.min_depth = nearest if min_depth is None else min_depth
        self.max_depth = farthest if max_depth is None else max_depth
        self._filter = "none"
        self.max_subjects, self.filter = max_subjects, filter
        self.confirmation, self.hold_seconds, self.memory_seconds = confirmation, hold_seconds, memory_seconds

    @property
    def side(self) -> Side:
        """Which hand is expected."""
        return self._observe.side or Side.UNKNOWN

    @side.setter
    def side(self, side: Side) -> None:
        self._observe.side = side if self.skeleton.kind == "hand" else None

    @property
    def max_subjects(self) -> int:
        """How many subjects are followed at once."""
        return self._tracker.most

    @max_subjects.setter
    def max_subjects(self, count: int) -> None:
        self._tracker.most = count

    @property
    def filter(self) -> str:
        """Of the joints over time."""
        return self._filter

    @filter.setter
    def filter(self, name: str) -> None:
        if name not in NAMES:
            raise ValueError(f"unknown filter '{name}'; choose one of: {', '.join(NAMES)}")
        if name != self._filter:
            skeleton = self.skeleton
            self._filter = name
            self._tracker.use_filter(lambda: make_filter(name, skeleton))

    @property
    def confirmation(self) -> int:
        """Frames in which a subject must have been seen before it is reported."""
        return self._tracker.confirmation

    @confirmation.setter
    def confirmation(self, frames: int) -> None:
        self._tracker.confirmation = frames

    @property
    def hold_seconds(self) -> float:
        """For how long a subject that is not seen is still reported."""
        return self._tracker.hold

    @hold_seconds.setter
    def hold_seconds(self, seconds: float) -> None:
        self._tracker.hold = seconds

    @property
    def identities(self) -> int:
        """How many ids were given out; one who takes over from another goes on counting there."""
        return self._tracker.identities

    @identities.setter
    def identities(self, count: int) -> None:
        self._tracker.identities = count

    @property
    def memory_seconds(self) -> float:
        """For how long a subject that is not seen keeps its identity."""
        return self._tracker.memory

    @memory_seconds.setter
    def memory_seconds(self, seconds: float) -> None:
        self._tracker.memory = seconds

    @property
    def camera_roll(self) -> int:
        """By how many degrees the camera is turned; another value forgets all subjects."""
        return self._roll.degrees

    @camera_roll.setter
    def camera_roll(self, degrees: int) -> None:
        if degrees != self._roll.degrees:
            self._roll = CameraRoll(degrees)
            self.reset()

    def reset(self) -> None:
        """Forget all subjects; the next ones get new ids."""
        self._tracker.clear()
        self._leads = []
        self._searched = -np.inf

    def estimate(
        self, depth: np.ndarray, intrinsics: Intrinsics, stamp: float, center: np.ndarray | None = None
    ) -> Estimate:
        """Find the subjects in one frame.

        Args:
            depth: float [H, W] metres along z, NaN where invalid.
            intrinsics: Of the image.
            stamp: Seconds; differences to the frames before drive the prediction.
            center: float [3] metres, a hint where a subject is; used while one is looked for, and as any other place
                between ``min_depth`` and ``max_depth`` only.

        Raises:
            ValueError: The image is not of floats or not of the intrinsics' size, or the hint is not finite.
        """
        if depth.dtype.kind != "f":
            raise ValueError(f"depth must be float32 metres, got {depth.dtype}; divide millimetres by 1000")
        if center is not None and (np.shape(center) != (3,) or not np.isfinite(center).all()):
            raise ValueError(f"center must be three finite numbers in metres, got {center}")
        if depth.shape != (intrinsics.height, intrinsics.width):
            raise ValueError(
                f"the depth image is {depth.shape[1]}x{depth.shape[0]} but the intrinsics are for "
                f"{intrinsics.width}x{intrinsics.height}"
            )
        roll = self._roll
        depth, intrinsics = roll.upright_image(depth), roll.upright_intrinsics(intrinsics)
        center = None if center is None else roll.upright_points(np.asarray(center))
        depth = np.require(depth, np.float32, ["C", "W"])  # PyTorch takes neither views backwards nor read-only ones
        clock = Stopwatch(self._device, _STAGES)
        image = self._pipeline.upload(depth)
        tracker = self._tracker
        tracker.nearest, tracker.farthest = self.min_depth, self.max_depth
        tracker.begin(stamp)
        self._follow(image, intrinsics, stamp, clock)

        def search(known: np.ndarray | None = None) -> np.ndarray:
            self._searched = stamp
            with clock.stage("locate"):
                return self._search.centers(image, depth, intrinsics, (self.min_depth, self.max_depth), center, known)

        if not any(track.fresh for track in tracker.tracks):
            found = self._find(image, intrinsics, search(), center is not None, clock)
            with clock.stage("track"):
                tracker.update(found, stamp)
        elif tracker.has_room and not self._leads and self._is_due(stamp):
            known = np.array([track.predict(stamp)[0] for track in tracker.tracks if not track.lost])
            self._leads = [_Lead(place, False) for place in search(known)]
        with clock.stage("track"):
            skeletons = self._report(stamp)
        return roll.camera_estimate(Estimate(skeletons, clock.seconds))

    def _is_due(self, stamp: float) -> bool:
        """Whether it is time to search for more subjects, also after time has gone back."""
        return not 0 <= stamp - self._searched < _SEARCH_SECONDS

    def _follow(self, image: torch.Tensor, intrinsics: Intrinsics, stamp: float, clock: Stopwatch) -> None:
        """Look at where tracked subjects should be, and at what the last search proposed."""
        tracker, leads = self._tracker, self._leads
        self._leads = []
        tracks = tracker.due(stamp)
        if not tracks and not leads:
            return
        centers = np.array([track.predict(stamp)[0] for track in tracks] + [lead.center for lead in leads])
        evidence = [track.side_evidence for track in tracks] + [0.0] * len(leads)
        looks = self._observe(image, intrinsics, centers, clock, evidence)
        seen = []
        for index, look in enumerate(looks):
            lead = leads[index - len(tracks)] if index >= len(tracks) else None
            if look is None:
                continue
            if lead is None:
                if self._is_sure(look):
                    seen.append(look)
            elif lead.centered:
                if self._is_sure(look, _BIRTH_MARGIN):
                    seen.append(look)
            elif self._is_plausible(look):
                self._leads.append(_Lead(look.centroid, True))
        with clock.stage("track"):
            tracker.update(seen, stamp)

    def _find(
        self, image: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, hinted: bool, clock: Stopwatch
    ) -> list[Observation]:
        """Look at candidates [K, 3] twice, the second time with what seems to be there in the middle of the cube.

        Args:
            hinted: The first candidate is what the user pointed at: the others count only if it is nothing.
        """
        looks = self._observe(image, intrinsics, centers, clock)
        for choice in (looks[:1], looks[1:]) if hinted else (looks,):
            plausible = [look for look in choice if look is not None and self._is_plausible(look)]
            if not plausible:
                continue
            middles = np.array([look.centroid for look in plausible])
            again = self._observe(image, intrinsics, middles, clock)
            sure = [look for look in again if look is not None and self._is_sure(look) and self._tracker.reaches(look)]
            if sure:
                return sure
        return []

    def _is_sure(self, look: Observation, margin: float = 0.0) -> bool:
        """Whether the score reaches the threshold, moved by a share of what is above it.

        A score of 0 means that no joint was estimated, whatever the threshold.
        """
        return look.score > 0 and look.score >= self.score_threshold + margin * (1 - self.score_threshold)

    def _is_plausible(self, look: Observation) -> bool:
        return look.score > 0 and look.score >= _FIRST_LOOK * self.score_threshold

    def _report(self, stamp: float) -> tuple[SkeletonEstimate, ...]:
        return tuple(
            SkeletonEstimate(
                id=track.id,
                side=report.side,
                tracking_state=track.state,
                score=report.score,
                center=report.center,
                cube_edge=self._edge,
                points=report.points,
                scores=report.scores,
                covariances=report.covariances,
                velocities=report.velocities,
            )
            for track, report in self._tracker.reports(stamp)
        )
