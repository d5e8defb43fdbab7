"""Random distortions: digits stretched, slanted and bent into handwriting that nobody wrote.

Elastic distortions after P. Y. Simard, D. Steinkraus, J. C. Platt, "Best Practices for
Convolutional Neural Networks Applied to Visual Document Analysis", ICDAR 2003; here with a coarse
grid of random displacements, linearly interpolated, in place of a smoothed fine one.
"""

import numpy as np
from numpy.typing import NDArray

from mmnist.data.glyphs import Distortion
from mmnist.task import CELL_SIDE

#: Nodes of the grid of displacements, along each axis.
_NODES = 4
#: Displacement of a node in pixels for a strength of 1.
_BEND = 9.0


def draw_distortion(rng: np.random.Generator, n: int, strength: float) -> Distortion:
    """Random distortion of `n` digits, drawn independently for each.

    `strength` is the standard deviation of the four entries of the linear map (0.1: a tenth wider,
    or slanted by six degrees). The displacement of each node of a 4 × 4 grid, along each axis, has
    a standard deviation of nine times as many pixels.
    """
    linear = rng.standard_normal((n, 2, 2), np.float32)
    nodes = rng.standard_normal((n, 2, _NODES, _NODES), np.float32)
    weights = _interpolation()
    bend = weights @ (np.float32(_BEND * strength) * nodes) @ weights.T
    return Distortion(np.eye(2, dtype=np.float32) + np.float32(strength) * linear, bend)


def _interpolation() -> NDArray[np.float32]:
    """Weights [28, nodes] that interpolate linearly between equally spaced nodes."""
    places = np.linspace(0, _NODES - 1, CELL_SIDE)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(_NODES))).astype(np.float32)
