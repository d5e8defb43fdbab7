"""The maps against closed forms and against an independent solution of the 8×8 system."""

import math

import numpy as np
import pytest
import torch

from mmnist.pipeline import homography as maps

TL, TR, BR, BL = (-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)
SQUARE = np.array([TL, TR, BR, BL])


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def mapped(matrix, places):
    """`places` [n, 2] through one 3×3 matrix, one place at a time."""
    result = []
    for x, y in places:
        a, b, w = np.asarray(matrix) @ (x, y, 1.0)
        result.append((a / w, b / w))
    return np.array(result)


def solved(source, target):
    """The homography that takes four places to four others, from its eight linear equations."""
    rows, right = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(rows, right), 1).reshape(3, 3)


def test_rotation_by_90_degrees_reads_the_right_from_the_bottom():
    assert mapped(maps.rotation(f64(90.0))[0], [(1, 0), (0, 1)]) == pytest.approx(
        np.array([(0, 1), (-1, 0)])
    )


def test_rotation_by_30_degrees():
    cos, sin = math.sqrt(3) / 2, 0.5
    expected = [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]
    assert maps.rotation(f64(12.0, 30.0))[1].numpy() == pytest.approx(np.array(expected))


@pytest.mark.parametrize(("row", "column"), [(0.0, 0.0), (0.5, 0.5), (1.0, 0.25)])
def test_zoom_keeps_its_point_and_magnifies_around_it(row, column):
    matrix = maps.zoom(f64(1.6), f64(row), f64(column))[0]
    point = np.array([2 * column - 1, 2 * row - 1])
    step = np.array([0.16, -0.32])
    assert mapped(matrix, [point, point + step]) == pytest.approx(
        np.array([point, point + step / 1.6])
    )


def test_squish_below_one_reads_a_part_of_the_width():
    matrix = maps.squish(f64(0.7), f64(0.9), f64(0.25))[0]
    # The width read is 0.7 of the image, a quarter of the rest lies to its left: -0.85 to 0.55.
    assert mapped(matrix, [TL, BR]) == pytest.approx(np.array([(-0.85, -1), (0.55, 1)]))


def test_squish_above_one_reads_a_part_of_the_height():
    matrix = maps.squish(f64(1.25), f64(1.0), f64(0.3))[0]
    assert mapped(matrix, [TL, BR]) == pytest.approx(np.array([(-1, -0.6), (1, 1)]))


def test_warp_moves_the_pictures_corners_to_their_targets_and_agrees_with_a_solver():
    # fastai v1: `_find_coeffs(_orig_pts, targ_pts)` solves for the map from targets to corners, and
    # places of the output go through it.
    displacement = torch.rand(200, 4, 2, dtype=torch.float64, generator=seeded(1)) - 0.5
    for matrix, moved in zip(maps.warp(displacement), displacement.numpy(), strict=True):
        assert mapped(matrix, SQUARE + moved) == pytest.approx(SQUARE, abs=1e-9)
        assert matrix.numpy() == pytest.approx(solved(SQUARE + moved, SQUARE), rel=1e-6, abs=1e-9)


def test_a_corner_moved_outward_shows_less_of_the_picture():
    displacement = torch.zeros(1, 4, 2, dtype=torch.float64)
    displacement[0, 0] = -0.5
    matrix = maps.warp(displacement)[0]
    # By hand: the map that sends (-1.5, -1.5) to (-1, -1) and keeps the other corners.
    assert mapped(matrix, [TL]) == pytest.approx(np.array([(-5 / 7, -5 / 7)]))
    assert mapped(matrix, [(-1.5, -1.5)]) == pytest.approx(np.array([TL]))


def test_warp_keeps_straight_lines_straight():
    matrix = maps.warp(torch.rand(1, 4, 2, dtype=torch.float64, generator=seeded(2)) - 0.5)[0]
    a, b, c = mapped(matrix, [(-0.8, -0.6), (0.1, 0.15), (1.0, 0.9)])
    (ux, uy), (vx, vy) = b - a, c - a
    assert ux * vy - uy * vx == pytest.approx(0, abs=1e-12)
    assert math.hypot(ux, uy) > 0.1


@pytest.mark.parametrize("of", [torch.float32, torch.float64])
def test_no_warp_is_exactly_the_identity(of):
    assert torch.equal(
        maps.warp(torch.zeros(3, 4, 2, dtype=of)), torch.eye(3, dtype=of).repeat(3, 1, 1)
    )


def corners_after(displacement):
    """Where `warp` puts the four corners of the picture."""
    return mapped(np.linalg.inv(maps.warp(displacement)[0].numpy()), SQUARE)


def test_symmetric_warp_corners():
    m0, m1, m2, m3 = 0.1, -0.2, 0.05, 0.15
    top_left, bottom_left = (-1 - m3, -1 - m1), (-1 - m2, 1 + m1)
    top_right, bottom_right = (1 + m3, -1 - m0), (1 + m2, 1 + m0)
    result = corners_after(maps.symmetric_displacement(f64(m0, m1, m2, m3)[None]))
    assert result == pytest.approx(np.array([top_left, top_right, bottom_right, bottom_left]))


@pytest.mark.parametrize(
    ("direction", "corners"),
    [
        (0, [(-1.3, -1), TR, BR, BL]),
        (1, [(-1, -1.3), TR, BR, BL]),
        (2, [TL, (1.3, -1), BR, BL]),
        (3, [TL, (1, -1.3), BR, BL]),
        (4, [TL, TR, (1.3, 1), BL]),
        (5, [TL, TR, (1, 1.3), BL]),
        (6, [TL, TR, BR, (-1.3, 1)]),
        (7, [TL, TR, BR, (-1, 1.3)]),
    ],
)
def test_skew_moves_one_corner_along_one_axis(direction, corners):
    displacement = maps.skew_displacement(torch.tensor([direction]), f64(0.3))
    assert corners_after(displacement) == pytest.approx(np.array(corners))


@pytest.mark.parametrize(
    ("direction", "corners"),
    [
        (0, [(-1, -1.4), TR, BR, (-1, 1.4)]),
        (1, [TL, (1, -1.4), (1, 1.4), BL]),
        (2, [(-1.4, -1), (1.4, -1), BR, BL]),
        (3, [TL, TR, (1.4, 1), (-1.4, 1)]),
    ],
)
def test_tilt_moves_the_corners_of_one_side_apart(direction, corners):
    displacement = maps.tilt_displacement(torch.tensor([direction]), f64(0.4))
    assert corners_after(displacement) == pytest.approx(np.array(corners))


def least_denominator(matrix):
    places = torch.cartesian_prod(*[torch.linspace(-1, 1, 9, dtype=matrix.dtype)] * 2)
    return (matrix[:, 2, :2] @ places.T + matrix[:, 2, 2:]).amin(dim=1)


def test_horizon_of_the_papers_warps_is_left_alone():
    displacement = torch.rand(20000, 4, 2, dtype=torch.float64, generator=seeded(3)) - 0.5
    matrix = maps.warp(displacement)
    changed = (maps.limit_horizon(matrix) != matrix).any(dim=(1, 2))
    # Only where three corners lie nearly in line, which four corners moved by up to 0.5 rarely do.
    assert 0 < changed.double().mean() < 0.005
    assert least_denominator(matrix[changed]).max() < 0.06


def test_horizon_inside_the_image_is_pushed_out_of_it():
    displacement = (
        1.98 * torch.rand(3, 20000, 4, 2, dtype=torch.float64, generator=seeded(4)) - 0.99
    )
    first, second, third = (maps.warp(d) for d in displacement)
    matrix = third @ second @ first
    assert (least_denominator(matrix) < 0).double().mean() > 0.1
    limited = maps.limit_horizon(matrix)
    assert least_denominator(limited).min() > 0.0024
    harmless = least_denominator(matrix) > 0.05 * matrix[:, 2, 2].clamp(min=0.05)
    assert torch.equal(limited[harmless], matrix[harmless])
    assert harmless.any()


def test_sampling_grid_maps_each_pixel_centre():
    displacement = torch.rand(2, 4, 2, dtype=torch.float64, generator=seeded(5)) - 0.5
    matrix = maps.warp(displacement)
    grid = maps.sampling_grid(matrix, height=5, width=7)
    assert grid.shape == (2, 2, 5, 7)
    for image in range(2):
        for row in range(5):
            centres = [((2 * column + 1) / 7 - 1, (2 * row + 1) / 5 - 1) for column in range(7)]
            assert grid[image, :, row].T.numpy() == pytest.approx(mapped(matrix[image], centres))
