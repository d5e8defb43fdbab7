"""Handwritten digits, enlarged, rotated and distorted: the cells that go onto backgrounds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmnist.task import CELL_SIDE

#: Row or column of each pixel of a cell, relative to its centre.
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
    """Distortion of m digits, by a linear map and a field of displacements.

    The distorted digit has at p, relative to its centre, the pixel that the digit as written has
    at `linear` (p + `bend` at p).
    """

    linear: NDArray[np.float32]
    """[m, 2, 2]"""
    bend: NDArray[np.float32]
    """[m, 2, 28, 28], px."""


def render_digits(
    glyphs: NDArray[np.uint8],
    scales: NDArray[np.float32],
    angles: NDArray[np.float32],
    distortion: Distortion | None = None,
) -> NDArray[np.uint8]:
    """Digits in their cells: enlarged, then rotated and perhaps distorted.

    Both steps interpolate linearly, which explains how soft the competition's digits are
    (docs/data.md).

    Args:
        glyphs: uint8 [..., 28, 28], white on black.
        scales: [...], reduced where a digit would not fit into its cell. Only a bend may then push
            ink out of it.
        angles: [...], radians.
        distortion: of as many digits, if any.

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
    y = y - shift[0][:, None, None]
    x = x - shift[1][:, None, None]
    enlarged = _enlarge(glyphs, scale)
    middle = (enlarged.shape[1] - 1) / 2
    rows = back[:, 0, :1, None] * y + back[:, 0, 1:, None] * x + middle
    columns = back[:, 1, :1, None] * y + back[:, 1, 1:, None] * x + middle
    return _sample(enlarged, rows, columns).reshape(shape)


def _enlarge(glyphs: NDArray[np.uint8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """`glyphs` [m, 28, 28], each enlarged by its own of `scales` [m], centred in [side, side]."""
    side = CELL_SIDE + 2 * int(np.ceil(CELL_SIDE * max(scales.max(initial=1) - 1, 0) / 2))
    places = np.arange(side, dtype=np.float32) - (side - 1) / 2
    places = places / scales[:, None] + (CELL_SIDE - 1) / 2
    # Linear interpolation is the same weighted sum of rows and of columns: hats around `places`.
    hats = 1 - np.abs(places[:, :, None] - np.arange(CELL_SIDE, dtype=np.float32))
    weights = np.maximum(hats, 0)
    return weights @ glyphs.astype(np.float32) @ weights.transpose(0, 2, 1)


def _sample(
    glyphs: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """`glyphs` [m, side, side] at `rows`, `columns` [m, 28, 28], by linear interpolation."""
    # All glyphs are stacked in one tall image, each with a black frame for the points outside it.
    padded = np.pad(glyphs, ((0, 0), (1, 1), (1, 1)))
    side = padded.shape[1]
    rows = np.clip(rows + 1, 0, side - 1)
    columns = np.clip(columns + 1, 0, side - 1)
    rows += (np.arange(len(glyphs), dtype=np.float32) * side)[:, None, None]
    tall = padded.reshape(-1, side)
    sampled = ndimage.map_coordinates(tall, [rows, columns], output=np.float32, order=1)
    return np.rint(sampled).astype(np.uint8)


def _fit_into_cell(
    glyphs: NDArray[np.uint8], scale: NDArray[np.float32], forth: NDArray[np.float32]
) -> tuple[NDArray[np.float32], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Scale [m] at which the ink fits into the cell, and the shifts that bring it inside.

    The scale is reduced where the ink, moved by the linear maps `forth` [m, 2, 2], would be wider
    than the cell. The shifts in y and x are [m] each, in px.
    """
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
