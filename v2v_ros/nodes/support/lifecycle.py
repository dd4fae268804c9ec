"""What rclpy's lifecycle nodes lack."""

from __future__ import annotations

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode


def survive_wrong_transitions(node: LifecycleNode) -> None:
    """Make a node refuse a transition that is not possible in its state.

    rclpy lets the exception through instead, which ends the process and leaves the caller without an answer.
    """
    service = getattr(node, "_service_change_state", None)
    if service is None:  # a later rclpy, arranged in another way
        return
    change_state = service.callback

    def refuse(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        try:
            return change_state(request, response)
        except RuntimeError as error:  # rclpy's RCLError is one
            node.get_logger().warning(f"transition refused: {error}")
            response.success = False
            return response

    service.callback = refuse
