"""The seven families of backgrounds of Modified MNIST, drawn as large textures.

The originals are a few photographs, shifted by whole pixels, neither rotated nor mirrored. Here,
each is a texture drawn from random numbers to match the same statistics: mean, standard deviation,
range and autocorrelation of the grey level, measured on 90 original images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmnist.data.backgrounds.metal import draw_dark_metal, draw_metal
from mmnist.data.backgrounds.patterns import draw_blobs, draw_circles, draw_waves
from mmnist.data.backgrounds.sky import draw_nebula, draw_stars
from mmnist.data.backgrounds.stone import draw_concrete, draw_pebbles

TEXTURE_SIDE = 640
"""Height and width of a texture, px."""


@dataclass(frozen=True)
class Variant:
    """One look of a family: `share` of 90 images have it, spread over `count` textures."""

    family: str
    name: str
    share: float
    count: int
    draw: Callable[[np.random.Generator, int], NDArray[np.float32]]


VARIANTS = (
    Variant("metal", "metal", 17, 3, draw_metal),
    Variant("metal", "dark metal", 1, 1, draw_dark_metal),
    Variant("pebbles", "pebbles", 17, 2, draw_pebbles),
    Variant("concrete", "concrete", 16, 2, draw_concrete),
    Variant("stars", "stars", 10, 2, draw_stars),
    Variant("stars", "nebula", 3, 1, draw_nebula),
    Variant("circles", "circles", 11, 1, draw_circles),
    Variant("waves", "waves", 9, 2, draw_waves),
    Variant("blobs", "blobs", 6, 2, draw_blobs),
)
FAMILIES = tuple(dict.fromkeys(variant.family for variant in VARIANTS))


@dataclass(frozen=True)
class Textures:
    """Textures uint8 [T, side, side] and float64 [T], the probability of each."""

    images: NDArray[np.uint8]
    weights: NDArray[np.float64]


def texture_variants() -> list[Variant]:
    """The variant of each texture of a data set, in order."""
    return [variant for variant in VARIANTS for _ in range(variant.count)]


def texture_weights() -> NDArray[np.float64]:
    """The probability [T] of each texture."""
    weights = np.array([variant.share / variant.count for variant in texture_variants()])
    return weights / weights.sum()


def draw_texture(seed: int, index: int) -> NDArray[np.uint8]:
    """Texture number `index` of a data set, uint8 [side, side], from a random stream of its own."""
    # 2: the streams 0 and 1 are those of the training and test scenes.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, index)))
    image = texture_variants()[index].draw(rng, TEXTURE_SIDE)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
