"""Offline prediction: frame lists and bags in, skeletons out."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import bags, frames
from .camera import Intrinsics
from .estimator import Estimate, PoseEstimator
from .headers import FrameWatch
from .progress import Progress

log = logging.getLogger(__name__)

FRAME_SECONDS = 1 / 30  # between the frames of a list, which has no stamps
_LONGEST_NAME = 200  # bytes; file systems take 255, with the suffix of a file in the making


@dataclass
class Summary:
    """What a prediction run did; filled while it runs."""

    frames: int = 0
    with_skeleton: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, float]:
        rate = self.frames / self.seconds if self.seconds > 0 else 0.0
        return {"frames": self.frames, "with_skeleton": self.with_skeleton, "rate_hz": round(rate, 2)}


class Predictor:
    """Runs an estimator over recorded frames.

    Args:
        estimator: Makes the skeletons.
        sequence: Keep tracks from frame to frame; otherwise each frame stands alone.
        pictures: Folder for a picture of every frame, or None.
        quiet: No progress bar.
    """

    def __init__(
        self, estimator: PoseEstimator, *, sequence: bool, pictures: Path | None = None, quiet: bool = False
    ) -> None:
        self.estimator = estimator
        self.sequence = sequence
        self.pictures = pictures
        self.quiet = quiet
        self.summary = Summary()

    def frame_list(self, path: Path, output: Path) -> None:
        """Predict the frames of a list into a JSON file (docs/formats.md).

        Raises:
            FrameListError: The list or one of its images cannot be used, or the output cannot be written.
        """
        records = frames.load_frame_list(path)

        def predictions() -> Iterator[tuple[str, Estimate]]:
            with Progress(len(records), "frame", quiet=self.quiet) as progress:
                for index, record in enumerate(records):
                    depth = frames.read_depth(record)
                    hint = None if record.center is None else np.array(record.center)
                    stamp = index * FRAME_SECONDS
                    yield record.id, self._predict(record.id, depth, record.intrinsics(depth), stamp, hint)
                    progress.step()

        skeleton = self.estimator.skeleton
        frames.write_predictions(output, skeleton.name, skeleton.joint_names, list(predictions()))

    def bag(self, path: Path, depth_topic: str, info_topic: str, output: Path) -> None:
        """Predict the depth images of a bag into a bag of ``SkeletonArray`` messages.

        Raises:
            BagError: The bag or its topics cannot be used, or the output cannot be written.
        """
        total = sum(topic.message_count for topic in bags.list_topics(path) if topic.name == depth_topic)

        def predictions() -> Iterator[tuple[tuple[int, int], str, Estimate]]:
            with Progress(total, "frame", quiet=self.quiet) as progress:
                watch, changes = FrameWatch(), 0
                for frame in bags.iter_depth(path, depth_topic, info_topic):
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
                    seconds, nanoseconds = frame.stamp
                    name = f"{seconds}.{nanoseconds:09d}"
                    stamp = seconds + nanoseconds * 1e-9
                    yield frame.stamp, frame.frame_id, self._predict(name, frame.depth, frame.intrinsics, stamp)
                    progress.step()
                if changes > 1:
                    log.warning("%s: the frame of the images changed %d times", path, changes)

        bags.write_skeletons(output, self.estimator.skeleton.name, predictions())

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
        from . import draw

        finite = depth[np.isfinite(depth)]
        near, far = np.percentile(finite, (1, 90)) if finite.size else (0.0, 1.0)
        image = draw.colorize(depth, float(near), float(far))
        points = [found.points for found in estimate.skeletons]
        draw.save_png(path, draw.draw_skeletons(image, points, self.estimator.skeleton, intrinsics))


def _plain(name: str) -> str:
    """A file name for an id, which may look like a path, be longer than a name may be, or have no text's characters."""
    plain = re.sub(r"[/\\\0]", "_", name)
    return plain.encode(errors="replace")[:_LONGEST_NAME].decode(errors="ignore")
