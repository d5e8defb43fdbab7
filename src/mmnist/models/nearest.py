"""What the locations nearest to a digit say of it, each by itself.

A patch as a whole is read right as soon as one location reads it, and then the others learn little.
In an image a digit may lie anywhere between locations, so all of them should be good readers.
"""

import torch
from torch import Tensor

from mmnist.models.digit_reader import STRIDE
from mmnist.models.places import at_least_float32


def nearness(middles: Tensor, height: int, width: int) -> Tensor:
    """Weights float32 [B, height, width] of the locations of a grid, those of linear interpolation
    at `middles` [B, 2] (row and column, px); of each digit they sum to 1, beyond the outermost
    locations too.
    """
    rows, columns = (
        (1 - (at[:, None].clamp(0, STRIDE * (n - 1)) / STRIDE - _numbers(n, at)).abs()).clamp(min=0)
        for at, n in zip(middles.unbind(1), (height, width), strict=True)
    )
    return rows[:, :, None] * columns[:, None, :]


def nearest_loss(
    joint: Tensor, labels: Tensor, turned: Tensor, middles: Tensor, angle_weight: float = 0.0
) -> Tensor:
    """Mean negative log-likelihood of the digit, given that there is one, by each of the locations
    next to it, weighted by their nearness; a scalar.

    Args:
        joint: float [B, 1 + 10 · K, H, W], scores of a `digit_reader`'s locations: no digit, and
            each digit in each of K ranges of angles.
        labels: int64 [B], the digits; -1 where there is none, of which nothing is learnt here.
        turned: int64 [B], the range of angles of each.
        middles: float [B, 2], row and column of the middle of each, px of the network's input.
        angle_weight: of the same of the range of angles, given the digit.
    """
    nearby = nearness(middles, *joint.shape[2:])
    patch, row, column = nearby.nonzero(as_tuple=True)
    weights = nearby[patch, row, column] * (labels[patch] >= 0)
    scores = at_least_float32(joint)[patch, 1:, row, column].unflatten(1, (10, -1))
    digit, angle = labels[patch].clamp(min=0), turned[patch]
    each = torch.arange(len(patch), device=patch.device)
    loss = -scores.logsumexp(2).log_softmax(1)[each, digit]
    if angle_weight:
        loss = loss - angle_weight * scores[each, digit].log_softmax(1)[each, angle]
    return (loss * weights).sum() / weights.sum().clamp(min=1)


def _numbers(n: int, like: Tensor) -> Tensor:
    return torch.arange(n, dtype=like.dtype, device=like.device)
