# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Pictures: colours, what is drawn where, zoom, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from v2v_ros.geometry.camera import Intrinsics
from v2v_ros.geometry.skeletons import SKELETONS, get_skeleton
from v2v_ros.io.draw import bone_colors, colorize, draw_skeletons, joint_colors, save_png, zoom

CAMERA = Intrinsics(475.0, 475.0, 319.5, 239.5, 640, 480)
HAND = get_skeleton("hand21")


def spread_hand() -> np.ndarray:
    """Joints float32 [21, 3] on a grid in front of the camera."""
    index = np.arange(21)
    return np.stack((0.03 * (index % 5) - 0.06, 0.03 * (index // 5) - 0.06, np.full(21, 0.5)), -1).astype(np.float32)


def test_near_is_light_far_is_dark_invalid_is_black() -> None:
    depth = np.array([[0.1, 0.2, 0.5, 1.0, 3.0, np.nan]], np.float32)
    picture = colorize(depth, 0.2, 1.0)
    assert picture.dtype == np.uint8
    assert picture.shape == (1, 6, 3)
    light = picture[0].astype(int).sum(axis=-1)
    for far in np.linspace(0.5, 3.0, 50):  # the far end is dark, but never taken for invalid
        assert colorize(np.full((1, 1), 9.0, np.float32), 0.3, far).min() > 0
    assert light[0] == light[1] > light[2] > light[3] == light[4] > light[5] == 0


def test_a_flat_scene_and_an_empty_one_can_be_drawn() -> None:
    assert colorize(np.full((2, 2), 0.5, np.float32), 0.5, 0.5).min() > 0
    assert colorize(np.full((2, 2), np.nan, np.float32), 0.2, 1.0).max() == 0


@pytest.mark.parametrize("name", SKELETONS)
def test_colours_are_in_range_and_tell_fingers_and_sides_apart(name: str) -> None:
    skeleton = get_skeleton(name)
    joints = dict(zip(skeleton.joint_names, joint_colors(skeleton), strict=True))
    assert len(bone_colors(skeleton)) == len(skeleton.bones)
    assert all(0 <= value <= 1 for color in bone_colors(skeleton) for value in color)
    groups = {"thumb", "index", "middle", "ring", "little", "right", "left"} & {
        joint.split("_")[0] for joint in skeleton.joint_names
    }
    seen = {group: {color for joint, color in joints.items() if joint.startswith(group)} for group in groups}
    assert all(len(colors) == 1 for colors in seen.values())
    assert len(set().union(*seen.values())) == len(groups)


def test_joints_are_drawn_where_they_are_seen() -> None:
    picture = np.full((480, 640, 3), 90, np.uint8)
    points = spread_hand()
    drawn = draw_skeletons(picture, [points], HAND, CAMERA)
    assert (picture == 90).all()  # the input is left alone
    for point, color in zip(points, joint_colors(HAND), strict=True):
        u = round(float(point[0] / point[2] * CAMERA.fx + CAMERA.cx))
        v = round(float(point[1] / point[2] * CAMERA.fy + CAMERA.cy))
        np.testing.assert_allclose(drawn[v, u] / 255, color, atol=0.02)
    # Bones are drawn between joints, and nothing far away from them.
    changed = (drawn != picture).any(axis=-1)
    assert changed.sum() > 3000
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 239.5 - 57 - 6
    assert columns.max() <= 319.5 + 57 + 6


def test_missing_joints_their_bones_and_joints_behind_the_camera_are_left_out() -> None:
    picture = np.full((480, 640, 3), 90, np.uint8)
    assert (draw_skeletons(picture, [], HAND, CAMERA) == picture).all()
    assert (draw_skeletons(picture, [np.full((21, 3), np.nan)], HAND, CAMERA) == picture).all()
    assert (draw_skeletons(picture, [spread_hand() * (1, 1, -1)], HAND, CAMERA) == picture).all()
    assert (draw_skeletons(picture, [spread_hand() + np.array((9, 0, 0))], HAND, CAMERA) == picture).all()
    tip = spread_hand()
    tip[:] = np.nan
    tip[4] = (0.0, 0.0, 0.5)
    changed = (draw_skeletons(picture, [tip], HAND, CAMERA) != picture).any(axis=-1)
    assert 20 < changed.sum() < 100  # one joint


def test_skeletons_at_the_border_and_in_large_pictures() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    assert draw_skeletons(picture, [spread_hand() + np.array((0.34, 0, 0))], HAND, CAMERA).any()
    large = Intrinsics(1900.0, 1900.0, 1279.5, 959.5, 2560, 1920)
    drawn = draw_skeletons(np.zeros((1920, 2560, 3), np.uint8), [spread_hand()], HAND, large)
    small = draw_skeletons(picture, [spread_hand()], HAND, CAMERA)
    assert drawn.any(axis=-1).mean() == pytest.approx(small.any(axis=-1).mean(), rel=0.25)  # lines grow too


def test_thin_skeletons_are_white_lines() -> None:
    drawn = draw_skeletons(np.zeros((480, 640, 3), np.uint8), [spread_hand()], HAND, CAMERA, thin=True)
    red, green, blue = (drawn[..., channel].astype(int) for channel in range(3))
    assert (red == green).all()
    assert (green == blue).all()
    assert 0 < (red > 0).sum() < 2500


def test_zoom_keeps_depth_and_geometry() -> None:
    depth = np.full((480, 640), 1.0, np.float32)
    depth[200:220, 400:420] = 0.5  # a square, seen by the centre of its pixels
    center = np.array([(409.5 - 319.5) / 475 * 0.5, (209.5 - 239.5) / 475 * 0.5, 0.5])
    view, camera = zoom(depth, CAMERA, center, edge=40 / 475 * 0.5, pixels=400)
    assert view.shape == (400, 400)
    assert ((view == 0.5).sum(axis=0).max(), (view == 0.5).sum(axis=1).max()) == (200, 200)
    u = center[0] / center[2] * camera.fx + camera.cx
    v = center[1] / center[2] * camera.fy + camera.cy
    assert (u, v) == pytest.approx((199.5, 199.5))
    corner, _ = zoom(depth, CAMERA, np.array([-0.4, 0.0, 0.5]), edge=0.3, pixels=100)
    assert np.isnan(corner[:, 0]).all()  # outside of the image


def test_a_picture_is_saved_whole(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    save_png(tmp_path / "new" / "picture.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "picture.png")), picture)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["picture.png"]


def test_without_pillow_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(RuntimeError, match=r"pip install pillow"):
        draw_skeletons(np.zeros((480, 640, 3), np.uint8), [spread_hand()], HAND, CAMERA)
