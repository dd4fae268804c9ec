# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Scores of tracks against values computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from v2v_ros.cli import main
from v2v_ros.evaluation.tracks import OVERALL, Tally, evaluate_tracks, frame_count, summarize
from v2v_ros.geometry.estimate import Side, SkeletonEstimate, TrackingState
from v2v_ros.synthetic.scenes.several import NAMES, SceneSubject, SyntheticScene

pytest.importorskip("motmetrics")

REACH = 0.1
SHAPE = np.array([[-0.02, 0.0, 0.0], [0.02, 0.0, 0.0]], np.float32)


def subject(identity: int, x: float, *, visible: float = 1.0, side: Side = Side.RIGHT) -> SceneSubject:
    return SceneSubject(identity, side, SHAPE + np.array([x, 0.0, 0.5], np.float32), visible)


def skeleton(id: str, x: float, *, side: Side = Side.RIGHT, missing: int | None = None) -> SkeletonEstimate:
    points = SHAPE + np.array([x, 0.0, 0.5], np.float32)
    if missing is not None:
        points[missing] = np.nan
    return SkeletonEstimate(
        id=id,
        side=side,
        tracking_state=TrackingState.TRACKED,
        score=1.0,
        center=points.mean(axis=0),
        cube_edge=0.25,
        points=points,
        scores=np.ones(2, np.float32),
        covariances=np.zeros((2, 6), np.float32),
        velocities=np.zeros((2, 3), np.float32),
    )


def figures(*frames: tuple[list[SceneSubject], list[SkeletonEstimate]], kind: str = "hand") -> dict[str, object]:
    tally = Tally(REACH)
    for truth, found in frames:
        tally.add(truth, found, 0.02)
    return summarize({"scene": tally}, kind)["scene"].to_dict()


def test_what_is_found_and_keeps_its_id_is_perfect() -> None:
    frame = [subject(1, 0.0), subject(2, 0.5)], [skeleton("a", 0.5), skeleton("b", 0.0)]
    assert figures(*[frame] * 4) == {
        "frames": 4,
        "subjects": 8,
        "mota": 1.0,
        "idf1": 1.0,
        "switches": 0,
        "fragmentations": 0,
        "misses": 0,
        "false_positives": 0,
        "side_right_share": 1.0,
        "mean_mm": 0.0,
        "ms_per_frame": 20.0,
    }


def test_errors_are_counted_as_the_papers_do() -> None:
    both = [subject(1, 0.0), subject(2, 0.5)]
    row = figures(
        (both, [skeleton("a", 0.0), skeleton("b", 0.5), skeleton("c", 0.9)]),  # c: false positive
        (both, [skeleton("a", 0.0)]),  # 2 is missed
        (both, [skeleton("a", 0.0), skeleton("d", 0.5)]),  # 2 is found again under another id
        (both, [skeleton("a", 0.0), skeleton("d", 0.5)]),
    )
    # 8 subjects in 4 frames: MOTA = 1 - (1 missed + 1 false + 1 switch) / 8.
    assert row["mota"] == pytest.approx(1 - 3 / 8)
    assert (row["misses"], row["false_positives"], row["switches"], row["fragmentations"]) == (1, 1, 1, 1)
    # Identities are best taken as 1 = a (4 frames) and 2 = d (2 frames): IDF1 = 2 * 6 / (8 + 8 reported).
    assert row["idf1"] == pytest.approx(12 / 16)


def test_ids_that_change_places_are_two_switches_and_half_of_the_identities() -> None:
    truth = [subject(1, 0.0), subject(2, 0.5)]
    before, after = [skeleton("a", 0.0), skeleton("b", 0.5)], [skeleton("b", 0.0), skeleton("a", 0.5)]
    row = figures((truth, before), (truth, before), (truth, after), (truth, after))
    assert (row["switches"], row["misses"], row["false_positives"]) == (2, 0, 0)
    assert row["mota"] == pytest.approx(1 - 2 / 8) and row["idf1"] == pytest.approx(0.5)


def test_a_match_holds_as_long_as_it_can_even_if_another_skeleton_is_nearer() -> None:
    truth = [subject(1, 0.0)]
    row = figures((truth, [skeleton("a", 0.0)]), (truth, [skeleton("a", 0.06), skeleton("b", 0.01)]))
    assert (row["switches"], row["false_positives"]) == (0, 1)
    assert row["mean_mm"] == pytest.approx(30.0)


def test_beyond_reach_a_skeleton_is_no_subject() -> None:
    row = figures(([subject(1, 0.0)], [skeleton("a", 0.11)]))
    assert (row["misses"], row["false_positives"], row["mean_mm"]) == (1, 1, None)


def test_who_is_hidden_is_not_asked_for_and_may_be_predicted() -> None:
    seen, hidden = subject(1, 0.0), subject(2, 0.3, visible=0.1)
    missing = figures(([seen, hidden], [skeleton("a", 0.0)]))
    predicted = figures(([seen, hidden], [skeleton("a", 0.0), skeleton("b", 0.35)]))
    assert missing == predicted and missing["mota"] == 1.0 and missing["subjects"] == 1
    # A second skeleton where somebody is seen is false, even if somebody hidden is within reach as well.
    near = subject(2, 0.08, visible=0.1)
    assert figures(([seen, near], [skeleton("a", 0.0), skeleton("b", 0.03)]))["false_positives"] == 1
    # One that is neither is false, too.
    assert figures(([seen, hidden], [skeleton("a", 0.0), skeleton("b", 0.6)]))["false_positives"] == 1


def test_an_id_that_is_lost_behind_somebody_is_a_switch_when_it_comes_back() -> None:
    hidden: tuple[list[SceneSubject], list[SkeletonEstimate]] = ([subject(1, 0.0, visible=0.0)], [])
    kept = figures(([subject(1, 0.0)], [skeleton("a", 0.0)]), hidden, ([subject(1, 0.0)], [skeleton("a", 0.0)]))
    lost = figures(([subject(1, 0.0)], [skeleton("a", 0.0)]), hidden, ([subject(1, 0.0)], [skeleton("b", 0.0)]))
    assert (kept["switches"], kept["idf1"], kept["misses"]) == (0, 1.0, 0)
    assert (lost["switches"], lost["idf1"], lost["misses"]) == (1, 0.5, 0)


def test_sides_and_joints_are_judged_of_what_was_matched() -> None:
    truth = [subject(1, 0.0, side=Side.LEFT), subject(2, 0.5)]
    found = [skeleton("a", 0.01, side=Side.LEFT), skeleton("b", 0.53, side=Side.LEFT)]
    row = figures((truth, found))
    assert row["side_right_share"] == 0.5 and row["mean_mm"] == pytest.approx(20.0, rel=1e-4)
    assert "side_right_share" not in figures((truth, found), kind="body")
    # Joints that were not estimated are left out of the error.
    assert figures(([subject(1, 0.0)], [skeleton("a", 0.01, missing=0)]))["mean_mm"] == pytest.approx(10.0, rel=1e-4)


def test_nothing_at_all_is_no_figure_but_no_error() -> None:
    row = figures(([], []), ([subject(1, 0.0, visible=0.0)], []))
    assert (row["frames"], row["subjects"], row["mota"], row["mean_mm"]) == (2, 0, None, None)


def test_several_scenes_have_a_row_for_all_of_them() -> None:
    good, bad = Tally(REACH), Tally(REACH)
    for _ in range(3):
        good.add([subject(1, 0.0)], [skeleton("a", 0.0)], 0.01)
        bad.add([subject(1, 0.0)], [], 0.03)
    rows = summarize({"good": good, "bad": bad}, "hand")
    assert list(rows) == ["good", "bad", OVERALL]
    # The ids of one scene have nothing to do with those of another.
    assert (rows[OVERALL].subjects, rows[OVERALL].misses, rows[OVERALL].mota) == (6, 3, 0.5)
    assert rows[OVERALL].idf1 == pytest.approx(2 * 3 / (6 + 3)) and rows["bad"].mota == 0.0


def test_scenes_are_shown_at_30_hz_until_their_end() -> None:
    scene = SyntheticScene("hand", "crossing")
    assert frame_count(scene) == round(30 * scene.seconds) and frame_count(scene, 7) == 7


def test_the_command_scores_a_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "tracks", "crossing", "--samples", "6", "--runtime", "torch", "--quiet"]
    assert main([*arguments, "--json", str(tmp_path / "tracks.json"), "--output", str(tmp_path / "report")]) == 0
    assert "IDF1" in capsys.readouterr().out
    figures = json.loads((tmp_path / "tracks.json").read_text())
    row = figures["scenes"]["crossing"]
    # In the first frames all three hands are free.
    assert row["frames"] == 6 and row["subjects"] == 18 and row["switches"] == 0
    assert row["mota"] > 0.5 and row["mean_mm"] < 30
    assert Image.open(tmp_path / "report" / "hand_tracks.png").size[1] == 240
    assert (tmp_path / "report" / "hand_tracks.csv").read_text().startswith("name,frames,")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--weights", "hand21_lite", "--test-set", "hand_crops_1"], "--test-set"),
        (["crossing", "--data", "NYU/"], "--data"),
        (["crossing", "--filter", "magic"], "invalid choice: 'magic'"),
    ],
)
def test_options_of_other_evaluations_are_wrong_usage(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "tracks", *arguments])
    assert stop.value.code == 2 and said in capsys.readouterr().err


def test_scenes_that_there_are_not_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "tracks", "--runtime", "torch", "--quiet", "dancing"]) == 1
    assert "v2v evaluate tracks: error: unknown scene 'dancing'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["hand21_lite", "body15_lite"])
def test_most_subjects_of_the_scenes_are_followed(weights: str) -> None:
    from v2v_ros.estimator import PoseEstimator

    rows = evaluate_tracks(PoseEstimator(weights, max_subjects=3), NAMES)
    assert rows[OVERALL].mota > 0.5 and rows[OVERALL].idf1 > 0.5
