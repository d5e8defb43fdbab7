"""Patches, images for learning to read digits: made like scenes, but more densely filled.

A scene has three digits in its 128 × 128 pixels; a network learns more from the same number of
pixels if they hold more digits.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmnist.config.training import SQUARE
from mmnist.data.backgrounds import Textures, draw_texture, texture_variants, texture_weights
from mmnist.data.digits import DigitPools
from mmnist.data.distortion import draw_distortion
from mmnist.data.glyphs import GlyphPool, render_digits
from mmnist.data.scenes import add_clipped, cut_backgrounds
from mmnist.data.store import Store
from mmnist.task import CELL_SIDE, MAX_ROTATION, SCALE_RANGE

PATCHES_VERSION = 2
"""Raised whenever the same seed would no longer give the same patches. This was forgotten when the
generator's digits became softer (its version 3): runs of that time say 1."""

#: Label of a patch without a digit.
NO_DIGIT = -1

#: Share of the patches of one square that are to have another digit at their border. About half of
#: them get it: those for which the position drawn is outside, and apart from the digit inside.
_CROWDED = 0.5


@dataclass(frozen=True)
class PatchSource:
    """What patches are drawn from."""

    textures: Textures
    pool: GlyphPool
    digits: str
    """Where the digits come from."""
    digits_fingerprint: str
    """SHA-256 of all digits of the source, in hexadecimal, as a data set's manifest states it."""


def patch_source(digits: DigitPools, seed: int) -> PatchSource:
    """Training digits of `digits`, on backgrounds that no data set has: those of another seed."""
    images = [draw_texture(seed, index) for index in range(len(texture_variants()))]
    return PatchSource(
        Textures(np.stack(images), texture_weights()),
        GlyphPool.of(digits.train_images, digits.train_labels),
        digits.name,
        digits.fingerprint,
    )


def digits_overlap(patches: PatchSource, store: Store) -> str:
    """Say whether the test images of a data set may show digits of the patches; empty if not."""
    if not store.generated:
        return "the competition's test images may show MNIST digits that these epochs have seen"
    if not store.may_show_digits_of(patches.digits_fingerprint):
        return ""
    return (
        "the test images were made from other digits, or from all of them, and may show some that "
        "these epochs have seen"
    )


class Patches(NamedTuple):
    """Images, and what is in them."""

    images: NDArray[np.uint8]
    """uint8 [n, side, side]."""
    labels: NDArray[np.int64]
    """int64 [n]: the largest digit, or `NO_DIGIT`."""
    digits: NDArray[np.int64]
    """int64 [n, k]: the digit in each of the k squares, or `NO_DIGIT`."""
    angles: NDArray[np.float32]
    """float32 [n, k]: angle of that digit, radians; 0 where there is none."""
    middles: NDArray[np.float32]
    """float32 [n, k, 2]: row and column of its centre, px; drawn even where there is no digit."""


def draw_patches(
    rng: np.random.Generator,
    source: PatchSource,
    n: int,
    *,
    side: int,
    empty: float,
    distortion: float = 0.0,
) -> Patches:
    """Draw `n` patches, each of one or more squares that hold one digit each, or none.

    Squares have 40 px or more (a smaller patch is one square); a share `empty` has no digit. A
    digit, distorted (see `mmnist.data.distortion`), rotated and enlarged as in a scene, lies wholly
    inside its square. In a patch that is a single square, parts of another digit may reach in from
    outside.
    """
    frame = CELL_SIDE  # the furthest that a digit outside the patch may reach into it
    canvas = side + 2 * frame
    textures = source.textures
    images = cut_backgrounds(
        textures,
        rng.choice(len(textures.images), n, p=textures.weights),
        rng.integers(0, textures.images.shape[1] - canvas + 1, (n, 2)),
        canvas,
    )
    squares = max(1, side // SQUARE)
    edges = frame + np.arange(squares + 1) * side // squares
    digits = np.full((n, squares**2), NO_DIGIT)
    angles = np.zeros((n, squares**2), dtype=np.float32)
    middles = np.zeros((n, squares**2, 2), dtype=np.float32)
    for place, (row, column) in enumerate(np.ndindex(squares, squares)):
        low = np.array([edges[row], edges[column]])
        high = np.array([edges[row + 1], edges[column + 1]]) - CELL_SIDE
        corners = rng.integers(low, high + 1, (n, 2))
        middles[:, place] = corners - frame + (CELL_SIDE - 1) / 2
        filled = np.flatnonzero(rng.random(n) >= empty)
        drawn = _draw_cells(rng, source.pool, len(filled), distortion)
        digits[filled, place], angles[filled, place], cells = drawn
        add_clipped(images, cells, corners[filled], filled)
    if squares == 1:
        _crowd(rng, source.pool, images, np.where(digits < 0, -canvas, corners), distortion)
    inside = np.ascontiguousarray(images[:, frame:-frame, frame:-frame])
    return Patches(inside, digits.max(axis=1), digits, angles, middles)


def _crowd(
    rng: np.random.Generator,
    pool: GlyphPool,
    images: NDArray[np.uint8],
    corners: NDArray[np.int64],
    distortion: float,
) -> None:
    """Add a digit whose centre is outside the patch, in its frame, to some of the images.

    It does not overlap the cell of the digit inside, which has its corner at `corners` [n, 2].
    """
    n, canvas, _ = images.shape
    places = rng.integers(0, canvas - CELL_SIDE + 1, (n, 2))
    middles = places + CELL_SIDE // 2
    outside = ((middles < CELL_SIDE) | (middles >= canvas - CELL_SIDE)).any(axis=1)
    apart = np.abs(places - corners).max(axis=1) >= CELL_SIDE
    chosen = np.flatnonzero(outside & apart & (rng.random(n) < _CROWDED))
    *_, cells = _draw_cells(rng, pool, len(chosen), distortion)
    add_clipped(images, cells, places[chosen], chosen)


def _draw_cells(
    rng: np.random.Generator, pool: GlyphPool, n: int, distortion: float
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]]:
    """Digits [n], all equally likely, their angles [n] (radians), and cells uint8 [n, 28, 28]."""
    digits = rng.integers(0, 10, n)
    glyphs = pool.images[rng.integers(pool.starts[digits], pool.starts[digits + 1])]
    scales = rng.uniform(*SCALE_RANGE, n).astype(np.float32)
    angles = np.radians(rng.uniform(-MAX_ROTATION, MAX_ROTATION, n)).astype(np.float32)
    warp = draw_distortion(rng, n, distortion) if distortion else None
    return digits, angles, render_digits(glyphs, scales, angles, warp)
