"""Random fields and strokes that the textures are made of. All of them are periodic."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Field = NDArray[np.float32]


def smooth_noise(
    rng: np.random.Generator, side: int, sigma: float, sigma_x: float = 0.0, angle: float = 0.0
) -> Field:
    """Gaussian random field [side, side] of mean 0 and variance 1.

    White noise blurred by a Gaussian of `sigma` px. With `sigma_x`, the Gaussian has `sigma_x` px
    along a direction `angle` degrees (clockwise on the screen) from the x axis, and `sigma` px
    across it. The autocorrelation of the isotropic field at lag d is exp(-d^2 / (4 sigma^2)).
    """
    spectrum = fft.rfft2(rng.standard_normal((side, side), dtype=np.float32))
    fy = fft.fftfreq(side).astype(np.float32)[:, None]
    fx = fft.rfftfreq(side).astype(np.float32)[None, :]
    turn = np.float32(np.radians(angle))
    along = fx * np.cos(turn) + fy * np.sin(turn)
    across = fy * np.cos(turn) - fx * np.sin(turn)
    decay = np.square(sigma * across) + np.square((sigma_x or sigma) * along)
    spectrum *= np.exp(np.float32(-2 * np.pi**2) * decay)
    spectrum[0, 0] = 0
    field = fft.irfft2(spectrum, (side, side))
    return (field / field.std()).astype(np.float32)


def splat(y: np.ndarray, x: np.ndarray, weight: np.ndarray, side: int) -> Field:
    """Image [side, side] with `weight` at each point, shared among the four nearest pixels."""
    row, column = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    fy, fx = y - row, x - column
    image = np.zeros(side * side)
    for dy, dx, share in (
        (0, 0, (1 - fy) * (1 - fx)),
        (0, 1, (1 - fy) * fx),
        (1, 0, fy * (1 - fx)),
        (1, 1, fy * fx),
    ):
        index = (row + dy) % side * side + (column + dx) % side
        image += np.bincount(index, weight * share, minlength=side * side)
    return image.reshape(side, side).astype(np.float32)


def dots(rng: np.random.Generator, side: int, peaks: np.ndarray, radius: float) -> Field:
    """Round dots [side, side] at random places: Gaussians of sigma `radius` px, height `peaks`."""
    y, x = rng.uniform(0, side, (2, len(peaks)))
    points = splat(y, x, peaks * (2 * np.pi * radius**2), side)
    return ndimage.gaussian_filter(points, radius, mode="wrap")


def strokes(
    rng: np.random.Generator,
    side: int,
    *,
    count: int,
    length: tuple[float, float],
    angle: tuple[float, float],
    height: tuple[float, float],
    width: float,
    roughness: float = 0.5,
) -> Field:
    """Slightly bent strokes [side, side] at random places, fading in and out along their length.

    `length` (px), `angle` (degrees, clockwise on the screen from the x axis) and `height` (grey
    levels) are ranges to draw from; `width` is the sigma across, px; `roughness` (0-1) is how much
    the height varies along a stroke.
    """
    t = np.linspace(-0.5, 0.5, int(2 * length[1]) + 4)
    span, peak, turn = (rng.uniform(*ends, (count, 1)) for ends in (length, height, angle))
    turn = np.radians(turn)
    bend = rng.normal(0, 0.015, (count, 1)) * span * (4 * t**2 - 1)
    knots = rng.uniform(1 - 2 * roughness, 1, (count, int(length[1] / 8) + 3))
    position = (t + 0.5) * (knots.shape[1] - 1.001)
    left = position.astype(np.int64)
    fade = knots[:, left] + (position - left) * (knots[:, left + 1] - knots[:, left])
    fade = np.clip(fade, 0, None) * np.minimum(1, 8 * (0.5 - np.abs(t)))
    # A line of this weight per px, blurred by `width`, is `peak` high in its middle.
    weight = peak * fade * (np.sqrt(2 * np.pi) * width * span / len(t))
    y, x = rng.uniform(0, side, (2, count, 1))
    y = y + span * t * np.sin(turn) + bend * np.cos(turn)
    x = x + span * t * np.cos(turn) - bend * np.sin(turn)
    image = splat(y.ravel(), x.ravel(), weight.ravel(), side)
    return ndimage.gaussian_filter(image, width, mode="wrap")


def to_statistics(field: Field, mean: float, std: float) -> Field:
    """`field` scaled to `mean` and standard deviation `std`."""
    return (field - field.mean()) * (std / field.std()) + mean
