# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Counts, rates, ages and stage times of the images since the node was activated."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from .depth_summary import DepthSummary

WINDOW = 5.0  # seconds that rates and medians look back
_LENGTH = 600  # entries kept; enough for the window at 120 Hz
_LAST = 6  # images from which their period is taken
_PROOF = 3  # images that came one after the other, and gaps where several are missing
_FEW = 0.8  # share of the images below which the node is behind the camera
_SUMMARY_PERIOD = 0.2  # seconds between two images that are summarized
_HARDLY_ANY = 0.01  # share of the pixels in range, below which nobody can be found


@dataclass(frozen=True)
class StatisticsSnapshot:
    """Figures of :class:`Statistics` at one moment. Times are seconds, rates Hz; NaN where nothing is known.

    Attributes:
        since: Time since the beginning.
        images, infos: Number of depth images and of camera_info messages received.
        processed: Number of images whose skeletons were published.
        stale: Number of images not processed because they were older than ``max_age`` or came out of order.
        duplicates: Number of images not processed because the one before had the same stamp.
        image_rate, info_rate, output_rate: Rates over the last seconds.
        image_period: Median time between the last images; 0 before the second.
        image_silence, info_silence: Time since the last message, or since the beginning.
        image_bytes: Size of the last image's data; 0 before the first.
        transport: p50, p90 and p99 of the ages of the images when they arrived, processed or not.
        age: Median age of the images when their processing began.
        stale_age: Age of the last image that was too old; NaN when the last one was not.
        standstill: Time for which images have come with the same stamp; 0 when the last one had a new stamp.
        behind: Time for which fewer images have been processed than came (duplicates and images too old aside).
        seconds: Median time of each stage.
        load: Share of the last seconds in which an image was being processed.
        subjects: Number of subjects in the last processed image.
        depth: Summary of the depths in the last image that was summarized; NaN when that was long ago.
        nothing_in_range: Time for which hardly any pixel has been in range, and nobody found; 0 when the last image
            that was summarized had more.
        best_detection: Highest score of a place where the last search, within the last seconds, saw a subject.
        error: Reason why the last image that failed did so.
        error_since: Time since that failure; infinite when none failed.
        failing: Whether the last image whose turn came failed.
        frames: Pair of frame_ids: the one that images had before the last change, and the one since; empty before a
            change.
        frame_since: Time since that change; infinite when there was none.
        info_frame, image_frame: Frames of the camera_info and of the image processed last, where they differ.
        distortion: Message about the distortion of the lens, see :class:`~v2v_ros.geometry.distortion.Rectifier`; empty
            where there is none.
        doubt: Doubt about the unit of the depths or their byte order; empty when there is none.
        losing: Whether the stamps prove that images are lost on the way.
    """

    since: float = 0.0
    images: int = 0
    infos: int = 0
    processed: int = 0
    stale: int = 0
    duplicates: int = 0
    image_rate: float = 0.0
    info_rate: float = 0.0
    output_rate: float = 0.0
    image_period: float = 0.0
    image_silence: float = 0.0
    info_silence: float = 0.0
    image_bytes: int = 0
    transport: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    age: float = math.nan
    stale_age: float = math.nan
    standstill: float = 0.0
    behind: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    load: float = 0.0
    subjects: int = 0
    depth: DepthSummary = field(default_factory=DepthSummary)
    nothing_in_range: float = 0.0
    best_detection: float = math.nan
    error: str = ""
    error_since: float = math.inf
    failing: bool = False
    frames: tuple[str, str] = ("", "")
    frame_since: float = math.inf
    info_frame: str = ""
    image_frame: str = ""
    distortion: str = ""
    doubt: str = ""
    losing: bool = False


class Statistics:
    """Collects what the callbacks and the worker report; every method may be called from any thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._start = now()
        self._images: deque[tuple[float, float]] = deque(maxlen=_LENGTH)
        self._infos: deque[float] = deque(maxlen=_LENGTH)
        self._stamps: tuple[deque[tuple[float, float]], deque[tuple[float, float]]] = (
            deque(maxlen=_LENGTH),
            deque(maxlen=_LENGTH),
        )  # time of arrival and stamp of images and infos
        self._frame_names = ("", "")
        self._frame_at = -math.inf
        self._info_frame = self._image_frame = self._distortion = ""
        self._frames: deque[tuple[float, float, Mapping[str, float]]] = deque(maxlen=_LENGTH)
        self._counts = {"images": 0, "infos": 0, "processed": 0, "stale": 0, "duplicates": 0}
        self._image_bytes = 0
        self._stale_age = math.nan
        self._skipped: deque[float] = deque(maxlen=_LENGTH)
        self._same_stamp = (0.0, 0.0)  # when this began and was last seen
        self._behind_since = math.inf
        self._subjects = 0
        self._depth, self._doubt, self._summarized_at = DepthSummary(), "", -math.inf
        self._out_of_range = (-math.inf, -math.inf)  # when this began and was last seen
        self._best_detection, self._searched_at = math.nan, -math.inf
        self._error = ""
        self._error_at = -math.inf
        self._failing = False

    def image_received(self, size: int, age: float, stamp: float = math.nan) -> None:
        """Count an image that has come, with its bytes; its age is NaN when not known."""
        with self._lock:
            self._stamps[0].append((self._now(), stamp))
            self._counts["images"] += 1
            self._images.append((self._now(), age))
            self._image_bytes = size

    def info_received(self, stamp: float = math.nan) -> None:
        with self._lock:
            self._stamps[1].append((self._now(), stamp))
            self._counts["infos"] += 1
            self._infos.append(self._now())

    def info_kept(self) -> None:
        """Note a camera_info that its publisher kept for late subscribers; it says nothing about the rate."""
        with self._lock:
            self._counts["infos"] = max(self._counts["infos"], 1)

    def info_of(self, info_frame: str, image_frame: str, distortion: str = "") -> None:
        """Note the frame_id of a camera_info, that of its image, and what to say about its distortion."""
        with self._lock:
            self._distortion = distortion
            other = info_frame not in ("", image_frame)
            self._info_frame, self._image_frame = (info_frame, image_frame) if other else ("", "")

    def frame_changed(self, left: str, frame_id: str) -> None:
        with self._lock:
            self._frame_names, self._frame_at = (left, frame_id), self._now()

    def duplicate(self) -> None:
        with self._lock:
            self._counts["duplicates"] += 1
            now = self._now()
            self._skipped.append(now)
            self._same_stamp = (self._same_stamp[0] or now, now)

    def stale(self, age: float = math.nan) -> None:
        with self._lock:
            self._counts["stale"] += 1
            self._skipped.append(self._now())
            self._stale_age, self._same_stamp = age, (0.0, 0.0)

    def failed(self, error: str) -> None:
        with self._lock:
            self._error, self._error_at, self._failing = error, self._now(), True
            self._skipped.append(self._error_at)
            self._same_stamp = (0.0, 0.0)

    @property
    def summary_is_due(self) -> bool:
        """Whether the image at hand should be summarized."""
        with self._lock:
            return self._now() - self._summarized_at >= _SUMMARY_PERIOD

    def summarized(self, depth: DepthSummary, doubt: str = "") -> None:
        """Note a summary of an image, and doubts about its numbers."""
        with self._lock:
            now = self._now()
            self._depth, self._doubt, self._summarized_at = depth, doubt, now
            if depth.in_range >= _HARDLY_ANY:
                self._out_of_range = (-math.inf, -math.inf)
            else:
                began, last = self._out_of_range
                self._out_of_range = (began if now - last < WINDOW else now, now)  # else nobody looked meanwhile

    def processed(
        self, age: float, seconds: Mapping[str, float], subjects: int, best_detection: float = math.nan
    ) -> None:
        with self._lock:
            now = self._now()
            self._counts["processed"] += 1
            self._frames.append((now, age, dict(seconds)))
            if math.isfinite(best_detection):
                self._best_detection, self._searched_at = best_detection, now
            if subjects:  # whoever is small in the image, or far away
                self._out_of_range = (-math.inf, -math.inf)
            self._stale_age, self._subjects, self._failing = math.nan, subjects, False
            self._same_stamp = (0.0, 0.0)

    def counts(self) -> dict[str, int]:
        """Return the counts among the figures, without the work that rates and medians are."""
        with self._lock:
            return dict(self._counts)

    def figures(self) -> StatisticsSnapshot:
        with self._lock:
            now = self._now()
            arrived = [at for at, _ in self._images]
            ages = [age for at, age in self._images if at > now - WINDOW and math.isfinite(age)]
            recent = [(age, seconds) for at, age, seconds in self._frames if at > now - WINDOW]
            stages = {stage: None for _, seconds in recent for stage in seconds}  # a dictionary keeps the order
            window = min(WINDOW, max(now - self._start, 1e-3))
            summarized = now - self._summarized_at < WINDOW
            image_rate, output_rate = _rate(arrived, now, window), len(recent) / window
            due = image_rate - _rate(self._skipped, now, window)
            # Without any output the node is paused, idle or failing, not slow.
            behind = now - self._start > WINDOW and 0 < output_rate < _FEW * due
            self._behind_since = min(self._behind_since, now) if behind else math.inf
            return StatisticsSnapshot(
                since=now - self._start,
                **self._counts,
                image_rate=image_rate,
                info_rate=_rate(self._infos, now, window),
                output_rate=output_rate,
                image_period=_median([later - one for one, later in pairwise(arrived[-_LAST:])])
                if len(arrived) > 1
                else 0.0,
                image_silence=now - (arrived[-1] if arrived else self._start),
                info_silence=now - (self._infos[-1] if self._infos else self._start),
                image_bytes=self._image_bytes,
                transport=(_quantile(ages, 0.5), _quantile(ages, 0.9), _quantile(ages, 0.99)),
                age=_median([age for age, _ in recent if math.isfinite(age)]),
                stale_age=self._stale_age,
                standstill=self._same_stamp[1] - self._same_stamp[0],
                behind=max(now - self._behind_since, 0.0),
                seconds={stage: _median([s[stage] for _, s in recent if stage in s]) for stage in stages},
                load=sum(s.get("total", 0.0) for _, s in recent) / window,
                subjects=self._subjects,
                depth=self._depth if summarized else DepthSummary(),
                nothing_in_range=_duration(self._out_of_range) if summarized else 0.0,
                best_detection=self._best_detection if now - self._searched_at < WINDOW else math.nan,
                error=self._error,
                error_since=now - self._error_at,
                failing=self._failing,
                frames=self._frame_names,
                frame_since=now - self._frame_at,
                info_frame=self._info_frame,
                image_frame=self._image_frame,
                distortion=self._distortion,
                doubt=self._doubt if summarized else "",
                losing=_losing(*([stamp for at, stamp in one if at > now - WINDOW] for one in self._stamps)),
            )


def _duration(span: tuple[float, float]) -> float:
    began, last = span
    return last - began if math.isfinite(began) else 0.0


def _losing(images: list[float], infos: list[float]) -> bool:
    """Return whether images are lost, and not left out: some follow each other at the camera's pace, others far from
    it.

    Whatever throttles a topic lets images through at about equal distances.
    """
    steps = [later - one for one, later in pairwise(sorted(infos))]
    period = _median([step for step in steps if step > 0])
    if not period > 0:
        return False
    gaps = [round((later - one) / period) for one, later in pairwise(sorted(images)) if later > one]
    return sum(gap <= 1 for gap in gaps) >= _PROOF and sum(gap >= 3 for gap in gaps) >= _PROOF


def _rate(times: Iterable[float], now: float, window: float) -> float:
    return sum(at > now - window for at in times) / window


def _median(values: list[float]) -> float:
    return _quantile(values, 0.5)


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * len(values))] if values else math.nan
