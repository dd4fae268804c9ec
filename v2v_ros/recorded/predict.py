# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Offline prediction: frame lists and bags in, skeletons out."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..estimator import PoseEstimator
from ..geometry.camera import Intrinsics
from ..geometry.estimate import Estimate
from ..io.headers import FrameWatch
from . import bags, frames
from .bag_writer import Recorded, write_skeletons
from .frames import FrameListError

Prediction = TypeVar("Prediction")

log = logging.getLogger(__name__)

FRAME_SECONDS = 1 / 30  # between the frames of a list, which has no stamps
_MOST_NAMED = 20  # frames that cannot be used; the others are counted
_LONGEST_NAME = 200  # bytes; file systems take 255, with the suffix of a file in the making


@dataclass
class Summary:
    """Record of a prediction run; filled while it runs."""

    frames: int = 0
    with_skeleton: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, float]:
        rate = self.frames / self.seconds if self.seconds > 0 else 0.0
        return {
            "frames": self.frames,
            "with_skeleton": self.with_skeleton,
            "skipped": self.skipped,
            "rate_hz": round(rate, 2),
        }


class Predictor:
    """Runs an estimator over recorded frames.

    Args:
        estimator: Estimator that makes the skeletons.
        sequence: Whether to keep tracks from frame to frame; otherwise each frame stands alone.
        pictures: Folder for a picture of every frame, or None.
        tick: Callback that gets the number of frames done and their number in all.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        *,
        sequence: bool,
        pictures: Path | None = None,
        tick: Callable[[int, int], object] = lambda done, total: None,
    ) -> None:
        self.estimator = estimator
        self.sequence = sequence
        self.pictures = pictures
        self.tick = tick
        self.summary = Summary()

    def frame_list(self, path: Path, output: Path) -> None:
        """Predict the frames of a list into a JSON file (docs/formats.md).

        Frames whose image cannot be used are named in the log and left out. What there is when the run is interrupted
        is written.

        Raises:
            FrameListError: The list or all of its images cannot be used, or the output cannot be written.
        """
        records = frames.load_frame_list(path)
        skeleton = self.estimator.skeleton
        first: list[FrameListError] = []

        def predictions() -> Iterator[tuple[str, Estimate]]:
            for index, record in enumerate(records):
                self.tick(index + 1, len(records))
                try:
                    depth = frames.read_depth(record)
                    intrinsics = record.intrinsics(depth)
                except FrameListError as problem:
                    first[:] = first or [problem]
                    self.summary.skipped += 1
                    if self.summary.skipped <= _MOST_NAMED:
                        log.warning("skipping a frame: %s", problem)
                    continue
                hint = None if record.center is None else np.array(record.center)
                stamp = index * FRAME_SECONDS
                yield record.id, self._predict(record.id, depth, intrinsics, stamp, hint)

        with self._interruptible(predictions(), output) as done:
            found = list(done)
            if first and not found:
                raise first[0]
            if self.summary.skipped:
                log.warning("%s: skipped %d of %d frames", path, self.summary.skipped, len(records))
            frames.write_predictions(output, skeleton.name, skeleton.joint_names, found)

    def bag(
        self,
        path: Path,
        depth_topic: str,
        info_topic: str,
        output: Path,
        *,
        depth_unit: float = 0.0,
        rectify: bool = True,
        with_images: bool = False,
    ) -> None:
        """Predict the depth images of a bag into a bag of skeletons and what viewers show of them.

        Args:
            with_images: Whether the images and camera infos that were used are written along.
            depth_unit, rectify: Metres of one unit of the images, and whether to remove the lens's distortion, see
                :func:`~v2v_ros.recorded.bags.iter_depth`.

        Raises:
            BagError: The bag or its topics cannot be used, or the output cannot be written.
        """
        total = sum(topic.message_count for topic in bags.list_topics(path) if topic.name == depth_topic)

        def predictions() -> Iterator[Recorded]:
            watch, changes = FrameWatch(), 0
            images = bags.iter_depth(path, depth_topic, info_topic, depth_unit, rectify)
            for index, frame in enumerate(images):
                if (left := watch.left(frame.frame_id)) is not None:
                    self.estimator.reset()
                    changes += 1
                    if changes == 1:
                        log.warning(
                            "%s: the images on %s change from frame '%s' to '%s': where they do, all tracks are "
                            "forgotten; record each camera on a topic of its own",
                            path,
                            depth_topic,
                            left,
                            frame.frame_id,
                        )
                carried = (depth_topic, *frame.image), (info_topic, bags.CAMERA_INFO, frame.info)
                yield Recorded(
                    frame.stamp,
                    frame.frame_id,
                    self._predict(frame.name, frame.depth, frame.intrinsics, frame.seconds),
                    carried if with_images else (),
                )
                self.tick(index + 1, total)
            if changes > 1:
                log.warning("%s: the frame of the images changed %d times", path, changes)

        with self._interruptible(predictions(), output) as done:
            write_skeletons(output, self.estimator.skeleton.name, done)

    @contextmanager
    def _interruptible(
        self, predictions: Iterator[Prediction], output: Path
    ) -> Generator[Iterator[Prediction], None, None]:
        """Predictions that end with an interrupt, so that those made are written before it takes its course."""
        interrupted: list[KeyboardInterrupt] = []

        def until_interrupted() -> Iterator[Prediction]:
            try:
                yield from predictions
            except KeyboardInterrupt as interrupt:
                if not self.summary.frames:
                    raise  # nothing to write
                interrupted.append(interrupt)

        yield until_interrupted()
        if interrupted:
            log.warning("interrupted: the first %d frames are in %s", self.summary.frames, output)
            raise interrupted[0]

    def _predict(
        self, name: str, depth: np.ndarray, intrinsics: Intrinsics, stamp: float, hint: np.ndarray | None = None
    ) -> Estimate:
        if not self.sequence:
            self.estimator.reset()
        started = time.perf_counter()
        estimate = self.estimator.estimate(depth, intrinsics, stamp, hint)
        self.summary.seconds += time.perf_counter() - started
        self.summary.frames += 1
        self.summary.with_skeleton += bool(estimate.skeletons)
        if self.pictures is not None:
            self._picture(self.pictures / f"{_plain(name)}.png", depth, intrinsics, estimate)
        return estimate

    def _picture(self, path: Path, depth: np.ndarray, intrinsics: Intrinsics, estimate: Estimate) -> None:
        from ..io import draw

        image = draw.colorize_scene(depth)
        points = [found.points for found in estimate.skeletons]
        draw.save_png(path, draw.draw_skeletons(image, points, self.estimator.skeleton, intrinsics))


def _plain(name: str) -> str:
    """Return a file name for an id, which may look like a path, be longer than a name may be, or have no text's
    characters."""
    plain = re.sub(r"[/\\\0]", "_", name)
    return plain.encode(errors="replace")[:_LONGEST_NAME].decode(errors="ignore")
