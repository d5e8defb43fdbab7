"""Rotation of digits: each digit is scored in several ranges of angles, and over all of them.

A digit can be rotated by up to 45 degrees either way. A network that also has to tell the angle
learns more from each digit. What counts in the end is the digit: the sum over the ranges.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from mmnist.models.places import at_least_float32, single_place


def over_ranges(scores: Tensor, ranges: int) -> Tensor:
    """Scores of no digit and of each digit, summed over the ranges of angles.

    Args:
        scores: float [B, 1 + 10 · ranges, H, W], unnormalised log-probabilities of no digit, of 0
            in each range of angles, of 1 in each range, and so on.
        ranges: number of ranges; with 1, the scores are returned unchanged.

    Returns:
        [B, 11, H, W], at least float32 if there is more than one range.
    """
    if ranges == 1:
        return scores
    scores = at_least_float32(scores)
    each = scores[:, 1:].unflatten(1, (-1, ranges)).logsumexp(dim=2)
    return torch.cat([scores[:, :1], each], dim=1)


def ranges_of_single(scores: Tensor, ranges: int) -> Tensor:
    """Log-probabilities of the ranges given each digit, in images with one digit or none.

    As in `mmnist.models.places.single_place`, the odds against no digit are summed over locations.

    Args:
        scores: float [B, 1 + 10 · ranges, H, W], as in `over_ranges`.

    Returns:
        float32 [B, 10, ranges]: log-probability of each range, given the digit.
    """
    odds = single_place(at_least_float32(scores))[1:, :, 0].T
    return odds.unflatten(1, (-1, ranges)).log_softmax(dim=2)


def angle_loss(joint: Tensor, labels: Tensor, turned: Tensor) -> Tensor:
    """Mean negative log-likelihood of the range, given the digit; a scalar.

    The mean is over the patches that have a digit.

    Args:
        joint: float [B, 1 + 10 · K, H, W], scores of no digit and of each digit in each range.
        labels: int64 [B], the digits; -1 where there is none.
        turned: int64 [B], the range of each digit's angle; any range where there is no digit.
    """
    log_p = ranges_of_single(joint, (joint.shape[1] - 1) // 10)
    of_digit = log_p[torch.arange(len(log_p), device=log_p.device), labels.clamp(min=0)]
    each = F.nll_loss(of_digit, turned, reduction="none")
    there = labels >= 0
    return (each * there).sum() / there.sum().clamp(min=1)
