# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""PoseEstimator: the whole way of a frame, from a depth image to skeletons, without ROS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..geometry.camera import Intrinsics
from ..geometry.camera_roll import CameraRoll
from ..geometry.estimate import Estimate, Side, SkeletonEstimate, TrackingState
from ..model import weights as weights_files
from ..model.detector import Detector
from ..model.network import network_text
from ..model.runtime import choose_device
from .observe import Observer
from .pipeline import make_pipeline
from .search import Proposals, Search
from .settings import Setting, Settings
from .stopwatch import Stopwatch
from .tracking.track import Observation
from .tracking.tracker import Tracker

__all__ = ["Estimate", "PoseEstimator", "Side", "SkeletonEstimate", "TrackingState"]

# What is known before a look, as a logit of there being a subject. What a detection counts was chosen on recorded
# frames (docs/weights.md): the detector sees the surroundings, the pose network the shape.
_DETECTION_WEIGHT = 3.0  # factor of the detection's logit
_MOST_DETECTED = 1.0  # most that a detection counts, so that alone it does not decide
_TRACKED = 2.0  # where a subject was in the image before
_FIRST_LOOK = 0.5  # share of the threshold that a candidate must reach, whose cube may be off by much of a hand
_BIRTH_MARGIN = 0.5  # share of the room above the threshold; while somebody is seen, others must be surer
_SEARCH_SECONDS = 0.1  # between two searches while some subjects are seen and there is room for more
_CHECK_SECONDS = 0.3  # the same without room, to see whether the tracks are on subjects
_DETECTED_SIDE = 1.0  # largest logit that a detection says of the side
_STRONG = 0.3  # score of a detection that may be what a track has lost
_DOUBTS = 3  # searches in a row that find no subject at a track, but one elsewhere, after which it is given up

_STAGES = ("locate", "voxelize", "network", "joints", "track")


@dataclass(frozen=True)
class _Lead:
    """A place where a subject may be, to be looked at with the next frame.

    Attributes:
        center: float64 [3] metres, centre of the cube.
        left: Evidence about the side, as a logit of a left hand.
        prior: Evidence of the detection for a subject, as a logit.
    """

    center: np.ndarray
    left: float = 0.0
    prior: float = 0.0


class PoseEstimator:
    """Finds hands or bodies in depth images and follows them.

    A detector looks at whole images and proposes cubes; the pose network and its joint refiner decide what is in them.
    While nobody is seen, every frame is searched until the end. While somebody is seen, one is searched now and then:
    what is new is looked at together with the tracks in the frame after it, so that no frame takes much longer than
    another, and a track at which the detector finds nobody for a while, but somebody elsewhere, is given up.

    Example:
        >>> from v2v_ros.estimator import PoseEstimator
        >>> from v2v_ros.synthetic.scenes.one import CAMERA, SyntheticSequence
        >>> hand = SyntheticSequence("hand").frame(0.0)
        >>> estimate = PoseEstimator("hand21_lite").estimate(hand.depth, CAMERA, stamp=0.0)
        >>> [(one.id, one.points.shape) for one in estimate.skeletons]
        [('hand_1', (21, 3))]

    Args:
        weights: Name of shipped weights or path of a weights file.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        runtime: Name of the runtime of the pose network, one of :data:`v2v_ros.model.runtime.NAMES`.
        threads: Number of CPU threads for it; 0: the runtime's choice. PyTorch's are those of the whole process.
        read_out: Name of the read-out that makes joints of the network's heatmaps: ``peaks``, each by itself, as the
            paper does; ``refiner``, with the joint refiner of the weights; ``auto``: with the refiner where the weights
            have one.
        skeleton: Name of the skeleton that is needed; weights for any other are refused. None: any will do.
        detector_weights: Name or path of a detector's weights; ``auto``: those shipped; None: the nearest things are
            looked at.
        settings: Any of :class:`~v2v_ros.estimator.settings.Settings`; what is left out, or None, suits the kind of
            subject. They can be changed between frames, one by one as attributes or all as ``settings``.

    Attributes:
        skeleton: Skeleton of the weights.
        cube_edge: Edge of the cubes that the network looks into, metres.
        network, runtime, read_out, device: Names of what runs, for people to read.
        weights_id, weights_hash: Id and hash of the weights.

    Raises:
        WeightsError: The weights cannot be used.
        ValueError: There is no such device, runtime, read-out, filter or camera roll.
        TypeError: There is no such setting.
    """

    side = Setting[Side]()
    score_threshold = Setting[float]()
    min_depth = Setting[float]()
    max_depth = Setting[float]()
    max_subjects = Setting[int]()
    filter = Setting[str]()
    confirmation = Setting[int]()
    hold_seconds = Setting[float]()
    memory_seconds = Setting[float]()
    camera_roll = Setting[int]()

    def __init__(
        self,
        weights: str | Path,
        *,
        device: str = "auto",
        runtime: str = "auto",
        threads: int = 0,
        read_out: str = "auto",
        detector_weights: str | Path | None = "auto",
        skeleton: str | None = None,
        **settings: Any,
    ) -> None:
        torch_device = choose_device(device)
        loaded = weights_files.load(weights, skeleton)
        self._device = torch_device
        self._pipeline = make_pipeline(loaded, torch_device, runtime, threads, read_out)
        self._observe = Observer(self._pipeline)
        detector = None
        if detector_weights == "auto":
            detector = Detector(weights_files.load_detector(), torch_device)
        elif detector_weights is not None:
            detector = Detector(weights_files.load_detector(detector_weights), torch_device)
        self._search = Search(loaded.skeleton.subject, loaded.cube_edge, detector)
        self._tracker = Tracker(loaded.skeleton, loaded.cube_edge, Settings.usual(loaded.skeleton.subject))
        self._leads: list[_Lead] = []
        self._looked_at: list[np.ndarray] = []  # centres [K, 3] of the cubes of each look of a frame
        self._searched = -np.inf

        self.skeleton, self.cube_edge = loaded.skeleton, loaded.cube_edge
        self.weights_id, self.weights_hash = loaded.id, loaded.hash
        self.network = network_text(loaded.config)
        self.runtime = self._pipeline.description
        self.read_out = self._pipeline.read_out.name
        self.device = str(torch_device)
        self._roll = CameraRoll(0)
        self.settings = Settings.usual(self.skeleton.subject).but(**settings)

    @property
    def settings(self) -> Settings:
        """Settings that may change between frames; another camera roll forgets all subjects."""
        return self._tracker.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        if self.skeleton.subject.has_sides:
            self._observe.side = settings.side
        else:
            settings = replace(settings, side=Side.UNKNOWN)  # the observer's stays None
        self._tracker.settings = settings
        if settings.camera_roll != self._roll.degrees:
            self._roll = CameraRoll(settings.camera_roll)
            self.reset()

    @property
    def identities(self) -> int:
        """Number of ids given out; an estimator that takes over from another one continues its count."""
        return self._tracker.identities

    @identities.setter
    def identities(self, count: int) -> None:
        self._tracker.identities = count

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
            intrinsics: Intrinsics of the image.
            stamp: Time of the image, seconds; differences to the frames before drive the prediction.
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
        depth = np.require(depth, np.float32, ["C", "W"])  # PyTorch takes no read-only views and no negative strides
        clock = Stopwatch(self._device, _STAGES)
        image = self._pipeline.upload(depth)
        tracker = self._tracker
        self._looked_at = [np.zeros((0, 3))]
        tracker.begin(stamp)
        self._follow(image, intrinsics, stamp, clock)

        best = np.nan
        if not any(track.fresh for track in tracker.tracks):
            proposals = self._propose(depth, intrinsics, stamp, clock)
            best = proposals.best
            found = self._find(image, depth, intrinsics, proposals, center, clock)
            with clock.stage("track"):
                tracker.update(found, stamp)
        elif self._is_due(stamp):
            proposals = self._propose(depth, intrinsics, stamp, clock)
            best = proposals.best
            self._compare(proposals, stamp)
        with clock.stage("track"):
            skeletons = tuple(skeleton for _, skeleton in tracker.reports(stamp))
        looked_at = np.concatenate(self._looked_at)
        return roll.camera_estimate(Estimate(skeletons, clock.seconds, best, looked_at))

    def _look(
        self, image: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, clock: Stopwatch, evidence: list[float]
    ) -> list[Observation | None]:
        """Look into cubes around centers float64 [K, 3] (:class:`~v2v_ros.estimator.observe.Observer`)."""
        self._looked_at.append(centers)
        return self._observe(image, intrinsics, centers, clock, evidence)

    def _propose(self, depth: np.ndarray, intrinsics: Intrinsics, stamp: float, clock: Stopwatch) -> Proposals:
        """Search the whole image."""
        self._searched = stamp
        with clock.stage("locate"):
            return self._search(depth, intrinsics, (self.min_depth, self.max_depth), 2 * self.max_subjects + 2)

    def _compare(self, proposals: Proposals, stamp: float) -> None:
        """Hold what a search proposes against the tracks: others may be new, and a track may be on nobody."""
        tracker = self._tracker
        tracks = [track for track in tracker.tracks if not track.lost]
        known = np.array([track.predict(stamp)[0] for track in tracks])
        others = proposals.without(known, self.skeleton.subject.separation)
        for track, place in zip(tracks, known, strict=True):
            distances = np.linalg.norm(proposals.centers - place, axis=1)
            seen = bool((distances < 0.5 * self.cube_edge).any())
            elsewhere = len(others.centers) > 0 and proposals.best >= _STRONG
            track.doubts = track.doubts + 1 if elsewhere and not seen else 0
            if track.doubts >= _DOUBTS:
                tracker.forget(track)
        if tracker.has_room and not self._leads:
            columns = (others.centers, others.left.tolist(), _priors(others))
            self._leads = [_Lead(*each) for each in zip(*columns, strict=True)]

    def _is_due(self, stamp: float) -> bool:
        """Return whether it is time to search beside the tracks, also after time has gone back."""
        if not self._tracker.has_room and not self._search.knows_subjects:
            return False
        return not 0 <= stamp - self._searched < (_SEARCH_SECONDS if self._tracker.has_room else _CHECK_SECONDS)

    def _follow(self, image: torch.Tensor, intrinsics: Intrinsics, stamp: float, clock: Stopwatch) -> None:
        """Look at where tracked subjects should be, and at what the last search proposed."""
        tracker, leads = self._tracker, self._leads
        self._leads = []
        tracks = tracker.due(stamp)
        if not tracks and not leads:
            return
        centers = np.array([track.predict(stamp)[0] for track in tracks] + [lead.center for lead in leads])
        evidence = [track.side_evidence for track in tracks] + [_evidence(lead.left) for lead in leads]
        looks = self._look(image, intrinsics, centers, clock, evidence)
        seen = []
        for index, raw in enumerate(looks):
            lead = leads[index - len(tracks)] if index >= len(tracks) else None
            if raw is None:
                continue
            look = self._with_prior(raw, _TRACKED if lead is None else lead.prior)
            if lead is None:
                if self._is_sure(look):
                    seen.append(look)
            elif self._is_sure(look, _BIRTH_MARGIN):
                seen.append(look)
        with clock.stage("track"):
            tracker.update(seen, stamp)

    def _find(
        self,
        image: torch.Tensor,
        depth: np.ndarray,
        intrinsics: Intrinsics,
        proposals: Proposals,
        hint: np.ndarray | None,
        clock: Stopwatch,
    ) -> list[Observation]:
        """Look at proposals, and again where a subject seems to lie off the middle of its cube.

        Args:
            hint: float [3] metres, the place that the user pointed at; the proposals count only if no subject is there.
        """
        choices = [(proposals.centers, [_evidence(each) for each in proposals.left.tolist()], _priors(proposals))]
        if hint is not None:
            with clock.stage("locate"):
                choices.insert(0, (self._search.hinted(depth, intrinsics, hint)[None], [0.0], [0.0]))
        for places, evidence, priors in choices:
            looks = self._look(image, intrinsics, places, clock, evidence) if len(places) else []
            sure: list[Observation] = []
            off: list[tuple[Observation, float]] = []
            for look, prior in zip(looks, priors, strict=True):
                if look is None or not self._is_plausible(self._with_prior(look, prior)):
                    continue
                if np.linalg.norm(look.centroid - look.center) <= self.skeleton.subject.centered * self.cube_edge:
                    sure.append(self._with_prior(look, prior))
                else:
                    off.append((look, prior))
            if off:
                middles = np.array([look.centroid for look, _ in off])
                again = self._look(image, intrinsics, middles, clock, [look.left for look, _ in off])
                sure += [
                    self._with_prior(look, prior)
                    for look, (_, prior) in zip(again, off, strict=True)
                    if look is not None
                ]
            sure = [look for look in sure if self._is_sure(look) and self._tracker.reaches(look)]
            if sure:
                return sure
        return []

    def _with_prior(self, look: Observation, prior: float) -> Observation:
        """Return a look whose score also counts what was known before, as a logit, if the read-out knows subjects at
        all."""
        if not self._pipeline.read_out.knows_subjects:
            return look
        odds = look.score / max(1 - look.score, 1e-6) * np.exp(prior)
        return replace(look, score=float(odds / (1 + odds)))

    def _is_sure(self, look: Observation, margin: float = 0.0) -> bool:
        """Return whether the score reaches the threshold, moved by a share of the room above it.

        A score of 0 means that no joint was estimated, whatever the threshold.
        """
        return look.score > 0 and look.score >= self.score_threshold + margin * (1 - self.score_threshold)

    def _is_plausible(self, look: Observation) -> bool:
        return look.score > 0 and look.score >= _FIRST_LOOK * self.score_threshold


def _priors(proposals: Proposals) -> list[float]:
    """Return what detections say for subjects, as logits."""
    scores = proposals.scores.astype(np.float64).clip(1e-3, 1 - 1e-3)
    return [min(_MOST_DETECTED, float(prior)) for prior in _DETECTION_WEIGHT * np.log(scores / (1 - scores))]


def _evidence(left: float) -> float:
    """Return what a detection's logit of a left hand counts beside what the pose network sees."""
    return float(np.clip(left, -_DETECTED_SIDE, _DETECTED_SIDE))
