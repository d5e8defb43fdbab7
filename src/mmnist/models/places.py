"""From locations to places: if the number of digits is known, neighbours belong to the same digit.

Scores of locations are unnormalised log-probabilities of {no digit, 0 … 9}. Let w_l(k) be the odds
of digit k against no digit at location l: exp of the difference of their scores. If all locations
but one are known to have no digit, the probability that this one has k is proportional to
Σ_l w_l(k).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

#: Minimum distance between two digits of an image along one axis or both, in locations of a grid of
#: 8 px: the cells of digits have 28 px and do not overlap.
APART = 3

#: Score of an impossible outcome: its probability is 0 in float32, and gradients stay finite.
_NEVER = -1e9


class Places(NamedTuple):
    """Where digits are."""

    scores: Tensor
    """[11, B, n]: unnormalised log-probabilities of no digit and of 0 to 9 at each place."""
    middles: Tensor
    """int64 [B, n, 2]: row and column of the location with the highest odds of a digit."""


def single_place(scores: Tensor) -> Tensor:
    """The whole grid as one place, with one digit or none.

    Args:
        scores: float [B, 1 + K, H, W], unnormalised log-probabilities of no digit and of the K
            kinds: 0 to 9, or each of them in each range of angles.

    Returns:
        The scores of the place, [1 + K, B, 1].
    """
    odds = (scores[:, 1:] - scores[:, :1]).flatten(2).logsumexp(dim=2)
    return F.pad(odds, (1, 0)).T[:, :, None]


def three_places(scores: Tensor) -> Places:
    """The three places with the highest odds of a digit, each of which has one.

    The first is around the location with the highest odds of any digit, each of the others around
    the highest that is left. A place takes all locations nearer than `APART` to its middle, along
    both axes, that earlier places have left.

    Args:
        scores: float [B, 11, H, W]. The grid has room for three digits.
    """
    odds = scores[:, 1:] - scores[:, :1]
    some = odds.detach().logsumexp(dim=1)
    height, width = some.shape[1:]
    rows, columns = (torch.arange(n, device=scores.device) for n in (height, width))
    free = torch.ones_like(some, dtype=torch.bool)
    places, middles = [], []
    for _ in range(3):
        best = some.masked_fill(~free, -torch.inf).flatten(1).argmax(dim=1)[:, None]
        near_row = (rows - best // width).abs() < APART
        near_column = (columns - best % width).abs() < APART
        here = near_row[:, :, None] & near_column[:, None, :] & free
        places.append(odds.masked_fill(~here[:, None], _NEVER).flatten(2).logsumexp(dim=2))
        middles.append(torch.cat([best // width, best % width], dim=1))
        free &= ~here
    digits = torch.stack(places, dim=2).transpose(0, 1)
    return Places(F.pad(digits, (0, 0, 0, 0, 1, 0), value=_NEVER), torch.stack(middles, dim=1))


def at_least_float32(scores: Tensor) -> Tensor:
    """The same numbers, converted to float32 if they have fewer bits."""
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
