"""Start the pose node for one camera and, on request, the overlay and RViz.

hand.launch.py and body.launch.py set what differs between hands and bodies, and include this file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

CONFIG = Path(get_package_share_directory("v2v_ros")) / "config"
CAMERAS: dict[str, dict[str, Any]] = yaml.safe_load((CONFIG / "cameras.yaml").read_text(encoding="utf-8"))
NO_CAMERA: dict[str, Any] = {
    "depth_topic": "depth/image_rect",
    "info_topic": "depth/camera_info",
    "frame_id": "",
    "rectify": False,
}
AS_IN_FILE = "; empty: as in params_file"
SWITCH = ["true", "false"]
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
        description="Remove the lens distortion with image_proc first; empty: as camera needs it",
    ),
    DeclareLaunchArgument(
        "namespace",
        default_value="",
        description="Namespace of all nodes and of all topics that do not begin with a slash",
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


def nodes(context: LaunchContext) -> list[Node]:
    def value(name: str) -> str:
        return LaunchConfiguration(name, default="").perform(context)

    camera = dict(CAMERAS.get(value("camera"), NO_CAMERA))
    if depth_topic := value("depth_topic"):
        camera |= {"depth_topic": depth_topic, "info_topic": f"{depth_topic.rpartition('/')[0]}/camera_info"}
    camera["info_topic"] = value("info_topic") or camera["info_topic"]
    camera["frame_id"] = value("fixed_frame") or camera["frame_id"]
    camera["rectify"] = value("rectify") == "true" if value("rectify") else camera["rectify"]
    if camera["rectify"] and value("depth_transport") == "compressedDepth":
        raise RuntimeError("only raw images can be rectified: use depth_transport:=raw, or rectify:=false")

    common: dict[str, Any] = {
        "namespace": value("namespace"),
        "output": "screen",
        "arguments": ["--ros-args", "--log-level", value("log_level")],
    }
    clock = {"use_sim_time": value("use_sim_time") == "true"} if value("use_sim_time") else {}
    texts = {name: value(name) for name in ("weights", "device", "depth_transport", "side") if value(name)}
    given: dict[str, Any] = {name: ParameterValue(text, value_type=str) for name, text in texts.items()}
    if value("autostart"):
        given["autostart"] = value("autostart") == "true"

    started = []
    depth_topic = camera["depth_topic"]
    if camera["rectify"]:
        started.append(
            Node(
                package="image_proc",
                executable="rectify_node",
                name="depth_rectify",
                # Nearest neighbour: a mean of the hand and what is behind it would lie in mid-air.
                parameters=[{"interpolation": 0} | clock],
                remappings=[
                    ("image", depth_topic),
                    ("camera_info", camera["info_topic"]),
                    ("image_rect", "depth/image_rect"),
                ],
                **common,
            )
        )
        depth_topic = "depth/image_rect"

    inputs = [
        ("depth/image_rect", depth_topic),
        ("depth/image_rect/compressedDepth", f"{depth_topic}/compressedDepth"),
        ("depth/camera_info", camera["info_topic"]),
    ]
    started.append(
        Node(
            package="v2v_ros",
            executable="pose_node",
            parameters=[value("params_file"), given | clock],
            remappings=inputs,
            **common,
        )
    )
    if value("overlay") == "true":
        started.append(
            Node(
                package="v2v_ros",
                executable="overlay_node",
                parameters=[clock] if clock else [],
                remappings=[*inputs, ("skeletons", "v2v_pose/skeletons"), ("info", "v2v_pose/info")],
                **common,
            )
        )
    if value("rviz") == "true":
        shown = ("v2v_pose/markers", "v2v_pose/cloud", "v2v_overlay/image")
        frame = ["-f", camera["frame_id"]] if camera["frame_id"] else []
        rviz = {**common, "arguments": ["-d", str(CONFIG / "v2v.rviz"), *frame, *common["arguments"]]}
        started.append(
            Node(
                package="rviz2",
                executable="rviz2",
                parameters=[clock] if clock else [],
                # The topics in the file are absolute; so they follow the namespace.
                remappings=[(f"/{topic}", topic) for topic in shown],
                **rviz,
            )
        )
    return started


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, *room_for_images(), OpaqueFunction(function=nodes)])
