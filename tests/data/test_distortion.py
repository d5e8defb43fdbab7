"""Distorted digits: what strength means, and that nothing else changes."""

import numpy as np
import pytest
from scipy import ndimage

from mmnist.data.digits import load_digits
from mmnist.data.distortion import distort_glyphs


@pytest.fixture(scope="module")
def glyphs():
    return load_digits("sample").train_images[::40]


def distorted(glyphs, strength, seed=0):
    return distort_glyphs(np.random.default_rng(seed), glyphs, strength)


def test_no_strength_no_change(glyphs):
    assert np.array_equal(distorted(glyphs, 0.0), glyphs)


def test_a_strength_of_next_to_nothing_changes_next_to_nothing(glyphs):
    difference = distorted(glyphs, 1e-4).astype(int) - glyphs
    assert np.abs(difference).max() <= 2


def test_each_digit_in_its_own_way_and_the_same_again(glyphs):
    copies = np.repeat(glyphs[:1], 20, axis=0)
    once = distorted(copies, 0.1)
    assert len({image.tobytes() for image in once}) == 20
    assert np.array_equal(once, distorted(copies, 0.1))
    assert not np.array_equal(once, distorted(copies, 0.1, seed=1))


def test_the_size_of_a_blob_varies_as_the_linear_map_says():
    """The spread of ink along an axis changes by the relative standard deviation asked for."""
    axis = np.arange(28) - 13.5
    blob = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 4.0**2)) * 250
    blobs = np.repeat(blob[None].astype(np.uint8), 3000, axis=0)
    ink = distorted(blobs, 0.05).astype(float)
    rows = ink.sum(axis=2) / ink.sum(axis=(1, 2))[:, None]
    mean = (rows * axis).sum(axis=1)
    spread = np.sqrt((rows * (axis - mean[:, None]) ** 2).sum(axis=1))
    # Bending adds to the linear map's 5 %: nodes 9 px apart that move by 0.45 px each.
    assert 0.05 < spread.std() / spread.mean() < 0.09


def test_digits_stay_what_they_are(glyphs):
    """A small distortion moves ink by a pixel or so: blurred, little differs."""
    before = ndimage.gaussian_filter(glyphs.astype(float), (0, 2, 2))
    after = ndimage.gaussian_filter(distorted(glyphs, 0.05).astype(float), (0, 2, 2))
    pairs = zip(before, after, strict=True)
    assert np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]) > 0.97
