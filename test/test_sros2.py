# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The SROS 2 policy against the topics and services of running nodes: complete, and nothing more."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from xml.etree import ElementTree

import pytest
from ros_bench import FakeEstimator, Ros, own_domain

pytest.importorskip("rclpy")

from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import String

from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.nodes.overlay_node import PARAMETERS as OVERLAY_PARAMETERS
from v2v_ros.nodes.overlay_node import OverlayNode
from v2v_ros.nodes.pose_node import PoseNode
from v2v_ros.nodes.support.pose_parameters import POSE_PARAMETERS, check_pose
from v2v_ros.nodes.synthetic_camera_node import PARAMETERS as CAMERA_PARAMETERS
from v2v_ros.nodes.synthetic_camera_node import SyntheticCameraNode

POLICY = Path(__file__).parent.parent / "config" / "sros2" / "v2v.policy.xml"
RIGHTS = ("publish", "subscribe", "reply", "request")
# Services that newer distributions give every node.
MAY_LACK = {"~/get_type_description"}

Rights = dict[str, set[str]]


def allowed(node: str) -> Rights:
    """What the policy allows a node, as full names."""
    profile = ElementTree.parse(POLICY).find(f".//profile[@node='{node}']")
    assert profile is not None
    rights: Rights = {right: set() for right in RIGHTS}
    for group in profile:
        for right in RIGHTS:
            if group.get(right) == "ALLOW":
                rights[right] |= {full(str(name.text), node) for name in group}
    return rights


def full(name: str, node: str) -> str:
    return name.replace("~", f"/{node}", 1) if name.startswith("~") else "/" + name.removeprefix("/")


def used(ros: Ros, node: str) -> Rights:
    """What a running node has in the graph."""
    graph = {
        "publish": ros.node.get_publisher_names_and_types_by_node,
        "subscribe": ros.node.get_subscriber_names_and_types_by_node,
        "reply": ros.node.get_service_names_and_types_by_node,
        "request": ros.node.get_client_names_and_types_by_node,
    }
    return {right: {name for name, _ in ask(node, "/")} for right, ask in graph.items()}


def settled(ros: Ros, node: str, complete: Callable[[Rights], bool]) -> Rights:
    """What a node has as soon as the graph has all of it."""

    def look() -> Rights | None:
        found: Rights = ros.call(lambda: used(ros, node))
        return found if complete(found) else None

    found: Rights = ros.wait(look, what=f"the topics of {node}")
    return found


def switched_on(skeleton: str) -> dict[str, Any]:
    """Every parameter of the pose node that switches something for a skeleton, on."""
    values: dict[str, Any] = {spec.name: spec.default for spec in POSE_PARAMETERS} | {"skeleton": skeleton}
    values["pose_array_joints"] = [get_skeleton(skeleton).joint_names[0]]
    for spec in POSE_PARAMETERS:
        if isinstance(spec.default, bool) and not check_pose(values | {spec.name: True}):
            values[spec.name] = True
    return values


def stand_in(name: str) -> Any:
    """A message type for one of a package that is not installed here, so that its topic is advertised all the same."""

    if name.startswith("__"):
        raise AttributeError(name)

    def take_anything(self: String, **fields: Any) -> None:
        String.__init__(self)

    inside = {"__init__": take_anything, "__module__": String.__module__, "__slots__": (), "ADD": b"", "REMOVE": b""}
    return type(String)("String", (String,), inside)


@pytest.fixture(autouse=True)
def every_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Act as if the packages of the optional message types were installed."""
    for name in ("hri_msgs", "moveit_msgs"):
        package, messages = ModuleType(name), ModuleType(f"{name}.msg")
        messages.__getattr__ = stand_in  # type: ignore[method-assign]
        monkeypatch.setitem(sys.modules, name, package)
        monkeypatch.setitem(sys.modules, f"{name}.msg", messages)


def pose_rights(ros: Ros, skeleton: str, transport: str) -> Rights:
    """Of an active pose node with every optional output."""
    values = switched_on(skeleton) | {"depth_transport": transport, "use_sim_time": True}
    estimator = FakeEstimator()
    estimator.skeleton = get_skeleton(skeleton)
    node = PoseNode(
        make_estimator=lambda node: cast(Any, estimator),
        context=ros.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
    )
    ros.add(node)
    ros.call(node.autostart)
    image = "/depth/image_rect" + ("" if transport == "raw" else "/compressedDepth")
    return settled(ros, "v2v_pose", lambda now: image in now["subscribe"] and "/v2v_pose/info" in now["publish"])


def check(node: str, found: Rights) -> None:
    policy = allowed(node)
    for right in RIGHTS:
        missing = found[right] - policy[right]
        assert not missing, f"{POLICY.name}: {node} lacks the right to {right} {', '.join(sorted(missing))}"
        needless = policy[right] - found[right] - {full(name, node) for name in MAY_LACK}
        assert not needless, f"{POLICY.name}: {node} need not {right} {', '.join(sorted(needless))}"


def test_the_pose_node_has_the_rights_it_needs_and_no_others(tmp_path: Path) -> None:
    rights: Rights = {right: set() for right in RIGHTS}
    for skeleton, transport in (("hand21", "raw"), ("body15", "compressedDepth")):
        with own_domain(tmp_path) as ros:
            for right, names in pose_rights(ros, skeleton, transport).items():
                rights[right] |= names
    check("v2v_pose", rights)


def test_the_overlay_node_has_the_rights_it_needs_and_no_others(ros: Ros) -> None:
    remap = ["--ros-args", "-r", "skeletons:=v2v_pose/skeletons", "-r", "info:=v2v_pose/info"]
    node = OverlayNode(context=ros.context, cli_args=remap, parameter_overrides=[Parameter("use_sim_time", value=True)])
    ros.add(node)
    ros.collect(Image, "/v2v_overlay/image")  # it subscribes only while somebody looks
    check("v2v_overlay", settled(ros, "v2v_overlay", lambda now: "/v2v_pose/info" in now["subscribe"]))


def test_the_synthetic_camera_has_the_rights_it_needs_and_no_others(ros: Ros) -> None:
    node = SyntheticCameraNode(context=ros.context, parameter_overrides=[Parameter("use_sim_time", value=True)])
    ros.add(node)
    check("synthetic_camera", settled(ros, "synthetic_camera", lambda now: "/clock" in now["subscribe"]))


def test_every_enclave_has_one_node_and_only_known_names() -> None:
    root = ElementTree.parse(POLICY).getroot()
    assert root.get("version") == "0.2.0"
    enclaves = root.findall("enclaves/enclave")
    assert [enclave.get("path") for enclave in enclaves] == ["/v2v/pose", "/v2v/overlay", "/v2v/synthetic_camera"]
    for enclave in enclaves:
        assert len(enclave.findall("profiles/profile")) == 1
    names = [str(name.text) for name in root.iter() if name.tag in ("topic", "service", "action")]
    assert not [name for name in names if "*" in name or "?" in name]  # a wildcard is not the least privilege


def test_parameters_that_name_files_cannot_be_changed_from_the_graph() -> None:
    # A text without choices can be a path; what may change at run time must not be one.
    specs = (*POSE_PARAMETERS, *OVERLAY_PARAMETERS, *CAMERA_PARAMETERS)
    free = {one.name for one in specs if isinstance(one.default, str) and not one.choices and not one.read_only}
    assert free <= {"frame_prefix"}  # of names of TF frames
