# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""scripts/setup and scripts/env: the environment they make, and what they say where it cannot be made."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

ROOT = Path(__file__).parent.parent
ENV = ROOT / "scripts" / "env"
DOMAIN = 11


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what setup reads, in a folder with a space in its name, where nothing is set up."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in ("CMakeLists.txt", "constraints.txt", "package.xml", "pyproject.toml"):
        shutil.copy(ROOT / name, clone)
    for name in ("msg", "scripts"):
        shutil.copytree(ROOT / name, clone / name)
    for name in ("config", "launch", "v2v_ros"):
        (clone / name).mkdir()
    return clone


class TestEnv:
    def test_passes_arguments_and_exit_code_through(self) -> None:
        script = "import sys; print(sys.argv[1:]); sys.exit(7)"
        done = run(ENV, "python", "-c", script, "a b", "$HOME", "", "*", "'\"")
        assert done.returncode == 7
        assert done.stdout.strip() == str(["a b", "$HOME", "", "*", "'\""])

    def test_works_from_another_folder_through_links(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(ENV)
        (tmp_path / "link to it").symlink_to("link")
        script = "import v2v_ros.msg, rclpy, tf2_ros, tf_transformations; print(v2v_ros.__file__)"
        done = run("./link to it", "python", "-c", script, cwd=tmp_path, PYTHONPATH="", AMENT_PREFIX_PATH="")
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).resolve() == ROOT / "v2v_ros" / "__init__.py"

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no PYTHONSAFEPATH")
    def test_source_tree_does_not_hide_the_generated_messages(self) -> None:
        done = run(ENV, "python", "-c", "from v2v_ros.msg import Skeleton; print(Skeleton.HAND)", cwd=ROOT)
        assert done.stdout.strip() == "1", done.stderr

    def test_keeps_what_the_user_chose(self) -> None:
        done = run(ENV, "env", FASTDDS_BUILTIN_TRANSPORTS="UDPv4", RMW_IMPLEMENTATION="rmw_other")
        chosen = {"FASTDDS_BUILTIN_TRANSPORTS=UDPv4", "RMW_IMPLEMENTATION=rmw_other"}
        assert chosen <= set(done.stdout.splitlines())

    def test_without_command_shows_usage(self) -> None:
        done = run(ENV)
        assert done.returncode == 2
        assert "usage: scripts/env COMMAND" in done.stderr

    def test_unknown_command(self) -> None:
        assert run(ENV, "no-such-command").returncode == 127

    def test_before_setup_names_the_remedy(self, clone: Path) -> None:
        done = run(clone / "scripts" / "env", "true")
        assert done.returncode == 1
        assert f"run: make -C '{clone}' setup" in done.stderr

    def test_large_images_pass_between_processes(self) -> None:
        """640x480 depth, best effort: with Fast DDS's default transports over 90 % of them are lost."""
        publish = (
            "import array, select, sys, rclpy; from sensor_msgs.msg import Image\n"
            "from rclpy.qos import qos_profile_sensor_data\n"
            f"rclpy.init(domain_id={DOMAIN}); node = rclpy.create_node('publisher')\n"
            "publisher = node.create_publisher(Image, 'image', qos_profile_sensor_data)\n"
            "image = Image(height=480, width=640, step=1280, encoding='16UC1')\n"
            "image.data = array.array('B', bytes(640 * 480 * 2))\n"
            "while not select.select([sys.stdin], [], [], 1 / 30)[0]:\n"
            "    image.header.stamp.sec += 1; publisher.publish(image)\n"
            "node.destroy_node(); rclpy.shutdown()"
        )
        numbers: list[int] = []
        context = Context()
        rclpy.init(context=context, domain_id=DOMAIN)
        node = Node("subscriber", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)

        def receive(image: Image) -> None:
            numbers.append(image.header.stamp.sec)

        node.create_subscription(Image, "image", receive, qos_profile_sensor_data)
        with subprocess.Popen([ENV, "python", "-c", publish], stdin=subprocess.PIPE) as publisher:
            deadline = time.monotonic() + 20
            while len(numbers) < 30 and time.monotonic() < deadline:
                executor.spin_once(timeout_sec=0.1)
            publisher.communicate(b"end")
        executor.shutdown()
        node.destroy_node()
        context.shutdown()
        assert len(numbers) >= 30
        assert len(numbers) / (numbers[-1] - numbers[0] + 1) > 0.5


class TestSetup:
    def test_missing_tools_are_named_with_their_remedies(self, clone: Path, tmp_path: Path) -> None:
        done = run(sys.executable, clone / "scripts" / "setup", PATH=str(tmp_path))
        assert done.returncode == 1
        assert done.stderr.startswith("setup: this machine lacks\n")
        assert "the compiler c++: apt install build-essential" in done.stderr
        assert "make: apt install build-essential" in done.stderr
        assert "cmake 3.20 or newer: apt install cmake" in done.stderr
        assert not (clone / ".venv").exists()

    def test_old_cmake_is_refused(self, clone: Path, tmp_path: Path) -> None:
        cmake = tmp_path / "cmake"
        cmake.write_text("#!/bin/sh\necho cmake version 3.16.3\n")
        cmake.chmod(0o755)
        done = run(sys.executable, clone / "scripts" / "setup", PATH=f"{tmp_path}:{os.environ['PATH']}")
        assert done.returncode == 1
        assert "cmake 3.20 or newer, this one is older" in done.stderr

    def test_another_ros_than_before_is_refused(self, clone: Path) -> None:
        (clone / ".colcon").mkdir()
        (clone / ".colcon" / "place").write_text(f"ROS of another day\n{clone}")
        done = run(sys.executable, clone / "scripts" / "setup")
        assert done.returncode == 1
        assert "was made with ROS of another day" in done.stderr
        assert "make distclean setup" in done.stderr

    @pytest.mark.slow
    def test_unreachable_package_index_is_named(self, clone: Path) -> None:
        done = run(
            sys.executable,
            clone / "scripts" / "setup",
            PIP_CONFIG_FILE=os.devnull,
            PIP_INDEX_URL="http://127.0.0.1:9/simple",
            PIP_EXTRA_INDEX_URL="",
            PIP_FIND_LINKS="",
            PIP_NO_CACHE_DIR="1",
            PIP_RETRIES="1",
        )
        assert done.returncode == 1
        assert "the package index cannot be reached" in done.stderr
        assert "PIP_INDEX_URL" in done.stderr

    def test_second_run_does_nothing(self) -> None:
        run(sys.executable, ROOT / "scripts" / "setup")
        done = run(sys.executable, ROOT / "scripts" / "setup")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_underlay_is_hidden_from_ros_workspaces(self) -> None:
        for folder, expected in ((ROOT, ["v2v_ros"]), (ROOT / "scripts", [])):
            colcon = ["colcon", "--log-base", os.devnull, "list", "--names-only", "--base-paths"]
            assert run(ENV, *colcon, folder).stdout.split() == expected


class TestBuildInputs:
    @pytest.fixture
    def setup(self, clone: Path) -> ModuleType:
        loader = importlib.machinery.SourceFileLoader("setup_script", str(clone / "scripts" / "setup"))
        spec = importlib.util.spec_from_loader(loader.name, loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        assert clone == module.ROOT
        return module

    def test_edited_module_needs_no_build(self, setup: ModuleType, clone: Path) -> None:
        module = clone / "v2v_ros" / "camera.py"
        module.write_text("one = 1")
        before = list(setup.build_inputs())
        module.write_text("one = 2")
        assert list(setup.build_inputs()) == before

    def test_compiled_module_needs_no_build(self, setup: ModuleType, clone: Path) -> None:
        before = list(setup.build_inputs())
        (clone / "v2v_ros" / "__pycache__").mkdir()
        (clone / "v2v_ros" / "__pycache__" / "camera.cpython-311.pyc").touch()
        assert list(setup.build_inputs()) == before

    @pytest.mark.parametrize("name", ["v2v_ros/new.py", "v2v_ros/nodes/new.py", "launch/a.launch.py", "msg/A.msg"])
    def test_new_file_needs_a_build(self, setup: ModuleType, clone: Path, name: str) -> None:
        before = list(setup.build_inputs())
        (clone / name).parent.mkdir(exist_ok=True)
        (clone / name).touch()
        assert list(setup.build_inputs()) != before

    @pytest.mark.parametrize("name", ["msg/Skeleton.msg", "CMakeLists.txt", "package.xml"])
    def test_edited_source_needs_a_build(self, setup: ModuleType, clone: Path, name: str) -> None:
        before = list(setup.build_inputs())
        with (clone / name).open("a") as file:
            file.write("# comment\n")
        assert list(setup.build_inputs()) != before


def test_make_lists_its_targets() -> None:
    done = run("make", "--no-print-directory")
    for target in ("setup", "demo", "test", "benchmark", "clean", "distclean"):
        assert f"make {target} " in done.stdout
