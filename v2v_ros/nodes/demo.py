"""The demonstration: camera and pose node as they run on a robot, in processes of their own, measured from outside."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from v2v_ros import weights as weights_module
from v2v_ros.camera import Intrinsics
from v2v_ros.draw import colorize, draw_skeletons, save_png, zoom
from v2v_ros.msg import InferenceStats, SkeletonArray
from v2v_ros.skeletons import Skeleton, get_skeleton

from .children import Child, ChildError, private_network
from .inputs import decode, to_seconds
from .transport import newest_only, reliable

_NAMESPACE = "/v2v_demo"
_START_TIMEOUT = 90.0  # seconds until the first skeletons; loading PyTorch takes long on a small machine
_WARM_UP = 1.5  # seconds that are not measured
_FOCAL = 475 / 640  # of the width
_SKELETONS = {"hand": "hand21", "body": "body15"}
_STAGES = ("decode", "locate", "voxelize", "network", "joints", "track", "publish", "total")
_CANDIDATES = 12  # frames kept for the picture
_KEPT = 60  # messages that wait for their counterpart

Stamp = tuple[int, int]


class DemoError(RuntimeError):
    """The demonstration could not run. The message says why and what to do about it."""


@dataclass(frozen=True)
class DemoResult:
    """What was measured, from outside the nodes.

    Attributes:
        frames: Depth images that skeletons came back for.
        detected_share: Share of them with a skeleton.
        mean_error_mm: Mean distance of the joints from the truth; NaN when nothing was detected.
        rate_hz: Skeleton messages per second.
        latency_ms: From the image's stamp to the arrival of its skeletons: ``p50`` and ``p99``.
        stages_ms: Median time of each stage inside the node.
        camera_hz: Images per second that the camera published.
    """

    frames: int
    detected_share: float
    mean_error_mm: float
    rate_hz: float
    latency_ms: dict[str, float]
    stages_ms: dict[str, float]
    camera_hz: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Frame:
    """An image's skeletons and truth: [J, 3] metres; ``joints`` is None when nothing was detected."""

    stamp: Stamp
    latency: float
    truth: NDArray[np.float32]
    joints: NDArray[np.float32] | None
    depth: NDArray[np.float32] | None

    @property
    def error(self) -> float:
        """Mean distance from the truth in metres."""
        if self.joints is None:
            return math.nan
        return float(np.nanmean(np.linalg.norm(self.joints - self.truth, axis=-1)))


def run_demo(
    seconds: float = 8.0,
    *,
    weights: str = "",
    device: str = "auto",
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
        weights: Name or path; empty: the shipped ones.
        device: As the parameter of the pose node.
        rate, width, height: Of the camera.
        kind: ``hand`` or ``body``.
        picture: Where to put a PNG of a few frames.
        on_progress: Gets the seconds that have been measured, again and again.

    Raises:
        DemoError: A node could not start, or nothing came back in time.
        WeightsError: There are no such weights.
    """
    if kind not in _SKELETONS:
        raise DemoError(f"kind must be 'hand' or 'body', got '{kind}'")
    skeleton = get_skeleton(_SKELETONS[kind])
    path = weights_module.find(weights or weights_module.default_for(skeleton.name)).resolve()
    focal = _FOCAL * width
    camera = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    common = ["-r", f"__ns:={_NAMESPACE}"]
    camera_arguments = [
        f"kind:={kind}",
        f"rate:={float(rate)}",
        f"width:={width}",
        f"height:={height}",
        f"focal:={focal}",
    ]
    # The topics that are absolute move into the namespace too, away from those of a robot in the same domain.
    pose_arguments = ["-r", "/tf:=tf", "-r", "/diagnostics:=diagnostics"]
    pose_parameters = [f"skeleton:={skeleton.name}", f"weights:={path}", f"device:={device}"]

    with private_network(), tempfile.TemporaryDirectory(prefix="v2v_demo_") as folder:
        children = []
        try:
            for module, arguments in (
                ("synthetic_camera_node", _parameters(camera_arguments)),
                ("pose_node", pose_arguments + _parameters(pose_parameters)),
            ):
                children.append(Child(module, common + arguments, Path(folder)))
            observer = _Observer(camera, with_images=picture is not None)
            try:
                result = observer.measure(seconds, children, on_progress)
                if picture is not None:
                    save_png(picture, _draw(observer.frames, skeleton, camera))
            finally:
                observer.close()
        except ChildError as error:
            raise DemoError(str(error)) from error
        finally:
            for child in children:
                child.stop()
    return result


def _parameters(assignments: list[str]) -> list[str]:
    return [word for assignment in assignments for word in ("-p", assignment)]


class _Observer:
    """Subscribes to all that is measured."""

    def __init__(self, camera: Intrinsics, with_images: bool) -> None:
        self.frames: list[_Frame] = []
        self._camera = camera
        self._truths: OrderedDict[Stamp, NDArray[np.float32]] = OrderedDict()
        self._depths: OrderedDict[Stamp, Image] = OrderedDict()
        self._stats: list[InferenceStats] = []
        self._images_published = 0
        self._failure = ""
        self._next_picture = math.inf
        self._picture_period = math.inf
        self._context = rclpy.Context()
        self._context.init()
        self._node = rclpy.create_node("v2v_demo", namespace=_NAMESPACE, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        subscribe = self._node.create_subscription
        subscribe(SkeletonArray, "synthetic_camera/truth", self._on_truth, reliable(30))
        subscribe(SkeletonArray, "v2v_pose/skeletons", self._on_skeletons, reliable(30))
        subscribe(InferenceStats, "v2v_pose/stats", self._stats.append, reliable(30))
        subscribe(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable())
        if with_images:
            subscribe(Image, "depth/image_rect", self._on_image, newest_only())

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def measure(
        self, seconds: float, children: list[Child], on_progress: Callable[[float], object]
    ) -> DemoResult:
        """Wait for the first skeletons, warm up, measure."""
        self._spin(_START_TIMEOUT, children, until=lambda: bool(self.frames))
        if not self.frames:
            logs = "\n".join(f"{child.name}:\n{child.tail()}" for child in children)
            raise DemoError(
                f"no skeletons came within {_START_TIMEOUT:.0f} s; the last words of the nodes:\n{logs}"
            )
        self._spin(_WARM_UP, children)
        self.frames.clear()
        self._stats.clear()
        self._images_published = 0
        began = time.monotonic()
        self._picture_period = seconds / _CANDIDATES
        self._next_picture = began + self._picture_period / 2
        self._spin(seconds, children, on_progress)
        took = time.monotonic() - began
        if not self.frames:
            raise DemoError(
                f"no skeletons came in {seconds:g} s: the device is too slow; ask for more seconds"
            )
        errors = [frame.error for frame in self.frames if frame.joints is not None]
        latencies = np.array([1000 * frame.latency for frame in self.frames])
        return DemoResult(
            frames=len(self.frames),
            detected_share=len(errors) / len(self.frames),
            mean_error_mm=1000 * statistics.fmean(errors) if errors else math.nan,
            rate_hz=len(self.frames) / took,
            latency_ms={
                "p50": float(np.percentile(latencies, 50)),
                "p99": float(np.percentile(latencies, 99)),
            },
            stages_ms={
                stage: 1000 * statistics.median(getattr(one, stage) for one in self._stats)
                for stage in _STAGES
            }
            if self._stats
            else {},
            camera_hz=self._images_published / took,
        )

    def _spin(
        self,
        seconds: float,
        children: list[Child],
        on_progress: Callable[[float], object] = lambda seconds: None,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds and not until():
            on_progress(passed)
            self._executor.spin_once(timeout_sec=min(seconds - passed, 0.1))
            if self._failure:
                raise DemoError(self._failure)
            for child in children:
                child.check()

    def _on_truth(self, message: SkeletonArray) -> None:
        self._images_published += 1
        _keep(self._truths, message, _points(message))

    def _on_image(self, message: Image) -> None:
        _keep(self._depths, message, message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            state = {pair.key: pair.value for pair in status.values}.get("lifecycle state")
            if status.level == DiagnosticStatus.ERROR and state == "unconfigured":
                self._failure = f"the pose node cannot start: {status.message}"

    def _on_skeletons(self, message: SkeletonArray) -> None:
        now = 1e-9 * self._node.get_clock().now().nanoseconds
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        truth = self._truths.pop(stamp, None)
        if truth is None:
            return
        joints = _points(message) if message.skeletons else None
        image = self._depths.pop(stamp, None)
        depth = None
        if image is not None and time.monotonic() >= self._next_picture:
            self._next_picture += self._picture_period
            depth = decode(image, "depth/image_rect")
        self.frames.append(_Frame(stamp, now - to_seconds(message.header.stamp), truth, joints, depth))


def _keep(waiting: OrderedDict[Stamp, Any], message: Any, value: Any) -> None:
    waiting[(message.header.stamp.sec, message.header.stamp.nanosec)] = value
    while len(waiting) > _KEPT:
        waiting.popitem(last=False)


def _points(message: SkeletonArray) -> NDArray[np.float32]:
    return np.array([(point.x, point.y, point.z) for point in message.skeletons[0].points], np.float32)


def _draw(frames: list[_Frame], skeleton: Skeleton, camera: Intrinsics) -> NDArray[np.uint8]:
    """The three most typical of the kept frames side by side: the estimate in colours, the truth as a thin line."""
    kept = [frame for frame in frames if frame.depth is not None]
    if not kept:
        raise DemoError("no image was received for the picture; ask for more seconds")
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
        pictures.append(
            draw_skeletons(picture, [frame.joints] if frame.joints is not None else [], skeleton, view)
        )
    return np.concatenate(pictures, axis=1)
