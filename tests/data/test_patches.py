"""Patches: what is in them, and what is not."""

import numpy as np
import pytest

from mmnist.data import backgrounds, patches
from mmnist.data.backgrounds import Textures
from mmnist.data.digits import load_digits
from mmnist.data.glyphs import GlyphPool
from mmnist.data.patches import (
    NO_DIGIT,
    PATCHES_VERSION,
    PatchSource,
    digits_overlap,
    draw_patches,
    patch_source,
)
from mmnist.data.store import open_store

BLACK = Textures(np.zeros((1, 200, 200), np.uint8), np.ones(1))


@pytest.fixture(scope="module")
def digits():
    return load_digits("sample")


@pytest.fixture(scope="module")
def source(digits):
    pool = GlyphPool.of(digits.train_images, digits.train_labels)
    return PatchSource(BLACK, pool, "sample", digits.fingerprint)


def draw(source, n=2000, *, seed=0, side=48, empty=0.25):
    return draw_patches(np.random.default_rng(seed), source, n, side=side, empty=empty)[:2]


def squares():
    """A source whose digit k is a square of 20 px of the grey level 20 + k."""
    glyphs = np.zeros((10, 28, 28), np.uint8)
    glyphs[:, 4:24, 4:24] = 20 + np.arange(10, dtype=np.uint8)[:, None, None]
    return PatchSource(BLACK, GlyphPool.of(glyphs, np.arange(10, dtype=np.uint8)), "squares", "0")


def test_shapes_labels_and_shares(source):
    images, labels = draw(source, empty=0.25)
    assert images.shape == (2000, 48, 48)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    counts = np.bincount(labels + 1, minlength=11)
    assert counts[0] == pytest.approx(500, abs=80)  # four standard deviations
    assert counts[1:] == pytest.approx(np.full(10, 150), abs=50)
    assert NO_DIGIT == -1


def test_other_patches_have_another_version(digits):
    """The mean grey level of 512 patches, and its spread; rounding differs between machines."""
    drawn = draw_patches(
        np.random.default_rng(0),
        patch_source(digits, 0),
        512,
        side=40,
        empty=0.1,
        distortion=0.1,
    ).images
    assert PATCHES_VERSION == 2
    assert drawn.mean() == pytest.approx(120.20, abs=0.01)
    assert drawn.std() == pytest.approx(63.16, abs=0.01)


def test_a_digit_is_whole():
    images, labels = draw(squares(), 500, empty=0.0)
    # Digit k has a grey level of its own.
    share = (images == 20 + labels[:, None, None]).sum(axis=(1, 2))
    # A square of 20 px, enlarged 1 to 1.25 times, made smaller where it would not fit when turned.
    assert share.min() > 300
    assert share.max() < 28**2


def test_neighbours_reach_in_beside_the_digit_but_not_over_it():
    images, labels = draw(squares(), empty=0.0)
    assert images.max() == 29  # where two overlapped, grey levels would add up
    # Half of the neighbours are seen to be others: they are brighter than the digit.
    brighter = (images > 20 + labels[:, None, None]).any(axis=(1, 2))
    assert brighter.mean() > 0.03


def test_empty_patches_hold_at_most_parts_of_digits(source):
    images, labels = draw(source, empty=1.0)
    assert (labels == NO_DIGIT).all()
    # Parts come from outside: their centres lie there, so the middle stays empty.
    assert images[:, 14:34, 14:34].max() == 0
    crowded = (images.reshape(len(images), -1) > 0).any(axis=1).mean()
    assert 0.1 < crowded < 0.5


@pytest.mark.parametrize("distortion", [0.05, 0.2])
def test_distorted_digits_have_the_labels_of_what_is_drawn(distortion):
    """Their middle has the grey level that tells which they are."""
    rng = np.random.default_rng(0)
    images, labels, *_ = draw_patches(
        rng, squares(), 500, side=32, empty=0.0, distortion=distortion
    )
    plain, _ = draw(squares(), 500, side=32, empty=0.0)
    assert not np.array_equal(images, plain)
    np.testing.assert_array_equal(images[:, 14:18, 14:18].max(axis=(1, 2)), 20 + labels)


def test_the_same_stream_gives_the_same_patches(source):
    one, other, third = draw(source, 50), draw(source, 50), draw(source, 50, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(one[0], third[0])


@pytest.mark.parametrize(("side", "places"), [(48, 1), (79, 1), (80, 4), (128, 9)])
def test_each_square_of_a_larger_patch_has_a_digit_of_its_own(side, places):
    rng = np.random.default_rng(0)
    images, labels, digits, *_ = draw_patches(rng, squares(), 200, side=side, empty=0.3)
    assert digits.shape == (200, places)
    assert np.array_equal(labels, digits.max(axis=1))
    assert (digits == NO_DIGIT).mean() == pytest.approx(0.3, abs=0.1)
    # The grey level of a square tells the digit; each is seen where it is said to be.
    per_side = round(places**0.5)
    for image, each in zip(images, digits, strict=True):
        for place, digit in enumerate(each):
            row, column = divmod(place, per_side)
            edges = np.arange(per_side + 1) * side // per_side
            part = image[edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
            if digit == NO_DIGIT:
                assert places == 1 or part.max() == 0
            else:
                assert (part == 20 + digit).sum() > 300


@pytest.mark.parametrize("side", [32, 48, 128])
def test_any_side(source, side):
    assert draw(source, 20, side=side)[0].shape == (20, side, side)


def test_only_training_digits_are_used_and_grounds_follow_from_the_seed(digits, monkeypatch):
    monkeypatch.setattr(patches, "draw_texture", backgrounds.draw_texture)  # anew each time
    monkeypatch.setattr(patches, "texture_variants", lambda: backgrounds.texture_variants()[:2])
    one, again, other = (patch_source(digits, seed) for seed in (1, 1, 2))
    assert len(one.pool.images) == len(digits.train_images)
    seen = {image.tobytes() for image in one.pool.images}
    assert not any(image.tobytes() in seen for image in digits.test_images)
    assert np.array_equal(one.textures.images, again.textures.images)
    assert not np.array_equal(one.textures.images, other.textures.images)


def test_what_test_images_may_share_with_patches_is_said(source, tmp_path, digits):
    from mmnist.data.generate import make_dataset

    store = make_dataset(
        tmp_path / "made", train=10, test=10, seed=0, digits=digits, labels="natural", workers=1
    )
    assert digits_overlap(source, store) == ""
    other = PatchSource(BLACK, source.pool, "other", "f" * 64)
    assert "made from other digits" in digits_overlap(other, store)
    mixed = make_dataset(
        tmp_path / "mixed",
        **{"train": 10, "test": 10, "seed": 0, "labels": "natural", "workers": 1},
        digits=digits,
        test_digits="all",
    )
    assert "or from all of them" in digits_overlap(source, mixed)
    manifest = (store.path / "manifest.json").read_text("utf-8")
    (store.path / "manifest.json").write_text(
        manifest.replace('"kind": "generated"', '"kind": "competition"'), "utf-8"
    )
    assert "competition's test images" in digits_overlap(source, open_store(store.path))


@pytest.mark.parametrize("distortion", [0.0, 0.001])
def test_how_far_each_digit_is_turned(distortion):
    """Against the direction of the bar that every digit is here, by the moments of its ink."""
    glyphs = np.zeros((10, 28, 28), np.uint8)
    glyphs[:, 5:23, 13:15] = 200
    bars = PatchSource(BLACK, GlyphPool.of(glyphs, np.arange(10, dtype=np.uint8)), "bars", "0")
    made = draw_patches(
        np.random.default_rng(0), bars, 50, side=28, empty=0.2, distortion=distortion
    )
    assert made.angles.shape == (50, 1)
    assert (made.middles == 13.5).all()  # a cell fills such a patch
    empty = made.labels == NO_DIGIT
    assert (made.angles[empty] == 0).all()
    for image, angle in zip(made.images[~empty], made.angles[~empty, 0], strict=True):
        y, x = np.nonzero(image > 100)
        (_, along) = np.linalg.eigh(np.cov(x, -y))[1].T  # of the larger eigenvalue
        assert np.arctan(along[0] / along[1]) == pytest.approx(angle, abs=np.radians(3))
    assert np.abs(made.angles).max() == pytest.approx(np.pi / 4, rel=0.1)


@pytest.mark.parametrize("side", [40, 48, 128])
def test_where_the_middle_of_each_digit_is(side):
    """Against the middle of the square that every digit is here."""
    glyphs = np.zeros((10, 28, 28), np.uint8)
    glyphs[:, 9:19, 9:19] = 200
    squares = PatchSource(BLACK, GlyphPool.of(glyphs, np.arange(10, dtype=np.uint8)), "s", "0")
    made = draw_patches(np.random.default_rng(0), squares, 30, side=side, empty=0.2)
    assert made.middles.shape == (*made.digits.shape, 2)
    for image, digits, middles in zip(made.images, made.digits, made.middles, strict=True):
        for row, column in middles[digits != NO_DIGIT]:
            y, x = int(row - 13.5), int(column - 13.5)
            ink = image[y : y + 28, x : x + 28].astype(float)
            inside = np.indices(ink.shape)[:, 4:24, 4:24].reshape(2, -1)
            found = inside @ ink[4:24, 4:24].ravel() / ink[4:24, 4:24].sum()
            assert found == pytest.approx([13.5, 13.5], abs=0.1)
