# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The demonstration: camera and pose node as on a robot, in processes of their own, measured from outside."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.skeletons import USUAL, Skeleton
from v2v_ros.io.draw import colorize, draw_skeletons, save_png, zoom
from v2v_ros.model import weights as weights_files
from v2v_ros.synthetic.scenes.one import CAMERA

from .children import Child, ChildError, private_network, stop_all
from .observer import AnsweredImage, SkeletonListener, wait

NAMESPACE = "/v2v_demo"
_START_TIMEOUT = 90.0  # seconds until the first skeletons; loading PyTorch takes long on a small machine
_WARM_UP = 1.5  # seconds that are not measured
_FOCAL = CAMERA.fx / CAMERA.width  # share of the width
_STAGES = ("decode", "locate", "voxelize", "network", "joints", "track", "publish", "total")
_CANDIDATES = 12  # frames to choose the picture from


class DemoError(RuntimeError):
    """The demonstration could not run. The message says why and what to do about it."""


@dataclass(frozen=True)
class DemoResult:
    """Figures measured from outside the nodes.

    Attributes:
        frames: Number of depth images that skeletons came back for.
        detected_share: Share of them with a skeleton.
        mean_error_mm: Mean distance of the joints from the truth; NaN when nothing was detected.
        rate_hz: Skeleton messages per second.
        camera_hz: Images per second that the camera published.
        latency_ms: Percentiles ``p50`` and ``p99`` of the time from an image's stamp to the arrival of its skeletons.
        stages_ms: Median time of each stage inside the node.
    """

    frames: int
    detected_share: float
    mean_error_mm: float
    rate_hz: float
    camera_hz: float
    latency_ms: dict[str, float]
    stages_ms: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for JSON, which has no NaN: an error that could not be measured is None."""
        error = self.mean_error_mm if math.isfinite(self.mean_error_mm) else None
        return {**asdict(self), "mean_error_mm": error}


def run_demo(
    seconds: float = 12.0,
    *,
    weights: str = "",
    device: str = "auto",
    runtime: str = "auto",
    threads: int = 0,
    rate: float = 30.0,
    width: int = 640,
    height: int = 480,
    kind: str = "hand",
    picture: Path | None = None,
    on_progress: Callable[[float], object] = lambda seconds: None,
) -> DemoResult:
    """Run the pose node on a synthetic camera and measure what comes out.

    Args:
        seconds: Time that is measured, after the start and a warm-up.
        weights: Name or path of weights; empty: the shipped ones.
        device, runtime, threads: Parameters of the pose node.
        rate, width, height: Frames per second, and width and height of the images in pixels, of the camera.
        kind: ``hand`` or ``body``.
        picture: Path of a PNG of three frames to write; None: none.
        on_progress: Callback that gets the seconds that have been measured, again and again.

    Raises:
        DemoError: A node could not start or ended, or nothing came back in time.
        WeightsError: There are no such weights.
    """
    if kind not in USUAL:
        raise DemoError(f"kind must be 'hand' or 'body', got '{kind}'")
    skeleton = USUAL[kind]
    path = weights_files.find(weights or weights_files.default_for(skeleton.name)).resolve()
    focal = _FOCAL * width
    camera = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    nodes = {
        "synthetic_camera_node": parameters(kind=kind, rate=float(rate), width=width, height=height, focal=focal),
        # Its absolute topics move into the namespace too, away from those of a robot in the same domain.
        "pose_node": [
            *("-r", "/tf:=tf", "-r", "/diagnostics:=diagnostics"),
            *parameters(skeleton=skeleton.name, weights=path, score_threshold=skeleton.subject.score_threshold),
            *parameters(device=device, runtime=runtime, threads=threads),
        ],
    }
    with tempfile.TemporaryDirectory(prefix="v2v_demo_") as folder, private_network(Path(folder)):
        children: list[Child] = []
        try:
            for module, arguments in nodes.items():
                children.append(Child(module, ["-r", f"__ns:={NAMESPACE}", *arguments], Path(folder)))
            observer = SkeletonListener(NAMESPACE, with_images=picture is not None)
            try:
                result = _measure(observer, seconds, children, on_progress)
                if picture is not None:
                    save_png(picture, _draw(observer.frames, skeleton, camera))
            finally:
                observer.close()
        except ChildError as error:
            raise DemoError(str(error)) from error
        finally:
            stop_all(children)
    return result


def parameters(**values: object) -> list[str]:
    """Parameters as command line arguments of a node."""
    return [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]


def wait_for_skeletons(observer: SkeletonListener, children: Sequence[Child]) -> Callable[[], None]:
    """Wait until the nodes have published skeletons.

    Returns:
        Check to call later, which raises when a node has ended or could not start.

    Raises:
        DemoError: None came, or a node has failed.
    """

    def check() -> None:
        for child in children:
            child.check()
        if observer.failure:
            raise DemoError(f"the pose node cannot start: {observer.failure}")

    wait(observer, _START_TIMEOUT, check, until=lambda: bool(observer.frames))
    if not observer.frames:
        logs = "\n".join(f"{child.name}:\n{child.tail()}" for child in children)
        raise DemoError(f"no skeletons came within {_START_TIMEOUT:.0f} s; the last words of the nodes:\n{logs}")
    return check


def _measure(
    observer: SkeletonListener, seconds: float, children: Sequence[Child], on_progress: Callable[[float], object]
) -> DemoResult:
    """Wait for the first skeletons, warm up, measure."""
    check = wait_for_skeletons(observer, children)
    wait(observer, _WARM_UP, check)
    observer.begin(depth_period=seconds / _CANDIDATES)
    took = wait(observer, seconds, check, on_progress=on_progress)
    frames = observer.frames
    if not frames:
        raise DemoError(f"no skeletons came in {seconds:g} s: the device is too slow; measure for longer")
    errors = [frame.error for frame in frames if frame.joints is not None]
    latencies = [1000 * frame.latency for frame in frames]
    return DemoResult(
        frames=len(frames),
        detected_share=len(errors) / len(frames),
        mean_error_mm=1000 * statistics.fmean(errors) if errors else math.nan,
        rate_hz=len(frames) / took,
        camera_hz=observer.images / took,
        latency_ms={f"p{rank}": float(np.percentile(latencies, rank)) for rank in (50, 99)},
        stages_ms={stage: 1000 * statistics.median(getattr(one, stage) for one in observer.stats) for stage in _STAGES}
        if observer.stats
        else {},
    )


def _draw(frames: list[AnsweredImage], skeleton: Skeleton, camera: Intrinsics) -> NDArray[np.uint8]:
    """Return the three most typical of the kept frames side by side: estimates in colours, the truth as a thin line."""
    kept = [frame for frame in frames if frame.depth is not None]
    if not kept:
        raise DemoError("no image was received for the picture; measure for longer")
    candidates = [frame for frame in kept if frame.joints is not None] or kept
    typical = statistics.median(frame.error for frame in candidates)
    chosen = sorted(candidates, key=lambda frame: abs(frame.error - typical))[:3]
    pictures = []
    for frame in sorted(chosen, key=lambda frame: frame.stamp):
        assert frame.depth is not None
        center = frame.truth.mean(axis=0)
        edge = 1.1 * skeleton.cube_edge
        depth, view = zoom(frame.depth, camera, center, edge, pixels=480)
        picture = colorize(depth, center[2] - edge / 2, center[2] + 2 * edge)
        picture = draw_skeletons(picture, [frame.truth], skeleton, view, thin=True)
        joints = [] if frame.joints is None else [frame.joints]
        pictures.append(draw_skeletons(picture, joints, skeleton, view))
    return np.concatenate(pictures, axis=1)
