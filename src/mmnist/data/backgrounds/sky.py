"""The night sky: star fields and nebulae."""

import numpy as np

from mmnist.data.backgrounds.fields import Field, dots, smooth_noise, to_statistics


def draw_stars(rng: np.random.Generator, side: int) -> Field:
    """Star field [side, side]: a dark sky with soft glow, dots of 1-3 px, some bright stars."""
    ground = 39 + 5 * smooth_noise(rng, side, 60)
    ground += 5 * np.exp(0.75 * smooth_noise(rng, side, 14)) + 3 * smooth_noise(rng, side, 0.5)
    return np.clip(ground + _dots(rng, side, 1.0) + _bright_stars(rng, side, 17), 28, 255)


def draw_nebula(rng: np.random.Generator, side: int) -> Field:
    """Nebula [side, side]: glowing gas with filaments in front of a star field."""
    gas = 104 + 15 * smooth_noise(rng, side, 12)
    for sigma, height in ((6, 10), (3, 9), (1.4, 8)):
        gas += height * smooth_noise(rng, side, sigma, 1.6 * sigma, angle=40)
    for sigma, angle, height in ((8, 40, 100), (6, 20, 90), (6, -50, 70), (3, 45, 50)):
        ridge = np.abs(smooth_noise(rng, side, sigma, 2.5 * sigma, angle))
        ridge += 0.25 * np.abs(smooth_noise(rng, side, 2))
        where = np.clip(smooth_noise(rng, side, 11), 0, 1.5)
        gas += height * where * (0.7 * np.exp(-ridge / 0.15) + 0.3 * np.exp(-ridge / 0.5))
    gas += 3 * smooth_noise(rng, side, 0.6)
    gas = to_statistics(gas, 118, 31)
    return np.clip(gas + _dots(rng, side, 0.6) + _bright_stars(rng, side, 6), 20, 255)


def _dots(rng: np.random.Generator, side: int, density: float) -> Field:
    """Stars without spikes: many small and faint, few large and bright."""
    image = np.zeros((side, side), dtype=np.float32)
    per_pixel = density * side * side / 128**2
    for radius, count, scale in ((0.5, 320, 70), (0.6, 150, 110), (0.85, 16, 180)):
        peaks = rng.exponential(scale, int(count * per_pixel)) + scale / 4
        image += dots(rng, side, peaks, radius)
    return image


def _bright_stars(rng: np.random.Generator, side: int, count: int) -> Field:
    """Saturated stars with a halo and four diagonal diffraction spikes."""
    reach = 45
    image = np.zeros((side, side), dtype=np.float32)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    distance = np.hypot(y, x)
    across = np.minimum(np.abs(x - y), np.abs(x + y)) / np.sqrt(2)
    for size in rng.uniform(0.3, 1.3, count):
        star = 500 * size * np.exp(-((distance / (0.8 + 1.2 * size)) ** 2))
        star += 130 * size * np.exp(-distance / (8 * size))
        star += 150 * size * np.exp(-distance / (11 * size)) * np.exp(-((across / 0.6) ** 2))
        row, column = rng.integers(0, side - 2 * reach, 2)
        image[row : row + 2 * reach + 1, column : column + 2 * reach + 1] += star
    return image
