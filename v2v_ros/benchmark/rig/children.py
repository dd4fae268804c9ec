# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Nodes as child processes: started with their output in a file, and ended properly whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_GRACE = 20.0  # seconds to end after SIGINT; on a busy machine five are not enough


class ChildError(RuntimeError):
    """A child process has ended by itself. The message ends with the last lines of its log."""


class Child:
    """A node of this package in a process of its own.

    Args:
        module: Name of the node's module in ``v2v_ros.nodes``.
        arguments: Arguments that follow ``--ros-args``.
        folder: Folder of its log; also its working folder, so that no source tree hides the installed package.
    """

    def __init__(self, module: str, arguments: Sequence[str], folder: Path) -> None:
        self.name = module
        self._log = folder / f"{module}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"v2v_ros.nodes.{module}", "--ros-args", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                start_new_session=True,  # Ctrl-C comes to the parent alone, which then ends its children
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while the process runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise ChildError if the process is not running any more."""
        status = self.exit_status
        if status is not None:
            raise ChildError(f"{self.name} has ended with exit status {status}; its last words:\n{self.tail()}")

    def tail(self, lines: int = 10) -> str:
        """Return the last lines of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """End the process: by SIGINT, and by force if that does not help."""
        stop_all([self])


def stop_all(children: Sequence[Child]) -> None:
    """End processes side by side, also when this is interrupted."""
    try:
        for child in children:
            if child.exit_status is None:
                child._process.send_signal(signal.SIGINT)
        for child in children:
            with suppress(subprocess.TimeoutExpired):
                child._process.wait(_GRACE)
    finally:
        for child in children:
            child._process.kill()  # does nothing to a process that has ended
            child._process.wait()


# Loopback only, and shared memory with room for images. Confining Fast DDS by ROS's own variables
# (ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_LOCALHOST_ONLY) replaces its transports by ones that lose images.
_FASTDDS_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<dds xmlns="http://www.eprosima.com"><profiles>
  <transport_descriptors>
    <transport_descriptor>
      <transport_id>memory</transport_id><type>SHM</type><segment_size>16777216</segment_size>
    </transport_descriptor>
    <transport_descriptor>
      <transport_id>loopback</transport_id><type>UDPv4</type>
      <interfaceWhiteList><address>127.0.0.1</address></interfaceWhiteList>
    </transport_descriptor>
  </transport_descriptors>
  <participant profile_name="this_machine_only" is_default_profile="true"><rtps>
    <userTransports><transport_id>memory</transport_id><transport_id>loopback</transport_id></userTransports>
    <useBuiltinTransports>false</useBuiltinTransports>
  </rtps></participant>
</profiles></dds>
"""


@contextmanager
def private_network(folder: Path) -> Iterator[None]:
    """Give this process and its children a ROS domain of their own that does not leave this machine.

    A domain or a Fast DDS profile that the user has set stays as it is.

    Args:
        folder: Folder for the profile of Fast DDS; it must stay while the network is used.
    """
    # Up to 101 a domain's ports are below those that the system gives to anybody.
    wanted = {"ROS_DOMAIN_ID": str(50 + os.getpid() % 50)}
    if os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp").startswith("rmw_fastrtps"):
        profile = folder / "fastdds.xml"
        profile.write_text(_FASTDDS_PROFILE)
        # Two names for the same: of Fast DDS 2 (until Jazzy) and 3.
        wanted |= dict.fromkeys(("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"), str(profile))
    elif os.environ.get("ROS_DISTRO") == "humble":
        wanted["ROS_LOCALHOST_ONLY"] = "1"
    else:
        wanted["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
