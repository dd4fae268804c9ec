# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Start the pose node for one camera and, on request, the overlay and RViz.

hand.launch.py and body.launch.py set what differs between hands and bodies, and include this file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, List  # noqa: UP035, launch knows no list[str]

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, TextSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from v2v_ros.nodes.support.output_switches import OUTPUT_SWITCHES

CONFIG = Path(get_package_share_directory("v2v_ros")) / "config"
CAMERAS: dict[str, dict[str, Any]] = yaml.safe_load((CONFIG / "cameras.yaml").read_text(encoding="utf-8"))
NO_CAMERA: dict[str, Any] = {
    "depth_topic": "depth/image_rect",
    "info_topic": "depth/camera_info",
    "frame_id": "",
}
AS_IN_FILE = "; empty: as in params_file"
SWITCH = ["true", "false", "True", "False"]
TRANSPORT_VARIABLES = (
    "FASTDDS_BUILTIN_TRANSPORTS",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
)

ARGUMENTS = (
    DeclareLaunchArgument(
        "camera",
        default_value="",
        choices=["", *CAMERAS],
        description="Camera whose usual topics are read; they are in config/cameras.yaml; empty: none",
    ),
    DeclareLaunchArgument(
        "depth_topic",
        default_value="",
        description="Topic of the depth image; empty: that of camera, else depth/image_rect",
    ),
    DeclareLaunchArgument(
        "info_topic",
        default_value="",
        description="Topic of its camera_info; empty: camera_info beside depth_topic, or that of camera",
    ),
    DeclareLaunchArgument(
        "depth_transport",
        default_value="",
        choices=["", "raw", "compressedDepth"],
        description=f"How the depth image travels; compressedDepth adds that name to its topic{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "rectify",
        default_value="",
        choices=["", *SWITCH],
        description="Remove the lens distortion that camera_info describes, unless the name of the depth topic says "
        "that it is rectified; empty: as camera needs it, else as in params_file",
    ),
    DeclareLaunchArgument(
        "depth_unit",
        default_value="",
        description=f"Metres that one unit of the depth image stands for; 0: 0.001 for 16UC1, 1 for 32FC1{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "namespace",
        default_value="",
        description="Namespace of all nodes and of all topics that do not begin with a slash",
    ),
    DeclareLaunchArgument(
        "enclaves",
        default_value="",
        description="Start of the nodes' SROS 2 enclaves, such as /v2v (docs/security.md); empty: none are named",
    ),
    DeclareLaunchArgument("params_file", description="YAML file with the parameters of the pose node"),
    DeclareLaunchArgument(
        "weights",
        default_value="",
        description=f"Name of shipped weights, or path of a .safetensors file{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "device",
        default_value="",
        description=f"Where the network runs: auto, cpu, cuda, cuda:1, ...{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "runtime",
        default_value="",
        description=f"What runs the network: auto, torch, openvino or onnxruntime{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "threads",
        default_value="",
        description=f"CPU threads for the network; 0: as many as the runtime sees fit{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "read_out",
        default_value="",
        choices=["", "auto", "refiner", "peaks"],
        description=f"How joints are read off the heatmaps: by the joint refiner, or peaks: each by itself{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "camera_roll",
        default_value="",
        choices=["", "0", "90", "180", "270"],
        description=f"Degrees by which the camera is turned clockwise, as seen from behind it{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "max_subjects",
        default_value="",
        choices=["", *map(str, range(1, 9))],
        description=f"How many are followed at once, 1 to 8{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "filter",
        default_value="",
        choices=["", "none", "kalman", "one_euro"],
        description=f"What smooths joints over time{AS_IN_FILE}",
    ),
    *(
        DeclareLaunchArgument(
            switch.name,
            default_value="",
            choices=["", *SWITCH],
            description=f"{switch.description}{AS_IN_FILE}",
        )
        for switch in OUTPUT_SWITCHES
    ),
    DeclareLaunchArgument(
        "pose_array_joints",
        default_value="",
        description=f"Publish the poses of these joints, separated by commas: wrist,index_tip{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        choices=["", *SWITCH],
        description=f"Configure and activate the pose node by itself{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="",
        choices=["", *SWITCH],
        description=f"Take the time from /clock, as for a bag played with --clock{AS_IN_FILE}",
    ),
    DeclareLaunchArgument(
        "overlay",
        default_value="false",
        choices=SWITCH,
        description="Also draw the skeletons into the depth image",
    ),
    DeclareLaunchArgument("rviz", default_value="false", choices=SWITCH, description="Also start RViz"),
    DeclareLaunchArgument(
        "fixed_frame",
        default_value="",
        description="Fixed frame of RViz; empty: that of the depth image of camera",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="Least severity of the messages that are logged",
    ),
)


def room_for_images() -> list[SetEnvironmentVariable]:
    """Let Fast DDS send images over half a MiB to other processes; docs/cameras.md says why."""
    if any(name in os.environ for name in TRANSPORT_VARIABLES):
        return []  # the user has chosen
    if os.environ.get("ROS_DISTRO") == "humble":
        return [SetEnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", str(CONFIG / "fastdds.xml"))]
    return [SetEnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", "DEFAULT?sockets_size=4MB")]


def require(package: str, purpose: str, way_out: str) -> None:
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        raise RuntimeError(
            f"{purpose} needs the package {package}: install it "
            f"(sudo apt install ros-$ROS_DISTRO-{package.replace('_', '-')}), or use {way_out}"
        ) from None


def chosen_camera(value: Callable[[str], str]) -> dict[str, Any]:
    """Return what is known of the camera, and what the arguments say instead."""
    camera = dict(CAMERAS.get(value("camera"), NO_CAMERA))
    if depth_topic := value("depth_topic"):
        folder = depth_topic[: depth_topic.rfind("/") + 1]
        camera |= {"depth_topic": depth_topic, "info_topic": f"{folder}camera_info"}
    if info_topic := value("info_topic"):
        camera["info_topic"] = info_topic
    if frame_id := value("fixed_frame"):
        camera["frame_id"] = frame_id
    if value("depth_transport") == "compressedDepth" and value("overlay") == "true":
        raise RuntimeError("overlay reads raw images only: use depth_transport:=raw, or overlay:=false")
    return camera


def reading(value: Callable[[str], str], camera: dict[str, Any]) -> dict[str, Any]:
    """Return parameters of all nodes that read depth images, as they were given as launch arguments."""
    parameters: dict[str, Any] = {}
    if value("rectify"):
        parameters["rectify"] = value("rectify") == "true"
    elif "rectify" in camera and not value("depth_topic"):
        parameters["rectify"] = camera["rectify"]
    if text := value("depth_unit"):
        try:
            parameters["depth_unit"] = float(text)
        except ValueError:
            raise RuntimeError(f"depth_unit must be a number of metres, got '{text}'") from None
    return parameters


def whole_number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise RuntimeError(f"{name} must be a whole number, got '{text}'")
    return int(text)


def given_parameters(value: Callable[[str], str]) -> dict[str, Any]:
    """Parameters of the pose node that were given as launch arguments."""
    texts = ("weights", "device", "runtime", "read_out", "filter", "depth_transport", "side")
    parameters: dict[str, Any] = {name: ParameterValue(value(name), value_type=str) for name in texts if value(name)}
    numbers = ("threads", "max_subjects", "camera_roll")
    parameters |= {name: whole_number(name, value(name)) for name in numbers if value(name)}
    for name in ("autostart", *(switch.name for switch in OUTPUT_SWITCHES)):
        if value(name):
            parameters[name] = value(name) == "true"
    if value("pose_array_joints"):
        names = TextSubstitution(text=str([name.strip() for name in value("pose_array_joints").split(",")]))
        parameters["pose_array_joints"] = ParameterValue(names, value_type=List[str])  # noqa: UP006
    return parameters


def nodes(context: LaunchContext) -> list[Node]:
    def value(name: str) -> str:
        text = LaunchConfiguration(name, default="").perform(context)
        return text.lower() if text in SWITCH else text

    params_file = value("params_file")
    if not Path(params_file).is_file():
        raise RuntimeError(f"params_file '{params_file}' does not exist")
    camera = chosen_camera(value)
    depth_topic = camera["depth_topic"]
    read = reading(value, camera)
    given = given_parameters(value) | read
    clock = [{"use_sim_time": value("use_sim_time") == "true"}] if value("use_sim_time") else []
    log = ["--ros-args", "--log-level", value("log_level")]
    enclaves = value("enclaves")
    pose, overlay = (["--enclave", f"{enclaves}/{name}"] if enclaves else [] for name in ("pose", "overlay"))
    common: dict[str, Any] = {"namespace": value("namespace"), "output": "screen"}

    started = []
    inputs = {
        "depth/image_rect": depth_topic,
        "depth/image_rect/compressedDepth": f"{depth_topic}/compressedDepth",
        "depth/camera_info": camera["info_topic"],
    }
    started.append(
        Node(
            package="v2v_ros",
            executable="pose_node",
            parameters=[params_file, *([given] if given else []), *clock],
            remappings=inputs.items(),
            arguments=[*log, *pose],
            **common,
        )
    )
    if value("overlay") == "true":
        results = {"skeletons": "v2v_pose/skeletons", "info": "v2v_pose/info"}
        started.append(
            Node(
                package="v2v_ros",
                executable="overlay_node",
                parameters=[*([read] if read else []), *clock],
                remappings=(inputs | results).items(),
                arguments=[*log, *overlay],
                **common,
            )
        )
    if value("rviz") == "true":
        require("rviz2", "rviz:=true", "rviz:=false")
        fixed_frame = ["-f", camera["frame_id"]] if camera["frame_id"] else []
        # The topics in the file are absolute; so they follow the namespace.
        shown = [(f"/{topic}", topic) for topic in ("v2v_pose/markers", "v2v_pose/cloud", "v2v_overlay/image")]
        started.append(
            Node(
                package="rviz2",
                executable="rviz2",
                parameters=clock,
                remappings=shown,
                arguments=["-d", str(CONFIG / "v2v.rviz"), *fixed_frame, *log],
                **common,
            )
        )
    return started


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, *room_for_images(), OpaqueFunction(function=nodes)])
