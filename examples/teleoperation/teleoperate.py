#!/usr/bin/env python3
# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Let the hand of a synthetic camera, or of recorded depth images, move a robot hand.

    pip install 'v2v_ros[view]' dex-retargeting
    python3 examples/teleoperation/teleoperate.py

The page that it names shows the person's hand and, beside it, the robot's. ``--config`` takes any other robot hand:
a file of dex-retargeting's kind ``vector``.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pinocchio
from dex_retargeting.retargeting_config import RetargetingConfig
from numpy.typing import NDArray

from v2v_ros.estimator import PoseEstimator
from v2v_ros.geometry.estimate import Side, SkeletonEstimate
from v2v_ros.geometry.palm import palm_axes
from v2v_ros.geometry.retargeting import MANO_AXES, MEDIAPIPE_NAMES, mano_points
from v2v_ros.geometry.skeletons import HAND21
from v2v_ros.viewer.sources import Shot, listed, synthetic

_HERE = Path(__file__).parent
_TIPS = [index for index, name in enumerate(MEDIAPIPE_NAMES) if name.endswith("tip")]
_BESIDE = 0.2  # metres from the person's hand to the robot's


class RobotHand:
    """A robot hand that follows the vectors of a person's.

    Args:
        config: File of dex-retargeting, of the kind ``vector``.
    """

    def __init__(self, config: Path) -> None:
        RetargetingConfig.set_default_urdf_dir(str(config.parent))
        self._retargeting = RetargetingConfig.load_from_file(str(config)).build()
        optimizer = self._retargeting.optimizer
        if optimizer.retargeting_type != "VECTOR":
            raise SystemExit(f"'{config}' must be a configuration of the type vector, not {optimizer.retargeting_type}")
        self._robot = optimizer.robot
        self._origins, self._tasks = optimizer.target_link_human_indices
        self._origin, self._task_links = optimizer.origin_link_names[0], optimizer.task_link_names
        self._scale = optimizer.scaling
        self.names: list[str] = self._retargeting.joint_names
        self.angles = np.zeros(len(self.names))

    def follow(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the angles in radians, in the order of ``names``, for joints as ``mano_points`` gives them."""
        self.angles = self._retargeting.retarget(points[self._tasks] - points[self._origins])
        return self.angles

    def tip_errors(self, points: NDArray[np.float64]) -> list[float]:
        """Return how far the robot's fingertips are from the person's, in metres of the robot."""
        self._robot.compute_forward_kinematics(self.angles)
        palm = self._place(self._robot.get_link_index(self._origin))
        errors = []
        for link, index in zip(self._task_links, self._tasks, strict=True):
            if index in _TIPS:
                vector = self._place(self._robot.get_link_index(link)) - palm
                errors.append(float(np.linalg.norm(vector - self._scale * (points[index] - points[0]))))
        return errors

    def bones(self) -> NDArray[np.float64]:
        """Return lines [N, 2, 3] from every joint to the next one, metres in the axes of the palm."""
        self._robot.compute_forward_kinematics(self.angles)
        model = self._robot.model
        joints = [self._robot.data.oMi[index].translation for index in range(model.njoints)]
        ends = [(joints[parent], joints[joint]) for joint, parent in enumerate(model.parents) if joint > 0]
        for index, frame in enumerate(model.frames):
            if frame.type == pinocchio.FrameType.BODY:
                ends.append((joints[frame.parentJoint], self._place(index)))
        return np.array(ends) - self._place(self._robot.get_link_index(self._origin))

    def _place(self, link: int) -> NDArray[np.float64]:
        return np.array(self._robot.get_link_pose(link)[:3, 3])


class Page:
    """A page in the browser with the depth image, the person's hand and the robot's beside it."""

    def __init__(self, estimator: PoseEstimator, port: int) -> None:
        import viser

        from v2v_ros.viewer.scene import Scene

        self._server = viser.ViserServer(host="127.0.0.1", port=port, verbose=False)
        self._scene = Scene(self._server, HAND21, estimator.cube_edge)
        print(f"open http://127.0.0.1:{self._server.get_port()} in a browser; Ctrl-C ends", flush=True)

    def show(self, shot: Shot, estimate: object, hand: SkeletonEstimate, robot: RobotHand) -> None:
        from v2v_ros.viewer.scene import view_of

        axes = palm_axes(hand.points, hand.side is Side.LEFT)
        lines = robot.bones() @ (axes @ MANO_AXES).T + hand.points[HAND21.root] + np.array([_BESIDE, 0, 0])
        with self._server.atomic():
            self._scene.draw(view_of(shot, estimate, 0.0))
            self._server.scene.add_line_segments(
                "/robot", lines.astype(np.float32), np.full(lines.shape, 240, np.uint8), thickness=0.006
            )


def run(shots: Iterator[Shot], config: Path, frames: int, port: int | None, rate: float) -> dict[str, float]:
    """Follow the hand in the images, and return how far fingertips are off, in millimetres."""
    robot = RobotHand(config)
    estimator = PoseEstimator("hand21_lite", filter="kalman")
    page = None if port is None else Page(estimator, port)
    from_person: list[float] = []
    from_truth: list[float] = []
    lost = 0
    for shot in itertools.islice(shots, frames):
        started = time.monotonic()
        estimate = estimator.estimate(shot.depth, shot.intrinsics, shot.stamp)
        hand = next((one for one in estimate.skeletons), None)
        points = hand.mano_points() if hand is not None else None
        if hand is None or points is None or not np.isfinite(points).all():
            lost += 1  # the robot's hand stays as it was
            continue
        robot.follow(points)
        from_person.extend(robot.tip_errors(points))
        truth = None if shot.truth is None else mano_points(shot.truth, hand.side is Side.LEFT)
        if truth is not None:
            from_truth.extend(np.linalg.norm(points[_TIPS] - truth[_TIPS], axis=1))
        if page is not None:
            page.show(shot, estimate, hand, robot)
            time.sleep(max(0.0, 1 / rate - (time.monotonic() - started)))
    figures = {"frames without a hand": float(lost)}
    for name, errors in (("robot's from the person's", from_person), ("estimated from true", from_truth)):
        if errors:
            figures |= {f"{name}, median": 1000 * float(np.median(errors))}
            figures |= {f"{name}, nine of ten": 1000 * float(np.percentile(errors, 90))}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("input", type=Path, nargs="?", help="frame list (.json); none: a synthetic camera")
    parser.add_argument("--config", type=Path, default=_HERE / "robot_hand.yml", help="robot hand (one of our own)")
    parser.add_argument("--frames", type=int, default=10**9, help="end after this number of images")
    parser.add_argument("--rate", type=float, default=30.0, help="images a second, at most (30)")
    parser.add_argument("--port", type=int, default=8080, help="of the page (8080)")
    parser.add_argument("--no-page", action="store_true", help="show nothing; print the fingertips' errors only")
    options = parser.parse_args()
    shots = synthetic("hand") if options.input is None else listed(options.input)
    port = None if options.no_page else options.port
    try:
        figures = run(shots, options.config, options.frames, port, options.rate)
    except KeyboardInterrupt:
        return
    for name, value in figures.items():
        print(f"{name}: {value:.1f}" + ("" if "frames" in name else " mm"))


if __name__ == "__main__":
    main()
