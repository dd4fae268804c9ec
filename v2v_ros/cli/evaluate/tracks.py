# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""``v2v evaluate tracks``: identities and joints of several subjects at once, on synthetic scenes."""

from __future__ import annotations

import argparse
from typing import Any

from ..common import DEFAULT_SKELETON, FILTERS, Commands, command, network_options, positive
from ..progress import Progress
from .common import detector_option, make_estimator, output_option, write_text


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sub = command(
        commands,
        "tracks",
        run,
        "Follow three hands or people who cross, hide each other, leave and return (docs/tracking.md). Scored by "
        "motmetrics: pip install '.[tracks]'.",
        "v2v evaluate tracks --weights body15_lite --max-subjects 3 --filter kalman\n"
        "  v2v evaluate tracks crossing occlusion --json tracks.json",
    )
    sub.add_argument("scenes", nargs="*", metavar="SCENE", help="the scenes' names (all of them)")
    network_options(sub)
    detector_option(sub)
    sub.add_argument("--samples", type=positive(int), metavar="N", help="number of frames of every scene")
    sub.add_argument(
        "--max-subjects", type=positive(int), default=3, metavar="N", help="how many are followed at once (3)"
    )
    sub.add_argument("--filter", choices=FILTERS, default="none", help="of the joints over time (none)")
    sub.add_argument("--score-threshold", type=float, metavar="SCORE", help="report subjects from this score on")
    sub.add_argument("--seed", type=int, default=0, metavar="N", help="of the scenes (0)")
    output_option(sub)


def run(options: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from ...evaluation import tracks
    from ...evaluation.reports import tables
    from ...io.draw import save_png
    from ...model import weights
    from ...synthetic.scenes.several import NAMES, SyntheticScene

    source = options.weights or weights.default_for(DEFAULT_SKELETON)
    most = options.max_subjects
    names = list(dict.fromkeys(options.scenes)) or list(NAMES)
    estimator = make_estimator(
        options, source, score_threshold=options.score_threshold, max_subjects=most, filter=options.filter
    )
    kind = estimator.skeleton.kind
    total = sum(tracks.frame_count(SyntheticScene(kind, name), options.samples) for name in names)
    pictures: list[Any] | None = None if options.output is None else []
    with Progress(total, "frame", quiet=options.quiet) as bar:
        scenes = tracks.evaluate_tracks(
            estimator, names, seed=options.seed, frames=options.samples, tick=bar.step, pictures=pictures
        )
    rows = {name: scene.to_dict() for name, scene in scenes.items()}
    weights_id, weights_hash = estimator.weights_id, estimator.weights_hash
    text = "\n".join(tables.table(f"{kind} scene", rows))
    print(text)
    print(f"weights: {weights_id} ({weights_hash}); at most {most} subjects, filter {options.filter}")
    if options.output is not None and pictures is not None:
        save_png(options.output / f"{kind}_tracks.png", np.concatenate(pictures))
        write_text(options.output / f"{kind}_tracks.txt", f"{text}\n")
        write_text(options.output / f"{kind}_tracks.csv", next(tables.csv_tables({"tracks": rows}))[1])
    return {
        "weights": {"id": weights_id, "hash": weights_hash},
        "runtime": estimator.runtime,
        "device": estimator.device,
        "max_subjects": most,
        "filter": options.filter,
        "seed": options.seed,
        "reach_m": estimator.skeleton.subject.matched_within,
        "least_visible": tracks.LEAST_VISIBLE,
        "scenes": rows,
    }
