# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Launch files, parameter files, cameras and the RViz configuration."""

from __future__ import annotations

import ast
import importlib
import json
import os
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from v2v_ros.geometry.skeletons import get_skeleton
from v2v_ros.geometry.subject import SUBJECTS
from v2v_ros.nodes.support.output_switches import OUTPUT_SWITCHES

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"
CAMERAS: dict[str, dict[str, Any]] = yaml.safe_load((CONFIG / "cameras.yaml").read_text(encoding="utf-8"))
RVIZ: dict[str, Any] = yaml.safe_load((CONFIG / "v2v.rviz").read_text(encoding="utf-8"))["Visualization Manager"]
TRANSPORT = ("FASTDDS_BUILTIN_TRANSPORTS", "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")

# Stands before the command of every process: writes down what would be run, and ends.
RECORDER = """
import json, os, pathlib, sys, yaml
command = sys.argv[1:]
files = [command[i + 1] for i, word in enumerate(command) if word == "--params-file"]
record = {
    "executable": pathlib.Path(command[0]).name,
    "command": command,
    "remappings": dict(word.split(":=", 1) for word in command if ":=" in word),
    "files": files,
    "parameters": [next(iter(yaml.safe_load(open(file)).values()))["ros__parameters"] for file in files],
    "environment": dict(os.environ),
}
pathlib.Path(os.environ["RECORDS"], f"{os.getpid()}.json").write_text(json.dumps(record))
"""


@pytest.mark.parametrize("name", ["pose", "hand", "body", "demo"])
def test_launch_file_compiles(name: str) -> None:
    tree = ast.parse((ROOT / "launch" / f"{name}.launch.py").read_text(encoding="utf-8"))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert "generate_launch_description" in functions
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("kind", ["hand", "body"])
def test_parameter_file_agrees_with_the_node(kind: str) -> None:
    pytest.importorskip("rclpy", reason="the table of parameters needs ROS")
    from v2v_ros.nodes.support.pose_parameters import POSE_PARAMETERS, check_pose

    content = yaml.safe_load((CONFIG / f"{kind}.yaml").read_text(encoding="utf-8"))
    assert list(content) == ["/**"], "any other key would not match the node in every namespace"
    values = content["/**"]["ros__parameters"]
    table = {spec.name: spec for spec in POSE_PARAMETERS}
    irrelevant = {"side"} if kind == "body" else set()
    assert set(values) <= set(table) - irrelevant
    unsaid = set(table) - irrelevant - set(values)
    assert unsaid <= {switch.name for switch in OUTPUT_SWITCHES}, "only outputs may be left to the table: they are off"

    for name, value in values.items():
        spec = table[name]
        assert type(value) is type(spec.default), name
        assert not spec.refusal(value), name
        if spec.limits is not None:
            assert isinstance(value, int | float)
            assert spec.limits[0] <= value <= spec.limits[1], name
    assert not check_pose(values)
    assert get_skeleton(values["skeleton"]).kind == kind
    # The files say that they hold the defaults. In the table the depths are 0, which stands for these.
    depths = {"min_depth", "max_depth"}
    changed = {name for name, value in values.items() if value != table[name].default}
    assert changed - depths == ({"skeleton"} if kind == "body" else set())
    assert (values["min_depth"], values["max_depth"]) == SUBJECTS[kind].depth_range
    assert values["score_threshold"] == SUBJECTS[kind].score_threshold


def test_launch_files_read_the_table_of_outputs_without_what_the_nodes_need() -> None:
    script = "import sys, v2v_ros.nodes.support.output_switches; print({'rclpy', 'torch', 'numpy'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "set()"


def test_cameras_are_complete() -> None:
    assert set(CAMERAS) == {"realsense", "azure_kinect", "oak", "zed", "orbbec"}
    for name, camera in CAMERAS.items():
        types = {"depth_topic": str, "info_topic": str, "frame_id": str, "rectify": bool}
        assert {key: type(value) for key, value in camera.items()} == types, name
        for topic in (camera["depth_topic"], camera["info_topic"]):
            assert all(part.isidentifier() for part in topic.split("/")), f"{topic} is not a relative topic"
        assert camera["info_topic"] == f"{camera['depth_topic'].rpartition('/')[0]}/camera_info", name


def test_rviz_configuration() -> None:
    displays = {display["Name"]: display for display in RVIZ["Displays"]}
    assert {name: display["Class"] for name, display in displays.items()} == {
        "Skeletons": "rviz_default_plugins/MarkerArray",
        "Points": "rviz_default_plugins/PointCloud2",
        "Joint frames": "rviz_default_plugins/TF",
        "Overlay": "rviz_default_plugins/Image",
        "Camera": "rviz_default_plugins/Axes",
    }
    assert not displays["Joint frames"]["Enabled"] and displays["Joint frames"]["Show Names"]
    assert RVIZ["Global Options"]["Fixed Frame"] in {camera["frame_id"] for camera in CAMERAS.values()}
    for display in displays.values():
        if "Topic" in display:
            assert display["Topic"]["Reliability Policy"] == "Reliable"


def test_fastdds_profile_has_room_for_images() -> None:
    def texts(tag: str) -> list[str]:
        return [element.text or "" for element in root.iter() if element.tag.rpartition("}")[2] == tag]

    root = ElementTree.parse(CONFIG / "fastdds.xml").getroot()
    assert texts("type") == ["SHM", "UDPv4"]  # as by default, so that processes without the profile are still heard
    assert texts("transport_id")[:2] == texts("transport_id")[2:]
    assert int(texts("segment_size")[0]) >= 2 * 1280 * 720 * 4


def source(name: str) -> Any:
    """A launch file of the project."""
    sources = importlib.import_module("launch.launch_description_sources")
    return sources.PythonLaunchDescriptionSource(str(ROOT / "launch" / f"{name}.launch.py"))


class Launcher:
    """Runs launch files as ``ros2 launch`` does, in this process.

    Attributes:
        exit_codes: Of the processes that have ended, by the name of the executable.
        text: What the processes have said.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exit_codes: dict[str, int] = {}
        self.text = ""

    def run(
        self, name: str, arguments: dict[str, Any], check: Callable[[], None] | None = None, prefix: str = ""
    ) -> int:
        """Run until all processes have ended or the check, which runs beside it, is through.

        Returns:
            0, or 1 when launching failed.
        """
        launch = importlib.import_module("launch")
        actions = importlib.import_module("launch.actions")
        handlers = importlib.import_module("launch.event_handlers")

        def on_text(event: Any) -> None:
            self.text += event.text.decode()

        def on_exit(event: Any, context: Any) -> None:
            self.exit_codes[event.process_name.rpartition("-")[0]] = event.returncode

        description = launch.LaunchDescription(
            [
                actions.RegisterEventHandler(handlers.OnProcessIO(on_stdout=on_text, on_stderr=on_text)),
                actions.RegisterEventHandler(handlers.OnProcessExit(on_exit=on_exit)),
                actions.SetLaunchConfiguration("launch-prefix", prefix),
                actions.IncludeLaunchDescription(
                    source(name),
                    launch_arguments=[(key, str(value)) for key, value in arguments.items()],
                ),
            ]
        )
        service = launch.LaunchService(noninteractive=True)
        service.include_launch_description(description)
        if check is None:
            return int(service.run())

        def checked() -> None:
            try:
                check()
            finally:
                service.shutdown()

        # Signals reach the main thread alone, so launch must have it.
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(checked)
            status = int(service.run(shutdown_when_idle=False))
            future.result()
        return status

    def record(self, name: str, **arguments: Any) -> dict[str, dict[str, Any]]:
        """What would be run, by the name of the executable."""
        recorder = self.folder / "recorder.py"
        recorder.write_text(RECORDER)
        records = self.folder / "records"
        shutil.rmtree(records, ignore_errors=True)
        records.mkdir()
        os.environ["RECORDS"] = str(records)
        assert self.run(name, arguments, prefix=f"{sys.executable} {recorder}") == 0
        assert set(self.exit_codes.values()) == {0}, self.text
        found = [json.loads(file.read_text()) for file in records.iterdir()]
        return {record["executable"]: record for record in found}


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launcher]:
    reason = "launch and launch_ros come with a ROS installation only"
    for module in ("launch.actions", "launch_ros.actions"):
        pytest.importorskip(module, reason=reason)
    logging = importlib.import_module("launch.logging")
    monkeypatch.setenv("RECORDS", "")
    for variable in TRANSPORT:
        monkeypatch.delenv(variable, raising=False)
    logging.reset()
    logging.launch_config.log_dir = str(tmp_path)
    before = dict(os.environ)
    yield Launcher(tmp_path)
    os.environ.clear()  # launch sets variables of this process
    os.environ.update(before)


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages that are not installed everywhere, with executables that are recorded, never run."""
    for package, executable in (("rviz2", "rviz2"),):
        index = tmp_path / "prefix" / "share" / "ament_index" / "resource_index" / "packages" / package
        program = tmp_path / "prefix" / "lib" / package / executable
        for file in (index, program):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'prefix'}:{os.environ.get('AMENT_PREFIX_PATH', '')}")


@pytest.mark.parametrize("name", ["hand", "body"])
def test_every_argument_is_explained(name: str, launcher: Launcher) -> None:
    description = source(name).try_get_launch_description_without_context()
    arguments = {argument.name: argument for argument in description.get_launch_arguments()}
    assert ("side" in arguments) == (name == "hand")
    assert {"camera", "depth_topic", "info_topic", "namespace", "weights", "device", "depth_transport"} <= set(
        arguments
    )
    for argument in arguments.values():
        assert argument.description and argument.description != "no description given", argument.name
    assert set(arguments["camera"].choices) == {"", *CAMERAS}


def test_pose_node_gets_the_file_alone_by_default(launcher: Launcher) -> None:
    record = launcher.record("body")["pose_node"]
    assert [Path(file).name for file in record["files"]] == ["body.yaml"]
    assert record["remappings"]["depth/image_rect"] == "depth/image_rect"
    assert record["remappings"]["depth/camera_info"] == "depth/camera_info"


def test_arguments_win_over_the_file(launcher: Launcher) -> None:
    given = {"weights": "123", "device": "cuda:1", "depth_transport": "raw", "side": "left"}
    given |= {"runtime": "onnxruntime", "filter": "kalman"}
    others = {"autostart": "false", "use_sim_time": "true", "log_level": "debug"}
    record = launcher.record("hand", **given, threads="2", max_subjects="3", camera_roll="90", **others)["pose_node"]
    first, second, clock = record["parameters"]
    assert first["side"] == "either"
    assert second == given | {"threads": 2, "max_subjects": 3, "camera_roll": 90, "autostart": False}
    assert clock == {"use_sim_time": True}
    assert record["command"][record["command"].index("--log-level") + 1] == "debug"


def test_outputs_for_other_packages_are_asked_for_by_arguments(launcher: Launcher) -> None:
    switches = [switch.name for switch in OUTPUT_SWITCHES]
    given = dict.fromkeys(switches, "true") | {"pose_array_joints": "wrist, index_tip"}
    _, second = launcher.record("hand", **given)["pose_node"]["parameters"]
    assert second == dict.fromkeys(switches, True) | {"pose_array_joints": ["wrist", "index_tip"]}


@pytest.mark.parametrize("name", CAMERAS)
def test_camera_topics(name: str, launcher: Launcher) -> None:
    record = launcher.record("hand", camera=name)["pose_node"]
    assert record["parameters"][1] == {"rectify": CAMERAS[name]["rectify"]}
    remappings = record["remappings"]
    assert remappings["depth/image_rect"] == CAMERAS[name]["depth_topic"]
    assert remappings["depth/image_rect/compressedDepth"] == f"{CAMERAS[name]['depth_topic']}/compressedDepth"
    assert remappings["depth/camera_info"] == CAMERAS[name]["info_topic"]


@pytest.mark.parametrize(
    ("depth_topic", "expected"),
    [("/a/depth/image", "/a/depth/camera_info"), ("depth", "camera_info"), ("/depth", "/camera_info")],
)
def test_camera_info_is_looked_for_beside_an_explicit_topic(
    depth_topic: str, expected: str, launcher: Launcher
) -> None:
    remappings = launcher.record("hand", camera="zed", depth_topic=depth_topic)["pose_node"]["remappings"]
    assert (remappings["depth/image_rect"], remappings["depth/camera_info"]) == (depth_topic, expected)
    remappings = launcher.record("hand", depth_topic=depth_topic, info_topic="/my/info")["pose_node"]["remappings"]
    assert (remappings["depth/image_rect"], remappings["depth/camera_info"]) == (depth_topic, "/my/info")


def test_all_nodes_read_images_in_one_way(launcher: Launcher) -> None:
    records = launcher.record("hand", overlay="true", rectify="false", depth_unit="0.00025")
    assert records["pose_node"]["parameters"][1] == {"rectify": False, "depth_unit": 0.00025}
    assert records["overlay_node"]["parameters"] == [{"rectify": False, "depth_unit": 0.00025}]
    assert launcher.record("hand", overlay="true")["overlay_node"]["parameters"] == []


@pytest.mark.usefixtures("stand_ins")
def test_rviz_shows_what_the_nodes_publish(launcher: Launcher) -> None:
    records = launcher.record("hand", camera="orbbec", namespace="robot1", overlay="true", rviz="true")
    rviz = records["rviz2"]
    assert rviz["command"][1:5] == ["-d", rviz["command"][2], "-f", "camera_depth_optical_frame"]
    assert Path(rviz["command"][2]).read_text() == (CONFIG / "v2v.rviz").read_text()
    topics = {display["Topic"]["Value"] for display in RVIZ["Displays"] if "Topic" in display}
    remappings = {source: target for source, target in rviz["remappings"].items() if not source.startswith("__")}
    assert remappings == {topic: topic.removeprefix("/") for topic in topics}
    assert {record["remappings"]["__ns"] for record in records.values()} == {"/robot1"}

    rviz = launcher.record("hand", camera="orbbec", fixed_frame="map", rviz="true")["rviz2"]
    assert rviz["command"][3:5] == ["-f", "map"]
    assert "-f" not in launcher.record("hand", rviz="true")["rviz2"]["command"]


def test_demo_connects_its_nodes(launcher: Launcher) -> None:
    records = launcher.record("demo", kind="body", rate="5", scene="crossing", max_subjects="3")
    assert set(records) == {"synthetic_camera_node", "pose_node", "overlay_node"}
    (camera,) = records["synthetic_camera_node"]["parameters"]
    frame = "synthetic_camera_depth_optical_frame"
    assert camera == {"kind": "body", "scene": "crossing", "rate": 5.0, "frame_id": frame}
    assert records["pose_node"]["parameters"][0]["skeleton"] == "body15"
    assert records["pose_node"]["parameters"][1]["max_subjects"] == 3
    assert records["overlay_node"]["remappings"]["skeletons"] == "v2v_pose/skeletons"
    assert "overlay_node" not in launcher.record("demo", overlay="false")


def test_transport_is_prepared_unless_the_user_chose_one(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def environment() -> dict[str, str]:
        for variable in TRANSPORT:
            if variable not in chosen:
                os.environ.pop(variable, None)  # launch has set it in this process
        records = launcher.record("demo", overlay="false")
        found = [
            {key: record["environment"][key] for key in TRANSPORT if key in record["environment"]}
            for record in records.values()
        ]
        assert found[0] == found[1]
        return found[0]

    chosen: set[str] = set()
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    assert environment() == {"FASTDDS_BUILTIN_TRANSPORTS": "DEFAULT?sockets_size=4MB"}
    monkeypatch.setenv("ROS_DISTRO", "humble")
    (profile,) = environment().items()
    assert profile[0] == "FASTRTPS_DEFAULT_PROFILES_FILE"
    assert Path(profile[1]).read_text() == (CONFIG / "fastdds.xml").read_text()
    for variable in TRANSPORT:
        chosen = {variable}
        with monkeypatch.context() as patch:
            patch.setenv(variable, "UDPv4")
            assert environment() == {variable: "UDPv4"}


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("hand", {"camera": "kinect1"}, "realsense"),
        ("hand", {"rviz": "true"}, "sudo apt install ros-$ROS_DISTRO-rviz2"),
        ("hand", {"overlay": "true", "depth_transport": "compressedDepth"}, "depth_transport:=raw"),
        ("body", {"params_file": "/nowhere/body.yaml"}, "params_file '/nowhere/body.yaml' does not exist"),
        ("demo", {"rate": "fast"}, "rate:=fast"),
        ("hand", {"depth_unit": "mm"}, "depth_unit must be a number of metres, got 'mm'"),
        ("hand", {"threads": "all"}, "threads must be a whole number, got 'all'"),
        ("hand", {"max_subjects": "9"}, "max_subjects"),
        ("hand", {"camera_roll": "45"}, "camera_roll"),
    ],
)
def test_bad_arguments_are_refused(
    name: str,
    arguments: dict[str, str],
    expected: str,
    launcher: Launcher,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    packages = importlib.import_module("ament_index_python.packages")
    original = packages.get_package_prefix

    def without_extras(package: str) -> str:
        if package == "rviz2":
            raise packages.PackageNotFoundError(package)
        return str(original(package))

    monkeypatch.setattr(packages, "get_package_prefix", without_extras)
    assert launcher.run(name, arguments, prefix="true") == 1
    assert expected in capfd.readouterr().out
    assert not launcher.exit_codes, "nothing was started"


@pytest.mark.slow
def test_demo_runs(ros: Any, launcher: Launcher, untrained_weights: Path) -> None:
    from sensor_msgs.msg import Image

    from v2v_ros.msg import SkeletonArray, SkeletonInfo
    from v2v_ros.nodes.support.transport import latched

    infos = ros.collect(SkeletonInfo, "/robot1/v2v_pose/info", latched())
    skeletons = ros.collect(SkeletonArray, "/robot1/v2v_pose/skeletons")
    pictures = ros.collect(Image, "/robot1/v2v_overlay/image")

    def check() -> None:
        ros.wait(lambda: skeletons and pictures and infos, 60.0, "skeletons, info and pictures")

    status = launcher.run("demo", {"namespace": "robot1", "rate": 5.0, "weights": untrained_weights}, check)
    assert status == 0
    assert infos[0].weights_id == "untrained"
    assert skeletons[0].header.frame_id == pictures[0].header.frame_id == "synthetic_camera_depth_optical_frame"
    assert launcher.exit_codes == {"pose_node": 0, "overlay_node": 0, "synthetic_camera_node": 0}, launcher.text


@pytest.mark.slow
def test_hand_listens_to_the_camera(ros: Any, launcher: Launcher, untrained_weights: Path) -> None:
    from rcl_interfaces.srv import GetParameters

    values: list[Any] = []

    def check() -> None:
        topics = ("/camera/camera/depth/image_rect_raw", "/camera/camera/depth/camera_info")
        ros.wait(lambda: all(ros.node.count_subscribers(topic) for topic in topics), 60.0, f"subscriptions to {topics}")
        request = GetParameters.Request(names=["side", "skeleton", "use_sim_time"])
        values.extend(ros.request(GetParameters, "/v2v_pose/get_parameters", request).values)

    arguments = {"camera": "realsense", "side": "left", "weights": untrained_weights}
    assert launcher.run("hand", arguments, check) == 0
    assert (values[0].string_value, values[1].string_value, values[2].bool_value) == ("left", "hand21", False)
    assert launcher.exit_codes == {"pose_node": 0}, launcher.text


@pytest.mark.slow
def test_missing_weights_are_reported(ros: Any, launcher: Launcher) -> None:
    from diagnostic_msgs.msg import DiagnosticArray

    diagnostics = ros.collect(DiagnosticArray, "/diagnostics")

    def check() -> None:
        ros.wait(lambda: diagnostics and "cannot be configured" in launcher.text, 60.0, "diagnostics and an error")

    assert launcher.run("hand", {"weights": "missing.safetensors"}, check) == 0
    assert "missing.safetensors" in diagnostics[0].status[0].message
    assert "missing.safetensors" in launcher.text
    assert launcher.exit_codes == {"pose_node": 0}, launcher.text
