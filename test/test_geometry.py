# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Skeletons, camera and voxels."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from v2v_ros.geometry.camera import (
    Intrinsics,
    Region,
    cube_region,
    deproject,
    from_camera_info,
    points_in_cube,
    project,
)
from v2v_ros.geometry.covariances import as_matrices, as_six
from v2v_ros.geometry.skeletons import SKELETONS, Skeleton, get_skeleton
from v2v_ros.model.voxels import (
    _whole_image_occupancy,
    count_occupied,
    cube_occupancy,
    grid_coordinates,
    metric_coordinates,
    occupancy,
)

CAMERA = Intrinsics(475.0, 470.0, 313.7, 242.8, 640, 480)
coordinate = st.floats(-0.4, 0.4)
point = st.tuples(coordinate, coordinate, st.floats(0.3, 3.0))


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_every_joint_but_the_root_hangs_on_one_other(skeleton: Skeleton) -> None:
    children = [child for _, child in skeleton.bones]
    assert sorted([*children, skeleton.root]) == list(range(len(skeleton.joint_names)))
    reached = {skeleton.root}
    for _ in skeleton.bones:
        reached |= {child for parent, child in skeleton.bones if parent in reached}
    assert len(reached) == len(skeleton.joint_names)
    assert len(set(skeleton.joint_names)) == len(skeleton.joint_names)
    for right, left in skeleton.symmetric_pairs:
        assert skeleton.joint_names[right].replace("right", "left") == skeleton.joint_names[left]
        assert (skeleton.mirrored[right], skeleton.mirrored[left]) == (left, right)
    assert sum(index != other for index, other in enumerate(skeleton.mirrored)) == 2 * len(skeleton.symmetric_pairs)


def test_joint_orders_are_those_of_the_datasets() -> None:
    hand = SKELETONS["hand21"].joint_names
    assert hand[:5] == ("wrist", "index_mcp", "index_pip", "index_dip", "index_tip")
    assert hand[17:] == ("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip")
    body = SKELETONS["body15"].joint_names
    assert (body[0], body[8], body[14]) == ("head", "torso", "left_foot")
    assert [len(SKELETONS[name].joint_names) for name in ("hand21", "hand16", "hand14", "body15")] == [21, 16, 14, 15]


def test_an_unknown_skeleton_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'hand99'.*hand21.*body15"):
        get_skeleton("hand99")


@pytest.mark.parametrize(
    "change", [{"fx": 0.0}, {"fy": -1.0}, {"cx": math.nan}, {"fx": math.inf}, {"width": 0}, {"height": -3}]
)
def test_impossible_intrinsics_are_refused(change: dict[str, float]) -> None:
    values: dict[str, float] = {"fx": 475, "fy": 475, "cx": 320, "cy": 240, "width": 640, "height": 480}
    with pytest.raises(ValueError, match=r"focal|finite|size"):
        Intrinsics(**{**values, **change})  # type: ignore[arg-type]


def test_deproject_and_project_are_inverse() -> None:
    depth = 0.3 + torch.rand(480, 640, generator=torch.Generator().manual_seed(0))
    pixels = project(deproject(depth, CAMERA), CAMERA)
    v, u = torch.meshgrid(torch.arange(480), torch.arange(640), indexing="ij")
    assert torch.allclose(pixels, torch.stack((u, v), dim=-1).float(), atol=1e-2)


def test_points_behind_the_camera_have_no_pixel() -> None:
    assert project(torch.tensor([[0.1, 0.1, -1.0], [0.0, 0.0, 0.0]]), CAMERA).isnan().all()


def test_six_numbers_are_the_upper_triangle_of_a_symmetric_matrix() -> None:
    six = np.arange(24.0).reshape(2, 2, 6)
    matrices = as_matrices(six)
    assert matrices[0, 0].tolist() == [[0, 1, 2], [1, 3, 4], [2, 4, 5]]
    np.testing.assert_array_equal(as_six(matrices), six)
    np.testing.assert_array_equal(as_six(as_matrices(torch.from_numpy(six))), six)


@given(center=point, edge=st.floats(0.1, 0.6), inside=st.tuples(*[st.floats(-0.5, 0.5)] * 3))
def test_the_region_of_a_cube_holds_every_pixel_that_sees_into_it(
    center: tuple[float, float, float], edge: float, inside: tuple[float, float, float]
) -> None:
    region = cube_region(center, edge, CAMERA)
    seen = torch.tensor(center) + edge * torch.tensor(inside)
    if seen[2] <= 0:
        return
    # The pixel whose ray passes closest: a cube's region may leave it out only by rounding at the very face.
    u, v = project(seen, CAMERA).tolist()
    if 0 <= u <= CAMERA.width - 1 and 0 <= v <= CAMERA.height - 1:
        assert region.left - 1 <= u <= region.right and region.top - 1 <= v <= region.bottom


@given(center=point, edge=st.floats(0.1, 0.6))
def test_the_points_in_a_cube_are_those_of_the_whole_image_that_lie_in_it(
    center: tuple[float, float, float], edge: float
) -> None:
    depth = 0.2 + 2.0 * torch.rand(480, 640, generator=torch.Generator().manual_seed(3))
    depth[:, ::7] = torch.nan
    middle = torch.tensor([center])
    found = points_in_cube(depth, CAMERA, center, edge)
    everything = deproject(depth, CAMERA).view(1, -1, 3)
    different = occupancy(found[None], middle, edge, 48) != occupancy(everything, middle, edge, 48)
    assert different.sum() <= 2  # rounding at the faces of cells


@settings(deadline=None)
@given(center=point, edge=st.floats(0.1, 0.6), corner=st.tuples(st.integers(0, 300), st.integers(0, 200)))
def test_the_points_of_a_window_are_those_of_the_image(
    center: tuple[float, float, float], edge: float, corner: tuple[int, int]
) -> None:
    depth = 0.2 + 2.0 * torch.rand(480, 640, generator=torch.Generator().manual_seed(3))
    left, top = corner
    alone = torch.full_like(depth, torch.nan)
    alone[top : top + 250, left : left + 330] = depth[top : top + 250, left : left + 330]
    region = cube_region(center, edge, CAMERA)
    found = points_in_cube(depth[top : top + 250, left : left + 330], CAMERA, center, edge, corner)
    expected = points_in_cube(alone, CAMERA, center, edge)
    if left <= region.left and top <= region.top:
        assert torch.equal(found, expected)  # to the last bit
    else:
        torch.testing.assert_close(found, expected)


def test_a_cube_out_of_view_has_an_empty_region() -> None:
    assert cube_region((5.0, 0.0, 1.0), 0.2, CAMERA).empty
    assert cube_region((0.0, 0.0, -1.0), 0.2, CAMERA).empty
    assert cube_region((0.0, 0.0, 0.05), 0.2, CAMERA) == Region(0, 0, 640, 480)
    for center in ((-5.0, -5.0, 1.0), (5.0, 5.0, 1.0)):
        region = cube_region(center, 0.2, CAMERA)
        assert np.zeros((480, 640))[region.top : region.bottom, region.left : region.right].size == 0


@given(points=st.lists(point, min_size=1, max_size=30), center=point, grid=st.sampled_from([8, 48, 88]))
def test_occupancy_marks_the_cells_of_the_points_and_no_others(
    points: list[tuple[float, float, float]], center: tuple[float, float, float], grid: int
) -> None:
    cloud, middle, edge = torch.tensor([points]), torch.tensor([center]), 0.25
    volume = occupancy(cloud, middle, edge, grid)
    cells = grid_coordinates(cloud, middle, edge, grid)[0]
    expected = {(int(z), int(y), int(x)) for x, y, z in cells.tolist() if all(0 <= value < grid for value in (x, y, z))}
    assert {tuple(cell) for cell in volume[0, 0].nonzero().tolist()} == expected
    assert volume.shape == (1, 1, grid, grid, grid)
    assert set(volume.unique().tolist()) <= {0.0, 1.0}


@given(points=st.lists(point, min_size=1, max_size=20), center=point)
def test_metric_coordinates_invert_grid_coordinates(
    points: list[tuple[float, float, float]], center: tuple[float, float, float]
) -> None:
    cloud, middle = torch.tensor([points], dtype=torch.float64), torch.tensor([center], dtype=torch.float64)
    back = metric_coordinates(grid_coordinates(cloud, middle, 0.25, 88), middle, 0.25, 88)
    assert torch.allclose(back, cloud, atol=1e-12)


@settings(deadline=None)
@given(shift=st.tuples(*[st.integers(-3, 3)] * 3))
def test_moving_the_scene_by_whole_voxels_moves_the_grid_by_as_many(shift: tuple[int, int, int]) -> None:
    edge, grid = 0.25, 32
    voxel = edge / grid
    generator = torch.Generator().manual_seed(1)
    # Points in the middle third of voxels near the centre: neither rounding nor the cube's faces matter.
    cells = torch.randint(8, 24, (1, 200, 3), generator=generator)
    place = cells + 0.4 + 0.2 * torch.rand(1, 200, 3, generator=generator)
    center = torch.tensor([[0.1, -0.05, 0.6]])
    points = metric_coordinates(place, center, edge, grid)
    moved = occupancy(points + voxel * torch.tensor(shift), center, edge, grid)
    x, y, z = shift
    assert torch.equal(moved, occupancy(points, center, edge, grid).roll((z, y, x), (2, 3, 4)))


def test_nan_points_and_points_just_outside_leave_no_trace() -> None:
    voxel = 0.25 / 8
    points = torch.tensor([[[torch.nan, 0.0, 0.5], [-0.125 - 0.3 * voxel, 0.0, 0.5], [0.125, 0.0, 0.5]]])
    assert occupancy(points, torch.tensor([[0.0, 0.0, 0.5]]), 0.25, 8).sum() == 0


def test_a_batch_is_voxelized_as_its_members_are_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    points = torch.rand(4, 500, 3, generator=generator) * 0.4
    centers = torch.rand(4, 3, generator=generator) * 0.4
    together = occupancy(points, centers, 0.25, 48)
    for index in range(4):
        alone = occupancy(points[index : index + 1], centers[index : index + 1], 0.25, 48)
        assert torch.equal(together[index : index + 1], alone)


def cells_in_float64(
    depth: np.ndarray, camera: Intrinsics, centers: np.ndarray, edge: float, grid: int
) -> torch.Tensor:
    """The plain way: every pixel of the image a point, every point its cell."""
    z = depth.astype(np.float64)
    v, u = np.indices(depth.shape)
    with np.errstate(invalid="ignore"):  # 0 times infinity
        points = np.stack(((u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z), axis=-1)
    volumes = np.zeros((len(centers), 1, grid, grid, grid), np.uint8)
    for volume, center in zip(volumes, centers, strict=True):
        cells = np.floor((points - center) * (grid / edge) + grid / 2)
        x, y, z = cells[((cells >= 0) & (cells < grid)).all(axis=-1)].astype(int).T
        volume[0, z, y, x] = 1
    return torch.from_numpy(volumes)


@st.composite
def cameras(draw: st.DrawFn) -> Intrinsics:
    width, height = draw(st.integers(1, 70)), draw(st.integers(1, 60))
    focal, principal = st.floats(20, 120), st.floats(-0.3, 1.3)
    return Intrinsics(
        draw(focal), draw(focal), draw(principal) * (width - 1), draw(principal) * (height - 1), width, height
    )


@settings(deadline=None)
@given(
    camera=cameras(),
    centers=st.lists(st.tuples(coordinate, coordinate, st.floats(-0.2, 1.5)), max_size=3),
    edge=st.floats(0.05, 0.8),
    grid=st.sampled_from([8, 33, 48]),
    seed=st.integers(0, 2**32 - 1),
)
def test_grids_of_cubes_are_those_of_float64_bit_for_bit(
    camera: Intrinsics, centers: list[tuple[float, float, float]], edge: float, grid: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    shape = camera.height, camera.width
    # A steep surface, so that many pixels see into any cube; then holes, and what no decoder lets through.
    depth = np.rint(random.uniform(0.0, 1500, shape)).astype(np.float32) / np.float32(1000)
    for value in (np.nan, np.inf, 0.0):
        depth[random.random(shape) < 0.05] = value
    places = np.array(centers).reshape(-1, 3)
    found = cube_occupancy(torch.from_numpy(depth), camera, places, edge, grid)
    assert found.dtype == torch.uint8 and found.shape == (len(places), 1, grid, grid, grid)
    expected = cells_in_float64(depth, camera, places, edge, grid)
    assert torch.equal(found, expected)
    elsewhere = _whole_image_occupancy(torch.from_numpy(depth), camera, torch.from_numpy(places), edge, grid)
    assert torch.equal(elsewhere, expected)
    assert count_occupied(found).tolist() == expected.flatten(1).sum(1).tolist()


def test_points_a_hair_from_the_faces_of_cells_end_up_on_the_right_side() -> None:
    """Where float32 puts many points into a neighbouring cell."""
    center, edge, grid = np.array([0.31, -0.07, 0.66]), 0.25, 88
    random = np.random.default_rng(6)
    shape = CAMERA.height, CAMERA.width
    faces = center[:, None, None] + (random.integers(0, grid, (3, *shape)) - grid / 2) * (edge / grid)
    v, u = np.indices(shape)
    # Depths that lay the points on faces towards x, y and z, as nearly as float32 can say.
    depth = np.choose(
        random.integers(0, 3, shape),
        (faces[0] / ((u - CAMERA.cx) / CAMERA.fx), faces[1] / ((v - CAMERA.cy) / CAMERA.fy), faces[2]),
    ).astype(np.float32)
    depth[depth <= 0] = np.nan
    expected = cells_in_float64(depth, CAMERA, center[None], edge, grid)
    image, middle = torch.from_numpy(depth), torch.from_numpy(center[None])
    assert torch.equal(cube_occupancy(image, CAMERA, center[None], edge, grid), expected)
    assert torch.equal(_whole_image_occupancy(image, CAMERA, middle, edge, grid), expected)
    points = deproject(image, CAMERA).view(1, -1, 3)
    assert (occupancy(points, middle.float(), edge, grid).to(torch.uint8) != expected).sum() > 1000


def test_points_on_the_faces_of_a_cube_are_in_it_in_front_only() -> None:
    """Half-open cells: the near faces belong to the cube, the far ones do not. All numbers here are exact."""
    camera = Intrinsics(64.0, 64.0, 32.0, 32.0, 65, 65)
    center = np.array([[0.0, 0.0, 1.0]])
    for z, faces in ((0.75, 1), (1.0, 1), (1.25, 0), (np.nextafter(np.float32(1.25), np.float32(0)), 1)):
        depth = np.full((65, 65), z, np.float32)
        grids = cube_occupancy(torch.from_numpy(depth), camera, center, 0.5, 8)
        assert torch.equal(grids, cells_in_float64(depth, camera, center, 0.5, 8))
        assert grids.any().item() == bool(faces)
    depth = np.full((65, 65), 1.0, np.float32)
    depth[:, 17:48] = np.nan  # between x = -0.25, which is in, and x = 0.25, which is not
    (cells,) = (
        cube_occupancy(torch.from_numpy(depth), camera, center, 0.5, 8)[0, 0].any(0).any(0).nonzero(as_tuple=True)
    )
    assert cells.tolist() == [0]


def test_images_are_taken_in_any_layout_of_rows() -> None:
    wide = torch.rand(480, 1280, generator=torch.Generator().manual_seed(5)) + 0.3
    part, center = wide[:, 300:940], np.array([[0.02, -0.03, 0.7]])
    grids = cube_occupancy(part, CAMERA, center, 0.25, 48)
    assert grids.any() and torch.equal(grids, cube_occupancy(part.contiguous(), CAMERA, center, 0.25, 48))


K = (500.0, 0.0, 320.0, 0.0, 501.0, 240.0, 0.0, 0.0, 1.0)
P = (475.0, 0.0, 319.0, 0.0, 0.0, 476.0, 239.0, 0.0, 0.0, 0.0, 1.0, 0.0)
UNIT = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def camera_info(
    width: int = 640,
    height: int = 480,
    roi: tuple[int, int, int, int] = (0, 0, 0, 0),
    binning: tuple[int, int] = (0, 0),
    k: tuple[float, ...] = K,
    p: tuple[float, ...] = P,
) -> SimpleNamespace:
    """As much of a sensor_msgs/msg/CameraInfo as is read; a region is x_offset, y_offset, width, height."""
    region = SimpleNamespace(**dict(zip(("x_offset", "y_offset", "width", "height"), roi, strict=True)))
    return SimpleNamespace(width=width, height=height, k=k, p=p, roi=region, binning_x=binning[0], binning_y=binning[1])


def test_intrinsics_come_from_p_or_from_k_when_p_is_empty() -> None:
    assert from_camera_info(camera_info(), (480, 640)) == Intrinsics(475.0, 476.0, 319.0, 239.0, 640, 480)
    info = camera_info(p=(0.0,) * 12)
    assert from_camera_info(info, (480, 640)) == Intrinsics(500.0, 501.0, 320.0, 240.0, 640, 480)
    with pytest.raises(ValueError, match=r"^it is for images of 640x480, but the depth image has 320x240"):
        from_camera_info(info, (240, 320))
    info.k = (0.0,) * 9
    with pytest.raises(ValueError, match=r"no usable intrinsics .*calibrated"):
        from_camera_info(info, (480, 640))


def test_a_unit_matrix_is_no_camera() -> None:
    info = camera_info(p=UNIT)
    assert from_camera_info(info, (480, 640)).fx == 500.0
    info.k = (0.0,) * 9
    with pytest.raises(ValueError, match=r"with fx=1, fy=1 its 640x480 pixels reach 90 degrees from the"):
        from_camera_info(info, (480, 640))
    wide = camera_info(k=(100.0, 0.0, 320.0, 0.0, 100.0, 240.0, 0.0, 0.0, 1.0), p=(0.0,) * 12)
    assert from_camera_info(wide, (480, 640)).fx == 100.0  # 145 degrees
    wide.k = (80.0, 0.0, 320.0, 0.0, 80.0, 240.0, 0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"reach 76 degrees"):
        from_camera_info(wide, (480, 640))


ROI = (80, 60, 480, 360)
CUT = (475.0, 476.0, 239.0, 179.0)
HALF = (237.5, 238.0, 159.5, 119.5)


@pytest.mark.parametrize(
    ("size", "roi", "binning", "image", "expected"),
    [
        *[((w, h), ROI, (0, 0), (480, 360), CUT) for w, h in ((640, 480), (480, 360), (0, 0))],
        *[((w, h), (0, 0, 0, 0), (2, 2), (320, 240), HALF) for w, h in ((640, 480), (320, 240), (0, 0))],
        *[
            ((w, h), ROI, (2, 2), (240, 180), (237.5, 238.0, 119.5, 89.5))
            for w, h in ((640, 480), (480, 360), (240, 180), (320, 240), (0, 0))
        ],
        ((640, 480), (0, 0, 640, 480), (1, 1), (640, 480), (475.0, 476.0, 319.0, 239.0)),
        ((640, 480), ROI, (2, 1), (240, 360), (237.5, 476.0, 119.5, 179.0)),
        ((640, 480), (0, 0, 0, 0), (1, 0), (640, 480), (475.0, 476.0, 319.0, 239.0)),
        # A pixel is lost where binning does not divide the size.
        ((641, 481), (0, 0, 0, 0), (2, 2), (320, 240), HALF),
        ((641, 481), (0, 0, 0, 0), (2, 2), (321, 241), HALF),
        ((0, 0), (80, 60, 481, 361), (2, 2), (240, 180), (237.5, 238.0, 119.5, 89.5)),
        # A region a pixel short, as some drivers give it.
        ((1280, 1024), (0, 0, 1279, 1023), (0, 0), (1280, 1024), (475.0, 476.0, 319.0, 239.0)),
        # A region that is not that of the image, which shows all of the sensor.
        ((640, 480), ROI, (0, 0), (640, 480), (475.0, 476.0, 319.0, 239.0)),
        ((640, 480), ROI, (2, 2), (320, 240), HALF),
        # A corner without a size: the rest of the sensor.
        ((640, 480), (80, 60, 0, 0), (0, 0), (560, 420), CUT),
        ((560, 420), (80, 60, 0, 0), (0, 0), (560, 420), CUT),
    ],
)
def test_a_region_of_interest_moves_and_binning_divides(
    size: tuple[int, int],
    roi: tuple[int, int, int, int],
    binning: tuple[int, int],
    image: tuple[int, int],
    expected: tuple[float, float, float, float],
) -> None:
    width, height = image
    fx, fy, cx, cy = expected
    camera = Intrinsics(fx, fy, cx, cy, width, height)
    assert from_camera_info(camera_info(*size, roi, binning), (height, width)) == camera
    k = (475.0, 0.0, 319.0, 0.0, 476.0, 239.0, 0.0, 0.0, 1.0)
    alone = camera_info(*size, roi, binning, k, (0.0,) * 12)
    assert from_camera_info(alone, (height, width)) == camera


@pytest.mark.parametrize(
    ("size", "roi", "binning", "text"),
    [
        (
            (640, 480),
            ROI,
            (2, 2),
            "240x180 (its roi of 480x360 at (80, 60), binned 2x2) or 320x240 (its width and height, binned 2x2), ",
        ),
        ((640, 480), ROI, (0, 0), "480x360 (its roi of 480x360 at (80, 60)) or 640x480 (its width and height), "),
        ((0, 0), ROI, (1, 1), "480x360 (its roi of 480x360 at (80, 60)), "),
        ((1280, 960), (0, 0, 0, 0), (2, 2), "640x480 (its width and height, binned 2x2), "),
        ((0, 480), (0, 0, 0, 0), (0, 0), "0x480, "),
    ],
)
def test_a_size_that_nothing_explains_is_refused_with_what_region_and_binning_make_of_it(
    size: tuple[int, int], roi: tuple[int, int, int, int], binning: tuple[int, int], text: str
) -> None:
    with pytest.raises(ValueError) as caught:
        from_camera_info(camera_info(*size, roi, binning), (100, 100))
    assert str(caught.value).startswith(f"it is for images of {text}but the depth image has 100x100: take the ")
