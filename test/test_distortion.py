# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Images of a lens are turned into those of a pinhole camera."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from v2v_ros.geometry.camera import Intrinsics, from_camera_info
from v2v_ros.geometry.distortion import Rectifier, distort

WIDTH, HEIGHT = 320, 240
K = (250.0, 0.0, 158.0, 0.0, 252.0, 121.0, 0.0, 0.0, 1.0)
PLUMB_BOB = (-0.25, 0.09, 0.001, -0.002, -0.01)
RATIONAL = (0.4, -0.05, 0.0003, -0.0002, 0.01, 0.7, -0.02, 0.005)
EQUIDISTANT = (-0.02, 0.004, -0.001, 0.0)
LENSES = {"plumb_bob": PLUMB_BOB, "rational_polynomial": RATIONAL, "equidistant": EQUIDISTANT}


def camera_info(model: str = "plumb_bob", d: tuple[float, ...] = PLUMB_BOB, **changed: Any) -> SimpleNamespace:
    """As much of a sensor_msgs/msg/CameraInfo as is read."""
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    fields = {"width": WIDTH, "height": HEIGHT, "k": K, "p": (0.0,) * 12, "roi": roi, "binning_x": 0, "binning_y": 0}
    return SimpleNamespace(**(fields | {"distortion_model": model, "d": d} | changed))


def photograph(info: SimpleNamespace, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Show through a lens a plane whose points differ in depth: float32 [H, W] metres, 1 + x + y / 2."""
    camera = from_camera_info(info, shape, sensor=True)
    padded = (*info.d, *[0.0] * 12)[: 4 if info.distortion_model == "equidistant" else 12]
    u, v = np.meshgrid((np.arange(shape[1]) - camera.cx) / camera.fx, (np.arange(shape[0]) - camera.cy) / camera.fy)
    x, y = u.copy(), v.copy()
    for _ in range(30):  # the inverse of the formula, by fixed points
        shown = distort(x, y, info.distortion_model, padded)
        x, y = x + 0.7 * (u - shown[0]), y + 0.7 * (v - shown[1])
    return (1 + x + y / 2).astype(np.float32)


def ray_error(depth: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """float [H, W] pixels by which pixels show the depth of another ray than theirs; NaN where invalid."""
    x, y = np.meshgrid(
        (np.arange(depth.shape[1]) - camera.cx) / camera.fx, (np.arange(depth.shape[0]) - camera.cy) / camera.fy
    )
    error: np.ndarray = np.abs(depth - (1 + x + y / 2)) * camera.fx
    return error


@pytest.mark.parametrize("model", LENSES)
def test_a_pixel_shows_the_depth_along_its_ray(model: str) -> None:
    info = camera_info(model, LENSES[model])
    image = photograph(info)
    rectifier = Rectifier("/camera/depth/image_raw")
    depth, camera = rectifier(image, info)
    assert camera == from_camera_info(info, image.shape)
    before, after = ray_error(image, camera), ray_error(depth, camera)
    assert np.nanmax(after) < 1.3  # the nearest pixel, where the lens shows the borders smaller
    assert np.nanmax(before) > 5
    assert np.isfinite(depth).mean() > 0.85
    assert f"({model}) is removed" in rectifier.note and "set the parameter rectify to false" in rectifier.note


def test_it_is_what_opencv_makes_of_the_same_lens() -> None:
    cv2 = pytest.importorskip("cv2")
    p = (230.0, 0.0, 160.0, 0.0, 0.0, 231.0, 119.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    for model, d in (("plumb_bob", PLUMB_BOB), ("rational_polynomial", RATIONAL), ("equidistant", EQUIDISTANT)):
        image = np.random.default_rng(3).uniform(1, 2, (HEIGHT, WIDTH)).astype(np.float32)
        depth, camera = Rectifier("image")(image, camera_info(model, d, p=p))
        assert (camera.fx, camera.cy) == (230.0, 119.0)
        make = cv2.fisheye.initUndistortRectifyMap if model == "equidistant" else cv2.initUndistortRectifyMap
        k, new = np.array(K).reshape(3, 3), np.array(p).reshape(3, 4)[:, :3]
        maps = make(k, np.array(d), np.eye(3), new, (WIDTH, HEIGHT), cv2.CV_32FC1)
        expected = cv2.remap(image, *maps, cv2.INTER_NEAREST, borderValue=np.nan)
        same = (depth == expected) | (np.isnan(depth) & np.isnan(expected))
        assert same.mean() > 0.995  # OpenCV rounds to 1/32 pixel first


def test_binning_and_a_region_of_interest_count() -> None:
    region = SimpleNamespace(x_offset=40, y_offset=20, width=200, height=160)
    info = camera_info(roi=region, binning_x=2, binning_y=2)
    image = photograph(info, (80, 100))
    depth, camera = Rectifier("image_raw")(image, info)
    assert np.nanmax(ray_error(depth, camera)) < 1.1


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/camera/depth/image_rect_raw", True),
        ("/camera/depth/image_rect/compressedDepth", True),
        ("/rectified/depth", True),
        ("/depth_undistorted", True),
        ("/direct/depth/image_raw", False),
        ("/rectangle/depth/image_raw", False),
    ],
)
def test_a_name_that_says_rectified_is_believed(topic: str, rectified: bool) -> None:
    rectifier = Rectifier(topic)
    image = photograph(camera_info())
    depth, _ = rectifier(image, camera_info())
    assert (depth is image) == rectified == (not rectifier.note)


def test_nothing_is_done_without_distortion_or_when_asked_not_to() -> None:
    rectifier = Rectifier("image_raw")
    image = np.ones((HEIGHT, WIDTH), np.float32)
    for info, rectify in ((camera_info(d=()), True), (camera_info(d=(0.0,) * 5), True), (camera_info(), False)):
        depth, _ = rectifier(image, info, rectify)
        assert depth is image and not rectifier.note


def test_another_camera_info_makes_another_map() -> None:
    rectifier = Rectifier("image_raw")
    for d in (PLUMB_BOB, (0.2, 0.0, 0.0, 0.0, 0.0), PLUMB_BOB):
        info = camera_info(d=d)
        depth, camera = rectifier(photograph(info), info)
        assert np.nanmax(ray_error(depth, camera)) < 1.1


def test_models_that_are_not_known_are_said() -> None:
    rectifier = Rectifier("image_raw")
    image = np.ones((HEIGHT, WIDTH), np.float32)
    for model, d in (("scaramuzza", PLUMB_BOB), ("plumb_bob", (0.1, 0.2, 0.3)), ("equidistant", PLUMB_BOB)):
        depth, _ = rectifier(image, camera_info(model, d))
        assert depth is image
        assert f"the model '{model}', which is not known" in rectifier.note


@pytest.mark.parametrize(
    ("d", "expected"),
    [
        ((np.nan, 0.1, 0.0, 0.0, 0.0), "not finite numbers"),
        ((1e30, 0.1, 0.0, 0.0, 0.0), "no lens's"),
        ((-1e4, 0.0, 0.0, 0.0, 0.0), "no lens's"),
    ],
)
def test_coefficients_of_no_lens_are_refused(d: tuple[float, ...], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Rectifier("image_raw")(np.ones((HEIGHT, WIDTH), np.float32), camera_info(d=d))


def test_rays_beyond_the_model_are_not_seen_twice() -> None:
    """r - 0.5 r^3 turns back at r = 0.816: what lies farther out would be drawn once more."""
    x = np.array([0.5, 0.8, 0.9, 1.2])
    u, _ = distort(x, np.zeros(4), "plumb_bob", (-0.5, *[0.0] * 11))
    assert np.isfinite(u).tolist() == [True, True, False, False]
