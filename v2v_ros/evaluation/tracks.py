# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""How well identities hold: the estimator on scenes with several subjects, against everybody's true identity.

MOTA, switches, misses and false positives are those of Bernardin and Stiefelhagen, Evaluating Multiple Object Tracking
Performance: The CLEAR MOT Metrics, EURASIP Journal on Image and Video Processing 2008; IDF1 is that of Ristani et al.,
Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking, ECCV workshops 2016. They are computed by
the library motmetrics.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..estimator import PoseEstimator
from ..geometry.camera import Intrinsics
from ..geometry.estimate import Side, SkeletonEstimate
from ..geometry.skeletons import Skeleton
from ..geometry.subject import SUBJECTS
from ..io.draw import colorize, draw_skeletons
from ..synthetic.scenes.several import NAMES, RATE, SceneSubject, SyntheticScene
from .figures import FigureRecord
from .metrics import percentile, share

LEAST_VISIBLE = 0.2
"""Share of a subject that must be visible for it to be asked for."""

_METRICS = {
    "num_frames": "frames",
    "num_objects": "subjects",
    "mota": "mota",
    "idf1": "idf1",
    "num_switches": "switches",
    "num_fragmentations": "fragmentations",
    "num_misses": "misses",
    "num_false_positives": "false_positives",
}
OVERALL = "all"
_PICTURES = 4  # pictures of a scene


@dataclass(frozen=True, kw_only=True)
class TrackFigures(FigureRecord):
    """Figures of a scene.

    Attributes:
        frames, subjects: Number of frames, and of subjects in all frames together.
        mota, idf1, switches, fragmentations, misses, false_positives: Figures as the papers define them.
        side_right_share: Share of the matched hands whose side is right; for hands only.
        mean_mm: Mean joint error of the matched subjects.
        ms_per_frame: Median time of the estimator.
    """

    frames: int
    subjects: int
    mota: float
    idf1: float
    switches: int
    fragmentations: int
    misses: int
    false_positives: int
    side_right_share: float | None = None
    mean_mm: float
    ms_per_frame: float


class Tally:
    """Reports of one scene, frame after frame, beside the truth.

    Args:
        reach: Metres between the means of the joints up to which a skeleton can be a subject.
    """

    def __init__(self, reach: float) -> None:
        self._reach = reach
        self.accumulator = _motmetrics().MOTAccumulator(auto_id=True)
        self._numbers: dict[str, int] = {}
        self._frames: list[tuple[dict[int, SceneSubject], dict[int, SkeletonEstimate]]] = []
        self.seconds: list[float] = []

    def add(self, truth: Sequence[SceneSubject], found: Sequence[SkeletonEstimate], seconds: float) -> None:
        """Take in a frame, and the seconds that the estimator took for it.

        Who is hardly visible need not be found, and may be: a skeleton to which such a subject is the nearest one,
        within reach, is left out, neither right nor wrong.
        """
        distances = distances_between(truth, found, self._reach)
        asked = np.array([subject.visible >= LEAST_VISIBLE for subject in truth], bool)
        nearest = np.where(np.isnan(distances), np.inf, distances)
        to_asked = nearest[asked].min(axis=0, initial=np.inf)
        kept = nearest[~asked].min(axis=0, initial=np.inf) >= to_asked
        subjects = {one.identity: one for one, chosen in zip(truth, asked, strict=True) if chosen}
        skeletons = {
            self._numbers.setdefault(one.id, len(self._numbers)): one
            for one, chosen in zip(found, kept, strict=True)
            if chosen
        }
        self.accumulator.update(list(subjects), list(skeletons), distances[asked][:, kept])
        self._frames.append((subjects, skeletons))
        self.seconds.append(seconds)

    def matches(self) -> list[tuple[SceneSubject, SkeletonEstimate]]:
        """Return all pairs of a subject and the skeleton that was taken for it."""
        events = self.accumulator.mot_events.reset_index()
        events = events[events["Type"].isin(["MATCH", "SWITCH"])]
        return [
            (self._frames[int(frame)][0][int(subject)], self._frames[int(frame)][1][int(skeleton)])
            for frame, subject, skeleton in zip(events["FrameId"], events["OId"], events["HId"], strict=True)
        ]


def distances_between(
    truth: Sequence[SceneSubject], found: Sequence[SkeletonEstimate], reach: float
) -> NDArray[np.float64]:
    """Return float [N, M] metres between the means of the joints; NaN beyond reach."""
    here = np.array([one.joints.mean(axis=0) for one in truth], np.float64).reshape(-1, 1, 3)
    there = np.array([np.nanmean(one.points, axis=0) for one in found], np.float64).reshape(1, -1, 3)
    distances: NDArray[np.float64] = np.linalg.norm(here - there, axis=2)
    return np.where(distances <= reach, distances, np.nan)


def summarize(tallies: dict[str, Tally], kind: str) -> dict[str, TrackFigures]:
    """Return a row of figures for every scene, and if there are several, one for all of them.

    Args:
        tallies: Tallies by name of the scene.
        kind: ``hand`` or ``body``; the side is judged of hands.
    """
    several = len(tallies) > 1
    table = _motmetrics().metrics.create()
    summary = table.compute_many(
        [tally.accumulator for tally in tallies.values()],
        metrics=list(_METRICS),
        names=list(tallies),
        generate_overall=several,
    ).rename(index={"OVERALL": OVERALL}, columns=_METRICS)
    counts = summary.to_dict("index")
    rows: dict[str, TrackFigures] = {}
    for name in [*tallies, OVERALL] if several else list(tallies):
        some = list(tallies.values()) if name == OVERALL else [tallies[name]]
        pairs = [pair for tally in some for pair in tally.matches()]
        sides = [subject.side == skeleton.side for subject, skeleton in pairs if subject.side != Side.UNKNOWN]
        errors = [np.linalg.norm(skeleton.points - subject.joints, axis=1) for subject, skeleton in pairs]
        counted: dict[str, Any] = {
            key: float(value) if key in ("mota", "idf1") else int(value) for key, value in counts[name].items()
        }
        rows[name] = TrackFigures(
            **counted,
            side_right_share=share(sides) if SUBJECTS[kind].has_sides else None,
            mean_mm=1000 * float(np.nanmean(errors)) if errors else math.nan,
            ms_per_frame=1000 * percentile([seconds for tally in some for seconds in tally.seconds], 50),
        )
    return rows


def evaluate_tracks(
    estimator: PoseEstimator,
    names: Sequence[str] = NAMES,
    *,
    seed: int = 0,
    frames: int | None = None,
    tick: Callable[[], object] = lambda: None,
    pictures: list[NDArray[np.uint8]] | None = None,
) -> dict[str, TrackFigures]:
    """Show scenes of the estimator's kind of subject at 30 frames a second, each from its start.

    Args:
        names: Names of the scenes, out of :data:`v2v_ros.synthetic.scenes.several.NAMES`.
        seed: Seed of the scenes.
        frames: Number of frames of each scene, the first ones; None: all.
        tick: Callback after every frame.
        pictures: List to which a strip uint8 [H, W, 3] of each scene is added: some frames with the skeletons found in
            them.

    Raises:
        ValueError: There is no such scene.
        RuntimeError: The library motmetrics is not installed.
    """
    kind = estimator.skeleton.kind
    tallies: dict[str, Tally] = {}
    for name in names:
        scene = SyntheticScene(kind, name, seed=seed)
        tally = tallies[name] = Tally(SUBJECTS[kind].matched_within)
        estimator.reset()
        count = frame_count(scene, frames)
        strip = []
        drawn = {count * part // (_PICTURES + 1) for part in range(1, _PICTURES + 1)}
        for index in range(count):
            shown = scene.frame(index / RATE)
            start = time.perf_counter()
            found = estimator.estimate(shown.depth, scene.intrinsics, index / RATE).skeletons
            tally.add(shown.subjects, found, time.perf_counter() - start)
            if pictures is not None and index in drawn:
                strip.append(_picture(shown.depth, found, estimator.skeleton, scene.intrinsics))
            tick()
        if pictures is not None and strip:
            pictures.append(np.concatenate(strip, axis=1))
    return summarize(tallies, kind)


def frame_count(scene: SyntheticScene, most: int | None = None) -> int:
    """Return how many frames of a scene are shown."""
    count = round(scene.seconds * RATE)
    return count if most is None else min(count, most)


def _picture(
    depth: NDArray[np.float32], found: Sequence[SkeletonEstimate], skeleton: Skeleton, intrinsics: Intrinsics
) -> NDArray[np.uint8]:
    near, far = np.nanpercentile(depth, (1, 99))
    picture = colorize(depth, float(near), float(far))
    return draw_skeletons(picture, [one.points for one in found], skeleton, intrinsics)[::2, ::2]


def _motmetrics() -> Any:
    try:
        import motmetrics
    except ImportError as error:
        raise RuntimeError("to score tracks needs motmetrics: pip install motmetrics") from error
    return motmetrics
