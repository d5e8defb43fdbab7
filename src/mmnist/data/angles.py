"""Ranges of the angles by which digits may be rotated: equal parts, numbered from 0."""

import numpy as np
from numpy.typing import NDArray

from mmnist.task import MAX_ROTATION


def ranges_of(angles: NDArray[np.float32], ranges: int) -> NDArray[np.int64]:
    """Number of the range in which each of the angles (radians) lies; same shape as `angles`."""
    share = (np.degrees(angles) + MAX_ROTATION) / (2 * MAX_ROTATION)
    return (share * ranges).astype(np.int64).clip(0, ranges - 1)


def middles_of_ranges(ranges: int) -> NDArray[np.float64]:
    """Angle in the middle of each range, degrees, [ranges]."""
    return MAX_ROTATION * ((2 * np.arange(ranges) + 1) / ranges - 1)
