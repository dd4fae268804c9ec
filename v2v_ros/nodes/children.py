"""Nodes as child processes: started with their output in a file, and ended properly whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .transport import FASTDDS_LARGE_DATA, FASTDDS_VARIABLE

_GRACE = 5.0  # seconds to end after SIGINT


class ChildError(RuntimeError):
    """A child process has ended by itself. The message ends with the last lines of its log."""


class Child:
    """A node of this package in a process of its own.

    Args:
        module: In ``v2v_ros.nodes``.
        arguments: What comes after ``--ros-args``.
        folder: For its log; also its working folder, so that no source tree hides the installed package.
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

    def check(self) -> None:
        """Raise ChildError if the process is not running any more."""
        code = self._process.poll()
        if code is not None:
            raise ChildError(f"{self.name} has ended with exit status {code}; its last words:\n{self.tail()}")

    def tail(self, lines: int = 10) -> str:
        """The last lines of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """End the process: by SIGINT, and by force if that does not help."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def private_network() -> Iterator[None]:
    """Give this process and its children a ROS domain of their own that never leaves this machine.

    What the user has set stays as it is.
    """
    wanted = {
        # Up to 101 a domain's ports are below those that the system gives to anybody.
        "ROS_DOMAIN_ID": str(50 + os.getpid() % 50),
        FASTDDS_VARIABLE: FASTDDS_LARGE_DATA,
    }
    if os.environ.get("ROS_DISTRO") == "humble":
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
