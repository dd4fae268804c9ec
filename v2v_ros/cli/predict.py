# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v predict``: skeletons of recorded frames."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import (
    DEFAULT_SKELETON,
    FILTERS,
    CommandError,
    Commands,
    command,
    make_estimator,
    network_options,
    positive,
)
from .progress import Progress

ROLLS = (0, 90, 180, 270)  # as in v2v_ros.geometry.camera_roll


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "predict",
        run,
        "Estimate skeletons in recorded frames: a list of depth images (docs/formats.md) or a rosbag2.",
        "v2v predict frames.json --output skeletons.json --pictures pictures/\n"
        "  v2v predict recording/ --depth-topic /camera/depth/image_rect_raw \\\n"
        "      --info-topic /camera/depth/camera_info --output skeletons.mcap",
    )
    sub.add_argument("input", type=Path, help="frame list (.json), or a bag (folder, .mcap or .db3)")
    sub.add_argument("--output", type=Path, required=True, help=".json for a frame list, .mcap for a bag")
    network_options(sub)
    sub.add_argument("--skeleton", help=f"what to estimate (default: that of the weights, else {DEFAULT_SKELETON})")
    sub.add_argument("--side", choices=("either", "right", "left"), default="either", help="which hand (either)")
    sub.add_argument("--score-threshold", type=float, help="report skeletons from this score on")
    for end, text in (("min", "nearer"), ("max", "farther away")):
        sub.add_argument(
            f"--{end}-depth",
            type=positive(float),
            metavar="METRES",
            help=f"what is {text} is nobody (default: by the kind of subject)",
        )
    sub.add_argument(
        "--camera-roll",
        type=int,
        choices=ROLLS,
        default=0,
        help="degrees by which the camera was mounted turned clockwise, as seen from behind it (0)",
    )
    sub.add_argument("--sequence", action="store_true", help="keep tracks from frame to frame (bags: always)")
    sub.add_argument(
        "--max-subjects", type=positive(int), default=1, metavar="N", help="hands or bodies in a frame (1)"
    )
    sub.add_argument(
        "--filter", choices=FILTERS, default="none", help="of joints over time, with --sequence and bags (none)"
    )
    sub.add_argument("--depth-topic", help="of a bag: the depth images (found where there is one)")
    sub.add_argument("--info-topic", help="of a bag: their camera infos (those beside them)")
    sub.add_argument(
        "--depth-unit",
        type=positive(float),
        metavar="METRES",
        help="of a bag: what one unit of its images stands for (default: 0.001 for 16UC1, 1 for 32FC1)",
    )
    sub.add_argument(
        "--no-rectify",
        action="store_false",
        dest="rectify",
        help="of a bag: its images have no lens distortion, whatever their topic is called",
    )
    sub.add_argument(
        "--with-images", action="store_true", help="of a bag: write its depth images and camera infos along"
    )
    sub.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw every frame with its skeletons")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from ..geometry.estimate import SIDES
    from ..model import weights
    from ..recorded.bag_topics import choose_topics, is_bag, recorded_unit
    from ..recorded.predict import Predictor

    bag = is_bag(options.input) or options.depth_topic is not None or options.info_topic is not None
    if not bag and options.depth_unit is not None:
        raise CommandError("--depth-unit is for bags: a frame list says mm_per_unit for each frame")
    if not bag and options.with_images:
        raise CommandError("--with-images is for bags")
    suffix = ".mcap" if bag else ".json"
    if options.output.suffix != suffix:
        raise CommandError(f"'{options.output}': the output of this input is {suffix}: choose such a name")
    if not options.output.absolute().parent.is_dir():
        raise CommandError(f"'{options.output}': the folder does not exist: make it first")
    topics = choose_topics(options.input, options.depth_topic, options.info_topic) if bag else ("", "")
    if options.weights is None:
        options.weights = weights.default_for(options.skeleton or DEFAULT_SKELETON)
    if options.filter != "none" and not (options.sequence or bag):
        raise CommandError("--filter works from frame to frame: give --sequence as well")
    estimator = make_estimator(
        options,
        options.weights,
        skeleton=options.skeleton,
        side=SIDES[options.side],
        score_threshold=options.score_threshold,
        min_depth=options.min_depth,
        max_depth=options.max_depth,
        max_subjects=options.max_subjects,
        filter=options.filter,
        camera_roll=options.camera_roll,
    )
    if estimator.min_depth >= estimator.max_depth:
        raise CommandError(
            f"--min-depth ({estimator.min_depth:g} m) must be below --max-depth ({estimator.max_depth:g} m)"
        )
    sequence = options.sequence or bag
    with Progress(1, "frame", quiet=options.quiet) as progress:
        predictor = Predictor(estimator, sequence=sequence, pictures=options.pictures, tick=progress.at)
        if bag:
            predictor.bag(
                options.input,
                *topics,
                options.output,
                depth_unit=options.depth_unit or recorded_unit(options.input, topics[0]),
                rectify=options.rectify,
                with_images=options.with_images,
            )
        else:
            predictor.frame_list(options.input, options.output)
    figures = predictor.summary.to_dict()
    if not options.quiet:
        skipped = f" ({figures['skipped']} skipped)" if figures["skipped"] else ""
        print(
            f"{figures['frames']} frames{skipped}, a {estimator.skeleton.kind} in {figures['with_skeleton']} of them, "
            f"{figures['rate_hz']} Hz on {estimator.device} ({estimator.weights_id}); written to {options.output}"
        )
    return figures
