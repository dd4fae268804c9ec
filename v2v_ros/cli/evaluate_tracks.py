"""``v2v evaluate --tracks``: identities and joints of several subjects at once, on synthetic scenes."""

from __future__ import annotations

import argparse
from typing import Any

from .common import DEFAULT_SKELETON, CommandError, positive
from .progress import Progress

EXAMPLES = """v2v evaluate --tracks --weights body15_lite --max-subjects 3 --filter kalman
  v2v evaluate --tracks crossing occlusion --json tracks.json"""
_MOST = 3


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the options for scenes with several subjects."""
    group = sub.add_argument_group(
        "several subjects",
        "Follow three hands or people who cross, hide each other, leave and return (docs/tracking.md). Scored by "
        "motmetrics: pip install '.[tracks]'.",
    )
    group.add_argument("--tracks", nargs="*", metavar="SCENE", help="the scenes' names (all of them)")
    group.add_argument(
        "--max-subjects", type=positive(int), metavar="N", help=f"how many the estimator follows at once ({_MOST})"
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of the scenes of --tracks (0)")
    group.add_argument("--filter", metavar="NAME", help="of the joints over time: none, kalman or one_euro (none)")


def run_tracks(options: argparse.Namespace) -> dict[str, Any]:
    """Print a row of figures for every scene."""
    import numpy as np

    from ..estimator import PoseEstimator
    from ..evaluation import tracks
    from ..evaluation.reports import tables
    from ..io.draw import save_png
    from ..io.files import write_atomically
    from ..model import weights
    from ..synthetic.scenes.several import NAMES, SyntheticScene

    for name in (
        "test_set",
        "frames",
        "calibrate",
        "write",
        "record",
        "predictions",
        "truth",
        "dataset",
        "data",
        "motion",
    ):
        if getattr(options, name):
            raise CommandError(f"--{name.replace('_', '-')} and --tracks are two different things to do: choose one")
    source = options.weights[0] if options.weights else weights.default_for(DEFAULT_SKELETON)
    if len(options.weights or ()) > 1:
        raise CommandError("--tracks takes one network: give one name to --weights")
    most = _MOST if options.max_subjects is None else options.max_subjects
    filter_name = options.filter or "none"
    names = list(dict.fromkeys(options.tracks)) or list(NAMES)
    estimator = PoseEstimator(
        source,
        device=options.device,
        runtime=options.runtime,
        threads=options.threads,
        read_out=options.read_out,
        detector_weights=None if options.detector_weights == "none" else options.detector_weights,
        score_threshold=options.score_threshold,
        max_subjects=most,
        filter=filter_name,
    )
    kind = estimator.skeleton.kind
    total = sum(tracks.frame_count(SyntheticScene(kind, name), options.samples) for name in names)
    pictures: list[Any] | None = None if options.output is None else []
    with Progress(total, "frame", quiet=options.quiet) as bar:
        rows = tracks.evaluate_tracks(
            estimator, names, seed=options.seed, frames=options.samples, tick=bar.step, pictures=pictures
        )
    text = "\n".join(tables.table(f"{kind} scene", rows))
    print(text)
    print(f"weights: {estimator.weights_id} ({estimator.weights_hash}); at most {most} subjects, filter {filter_name}")
    if options.output is not None and pictures is not None:
        save_png(options.output / f"{kind}_tracks.png", np.concatenate(pictures))
        write_atomically(options.output / f"{kind}_tracks.txt", f"{text}\n".encode())
        write_atomically(options.output / f"{kind}_tracks.csv", next(tables.csv_tables({"tracks": rows}))[1].encode())
    return {
        "weights": {"id": estimator.weights_id, "hash": estimator.weights_hash},
        "runtime": estimator.runtime,
        "device": estimator.device,
        "max_subjects": most,
        "filter": filter_name,
        "seed": options.seed,
        "reach_m": tracks.REACH[kind],
        "least_visible": tracks.LEAST_VISIBLE,
        "scenes": rows,
    }
