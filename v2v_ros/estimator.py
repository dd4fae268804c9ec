"""PoseEstimator: the whole way of a frame, from a depth image to skeletons, without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import weights as weights_files
from .camera import Intrinsics
from .network import describe
from .pipeline import make_pipeline
from .refine import Refiner
from .runtime import choose_device
from .search import Search
from .stopwatch import Stopwatch
from .tracking import Observation, Side, Track, TrackingState, choose_side

__all__ = ["Estimate", "PoseEstimator", "Side", "SkeletonEstimate", "TrackingState"]

DEPTH_RANGE = {"hand": (0.15, 1.5), "body": (0.5, 5.0)}  # metres; where a subject is looked for
# Finds most subjects and leaves out most of what is none, on synthetic images (docs/weights.md).
SCORE_THRESHOLD = {"hand": 0.6, "body": 0.4}
_FIRST_LOOK = 0.5  # share of the threshold that a candidate must reach, whose cube may be off by much of a hand
_CERTAIN_SIDE = 6.0  # logit; then a track's side is settled, and the network looks at it as that hand only
_STAGES = ("locate", "voxelize", "network", "joints", "track")


@dataclass(frozen=True)
class SkeletonEstimate:
    """One subject in one frame; metres in the camera's optical frame.

    Attributes:
        id: Stable while the subject is tracked.
        side: Of a hand.
        tracking_state: Newly found, followed, or only predicted.
        score: Mean of the joints' scores.
        center: float64 [3], of the cube.
        cube_edge: Of the cube.
        points: float32 [J, 3]; NaN for a joint that is not estimated.
        scores: float32 [J] in [0, 1]; 0 for a joint that is not estimated.
        covariances: float32 [J, 6]: xx, xy, xz, yy, yz, zz in square metres; NaN for a joint that is not estimated.
        velocities: float32 [J, 3] metres a second; NaN where it is not known.
    """

    id: str
    side: Side
    tracking_state: TrackingState
    score: float
    center: np.ndarray
    cube_edge: float
    points: np.ndarray
    scores: np.ndarray
    covariances: np.ndarray
    velocities: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """What was found in one frame, and the seconds that every stage took."""

    skeletons: tuple[SkeletonEstimate, ...]
    seconds: dict[str, float]


class PoseEstimator:
    """Finds a hand or a body in depth images and follows it.

    One subject at a time: the one that the network is surest of, or that a hint points at.

    Args:
        weights: Name of shipped weights or path of a weights file.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        runtime: What runs the pose network, one of :data:`v2v_ros.runtime.NAMES`.
        threads: CPU threads for it; 0: the runtime's choice. PyTorch's are those of the whole process.
        skeleton: When given, weights for any other skeleton are refused.
        center_weights: Name or path of a centre refiner's weights; ``auto``: those shipped for the skeleton, if any;
            None: the subject is found by its shape alone.
        side: Which hand to expect; UNKNOWN: either, and always for bodies. The networks know right hands and see left
            ones mirrored.
        score_threshold: Skeletons with a lower score are not reported; None: by the kind of subject.
        min_depth, max_depth: Range in which a new subject is looked for, metres; None: by the kind of subject.

    The last four can be changed between frames as attributes.

    Raises:
        WeightsError: The weights cannot be used.
        ValueError: There is no such device or runtime.
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        device: str = "auto",
        runtime: str = "auto",
        threads: int = 0,
        center_weights: str | Path | None = "auto",
        skeleton: str | None = None,
        side: Side = Side.UNKNOWN,
        score_threshold: float | None = None,
        min_depth: float | None = None,
        max_depth: float | None = None,
    ) -> None:
        torch_device = choose_device(device)
        loaded = weights_files.load(weights, skeleton)
        self._edge, self._device = loaded.cube_edge, torch_device
        self._pipeline = make_pipeline(loaded, torch_device, runtime, threads)
        if center_weights == "auto":
            center_weights = weights_files.center_for(loaded.skeleton.name)
        refiner = None
        if center_weights is not None:
            refiner = Refiner(weights_files.load_center(center_weights, loaded.skeleton.name), torch_device)
        self._search = Search(loaded.skeleton.kind, self._edge, refiner)
        self._track: Track | None = None
        self._identities = 0

        self.skeleton = loaded.skeleton
        self.weights_id, self.weights_hash = loaded.id, loaded.hash
        self.network = describe(loaded.config)
        self.runtime = self._pipeline.description
        self.device = str(torch_device)
        nearest, farthest = DEPTH_RANGE[self.skeleton.kind]
        self.side = side
        kind = self.skeleton.kind
        self.score_threshold = SCORE_THRESHOLD[kind] if score_threshold is None else score_threshold
        self.min_depth = nearest if min_depth is None else min_depth
        self.max_depth = farthest if max_depth is None else max_depth

    @property
    def side(self) -> Side:
        """Which hand is expected."""
        return self._side

    @side.setter
    def side(self, side: Side) -> None:
        self._side = side if self.skeleton.kind == "hand" else Side.UNKNOWN

    def reset(self) -> None:
        """Forget the subject; the next one gets a new id."""
        self._track = None

    def estimate(
        self, depth: np.ndarray, intrinsics: Intrinsics, stamp: float, center: np.ndarray | None = None
    ) -> Estimate:
        """Find the subject in one frame.

        Args:
            depth: float [H, W] metres along z, NaN where invalid.
            intrinsics: Of the image.
            stamp: Seconds; differences to the frames before drive the prediction.
            center: float [3] metres, a hint where a subject is; used while none is tracked.

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
        depth = np.require(depth, np.float32, ["C", "W"])  # PyTorch takes neither views backwards nor read-only ones
        clock = Stopwatch(self._device, _STAGES)
        image = self._pipeline.upload(depth)
        if self._track is not None and self._track.expired(stamp):
            self._track = None
        seen: Observation | None = None
        evidence = 0.0 if self._track is None else self._track.side_evidence
        if self._track is not None:
            seen = self._best(self._observe(image, intrinsics, self._track.predict(stamp)[None], clock, evidence))
        if seen is None:
            with clock.stage("locate"):
                centers = self._search.centers(image, depth, intrinsics, (self.min_depth, self.max_depth), center)
            observations = self._observe(image, intrinsics, centers, clock)
            # The hint comes first, if its cube is not empty.
            hinted = [one for one in observations[:1] if center is not None and np.array_equal(one.center, centers[0])]
            for choice in (hinted, observations[len(hinted) :]):
                plausible = [one for one in choice if one.score >= _FIRST_LOOK * self.score_threshold and one.score > 0]
                if seen is None and plausible:  # look again, with the subjects in the middle of the cubes
                    middles = np.array([one.centroid for one in plausible])
                    seen = self._best(self._observe(image, intrinsics, middles, clock))
        with clock.stage("track"):
            skeletons = self._follow(seen, stamp)
        return Estimate(skeletons, clock.seconds)

    def _sides(self, evidence: float) -> tuple[Side, ...]:
        """The hands that a subject may be."""
        if self.skeleton.kind != "hand" or self.side != Side.UNKNOWN:
            return (self.side,)
        if abs(evidence) >= _CERTAIN_SIDE:
            return (Side.LEFT if evidence > 0 else Side.RIGHT,)
        return (Side.RIGHT, Side.LEFT)

    def _observe(
        self, image: torch.Tensor, intrinsics: Intrinsics, centers: np.ndarray, clock: Stopwatch, evidence: float = 0.0
    ) -> list[Observation]:
        """Run the network on the cubes around centers [K, 3] that are not empty, as the hands that each may be.

        Args:
            evidence: What is known about the side, as a logit of a left hand.

        Returns:
            One observation for each cube, as the likelier hand.
        """
        sides = self._sides(evidence)
        # The network knows right hands only.
        mirrored = np.array([side == Side.LEFT for side in sides] * len(centers), bool)
        looks = self._pipeline(image, intrinsics, np.repeat(centers, len(sides), axis=0), mirrored, clock)
        observations = [
            Observation(looks.points[k], looks.scores[k], looks.covariances[k], centers[k // len(sides)], side)
            for k, side in enumerate(sides * len(centers))
            if not looks.empty[k]
        ]
        if len(sides) == 1:
            return observations
        return [choose_side(*pair, evidence) for pair in zip(observations[::2], observations[1::2], strict=True)]

    def _best(self, observations: list[Observation]) -> Observation | None:
        best = max(observations, key=lambda each: each.score, default=None)
        # A score of 0 means that no joint was estimated, whatever the threshold.
        return best if best is not None and best.score > 0 and best.score >= self.score_threshold else None

    def _follow(self, seen: Observation | None, stamp: float) -> tuple[SkeletonEstimate, ...]:
        track = self._track
        if seen is None:
            reported = track.miss(stamp) if track is not None else None
            if track is None or reported is None:
                return ()
        else:
            reported = seen
            if track is not None and track.is_same(seen, stamp, self._edge):
                track.update(seen, stamp)
            else:
                self._identities += 1
                track = self._track = Track(f"{self.skeleton.kind}_{self._identities}", seen, stamp)
        return (
            SkeletonEstimate(
                id=track.id,
                side=reported.side,
                tracking_state=track.state,
                score=reported.score,
                center=reported.center,
                cube_edge=self._edge,
                points=reported.points,
                scores=reported.scores,
                covariances=reported.covariances,
                velocities=np.full_like(reported.points, np.nan),
            ),
        )
