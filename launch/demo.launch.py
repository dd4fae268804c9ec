# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pose node at work without a camera, on rendered depth images: ros2 launch v2v_ros demo.launch.py"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(get_package_share_directory("v2v_ros"))
FRAME = "synthetic_camera_depth_optical_frame"


def check(context: LaunchContext) -> None:
    """Refuse a bad rate now: launch would leave behind the nodes that it had started by then."""
    rate = LaunchConfiguration("rate").perform(context)
    try:
        possible = 0.1 <= float(rate) <= 200.0
    except ValueError:
        possible = False
    if not possible:
        raise RuntimeError(f"rate:={rate} is not a number of images per second from 0.1 to 200")


def generate_launch_description() -> LaunchDescription:
    kind = LaunchConfiguration("kind")
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "kind", default_value="hand", choices=["hand", "body"], description="What is rendered"
            ),
            DeclareLaunchArgument(
                "scene",
                default_value="",
                choices=["", "crossing", "occlusion", "leave_and_return", "everything"],
                description="Show a scene with three subjects instead of one; set max_subjects to follow them",
            ),
            DeclareLaunchArgument("rate", default_value="30.0", description="Depth images per second"),
            DeclareLaunchArgument(
                "params_file",
                default_value=[str(SHARE / "config"), "/", kind, ".yaml"],
                description="YAML file with the parameters of the pose node",
            ),
            DeclareLaunchArgument(
                "overlay",
                default_value="true",
                choices=["true", "false"],
                description="Also draw the skeletons into the depth image",
            ),
            DeclareLaunchArgument("fixed_frame", default_value=FRAME, description="Fixed frame of RViz"),
            OpaqueFunction(function=check),
            # Before the camera, which needs the transport that is set there too.
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(SHARE / "launch" / "pose.launch.py")),
                launch_arguments=[("params_file", LaunchConfiguration("params_file"))],
            ),
            Node(
                package="v2v_ros",
                executable="synthetic_camera_node",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    {
                        "kind": kind,
                        "scene": ParameterValue(LaunchConfiguration("scene"), value_type=str),
                        "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                        "frame_id": FRAME,
                    }
                ],
                arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
                output="screen",
            ),
        ]
    )
