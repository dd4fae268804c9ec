# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What the pose node does when the runtime of its network fails: try on, restart it, or go on with the CPU."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from rclpy.lifecycle import LifecycleNode

from v2v_ros.estimator import PoseEstimator
from v2v_ros.model import weights

FAILURES = 3  # in a row, before the estimator is given up: less may be a short lack of memory
PAUSE = 10.0  # seconds between two beginnings: each takes seconds of a core


class RuntimeFailure(RuntimeError):
    """The network's runtime failed. The message says how the node goes on."""


def load_estimator(node: LifecycleNode, device: str = "") -> PoseEstimator:
    """Return the estimator that the node's parameters describe.

    Args:
        device: Device in place of the parameter's; empty: the parameter's.

    Raises:
        ValueError: The weights, the device or the runtime cannot be used.
    """
    skeleton = node.get_parameter("skeleton").value
    detector_weights = node.get_parameter("detector_weights").value
    return PoseEstimator(
        node.get_parameter("weights").value or weights.default_for(skeleton),
        device=device or node.get_parameter("device").value,
        runtime=node.get_parameter("runtime").value,
        threads=node.get_parameter("threads").value,
        read_out=node.get_parameter("read_out").value,
        detector_weights={"": "auto", "none": None}.get(detector_weights, detector_weights),
        skeleton=skeleton,
    )


class Recovery:
    """Keeps the estimator from configuration to cleanup, and gives it up when it fails again and again.

    Args:
        make: Function that makes an estimator; it gets ``device="cpu"`` once the GPU is given up.
        now: Clock, seconds.

    Attributes:
        estimator: Estimator; None from when it is given up until :meth:`renew` has made another.
        restarts: Number of estimators made after the first.
        lost_device: Reason why the device of the parameters is not used any more; empty while it is.
    """

    def __init__(self, make: Callable[..., PoseEstimator], now: Callable[[], float] = time.monotonic) -> None:
        self.restarts = 0
        self.lost_device = ""
        self._make = make
        self._now = now
        self._failures = 0
        self._last = ("", "")  # the device that failed, and how
        self._identities = 0
        self._renewed = -math.inf
        self._problem = ""
        self.estimator: PoseEstimator | None = make()

    def reset(self) -> None:
        """Forget all tracks."""
        if self.estimator is not None:
            self.estimator.reset()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch the use of the estimator on one image; after :data:`FAILURES` in a row it is given up.

        Raises:
            RuntimeFailure: The estimator has raised (anything but ValueError, which is about its input).
        """
        try:
            yield
        except ValueError:
            raise
        except Exception as error:
            raise RuntimeFailure(self._failed(f"{type(error).__name__}: {error}")) from error
        self._failures = 0

    def _failed(self, what: str) -> str:
        """Count a failure, and give the estimator up after several in a row."""
        self._failures += 1
        _empty_cache()
        if self.estimator is None or self._failures < FAILURES or self._now() < self._renewed + PAUSE:
            return f"the network failed and is tried again with the next image: {what}"
        self._last, self._identities = (self.estimator.device, what), self.estimator.identities
        self.estimator = None
        return f"the network failed {self._failures} times in a row and is restarted: {what}"

    def renew(self, policy: str) -> PoseEstimator:
        """Make another estimator. (Not at the failure: the error still holds the old one's memory.)

        Args:
            policy: Device that it is to run on: ``retry``, the same as before, or ``cpu``.

        Raises:
            RuntimeFailure: It cannot be made, or the last attempt was a moment ago.
        """
        device, what = self._last
        if policy == "cpu" and device != "cpu" and not self.lost_device:
            self.lost_device = f"{device} failed ({what})"
        elif self._now() < self._renewed + PAUSE:
            raise RuntimeFailure(self._problem)
        free_memory()
        try:
            estimator = self._make(device="cpu") if self.lost_device else self._make()
        except Exception as error:
            self._problem = f"the network cannot be restarted (tried every {PAUSE:.0f} s): {error}"
            if device != "cpu" and not self.lost_device:
                self._problem += "; with the parameter on_runtime_error set to cpu, it goes on with the CPU"
            raise RuntimeFailure(self._problem) from error
        finally:
            self._renewed = self._now()
        estimator.identities = self._identities  # an id means one subject, whoever gave it
        self._failures = 0
        self.restarts += 1
        self.estimator = estimator
        return estimator


def free_memory() -> None:
    """Give back the memory of an estimator that nobody uses any more."""
    gc.collect()  # takes a good part of a second
    _empty_cache()


def _empty_cache() -> None:
    """Give back what PyTorch's allocator keeps on a GPU: it may be what this process itself is short of."""
    if torch.cuda.is_initialized():
        with suppress(RuntimeError):  # a GPU in trouble refuses this too
            torch.cuda.empty_cache()
