"""Ranges of angles."""

import numpy as np
import pytest

from mmnist.data.angles import middles_of_ranges, ranges_of


def test_ranges_share_what_digits_are_turned_by():
    degrees = np.array([-45, -31, -29, -1, 1, 29, 31, 45], np.float32)
    assert ranges_of(np.radians(degrees), 6).tolist() == [0, 0, 1, 2, 3, 4, 5, 5]


def test_middles_are_in_the_middle_of_their_ranges():
    assert middles_of_ranges(6) == pytest.approx([-37.5, -22.5, -7.5, 7.5, 22.5, 37.5])
    assert ranges_of(np.radians(middles_of_ranges(9)), 9).tolist() == list(range(9))
