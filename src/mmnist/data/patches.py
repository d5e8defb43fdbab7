"""Small images with one handwritten digit or none: pieces of what the scenes are made of.

They teach a network to read single digits, at a fraction of the price of a whole image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmnist.data.backgrounds import Textures, draw_texture, texture_variants, texture_weights
from mmnist.data.digits import DigitPools
from mmnist.data.distortion import distort_glyphs
from mmnist.data.scenes import (
    CELL_SIDE,
    MAX_ROTATION,
    SCALE_RANGE,
    GlyphPool,
    add_clipped,
    cut_backgrounds,
    render_digits,
)
from mmnist.data.store import Store

#: Label of a patch without a digit.
NO_DIGIT = -1

#: Share of the patches into which a part of another digit reaches from outside.
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
    """Training digits of `digits`, on grounds that no data set has: those of another seed."""
    images = [draw_texture(seed, index) for index in range(len(texture_variants()))]
    return PatchSource(
        Textures(np.stack(images), texture_weights()),
        GlyphPool.of(digits.train_images, digits.train_labels),
        digits.name,
        digits.fingerprint,
    )


def digits_overlap(patches: PatchSource, store: Store) -> str:
    """Whether digits of the patches may be in the test images of a data set, in words; empty if
    they are not, since both come from one source whose test digits are in test images only.
    """
    if not store.generated:
        return "the competition's test images may show MNIST digits that these epochs have seen"
    if store.manifest.source.get("digits_sha256") == patches.digits_fingerprint:
        return ""
    return (
        "the data set was made from other digits, so its test images may show some that these "
        "epochs have seen"
    )


def draw_patches(
    rng: np.random.Generator,
    source: PatchSource,
    n: int,
    *,
    side: int,
    empty: float,
    distortion: float = 0.0,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw `n` patches: images uint8 [n, side, side] and labels int64 [n], 0 to 9 or `NO_DIGIT`.

    The digit, distorted (see `mmnist.data.distortion`), rotated and enlarged as in a scene, lies
    wholly inside. A share `empty` has none.
    """
    frame = CELL_SIDE  # a digit outside the patch may reach so far into it
    canvas = side + 2 * frame
    textures = source.textures
    images = cut_backgrounds(
        textures,
        rng.choice(len(textures.images), n, p=textures.weights),
        rng.integers(0, textures.images.shape[1] - canvas + 1, (n, 2)),
        canvas,
    )
    digits, cells = _draw_cells(rng, source.pool, n, distortion)
    corners = rng.integers(frame, frame + side - CELL_SIDE + 1, (n, 2))
    labels = np.where(rng.random(n) < empty, NO_DIGIT, digits)
    cells[labels == NO_DIGIT] = 0
    add_clipped(images, cells, corners)

    _, others = _draw_cells(rng, source.pool, n, distortion)
    places = rng.integers(0, canvas - CELL_SIDE + 1, (n, 2))
    centres = places + CELL_SIDE // 2 - frame
    outside = ((centres < 0) | (centres >= side)).any(axis=1)
    apart = (np.abs(places - corners).max(axis=1) >= CELL_SIDE) | (labels == NO_DIGIT)
    others[~(outside & apart & (rng.random(n) < _CROWDED))] = 0
    add_clipped(images, others, places)
    return np.ascontiguousarray(images[:, frame:-frame, frame:-frame]), labels


def _draw_cells(
    rng: np.random.Generator, pool: GlyphPool, n: int, distortion: float
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Digits [n], all equally likely, and their cells uint8 [n, 28, 28]."""
    digits = rng.integers(0, 10, n)
    glyphs = pool.images[rng.integers(pool.starts[digits], pool.starts[digits + 1])]
    glyphs = distort_glyphs(rng, glyphs, distortion)
    scales = rng.uniform(*SCALE_RANGE, n).astype(np.float32)
    angles = np.radians(rng.uniform(-MAX_ROTATION, MAX_ROTATION, n)).astype(np.float32)
    return digits, render_digits(glyphs, scales, angles)
