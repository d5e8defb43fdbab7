"""Backgrounds that are patterns: rings, ripples of water, and marbled contours."""

import numpy as np

from mmnist.data.backgrounds.fields import Field, smooth_noise, to_statistics


def draw_circles(rng: np.random.Generator, side: int) -> Field:
    """Concentric sawtooth rings [side, side] about a point near the middle, grey level 178 to 0.

    Going outward, a ring keeps 178 for 3 px, falls to 0 by 8 grey levels per px and jumps back; the
    period is 26.6 px.
    """
    centre = side / 2 + rng.uniform(-20, 20, 2)
    y, x = np.mgrid[:side, :side]
    within = (np.hypot(y - centre[0], x - centre[1]) - 25.9) % 26.6
    fall = np.minimum(178, 8 * (25.2 - within))
    return np.clip(np.where(within > 25.2, 178 * (within - 25.6), fall), 0, 178).astype(np.float32)


def draw_waves(rng: np.random.Generator, side: int) -> Field:
    """Water [side, side]: dark horizontal ripples with thin bright crests."""
    image = 0.35 * smooth_noise(rng, side, 0.6, 1.5) + 0.2 * smooth_noise(rng, side, 1.0, 5)
    for weight, length, slant in (
        (1.0, 17, 0.02),
        (1.2, 15, -0.05),
        (0.9, 13, 0.08),
        (0.7, 6, 0.0),
    ):
        swell = np.clip(1 + 0.4 * smooth_noise(rng, side, length / 4, 0.7 * length), 0, 2.5)
        image += weight * swell * 2 * _ripples(rng, side, length, slant)
    return np.clip(to_statistics(image, 77, 25), 28, 159)


def _ripples(rng: np.random.Generator, side: int, length: float, slant: float) -> Field:
    """Wavy, nearly horizontal crests [side, side] (0-1), `length` px apart, sharp at the top."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    phase = (y + slant * x) / length + 0.4 * smooth_noise(rng, side, length * 0.7, length * 1.55)
    phase += 0.07 * smooth_noise(rng, side, 1.5, 2.5)
    behind = phase % 1
    return np.where(behind > 0.85, (behind - 0.85) / 0.15, np.exp(-4 * behind))


def draw_blobs(rng: np.random.Generator, side: int) -> Field:
    """Marbled contours [side, side]: light lines and drops on a nearly black background."""
    image = 38 + 2.5 * smooth_noise(rng, side, 6)
    for level, thickness, grey in ((0.1, 2.0, 27), (0.9, 5.0, 50), (-0.8, 2.0, 28), (1.4, 5.0, 80)):
        ghost = smooth_noise(rng, side, 8)
        image = _paint(image, _band(ghost, level, thickness), grey)
        image = _paint(image, _band(ghost, level + 0.7, 1.5), 0.5 * grey + 22)
    field = smooth_noise(rng, side, 9)
    swell = np.clip(1 + 0.5 * smooth_noise(rng, side, 8), 0.5, 2.5)
    for level, thickness in ((-1.25, 2.8), (0.8, 2.6), (1.5, 2.2)):
        image = _paint(image, _band(field, level, thickness * swell), 143)
    drops = np.maximum(np.abs(field) - 2.3, smooth_noise(rng, side, 5, 8, angle=-60) - 2.2)
    image = _paint(image, np.clip(drops * 8 + 0.5, 0, 1), 143)
    return np.clip(image + 2 * smooth_noise(rng, side, 0.7), 9, 152)


def _band(field: Field, level: float, thickness: float | Field) -> Field:
    """Anti-aliased coverage (0-1) of the contour of `field` at `level`, `thickness` px wide."""
    steepness = np.hypot(*np.gradient(field)) + 1e-3
    return np.clip(thickness / 2 + 0.5 - np.abs(field - level) / steepness, 0, 1)


def _paint(image: Field, coverage: Field, grey: float) -> Field:
    return image + coverage * (grey - image)
