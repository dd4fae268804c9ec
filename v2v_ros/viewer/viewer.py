# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The viewer: estimates frame after frame, shows them in the browser, and lets the user look back."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..estimator import PoseEstimator
from .scene import SceneDrawer, View, view_of
from .sources import Shot

KEPT = 3_000  # views, of 80 kB each, that the time line reaches back
_IDLE = 0.02  # seconds between two looks at the controls while nothing moves
_LAYERS = {"points": "Depth points", "skeletons": "Skeletons", "cubes": "Cubes looked into", "truth": "Truth"}


class Viewer:
    """Serves a page that shows depth and skeletons.

    Args:
        estimator: Estimator that makes the skeletons.
        host, port: Address to serve at; port 0 takes a free one.
        rate: Frames a second at which recordings are played at most.

    Attributes:
        url: Address of the page.

    Raises:
        ModuleNotFoundError: viser is not installed.
    """

    def __init__(self, estimator: PoseEstimator, host: str = "127.0.0.1", port: int = 8080, rate: float = 30.0) -> None:
        import viser

        self._estimator, self._rate = estimator, rate
        self._views: deque[View] = deque(maxlen=KEPT)
        self._stopped = threading.Event()
        self._server: Any = viser.ViserServer(host=host, port=port, label="v2v_ros", verbose=False)
        self.url = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{self._server.get_port()}"
        self._scene = SceneDrawer(self._server, estimator.skeleton, estimator.cube_edge)
        self._dirty = False
        self._make_controls()

    def _make_controls(self) -> None:
        gui = self._server.gui
        gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        self._text = gui.add_markdown("waiting for the first frame")
        self._playing = gui.add_checkbox("Play", True, hint="go on with new frames")
        self._frame = gui.add_slider("Frame", 0, 1, 1, 0, hint="look back; this pauses")
        self._threshold = gui.add_slider("Score from", 0.0, 1.0, 0.05, self._estimator.score_threshold)
        boxes = {name: gui.add_checkbox(text, True) for name, text in _LAYERS.items()}

        @self._frame.on_update
        def _(event: Any) -> None:
            if event.client is not None:  # moved by a person
                self._playing.value = False
                self._dirty = True

        @self._threshold.on_update
        def _(_: Any) -> None:
            self._estimator.score_threshold = float(self._threshold.value)

        def toggle(name: str) -> Callable[[Any], None]:
            def changed(_: Any) -> None:
                self._scene.shown[name] = bool(boxes[name].value)
                self._dirty = True

            return changed

        for name, box in boxes.items():
            box.on_update(toggle(name))

    def run(self, shots: Iterator[Shot], frames: int | None = None) -> int:
        """Show frames until they end, then go on showing what there was until :meth:`stop` or an interrupt.

        Args:
            shots: Frames to show.
            frames: Number after which to return; None: never.

        Returns:
            Number of frames shown.
        """
        shown = 0
        for shot in itertools.islice(shots, frames):
            while not self._playing.value and not self._stopped.is_set():
                self._redraw()
                time.sleep(_IDLE)
            if self._stopped.is_set():
                return shown
            started = time.perf_counter()
            estimate = self._estimator.estimate(shot.depth, shot.intrinsics, shot.stamp)
            taken = time.perf_counter() - started
            if not shown:
                self._place_camera(shot)
            self._views.append(view_of(shot, estimate, 1000 * taken))
            shown += 1
            self._frame.max = max(1, len(self._views) - 1)
            self._frame.value = len(self._views) - 1
            self._show(self._views[-1])
            time.sleep(max(0.0, 1 / self._rate - (time.perf_counter() - started)))
        while frames is None and not self._stopped.wait(_IDLE):
            self._redraw()
        return shown

    def stop(self) -> None:
        """End :meth:`run` and close the page."""
        self._stopped.set()
        self._server.stop()

    def _redraw(self) -> None:
        if self._dirty and self._views:
            self._dirty = False
            self._show(self._views[min(int(self._frame.value), len(self._views) - 1)])

    def _show(self, view: View) -> None:
        self._scene.draw(view)
        kind = self._estimator.skeleton.kind
        found = ", ".join(one.id for one in view.estimate.skeletons) or f"no {kind}"
        stages = ", ".join(f"{name} {1000 * seconds:.0f}" for name, seconds in view.estimate.seconds.items())
        self._text.content = f"**{view.name}**: {found}  \n{view.milliseconds:.0f} ms ({stages})"

    def _place_camera(self, shot: Shot) -> None:
        """Look at the scene from behind the depth camera, a little from above."""
        finite = shot.depth[np.isfinite(shot.depth)]
        away = float(np.percentile(finite, 30)) if finite.size else 1.0
        camera = self._server.initial_camera
        camera.position = (0.35 * away, -0.35 * away, -0.25 * away)
        camera.look_at = (0.0, 0.0, away)
        camera.fov = 2 * float(np.arctan(0.55 * shot.intrinsics.height / shot.intrinsics.fy))
