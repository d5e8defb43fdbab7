"""Handwriting that nobody wrote: digits stretched, slanted and bent at random.

Elastic distortions after P. Y. Simard, D. Steinkraus, J. C. Platt, "Best Practices for
Convolutional Neural Networks Applied to Visual Document Analysis", ICDAR 2003; here with a coarse
grid of random displacements, linearly interpolated, in place of a smoothed fine one.
"""

import numpy as np
from numpy.typing import NDArray

from mmnist.data.scenes import CELL_SIDE, sample_glyphs

#: Nodes of the grid of displacements, along each axis.
_NODES = 4
#: Displacement of a node in pixels for a strength of 1.
_BEND = 9.0


def distort_glyphs(
    rng: np.random.Generator, glyphs: NDArray[np.uint8], strength: float
) -> NDArray[np.uint8]:
    """Digits uint8 [n, 28, 28], each distorted in its own way.

    `strength` is the standard deviation of the four entries of the linear map (0.1: a tenth wider,
    or slanted by six degrees); nodes of a grid of 4 × 4 points are moved by nine times as many
    pixels. 0 leaves everything as it is.
    """
    if strength == 0:
        return glyphs
    n = len(glyphs)
    linear = np.eye(2) + rng.normal(0, strength, (n, 2, 2))
    half = (CELL_SIDE - 1) / 2
    axis = np.arange(CELL_SIDE) - half
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)
    nodes = rng.normal(0, _BEND * strength, (n, 2, _NODES, _NODES))
    weights = _interpolation()
    bend = (weights @ nodes @ weights.T).reshape(n, 2, -1)
    places = (linear @ grid + bend + half).astype(np.float32)
    rows, columns = places.reshape(n, 2, CELL_SIDE, CELL_SIDE).transpose(1, 0, 2, 3)
    return sample_glyphs(glyphs, rows, columns)


def _interpolation() -> NDArray[np.float64]:
    """Weights [28, nodes] that interpolate linearly between equally spaced nodes."""
    places = np.linspace(0, _NODES - 1, CELL_SIDE)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(_NODES)))
