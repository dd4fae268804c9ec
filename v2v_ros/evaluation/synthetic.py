# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Weights against the fixed test sets, and the fitting of their calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ..estimator import PoseEstimator
from ..geometry.estimate import Side
from ..model.weights import Weights
from .calibration import fit_calibration
from .crops import CropFigures, Crops
from .figures import FigureRecord
from .images import ImageFigures, Images
from .processes import Processes
from .reports.contact_sheet import Tile
from .synthetic_sets import CALIBRATION_SETS, PART, SyntheticSet, generate, is_recorded, make, part_count

Tick = Callable[[], object]
_ALONE = Processes()


@dataclasses.dataclass(frozen=True)
class SyntheticFigures(FigureRecord):
    """Figures of weights on a test set.

    Attributes:
        test_set: Name of the set.
        samples: Number of samples that were judged.
        recorded: Whether the set is as on record; None: there is no record.
        measured: Figures, in a class by the form of the set.
    """

    test_set: str
    samples: int
    recorded: bool | None
    measured: CropFigures | ImageFigures

    def to_dict(self) -> dict[str, Any]:
        """Return all figures by their names, in one dictionary, as JSON holds them."""
        content = super().to_dict()
        measured = content.pop("measured")
        return {**content, **measured}


def evaluate(
    weights: Weights,
    test_set: SyntheticSet,
    *,
    source: str,
    detector_weights: str | None = "auto",
    device: str = "auto",
    runtime: str = "auto",
    threads: int = 0,
    read_out: str = "auto",
    samples: int | None = None,
    holes: str = "none",
    tick: Tick = lambda: None,
    worst: list[Tile] | None = None,
    processes: Processes = _ALONE,
) -> SyntheticFigures:
    """Evaluate weights on a test set.

    Args:
        weights: Weights for the set's skeleton.
        source: Name or path of the same weights, for the estimator.
        detector_weights: Weights of the detector that finds the subject in whole images, as for
            :class:`~v2v_ros.estimator.PoseEstimator`.
        runtime, threads: Runtime and CPU threads of the network, as for :class:`~v2v_ros.estimator.PoseEstimator`.
        read_out: Name of the read-out that turns its heatmaps into joints, likewise.
        samples: Number of samples to judge, the first ones; None: all.
        holes: Name of the holes that whole images are given (:mod:`~v2v_ros.evaluation.holes`).
        tick: Callback after every part of the set.
        worst: List to which the crops with the largest mean errors are added, the worst first, for a contact sheet.
        processes: Processes that share the set; all of them return the same.

    Raises:
        ValueError: The set is of another skeleton, or of crops, which take no holes.
    """
    if holes != "none" and test_set.form == "crops":
        raise ValueError(f"the test set '{test_set.name}' is of crops: holes are made in whole images")
    if test_set.skeleton != weights.skeleton:
        raise ValueError(
            f"the test set '{test_set.name}' is of skeleton '{test_set.skeleton.name}', but the weights "
            f"'{weights.id}' are for '{weights.skeleton.name}': choose another set"
        )
    run: Crops | Images
    if test_set.form == "crops":
        run = Crops(weights, device, runtime, threads, read_out)
    else:
        estimator = PoseEstimator(
            source,
            device=device,
            runtime=runtime,
            threads=threads,
            read_out=read_out,
            detector_weights=detector_weights,
            side=Side.UNKNOWN,
        )
        run = Images(estimator, test_set, holes)
    counts, hashes = {}, {}
    for index in filter(processes.mine, range(part_count(test_set, samples))):
        part = make(test_set, index, samples)
        run.add(index, part)
        counts[index] = len(part.units)
        if len(part.units) == PART or index * PART + len(part.units) == test_set.samples:
            hashes[index] = part.hash()
        tick()
    run.gather(processes)
    counts, hashes = processes.gather(counts), processes.gather(hashes)
    if worst is not None and isinstance(run, Crops):
        worst += run.worst()
    recorded = is_recorded(test_set, list(hashes.values()))
    return SyntheticFigures(test_set.name, sum(counts.values()), recorded, run.figures())


def calibrate(
    weights: Weights,
    *,
    device: str = "auto",
    runtime: str = "auto",
    threads: int = 0,
    samples: int | None = None,
    tick: Tick = lambda: None,
) -> Weights:
    """Return the same weights with a calibration of each of their read-outs, fitted on synthetic data that is in
    neither training nor a test set.

    Raises:
        ValueError: There are too few samples.
        RuntimeError: SciPy is missing.
    """
    runs = {"peaks": Crops(weights, device, runtime, threads, "peaks")}
    if weights.refiner is not None:
        runs["refiner"] = Crops(weights, device, runtime, threads, "refiner")
    for index, part in enumerate(generate(CALIBRATION_SETS[weights.skeleton.kind], samples)):
        for run in runs.values():
            run.add(index, part)
        tick()
    fitted = {name: fit_calibration(*run.joints(), weights.skeleton.subject.near) for name, run in runs.items()}
    refiner = weights.refiner
    if refiner is not None:
        refiner = dataclasses.replace(refiner, calibration=fitted["refiner"])
    return dataclasses.replace(weights, calibration=fitted["peaks"], refiner=refiner)
