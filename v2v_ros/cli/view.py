# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v view``: depth and skeletons in the browser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import FILTERS, CommandError, Commands, command, make_estimator, network_options, positive

if TYPE_CHECKING:
    from ..viewer.sources import Shot


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "view",
        run,
        "Show depth and skeletons in the browser, without ROS: of a synthetic camera, a frame list, a bag or a camera.",
        "v2v view\n"
        "  v2v view --camera realsense\n"
        "  v2v view --kind body\n"
        "  v2v view frames.json --weights body15_lite\n"
        "  v2v view recording/",
    )
    sub.add_argument(
        "input",
        type=Path,
        nargs="?",
        help="frame list (.json) or bag (folder, .mcap or .db3); none: a synthetic camera",
    )
    network_options(sub)
    sub.add_argument("--camera", choices=("realsense",), help="a camera of this machine, live, in place of the input")
    sub.add_argument("--kind", choices=("hand", "body"), default="hand", help="what is looked for (hand)")
    sub.add_argument("--depth-topic", help="of a bag: the depth images (found where there is one)")
    sub.add_argument("--info-topic", help="of a bag: their camera infos (those beside them)")
    sub.add_argument(
        "--max-subjects", type=positive(int), default=1, metavar="N", help="hands or bodies in a frame (1)"
    )
    sub.add_argument("--filter", choices=FILTERS, default="kalman", help="of joints over time (kalman)")
    sub.add_argument("--rate", type=positive(float), default=30.0, help="frames a second, at most (30)")
    sub.add_argument("--host", default="127.0.0.1", help="address to serve at; 0.0.0.0: for other machines, too")
    sub.add_argument("--port", type=int, default=8080, help="of the page; 0: a free one (8080)")
    sub.add_argument("--frames", type=positive(int), metavar="N", help="end after this number of frames")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..geometry.skeletons import USUAL
    from ..model import weights
    from ..viewer.cameras import CameraError

    shots = _shots(options)
    try:
        from ..viewer.viewer import Viewer

        estimator = make_estimator(
            options,
            options.weights or weights.default_for(USUAL[options.kind].name),
            max_subjects=options.max_subjects,
            filter=options.filter,
        )
        viewer = Viewer(estimator, options.host, options.port, options.rate)
    except ModuleNotFoundError as error:
        if error.name != "viser":
            raise
        raise CommandError("the viewer needs viser: pip install 'v2v_ros[view]', or pip install viser") from error
    print(f"open {viewer.url} in a browser; Ctrl-C ends", flush=True)
    try:
        shown = viewer.run(shots, options.frames)
    except CameraError as error:
        raise CommandError(str(error)) from error
    finally:
        viewer.stop()
    return {"frames": shown, "url": viewer.url}


def _shots(options: argparse.Namespace) -> Iterator[Shot]:
    from ..recorded.bag_topics import choose_topics, recorded_unit
    from ..viewer import sources

    if options.camera is not None:
        if options.input is not None or options.depth_topic or options.info_topic:
            raise CommandError("--camera is live: leave the input and its topics out")
        from ..viewer.cameras import CAMERAS, CameraError

        try:
            return CAMERAS[options.camera]()
        except CameraError as error:
            raise CommandError(str(error)) from error
    topics = (options.depth_topic, options.info_topic)
    if options.input is None:
        if any(topics):
            raise CommandError("--depth-topic and --info-topic are of a bag: name it")
        return sources.synthetic(options.kind, options.rate)
    if options.input.suffix == ".json":
        return sources.listed(options.input)
    depth_topic, info_topic = choose_topics(options.input, *topics)
    return sources.recorded(options.input, depth_topic, info_topic, recorded_unit(options.input, depth_topic))
