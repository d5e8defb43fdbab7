"""Backgrounds of stone: gravel and concrete."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import cKDTree

from mmnist.data.backgrounds.fields import Field, smooth_noise, strokes, to_statistics


@dataclass(frozen=True)
class Cells:
    """A plane divided into the cells of a Voronoi diagram (Worley noise), all [side, side]."""

    index: NDArray[np.int64]
    """Which cell a pixel is in."""
    depth: Field
    """Distance to the nearest side of the cell, px."""
    count: int


def _scattered(rng: np.random.Generator, side: int, spacing: float) -> NDArray[np.float64]:
    """Points [N, 2] within the texture, one at random in each square of about `spacing` px."""
    per_side = round(side / spacing)
    grid = np.stack(np.meshgrid(*[np.arange(per_side)] * 2, indexing="ij"), -1).reshape(-1, 2)
    return (grid + rng.uniform(0, 1, grid.shape)) * (side / per_side)


def _cells(rng: np.random.Generator, side: int, spacing: float, ragged: float) -> Cells:
    """Cells about `spacing` px wide, their sides displaced by about `ragged` px."""
    points = _scattered(rng, side, spacing)
    pixels = np.stack(np.meshgrid(*[np.arange(side)] * 2, indexing="ij"), -1).astype(np.float64)
    for axis in range(2):
        pixels[:, :, axis] += ragged * smooth_noise(rng, side, 1.5)
    pixels = pixels.reshape(-1, 2) % side
    distance, index = cKDTree(points, boxsize=side).query(pixels, k=2)
    across = points[index[:, 1]] - points[index[:, 0]]
    across = (across + side / 2) % side - side / 2
    gap = np.hypot(across[:, 0], across[:, 1])
    depth = (distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * gap)
    shape = (side, side)
    return Cells(
        index=index[:, 0].reshape(shape),
        depth=depth.reshape(shape).astype(np.float32),
        count=len(points),
    )


def draw_pebbles(rng: np.random.Generator, side: int) -> Field:
    """Gravel [side, side]: angular stones of about 8 px, flat and grey, lit from the right.

    Stones are dropped one after another onto black; each has a shadow on its left and a bright edge
    on its right.
    """
    zoom = 2  # drawn larger, then averaged, for smooth edges
    page = Image.new("L", (side * zoom, side * zoom), 8)
    draw = ImageDraw.Draw(page)
    places = np.concatenate([_scattered(rng, side, 6.3), _scattered(rng, side, 6.3)])
    count = len(places)
    stones = rng.permutation(places)[:, None] + _stone_outlines(rng, count)
    shadow = rng.uniform((-2.1, -0.1), (-0.6, 1.4), (count, 2))[:, None]
    edge = np.array((0.35, 0.0))
    faces = np.clip(rng.normal(156, 12, count), 110, 190)
    edges = np.clip(rng.normal(212, 20, count), 150, 243)
    layers = np.stack([stones + shadow, stones + edge, stones - edge], axis=1) * zoom
    greys = np.stack([np.full(count, 5), edges, faces], axis=1).round().astype(int)
    for outlines, tones in zip(layers.reshape(count, 3, -1).tolist(), greys.tolist(), strict=True):
        for outline, grey in zip(outlines, tones, strict=True):
            draw.polygon(outline, fill=grey)
    image = ndimage.gaussian_filter(np.asarray(page.reduce(zoom), dtype=np.float32), (0.5, 0.2))
    return np.clip(image + 7 * smooth_noise(rng, side, 0.6), 0, 243)


def _stone_outlines(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Irregular pentagons [count, 5, 2] (x, y) about the origin, 5 to 12 px across."""
    turn = np.sort(rng.uniform(0, 2 * np.pi, (count, 5)), axis=1)
    turn = 0.5 * turn + 0.5 * (np.arange(5) * 2 * np.pi / 5 + rng.uniform(0, 2 * np.pi, (count, 1)))
    radius = rng.uniform(2.4, 5.0, (count, 1)) * rng.uniform(0.6, 1.25, (count, 5))
    return radius[..., None] * np.stack([0.9 * np.cos(turn), 1.05 * np.sin(turn)], axis=-1)


def draw_concrete(rng: np.random.Generator, side: int) -> Field:
    """Concrete [side, side]: fine high-contrast grain, patches of lighter stones, thin lines."""
    grain = 0.45 * rng.standard_normal((side, side), dtype=np.float32)
    grain += 0.6 * smooth_noise(rng, side, 0.6) + 0.38 * smooth_noise(rng, side, 1.2, 2.2, angle=40)
    grain += 0.38 * smooth_noise(rng, side, 1.2, 2.2, angle=-40)
    cells = _cells(rng, side, 7.0, ragged=1.2)
    tone = rng.normal(0, 0.25, cells.count)
    light = rng.uniform(size=cells.count) < 0.06
    tone[light] += rng.uniform(0.6, 1.4, light.sum())
    stones = np.clip(3 * (smooth_noise(rng, side, 4) - 1.7), 0, 0.8)
    patches = ndimage.gaussian_filter(tone[cells.index], 0.5, mode="wrap") + stones
    where = np.clip(smooth_noise(rng, side, 4) - 0.3, 0, None)
    pits = where * np.exp(-np.clip(cells.depth, 0, None) / 0.7)
    lines = strokes(
        rng, side, count=9, length=(60, 200), angle=(-60, -30), height=(1, 2.5), width=0.5
    )
    image = grain * (1 - 0.6 * np.clip(patches, 0, 1)) + patches - 1.0 * pits + lines
    return to_statistics(image, 137, 36)
