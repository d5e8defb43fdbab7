import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import chi2_contingency, kstest, uniform

from mmnist.data.backgrounds import Textures
from mmnist.data.digits import load_digits
from mmnist.data.glyphs import GlyphPool, render_digits
from mmnist.data.scenes import CHUNK_SIZE, Scenes, draw_chunk, draw_digits, draw_layout


@pytest.fixture(scope="module")
def pool():
    digits = load_digits("sample")
    return GlyphPool.of(digits.train_images, digits.train_labels)


def noise_textures():
    """Two easily told apart textures with known probabilities."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 100, (2, 300, 300), dtype=np.uint8)
    images[1] += 150
    return Textures(images, np.array([0.8, 0.2]))


def black_textures():
    return Textures(np.zeros((1, 200, 200), np.uint8), np.ones(1))


def draw(pool, textures=None, *, seed=0, part="train", index=0, mode="natural") -> Scenes:
    textures = noise_textures() if textures is None else textures
    return draw_chunk(textures, pool, seed=seed, part=part, index=index, mode=mode)


def render(pool, layout):
    return render_digits(pool.images[layout.glyphs], layout.scales, layout.angles)


def rendered(pool, chunks=4):
    """Layouts and digit cells [n, 3, 28, 28] of several chunks."""
    rng = np.random.default_rng(1)
    layouts = [draw_layout(rng, black_textures(), pool, "natural") for _ in range(chunks)]
    cells = np.concatenate([render(pool, layout) for layout in layouts])
    corners = np.concatenate([layout.cells for layout in layouts])
    return layouts, cells, corners


def boxes(cells, corners):
    """First and last inked row and column of each digit in its image, int [n, 3, 4]."""
    ink = cells >= 100
    rows, columns = ink.any(axis=3), ink.any(axis=2)
    ends = []
    for lines, corner in ((rows, corners[..., 0]), (columns, corners[..., 1])):
        ends += [corner + lines.argmax(axis=2), corner + 27 - lines[..., ::-1].argmax(axis=2)]
    return np.stack(ends, axis=2)


def test_shapes_and_labels(pool):
    found = draw(pool)
    assert found.images.shape == (CHUNK_SIZE, 128, 128)
    assert found.digits.shape == (CHUNK_SIZE, 3)
    assert found.images.dtype == found.labels.dtype == found.digits.dtype == np.uint8
    np.testing.assert_array_equal(found.labels, [max(row) for row in found.digits.tolist()])


def test_a_chunk_depends_on_seed_part_and_index_alone(pool):
    first = draw(pool)
    np.testing.assert_array_equal(first.images, draw(pool).images)
    for other in ({"seed": 1}, {"part": "test"}, {"index": 1}):
        assert (draw(pool, **other).digits != first.digits).mean() > 0.5
    assert (draw(pool, part="test").digits != draw(pool, index=1).digits).mean() > 0.5


def test_image_is_background_plus_digits_clipped(pool):
    """Recomputed pixel by pixel from the layout, in integers that cannot overflow."""
    textures = noise_textures()
    found = draw(pool, textures, seed=5)
    rng = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(0, 0)))
    layout = draw_layout(rng, textures, pool, "natural")
    cells = render(pool, layout).astype(int)
    for k in range(CHUNK_SIZE):
        y, x = layout.offsets[k]
        expected = textures.images[layout.textures[k]].astype(int)[y : y + 128, x : x + 128].copy()
        for digit, (row, column) in zip(cells[k], layout.cells[k], strict=True):
            expected[row : row + 28, column : column + 28] += digit
        np.testing.assert_array_equal(found.images[k], np.minimum(expected, 255))
    np.testing.assert_array_equal(found.digits, layout.digits)


def test_textures_are_drawn_by_weight_and_from_everywhere(pool):
    rng = np.random.default_rng(2)
    layouts = [draw_layout(rng, noise_textures(), pool, "natural") for _ in range(8)]
    second = np.mean([layout.textures.mean() for layout in layouts])
    assert second == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 2000))
    offsets = np.concatenate([layout.offsets for layout in layouts])
    assert offsets.min() == 0
    assert offsets.max() == 300 - 128


def test_cells_reach_the_border_and_may_touch_but_never_overlap(pool):
    _, _, corners = rendered(pool)
    assert corners.min() == 0
    assert corners.max() == 128 - 28
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(corners[:, a] - corners[:, b]).max(axis=1).min() == 28


def test_scales_are_uniform(pool):
    scales = draw_layout(np.random.default_rng(0), black_textures(), pool, "natural").scales
    assert kstest(scales.ravel(), uniform(1, 0.25).cdf).pvalue > 0.001


def test_boxes_distances_and_margins(pool):
    """Measured on the originals: boxes 11-28 px high and 7-28 wide, centres 11-114 and at least
    25.5 px apart (Chebyshev), margins of 4 px usual."""
    _, cells, corners = rendered(pool)
    top, bottom, left, right = np.moveaxis(boxes(cells, corners), 2, 0)
    height, width = bottom - top + 1, right - left + 1
    assert np.percentile(height, 1) >= 11
    assert np.percentile(width, 1) >= 5
    assert height.max() == width.max() == 28
    assert 20 <= np.median(height) <= 24
    centres = np.stack([top + bottom, left + right], axis=2) / 2
    assert np.percentile(centres, 0.5) >= 11
    assert np.percentile(centres, 99.5) <= 116
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(centres[:, a] - centres[:, b]).max(axis=1).min() >= 22
    margin = np.minimum(np.minimum(top, left), 127 - np.maximum(bottom, right))
    assert (margin >= 4).mean() > 0.9


def test_no_digit_is_cut_by_its_cell(pool):
    """The ink of a glyph arrives in the image: its area grows with the square of the scale."""
    layouts, cells, _ = rendered(pool, chunks=2)
    glyphs = np.concatenate([layout.glyphs for layout in layouts])
    scales = np.concatenate([layout.scales for layout in layouts])
    before = pool.images[glyphs].sum(axis=(2, 3), dtype=float)
    ratio = cells.sum(axis=(2, 3)) / (before * scales**2)
    # A few wide digits are enlarged less, to fit into the cell.
    assert np.median(ratio) == pytest.approx(1.02, abs=0.02)
    assert np.percentile(ratio, 1) > 0.8


def test_digits_are_rotated_about_their_angle(pool):
    """The principal axis of a drawn `1` is that of the original, turned by the angle."""
    layouts, cells, _ = rendered(pool)
    layout = layouts[0]
    glyphs, turned = pool.images[layout.glyphs], cells[:CHUNK_SIZE]
    ones = layout.digits == 1
    change = axis_angle(turned[ones]) - axis_angle(glyphs[ones])
    change = (change + np.pi / 2) % np.pi - np.pi / 2
    np.testing.assert_allclose(np.abs(change), np.abs(layout.angles[ones]), atol=0.1)
    signs = np.sign(change) * np.sign(layout.angles[ones])
    clear = np.abs(layout.angles[ones]) > 0.2
    assert len(set(signs[clear])) == 1
    angles = np.degrees(np.concatenate([layout.angles.ravel() for layout in layouts]))
    assert -45 <= angles.min() < -43
    assert 43 < angles.max() <= 45


def axis_angle(images):
    """Direction of the principal axis of each image [n, 28, 28], radians."""
    y, x = np.mgrid[:28, :28]
    mass = images / images.sum(axis=(1, 2), keepdims=True)
    dy = y - (mass * y).sum(axis=(1, 2), keepdims=True)
    dx = x - (mass * x).sum(axis=(1, 2), keepdims=True)
    xx, yy, xy = ((mass * m).sum(axis=(1, 2)) for m in (dx * dx, dy * dy, dx * dy))
    return 0.5 * np.arctan2(2 * xy, xx - yy)


def test_stroke_cores_are_white_and_edges_soft(pool):
    """On the darkest grounds, of about 40 grey levels, and brighter ones."""
    _, cells, _ = rendered(pool)
    assert (cells.max(axis=(2, 3)) >= 255 - 40).mean() > 0.99
    ink = cells[cells > 20]
    assert 0.2 < (ink >= 255 - 40).mean() < 0.5
    assert 0.5 < (ink < 255 - 40).mean() < 0.8


def test_digits_are_enlarged_then_turned_each_by_linear_interpolation(pool):
    """Against SciPy, one digit at a time; of digits that are not moved to fit into their cells."""
    glyphs = np.pad(pool.images[::150, 4:24, 4:24][:, ::2, ::2], ((0, 0), (9, 9), (9, 9)))
    rng = np.random.default_rng(0)
    scales = rng.uniform(1, 1.25, len(glyphs)).astype(np.float32)
    angles = rng.uniform(-0.8, 0.8, len(glyphs)).astype(np.float32)
    shown = render_digits(glyphs, scales, angles)
    for glyph, scale, angle, found in zip(glyphs, scales, angles, shown, strict=True):
        cos, sin = np.cos(angle), np.sin(angle)
        enlarged = about_the_middle(glyph.astype(float), np.eye(2) / scale, side=36)
        expected = about_the_middle(enlarged, np.array([[cos, -sin], [sin, cos]]), side=28)
        np.testing.assert_allclose(found, expected, atol=1)


def about_the_middle(image, back, side):
    middle, before = (side - 1) / 2, (len(image) - 1) / 2
    offset = before - back @ np.full(2, middle)
    return ndimage.affine_transform(image, back, offset, output_shape=(side, side), order=1)


def test_digits_show_their_class(pool):
    """The class whose mean image is nearest is right far more often than by chance."""
    means = np.stack([pool.images[pool.starts[d] : pool.starts[d + 1]].mean(0) for d in range(10)])
    layouts, cells, _ = rendered(pool)
    upright = np.abs(layouts[0].angles) < np.radians(10)
    shown = cells[:CHUNK_SIZE][upright].astype(float)
    distance = ((shown[:, None] - means) ** 2).sum(axis=(2, 3))
    assert (distance.argmin(axis=1) == layouts[0].digits[upright]).mean() > 0.6


def test_every_image_of_the_pool_can_be_drawn(pool):
    rng = np.random.default_rng(3)
    drawn = np.concatenate(
        [draw_layout(rng, black_textures(), pool, "natural").glyphs.ravel() for _ in range(60)]
    )
    assert drawn.min() >= 0
    assert len(np.unique(drawn)) > 0.99 * len(pool.images)


def test_natural_labels_are_distributed_as_the_competitions():
    """By the label counts of its 50,000 training images, which are known."""
    competition = np.array([42, 421, 1029, 1991, 3171, 4223, 6184, 8866, 10621, 13452])
    n = 500_000
    digits = draw_digits(np.random.default_rng(0), n, "natural")
    found = np.bincount(digits.max(axis=1), minlength=10)
    assert chi2_contingency([competition, found]).pvalue > 0.01
    uniform = draw_digits(np.random.default_rng(0), n, "uniform")
    found = np.bincount(uniform.max(axis=1), minlength=10)
    assert chi2_contingency([competition, found]).pvalue < 1e-9
    # Each position has the same distribution, and the positions are independent.
    places = [np.bincount(digits[:, k], minlength=10) for k in range(3)]
    assert chi2_contingency(places).pvalue > 0.01
    pairs = np.bincount(10 * digits[:, 0].astype(int) + digits[:, 1], minlength=100)
    assert chi2_contingency(pairs.reshape(10, 10)).pvalue > 0.01


def test_uniform_labels_are_the_largest_of_three_uniform_digits():
    n = 200_000
    digits = draw_digits(np.random.default_rng(0), n, "uniform")
    k = np.arange(10)
    expected = ((k + 1) ** 3 - k**3) / 1000
    found = np.bincount(digits.max(axis=1), minlength=10) / n
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / n))
    for position in range(3):
        share = np.bincount(digits[:, position], minlength=10) / n
        np.testing.assert_allclose(share, 0.1, atol=4 * np.sqrt(0.09 / n))


def test_balanced_labels_are_uniform():
    n = 200_000
    digits = draw_digits(np.random.default_rng(0), n, "balanced")
    found = np.bincount(digits.max(axis=1), minlength=10) / n
    np.testing.assert_allclose(found, 0.1, atol=4 * np.sqrt(0.09 / n))
    # The order says nothing: each position has the same distribution.
    shares = [np.bincount(digits[:, k], minlength=10) / n for k in range(3)]
    np.testing.assert_allclose(shares[0], shares[1], atol=5 * np.sqrt(0.25 / n))
    np.testing.assert_allclose(shares[0], shares[2], atol=5 * np.sqrt(0.25 / n))
    # The two others are uniform up to the label: P(digit = 0 | label = 1) = 1/3 of all three.
    of_one = digits[digits.max(axis=1) == 1]
    assert (of_one == 0).mean() == pytest.approx(1 / 3, abs=0.01)
