"""Distorted digits: what strength means, and that they are sampled where they should be."""

import numpy as np
import pytest
from scipy import ndimage

from mmnist.data.digits import load_digits
from mmnist.data.distortion import draw_distortion
from mmnist.data.glyphs import Distortion, render_digits


@pytest.fixture(scope="module")
def glyphs():
    return load_digits("sample").train_images[::40]


def drawn(n, strength, seed=0):
    return draw_distortion(np.random.default_rng(seed), n, strength)


def upright(glyphs, distortion=None, *, scale=1.0, degrees=0.0):
    n = len(glyphs)
    angles = np.radians(np.full(n, degrees)).astype(np.float32)
    return render_digits(glyphs, np.full(n, scale, np.float32), angles, distortion)


def blob(*, spread=4.0, at=(0.0, 0.0)):
    axis = np.arange(28) - 13.5
    lines = [np.exp(-((axis - middle) ** 2) / (2 * spread**2)) for middle in at]
    ink = np.rint(np.outer(*lines) * 240)
    return np.where(ink < 5, 0, ink).astype(np.uint8)


def middle_of(images):
    """Row and column [n, 2] of the middle of the ink, from that of the cell."""
    axis, ink = np.arange(28) - 13.5, images.astype(float)
    total = ink.sum(axis=(1, 2))
    return np.stack([ink.sum(axis=2) @ axis, ink.sum(axis=1) @ axis], axis=1) / total[:, None]


def test_no_strength_no_change(glyphs):
    for settings in ({}, {"scale": 1.2, "degrees": 30.0}):
        once = upright(glyphs, **settings)
        assert np.array_equal(upright(glyphs, drawn(len(glyphs), 0.0), **settings), once)


def test_a_strength_of_next_to_nothing_changes_next_to_nothing(glyphs):
    difference = upright(glyphs, drawn(len(glyphs), 1e-4)).astype(int) - upright(glyphs)
    assert np.abs(difference).max() <= 2


def test_each_digit_in_its_own_way_and_the_same_again(glyphs):
    copies = np.repeat(glyphs[:1], 20, axis=0)
    once = upright(copies, drawn(20, 0.1))
    assert len({image.tobytes() for image in once}) == 20
    assert np.array_equal(once, upright(copies, drawn(20, 0.1)))
    assert not np.array_equal(once, upright(copies, drawn(20, 0.1, seed=1)))


def test_strength_is_the_standard_deviation_of_what_it_says():
    distortion = drawn(5000, 0.1)
    deviation = (distortion.linear - np.eye(2)).std(axis=0)
    np.testing.assert_allclose(deviation, 0.1, rtol=0.05)
    corners = distortion.bend[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(corners.std(axis=0), 0.9, rtol=0.05)
    # between nodes it is smooth: a third of a node's difference over 9 px
    assert np.abs(np.diff(distortion.bend, axis=3)).max() < 0.9 * 8 / 9


def test_pixels_come_from_where_the_definition_says():
    """A blob at q of the digit as written appears at p, where q = turn back (linear (p + bend))."""
    linear = np.array([[1.08, 0.06], [-0.05, 0.93]], np.float32)
    bend = np.array([0.7, -0.4], np.float32)
    distortion = Distortion(linear[None], np.broadcast_to(bend[:, None, None], (1, 2, 28, 28)))
    at = np.array([3.0, -2.0])
    ink = blob(spread=1.5, at=at)[None]
    angle, scale = np.radians(25.0), 1.1
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = scale * np.linalg.solve(linear @ turned, at) - bend
    found = middle_of(upright(ink, distortion, scale=scale, degrees=25.0))[0]
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_the_size_of_a_blob_varies_as_the_linear_map_says():
    """The spread of ink along an axis changes by the relative standard deviation asked for."""
    ink = upright(np.repeat(blob(spread=3.0)[None], 3000, axis=0), drawn(3000, 0.05)).astype(float)
    axis = np.arange(28) - 13.5
    rows = ink.sum(axis=2) / ink.sum(axis=(1, 2))[:, None]
    mean = (rows * axis).sum(axis=1)
    spread = np.sqrt((rows * (axis - mean[:, None]) ** 2).sum(axis=1))
    # Bending adds to the linear map's 5 %: nodes 9 px apart that move by 0.45 px each.
    assert 0.05 < spread.std() / spread.mean() < 0.09


def test_digits_stay_what_they_are(glyphs):
    """A small distortion moves ink by a pixel or so: blurred, little differs."""
    before = ndimage.gaussian_filter(upright(glyphs).astype(float), (0, 2, 2))
    after = ndimage.gaussian_filter(
        upright(glyphs, drawn(len(glyphs), 0.05)).astype(float), (0, 2, 2)
    )
    pairs = zip(before, after, strict=True)
    assert np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]) > 0.97


def test_digits_stay_as_sharp_as_those_of_scenes(glyphs):
    """They are interpolated as often: what is left of full ink stays."""
    plain = upright(glyphs, scale=1.1, degrees=20.0)
    distorted = upright(glyphs, drawn(len(glyphs), 0.08), scale=1.1, degrees=20.0)
    shares = [(image > 240).mean() for image in (plain, distorted)]
    assert shares[1] == pytest.approx(shares[0], rel=0.1)


def test_none_are_as_many_as_none():
    empty = np.zeros((0, 28, 28), np.uint8)
    assert upright(empty, drawn(0, 0.1)).shape == (0, 28, 28)
