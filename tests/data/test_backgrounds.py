"""The look of the textures, against what was measured on 90 original images."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from mmnist.data import backgrounds
from mmnist.data.backgrounds import FAMILIES, TEXTURE_SIDE, draw_texture, texture_variants

REAL = Path(__file__).resolve().parents[3] / "shared" / "real_samples" / "images.npz"
LAGS = (1, 2, 4, 8)

# Mean and standard deviation of the grey level, lowest and highest level, autocorrelation in x and
# in y at lags of 1, 2, 4 and 8 px: means over the original images of a family, digits left out.
MEASURED = {
    "metal": (149, 18, 4, 191, (0.85, 0.60, 0.36, 0.21), (0.82, 0.53, 0.28, 0.17)),
    "dark metal": (57, None, 4, 191, None, None),
    "pebbles": (120, 54, 0, 243, (0.52, 0.08, -0.06, 0.02), (0.66, 0.27, 0.04, 0.01)),
    "concrete": (137, 36, 0, 255, (0.58, 0.33, 0.15, 0.05), (0.55, 0.31, 0.14, 0.03)),
    "stars": (52, 25, 28, 255, (0.66, 0.36, 0.22, 0.13), None),
    "nebula": (125, 36, 20, 255, None, None),
    "circles": (94, 56, 0, 178, None, None),
    "waves": (77, 25, 28, 159, (0.94, 0.84, 0.65, 0.40), (0.71, 0.32, 0.03, -0.11)),
    "blobs": (62, 37, 9, 152, (0.83, 0.56, 0.23, 0.10), (0.84, 0.57, 0.26, 0.12)),
}


@pytest.fixture(scope="module")
def crops():
    """Pieces [n, 128, 128] of the textures, by variant."""
    pieces = {}
    steps = range(0, TEXTURE_SIDE - 127, 128)
    for index, variant in enumerate(texture_variants()):
        texture = draw_texture(0, index)
        cut = [texture[y : y + 128, x : x + 128] for y in steps for x in steps]
        pieces.setdefault(variant.name, []).extend(cut)
    return {name: np.stack(cut) for name, cut in pieces.items()}


def autocorrelation(image, lag, axis, mask=None):
    """Correlation of `image` with itself moved by `lag` px, where both are in `mask`."""
    size = image.shape[axis] - lag
    here, there = (np.arange(start, start + size) for start in (0, lag))
    mask = np.ones(image.shape, bool) if mask is None else mask
    both = mask.take(here, axis) & mask.take(there, axis)
    return np.corrcoef(image.take(here, axis)[both], image.take(there, axis)[both])[0, 1]


def statistics(images, masks):
    """Means over images: mean, std, 5 %, 50 % and 95 % of the grey level, correlations x, y."""
    rows = []
    for image, mask in zip(images, masks, strict=True):
        grey = image[mask].astype(float)
        correlations = [autocorrelation(image, lag, axis, mask) for axis in (1, 0) for lag in LAGS]
        rows.append([grey.mean(), grey.std(), *np.percentile(grey, [5, 50, 95]), *correlations])
    return np.mean(rows, axis=0)


def test_the_seven_families_have_the_measured_shares():
    shares = dict.fromkeys(FAMILIES, 0.0)
    for variant, weight in zip(texture_variants(), backgrounds.texture_weights(), strict=True):
        shares[variant.family] += weight
    counts = (18, 17, 16, 13, 11, 9, 6)
    expected = dict(
        zip(
            ("metal", "pebbles", "concrete", "stars", "circles", "waves", "blobs"),
            [count / 90 for count in counts],
            strict=True,
        )
    )
    assert shares == pytest.approx(expected)


@pytest.mark.parametrize("name", MEASURED)
def test_grey_levels(crops, name):
    mean, std, low, high, _, _ = MEASURED[name]
    pieces = crops[name]
    assert pieces.mean() == pytest.approx(mean, abs=6)
    if std is not None:
        assert pieces.std(axis=(1, 2)).mean() == pytest.approx(std, abs=5)
    assert pieces.min() >= low
    assert pieces.max() <= high
    # The range is reached in about the extent that a few dozen images show.
    if name != "dark metal":
        assert pieces.min() <= low + 15
        assert pieces.max() >= high - 3


@pytest.mark.parametrize("name", [name for name, row in MEASURED.items() if row[4]])
def test_autocorrelation(crops, name):
    along_x, along_y = MEASURED[name][4:]
    pieces = crops[name]
    for axis, expected in ((1, along_x), (0, along_y)):
        if expected is not None:
            found = [np.mean([autocorrelation(p, lag, axis) for p in pieces]) for lag in LAGS]
            assert found == pytest.approx(expected, abs=0.12), f"axis {axis}"


def test_circles_are_a_sawtooth_of_period_26_and_a_half(crops):
    """On the ray from the centre, found where the rings are symmetric: 178 to 0, then a jump."""
    index = [variant.name for variant in texture_variants()].index("circles")
    texture = draw_texture(0, index).astype(int)
    middle = TEXTURE_SIDE // 2
    # Mirror symmetry in x about the centre column, in y about the centre row.
    column, row = (
        min(
            range(middle - 40, middle + 41),
            key=lambda c, t=t: np.abs(t[:, c - 200 : c] - t[:, c + 200 : c : -1]).mean(),
        )
        for t in (texture, texture.T)
    )
    ray = texture[row, column:]
    jumps = np.flatnonzero(np.diff(ray) > 60)
    first = jumps[np.append(True, np.diff(jumps) > 2)]
    assert np.diff(first).mean() == pytest.approx(26.5, abs=0.3)
    between = ray[first[2] + 5 : first[3] - 1]
    assert (np.diff(between) < 0).all()
    assert between[0] > 150
    assert between[-1] < 25


def test_stars_are_dots_on_a_dark_ground(crops):
    """About two hundred separate bright dots an image, nearly all of them 1-3 px wide."""
    counts, widths = [], []
    for piece in crops["stars"]:
        ground = ndimage.median_filter(piece, 9)
        spots, count = ndimage.label(piece > ground.astype(int) + 30)
        counts.append(count)
        widths += [s[1].stop - s[1].start for s in ndimage.find_objects(spots)]
    assert 120 < np.mean(counts) < 320
    assert np.mean(np.array(widths) <= 3) > 0.85


def test_pebbles_have_white_edges_on_the_right_and_shadow_on_the_left(crops):
    """Next to a white pixel it is darker on the right than on the left."""
    left, middle, right = (crops["pebbles"][:, :, k : k - 2 or None].astype(int) for k in range(3))
    white = middle > 205
    assert white.mean() > 0.01
    assert left[white].mean() > right[white].mean() + 20


def test_textures_depend_on_the_seed_alone():
    first = draw_texture(3, 0)
    assert first.dtype == np.uint8
    assert first.shape == (TEXTURE_SIDE, TEXTURE_SIDE)
    assert (draw_texture(3, 0) == first).all()
    assert (draw_texture(4, 0) != first).mean() > 0.5
    assert (draw_texture(3, 1) != first).mean() > 0.5


# Which of the 20 original samples show which variant.
REAL_SAMPLES = {
    "metal": (0, 4, 6, 10, 14),
    "pebbles": (1, 7),
    "concrete": (3, 15, 18),
    "stars": (5, 13, 19),
    "circles": (9, 11, 12, 17),
}


@pytest.mark.skipif(not REAL.exists(), reason="needs the original samples")
@pytest.mark.parametrize("name", REAL_SAMPLES)
def test_against_original_images(crops, name):
    originals = np.load(REAL)["x"][list(REAL_SAMPLES[name])]
    expected = [statistics([image], [~digit_mask(image)]) for image in originals]
    found = statistics(crops[name], np.ones(crops[name].shape, bool))
    low, high = np.min(expected, axis=0), np.max(expected, axis=0)
    # A handful of originals: the mean of many pieces must lie among them or close by.
    assert (found[:5] >= low[:5] - 12).all()
    assert (found[:5] <= high[:5] + 12).all()
    if name != "circles":  # their correlation depends on the direction of the centre
        assert (found[5:] >= low[5:] - 0.15).all()
        assert (found[5:] <= high[5:] + 0.15).all()


def digit_mask(image):
    """Where digits (large spots of 250 and more) and their edges are, bool [128, 128]."""
    spots, count = ndimage.label(image >= 250, np.ones((3, 3)))
    sizes = ndimage.sum_labels(np.ones_like(image), spots, np.arange(1, count + 1))
    large = np.isin(spots, 1 + np.flatnonzero(sizes >= 25))
    return ndimage.binary_dilation(large, np.ones((3, 3)), iterations=4)
