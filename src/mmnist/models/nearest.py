"""A loss on the locations nearest to a digit, each judged on its own.

A patch as a whole is read correctly as soon as one location reads it, and then the others learn
little. In an image a digit may lie anywhere between locations, so all of them should read well.
"""

import torch
from torch import Tensor

from mmnist.models.digit_reader import STRIDE
from mmnist.models.places import at_least_float32


def nearness(middles: Tensor, height: int, width: int) -> Tensor:
    """Weights float32 [B, height, width] of a grid's locations in bilinear interpolation.

    The interpolation is at `middles` [B, 2] (row and column, px). The weights sum to 1 for each
    digit, even beyond the outermost locations.
    """
    rows, columns = (
        (1 - (at[:, None].clamp(0, STRIDE * (n - 1)) / STRIDE - _numbers(n, at)).abs()).clamp(min=0)
        for at, n in zip(middles.unbind(1), (height, width), strict=True)
    )
    return rows[:, :, None] * columns[:, None, :]


def nearest_loss(
    joint: Tensor, labels: Tensor, turned: Tensor, middles: Tensor, angle_weight: float = 0.0
) -> Tensor:
    """Mean negative log-likelihood of the digit, given that there is one; a scalar.

    The mean is over the locations next to each digit, weighted by their nearness.

    Args:
        joint: float [B, 1 + 10 · K, H, W], scores of a `digit_reader`'s locations: no digit, and
            each digit in each of K ranges of angles.
        labels: int64 [B], the digits; -1 where there is none, which does not count here.
        turned: int64 [B], the range of each digit's angle.
        middles: float [B, 2], row and column of each digit's centre, px of the network's input.
        angle_weight: weight of the same loss on the range of angles, given the digit.
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
