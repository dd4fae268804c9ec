# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pose node: depth images in, skeletons out. A lifecycle node that starts by itself."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import SetBool, Trigger

from v2v_ros.estimator import PoseEstimator

from .health.compute import survey
from .health.diagnostics import diagnostic_array
from .health.graph import look, subscribed
from .health.input_health import NodeState, input_problem, must_look
from .health.statistics import Statistics
from .outputs.messages import description
from .outputs.outputs import Outputs
from .pose.inputs import FrameError, MissingInfo, age, to_seconds
from .pose.processing import Processing, Topics
from .pose.receiver import ByReceiver, Receiver
from .pose.recovery import Recovery, RuntimeFailure, free_memory, load_estimator
from .pose.reports import Reports
from .pose.worker import Worker
from .support.parameters import declare
from .support.pose_parameters import POSE_PARAMETERS, PoseSettings, check_pose
from .support.process import RELEASE_PERIOD, release_free_memory, run, survive_wrong_transitions
from .support.transport import large_message_remedy, overridable, reliable, subscribe, subscribe_kept, untaken_overrides

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
_START_PATIENCE = 5.0  # seconds
_LOOK = 0.5  # seconds between looks for a camera_info that is kept for late subscribers
_STOP_TIMEOUT = 10.0  # seconds; an image is processed in less, even on a slow CPU


class PoseNode(LifecycleNode):
    """Wires topics, parameters and services to the estimator.

    A thread takes the messages and only keeps the newest; another one processes it.

    Args:
        make_estimator: Function that makes the estimator when the node is configured, and again when it fails; it gets
            ``device`` when that is not to be the parameter's.
        options: Arguments of :class:`rclpy.node.Node`.
    """

    def __init__(self, *, make_estimator: Callable[..., PoseEstimator] = load_estimator, **options: Any) -> None:
        super().__init__("v2v_pose", **options)
        declare(self, POSE_PARAMETERS, check_pose)
        survive_wrong_transitions(self)
        self._make_estimator = make_estimator
        self._reports = Reports(self.get_logger())
        self._enabled = True
        self._wanted = True
        self._lifecycle = "unconfigured"
        self._failure = ""
        self._untaken = ""
        self._recovery: Recovery | None = None
        self._statistics = Statistics()
        self._outputs: Outputs | None = None
        self._processing: Processing | None = None
        self._worker: Worker[Image | CompressedImage] | None = None
        self._inputs: list[Subscription] = []
        self._receiver: Receiver | None = None
        self._kept: Subscription | None = None

        compressed = self.get_parameter("depth_transport").value == "compressedDepth"
        self._image_type = CompressedImage if compressed else Image
        self._image_topic = "depth/image_rect/compressedDepth" if compressed else "depth/image_rect"
        self._topics = Topics(
            *(self.resolve_topic_name(name) for name in (self._image_topic, "depth/camera_info", "center"))
        )
        self.create_service(SetBool, "~/enable", self._on_enable)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self._diagnostics = self.create_publisher(
            DiagnosticArray, "/diagnostics", reliable(), qos_overriding_options=overridable()
        )
        # Not the node's clock: it stands still while no simulated time comes, which must be reported too.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        period = self.get_parameter("diagnostics_period").value
        self._diagnostics_timer = self.create_timer(period, self._publish_diagnostics, clock=steady)
        self._kept_timer = self.create_timer(_LOOK, self._look_for_kept_info, clock=steady)
        self._memory_timer = self.create_timer(RELEASE_PERIOD, release_free_memory, clock=steady)

    def autostart(self) -> None:
        """Configure and activate, unless the parameter says not to."""
        if self.get_parameter("autostart").value and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self._recovery = Recovery(partial(self._make_estimator, self))
        except ValueError as error:  # with a text for people
            self._failure = str(error)
        except Exception as error:  # rclpy would hide it
            self._failure = f"the estimator cannot be made: {type(error).__name__}: {error}"
            self.get_logger().error(traceback.format_exc())
        else:
            self._failure, self._lifecycle = "", "inactive"
            self.get_logger().info(", ".join(f"{key}: {value}" for key, value in self._about().items()))
            return SUCCESS
        self.get_logger().error(f"cannot be configured: {self._failure}")
        self._publish_diagnostics()
        return FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self._recovery is not None
        try:
            self._start(self._recovery)
        except Exception as error:  # such as a QoS override that does not exist; rclpy would hide it
            self._stop()
            self._failure = f"cannot be activated: {error}"
            self.get_logger().error(self._failure)
            return FAILURE
        self._failure, self._lifecycle = "", "active"
        self.get_logger().info(f"active: depth images from {self._topics.image}, camera_info from {self._topics.info}")
        return SUCCESS

    def _start(self, recovery: Recovery) -> None:
        self._statistics = Statistics()
        self._outputs = Outputs(self, recovery.estimator or recovery.renew(PoseSettings.read(self).on_runtime_error))
        self._processing = Processing(
            recovery,
            self._outputs,
            self._statistics,
            self._reports,
            self.get_clock(),
            self._topics,
            lambda: PoseSettings.read(self),
            self._losses,
        )
        self._worker = Worker(self._processing.process, partial(self._on_failed_image, self._statistics), "worker")
        group = ByReceiver()
        for subscription in (
            (CameraInfo, "depth/camera_info", self._on_info),
            (PointStamped, "center", self._on_center),
            (self._image_type, self._image_topic, self._on_image),
        ):
            self._inputs.append(subscribe(self, *subscription, group))
        self._untaken = untaken_overrides(self)
        if self._untaken:
            self.get_logger().warning(self._untaken)
        self._receiver = Receiver(self, self._inputs, self._on_bad_message)

    def _look_for_kept_info(self) -> None:
        """Hear a camera_info that was published once, before this node started, as long as no other comes."""
        if self._lifecycle == "active" and self._kept is None and not self._statistics.counts()["infos"]:
            self._kept = subscribe_kept(self, CameraInfo, "depth/camera_info", self._on_kept_info)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if not self._stop():
            return TransitionCallbackReturn.ERROR  # the estimator is still in use: the next configuration makes another
        if self._recovery is not None:
            self._recovery.reset()
        self._lifecycle = "inactive"
        return SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        self._recovery = None
        free_memory()
        self._failure, self._lifecycle = "", "unconfigured"
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.on_cleanup(state)
        self._lifecycle = "finalized"
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.on_cleanup(state)

    def destroy_node(self) -> None:
        self._stop()
        super().destroy_node()

    def _stop(self) -> bool:
        """Undo exactly what activation did; False when an image is still being processed."""
        if self._receiver is not None:
            self._receiver.stop()
        self._receiver = None
        for subscription in (*self._inputs, *filter(None, (self._kept,))):
            self.destroy_subscription(subscription)
        self._inputs, self._kept = [], None
        stopped = self._worker is None or self._worker.stop(_STOP_TIMEOUT)
        if not stopped:
            self.get_logger().error(f"an image is still being processed after {_STOP_TIMEOUT:.0f} s")
        self._worker = None
        self._processing = None
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = None
        return stopped

    def _on_image(self, message: Image | CompressedImage) -> None:
        stamp = message.header.stamp
        self._statistics.image_received(len(message.data), age(self.get_clock(), stamp), to_seconds(stamp))
        if self._worker is None or self._outputs is None:
            return
        self._wanted = self._outputs.wanted(PoseSettings.read(self))
        if self._enabled and self._wanted:
            self._worker.put(message)

    def _on_info(self, message: CameraInfo) -> None:
        self._statistics.info_received(to_seconds(message.header.stamp))
        if self._processing is not None:
            self._processing.infos.add(message)

    def _on_kept_info(self, message: CameraInfo) -> None:
        self._statistics.info_kept()
        if self._processing is not None:
            self._processing.infos.add(message)

    def _on_center(self, message: PointStamped) -> None:
        if self._processing is not None:
            if message.header.stamp.sec == 0 and message.header.stamp.nanosec == 0:
                message.header.stamp = self.get_clock().now().to_msg()  # typed by hand: meant for now
            self._processing.hint = message

    def _on_bad_message(self, subscription: Subscription, error: Exception) -> None:
        if self.context.ok():
            self._reports.error("traceback", "".join(traceback.format_exception(error)))
            text = f"{subscription.topic_name}: a message was skipped: {type(error).__name__}: {error}"
            self._statistics.failed(text)
            self._reports.error("message", text)

    def _on_failed_image(self, statistics: Statistics, error: Exception) -> None:
        # Publishing fails while everything ends, and in a thread that outlived its activation.
        if not self.context.ok() or statistics is not self._statistics or self._worker is None:
            return
        text = str(error)
        if not isinstance(error, FrameError):
            if not isinstance(error, RuntimeFailure):
                text = f"{self._topics.image}: {type(error).__name__}: {error}"
            self._reports.error("traceback", "".join(traceback.format_exception(error)))
        statistics.failed(text)
        if not isinstance(error, MissingInfo):  # normal for a moment; the diagnostics complain when it lasts
            self._reports.error("failed", text)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        response.success = True
        response.message = "images are processed" if request.data else "paused: images are counted, not processed"
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._processing is not None
        response.message = "the node is not active, it has no tracks"
        if self._processing is not None:
            self._processing.reset()
            response.message = "all tracks are forgotten before the next image"
        return response

    @property
    def _estimator(self) -> PoseEstimator | None:
        return self._recovery.estimator if self._recovery is not None else None

    def _about(self) -> dict[str, str]:
        """Return the estimator, in words."""
        estimator, recovery = self._estimator, self._recovery
        if estimator is None or recovery is None:
            return {}
        return description(estimator) | {"network restarts": str(recovery.restarts)}

    def _losses(self) -> tuple[int, int]:
        worker = self._worker
        return (worker.dropped, worker.failed) if worker is not None else (0, 0)

    def _state(self) -> NodeState:
        dropped, failed = self._losses()
        about, figures = self._about(), self._statistics.figures()
        patience, sim_time = (self.get_parameter(name).value for name in ("camera_info_timeout", "use_sim_time"))
        image_publishers = self.count_publishers(self._topics.image)
        looking = self._lifecycle == "active" and (must_look(figures, patience) or image_publishers > 1)
        return NodeState(
            node=self.get_fully_qualified_name(),
            lifecycle=self._lifecycle,
            image_topic=self._topics.image,
            info_topic=self._topics.info,
            image_name=self._image_topic,
            failure=self._failure,
            enabled=self._enabled,
            wanted=self._wanted,
            clock_missing=sim_time and self.get_clock().now().nanoseconds == 0,
            sim_time=sim_time,
            image_publishers=image_publishers,
            info_publishers=self.count_publishers(self._topics.info),
            image_input=subscribed(self._inputs, self._topics.image),
            info_input=subscribed(self._inputs, self._topics.info),
            graph=look(self, self._topics.image, self._topics.info) if looking else None,
            middleware=rclpy.get_rmw_implementation_identifier(),
            remedy=large_message_remedy(),
            patience=patience,
            busy=self._worker.busy if self._worker is not None else 0.0,
            dropped=dropped,
            failed=failed,
            figures=figures,
            compute=survey(about, self.get_parameter("device").value),
            info=about,
            untaken=self._untaken,
            lost_device=self._recovery.lost_device if self._recovery is not None else "",
        )

    def _publish_diagnostics(self) -> None:
        state = self._state()
        self._diagnostics.publish(diagnostic_array(state, self.get_clock().now().to_msg()))
        problem = input_problem(state) if state.lifecycle == "active" else None
        # A camera that starts at the same time may come a little later.
        if problem is not None and state.figures.since > _START_PATIENCE:
            self._reports.warn("input", problem[1])


def main(args: list[str] | None = None) -> None:
    def make() -> PoseNode:
        node = PoseNode()
        node.autostart()
        return node

    run(make, args)


if __name__ == "__main__":
    main()
