"""Handwritten digits, enlarged, turned and distorted: the cells that go onto grounds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

CELL_SIDE = 28
SCALE_RANGE = (1.0, 1.25)
MAX_ROTATION = 45.0
"""Degrees, to either side."""

# Stroke cores are 253 to 255 in MNIST and interpolation lowers them; the originals show 255.
_GAIN = 1.04

#: Pixels to either side at which the Gaussian that smooths a digit is cut off.
_REACH = 3

#: Row or column of each pixel of a cell, from its middle.
_AXIS = np.arange(CELL_SIDE, dtype=np.float32) - (CELL_SIDE - 1) / 2


@dataclass(frozen=True)
class GlyphPool:
    """Digit images uint8 [N, 28, 28] ordered by class; class d is `starts[d]:starts[d + 1]`."""

    images: NDArray[np.uint8]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> "GlyphPool":
        """Pool of `images` [N, 28, 28] with `labels` [N]; every digit 0-9 must occur."""
        order = np.argsort(labels, kind="stable")
        return cls(images[order], np.searchsorted(labels[order], np.arange(11)))


@dataclass(frozen=True)
class Distortion:
    """What m digits are distorted by. The pixel at p of the distorted digit, from its middle, is
    `linear` (p + `bend` at p) of the digit as written."""

    linear: NDArray[np.float32]
    """[m, 2, 2]"""
    bend: NDArray[np.float32]
    """[m, 2, 28, 28], px."""


def render_digits(
    glyphs: NDArray[np.uint8],
    scales: NDArray[np.float32],
    angles: NDArray[np.float32],
    distortion: Distortion | None = None,
    smoothing: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """Rotated, enlarged and perhaps distorted and smoothed digits in their cells, sampled once.

    Args:
        glyphs: uint8 [..., 28, 28], white on black.
        scales: [...], made smaller where a digit would not fit into its cell. Only a bend may then
            push ink out.
        angles: [...], radians.
        distortion: of as many digits.
        smoothing: [...], standard deviations of Gaussians, px.

    Returns:
        uint8 [..., 28, 28].
    """
    shape = glyphs.shape
    glyphs, angles = glyphs.reshape(-1, CELL_SIDE, CELL_SIDE), angles.ravel()
    cos, sin = np.cos(angles), np.sin(angles)
    back = np.stack([cos, -sin, sin, cos], axis=1).reshape(-1, 2, 2)  # from the cell to the glyph
    forth = back.transpose(0, 2, 1)
    if distortion is not None:
        back = distortion.linear @ back
        forth = np.linalg.inv(back)
    scale, shift = _fit_into_cell(glyphs, scales.ravel(), forth)
    y, x = _AXIS[:, None], _AXIS[None, :]
    if distortion is not None:
        y, x = y + distortion.bend[:, 0], x + distortion.bend[:, 1]
    scale = scale[:, None, None]
    y = (y - shift[0][:, None, None]) / scale
    x = (x - shift[1][:, None, None]) / scale
    middle = (CELL_SIDE - 1) / 2
    rows = back[:, 0, :1, None] * y + back[:, 0, 1:, None] * x + middle
    columns = back[:, 1, :1, None] * y + back[:, 1, 1:, None] * x + middle
    strokes = _sample(glyphs, rows, columns)
    if smoothing is not None:
        strokes = _smooth(strokes, smoothing.ravel())
    return np.minimum(np.rint(_GAIN * strokes), 255).astype(np.uint8).reshape(shape)


def _sample(
    glyphs: NDArray[np.uint8], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """`glyphs` [m, 28, 28] at `rows`, `columns` [m, 28, 28], by linear interpolation."""
    # All glyphs stand in one tall image, each with a black frame for the points outside it.
    padded = np.pad(glyphs, ((0, 0), (1, 1), (1, 1)))
    side = padded.shape[1]
    rows = np.clip(rows + 1, 0, side - 1)
    columns = np.clip(columns + 1, 0, side - 1)
    rows += (np.arange(len(glyphs), dtype=np.float32) * side)[:, None, None]
    tall = padded.reshape(-1, side)
    return ndimage.map_coordinates(tall, [rows, columns], output=np.float32, order=1)


def _smooth(cells: NDArray[np.float32], deviations: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each of `cells` [m, 28, 28] under a Gaussian of its own. SciPy has one for all only."""
    offsets = np.arange(-_REACH, _REACH + 1)
    exponents = -(offsets**2) / (2 * np.maximum(deviations, 1e-3)[:, None] ** 2)
    weights = np.exp(exponents, dtype=np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    for axis in (1, 2):
        shifted = np.moveaxis(cells, axis, 1)
        padded = np.pad(shifted, ((0, 0), (_REACH, _REACH), (0, 0)))
        parts = (
            weight[:, None, None] * padded[:, start : start + CELL_SIDE]
            for start, weight in enumerate(weights.T)
        )
        cells = np.moveaxis(sum(parts), 1, axis)
    return cells


def _fit_into_cell(
    glyphs: NDArray[np.uint8], scale: NDArray[np.float32], forth: NDArray[np.float32]
) -> tuple[NDArray[np.float32], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Scale [m], made smaller where the ink, moved by the linear maps `forth` [m, 2, 2], would be
    wider than the cell, and the shift in y and x, each [m] in px, that brings it inside."""
    ink = glyphs.reshape(len(glyphs), CELL_SIDE**2) > 0
    y, x = (grid.ravel() for grid in np.meshgrid(_AXIS, _AXIS, indexing="ij"))
    half = (CELL_SIDE - 1) / 2
    bounds = []
    for line in (forth[:, 0], forth[:, 1]):
        projection = line[:, :1] * y + line[:, 1:] * x
        low = np.where(ink, projection, np.inf).min(axis=1)
        high = np.where(ink, projection, -np.inf).max(axis=1)
        bounds.append((low, high))
    widest = np.maximum(*(high - low for low, high in bounds))
    scale = np.minimum(scale, 2 * half / widest)
    shifts = tuple(
        np.maximum(-half - scale * low, 0) + np.minimum(half - scale * high, 0)
        for low, high in bounds
    )
    return scale, shifts
