"""Scratched metal: light grey with fine grain, dark spots, faint bright and long dark scratches."""

import numpy as np

from mmnist.data.backgrounds.fields import Field, dots, smooth_noise, strokes


def draw_metal(rng: np.random.Generator, side: int) -> Field:
    """Light metal [side, side]; mean grey level 149, standard deviation 18 within an image."""
    image = 152 + 10 * smooth_noise(rng, side, 60)
    image += _grain(rng, side) + _scratches(rng, side) - _spots(rng, side)
    return np.clip(image, 4, 191)


def draw_dark_metal(rng: np.random.Generator, side: int) -> Field:
    """The rare dark metal [side, side]; mean grey level 57."""
    image = 58 + 5 * smooth_noise(rng, side, 60)
    image += 0.7 * (_grain(rng, side) + _scratches(rng, side)) - 0.3 * _spots(rng, side)
    return np.clip(image, 4, 191)


def _grain(rng: np.random.Generator, side: int) -> Field:
    fine = smooth_noise(rng, side, 0.8, 0.95)
    return 8 * fine + 3 * smooth_noise(rng, side, 2, 4, angle=10) + 4 * smooth_noise(rng, side, 9)


def _scratches(rng: np.random.Generator, side: int) -> Field:
    thin = strokes(
        rng, side, count=90, length=(40, 200), angle=(-3, 14), height=(10, 65), width=0.6
    )
    broad = strokes(
        rng, side, count=11, length=(80, 250), angle=(-2, 8), height=(10, 40), width=1.5
    )
    dark = strokes(
        rng, side, count=42, length=(30, 400), angle=(-90, 90), height=(20, 110), width=0.8
    )
    return thin + broad - dark


def _spots(rng: np.random.Generator, side: int) -> Field:
    """Dark marks: short flecks, more of them in some places, and a few round holes."""
    area = (side / 128) ** 2
    flecks = strokes(
        rng,
        side,
        count=int(200 * area),
        length=(0.5, 7),
        angle=(-100, 20),
        height=(5, 65),
        width=0.7,
        roughness=0.2,
    )
    holes = dots(rng, side, rng.uniform(30, 160, int(5 * area)), 1.2)
    stains = np.clip(smooth_noise(rng, side, 1.6, 2.5, angle=-50) - 1.2, 0, None)
    density = np.clip(1 + smooth_noise(rng, side, 14), 0.1, None)
    return density * (flecks + 14 * stains) + holes
