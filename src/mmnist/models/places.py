"""From locations to places: where the number of digits is known, neighbours tell of the same one.

Scores of locations are unnormalised log-probabilities of {no digit, 0 … 9}. Let w_l(k) be the odds
of digit k against no digit at location l, exp of the difference of their scores. If exactly one of
the locations has a digit, it is k with a probability in proportion to Σ_l w_l(k).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

#: Score of what cannot be: its probability is 0 in float32, and gradients stay finite.
_NEVER = -1e4


def single_place(scores: Tensor) -> Tensor:
    """Scores of the whole where there is one digit or none.

    Args:
        scores: float [B, 11, H, W].

    Returns:
        Unnormalised log-probabilities [11, B] of no digit and of 0 to 9.
    """
    odds = (scores[:, 1:] - scores[:, :1]).flatten(2).logsumexp(dim=2)
    return F.pad(odds, (1, 0)).T


def three_places(scores: Tensor, apart: int) -> Tensor:
    """Scores of the three places where most is read, each of which has one digit.

    The first is around the location with the highest odds of any digit; each of the others around
    the highest one left.

    Args:
        scores: float [B, 11, H, W], with room for three digits.
        apart: locations between two digits, at least, along one axis or both.

    Returns:
        Unnormalised log-probabilities [11, B, 3] of no digit (never) and of 0 to 9.
    """
    odds = scores[:, 1:] - scores[:, :1]
    some = odds.detach().logsumexp(dim=1)
    height, width = some.shape[1:]
    rows, columns = (torch.arange(n, device=scores.device) for n in (height, width))
    free = torch.ones_like(some, dtype=torch.bool)
    places = []
    for _ in range(3):
        middle = some.masked_fill(~free, -torch.inf).flatten(1).argmax(dim=1)[:, None]
        near_row = (rows - middle // width).abs() < apart
        near_column = (columns - middle % width).abs() < apart
        near = near_row[:, :, None] & near_column[:, None, :] & free
        places.append(odds.masked_fill(~near[:, None], _NEVER).flatten(2).logsumexp(dim=2))
        free &= ~near
    return F.pad(torch.stack(places, dim=2).transpose(0, 1), (0, 0, 0, 0, 1, 0), value=_NEVER)
