"""Digits that are read in several ranges of angles, against the enumeration of what may be."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional as F

from mmnist.models.angles import angle_loss, over_ranges, ranges_of_single
from mmnist.models.digit_reader import digit_reader
from mmnist.models.maximum import read_maximum, read_single

RANGES = 3


def joint(n=2, height=1, width=2, scale=3.0):
    shape = (n, 1 + 10 * RANGES, height, width)
    return scale * torch.randn(shape, generator=torch.manual_seed(0), dtype=torch.float64)


def test_the_sum_over_ranges_has_the_probability_of_the_digit():
    scores = joint()
    p, summed = scores.softmax(1), over_ranges(scores, RANGES).softmax(1)
    assert summed.shape == (2, 11, 1, 2)
    torch.testing.assert_close(summed[:, 0], p[:, 0])
    for digit in range(10):
        first = 1 + digit * RANGES
        torch.testing.assert_close(summed[:, 1 + digit], p[:, first : first + RANGES].sum(1))


def test_a_single_range_is_nothing_new():
    scores = torch.randn(2, 11, 3, 3)
    assert over_ranges(scores, 1) is scores


def test_ranges_of_a_single_digit_are_what_enumeration_gives():
    """Over all readings of two locations with one digit in one range, and nothing at the other."""
    scores = joint()
    p = scores.softmax(1)[:, :, 0]
    found = ranges_of_single(scores, RANGES).exp()
    assert found.shape == (2, 10, RANGES)
    for image, digit in [(0, 0), (0, 7), (1, 3), (1, 9)]:
        each = p[image, 1 + digit * RANGES : 1 + (digit + 1) * RANGES]
        weights = each[:, 0] * p[image, 0, 1] + each[:, 1] * p[image, 0, 0]
        torch.testing.assert_close(found[image, digit], weights / weights.sum())


def test_the_loss_is_that_of_the_digits_that_are_there():
    scores = joint(4)
    log_p = ranges_of_single(scores, RANGES)
    labels, ranges = torch.tensor([3, -1, 9, 0]), torch.tensor([2, 0, 1, 0])
    by_hand = -(log_p[0, 3, 2] + log_p[2, 9, 1] + log_p[3, 0, 0]) / 3
    torch.testing.assert_close(angle_loss(scores, labels, ranges), by_hand)
    assert angle_loss(scores, torch.full((4,), -1), ranges) == 0


def test_with_the_label_it_is_the_likelihood_of_both():
    """log P(digit and range) = log P(digit) + log P(range, given the digit)."""
    scores = joint(4)
    labels, ranges = torch.tensor([3, 5, 9, 0]), torch.tensor([2, 0, 1, 0])
    odds = (scores[:, 1:] - scores[:, :1]).exp().sum(dim=(2, 3))
    both = odds[torch.arange(4), labels * RANGES + ranges] / (1 + odds.sum(1))
    label_loss = F.nll_loss(read_single(over_ranges(scores, RANGES)).outcomes, labels + 1)
    loss = label_loss + angle_loss(scores, labels, ranges)
    torch.testing.assert_close(loss, -both.log().mean())


def test_gradients():
    scores = joint(3, 2, 2, scale=1.0).requires_grad_()
    labels, ranges = torch.tensor([3, -1, 9]), torch.tensor([2, 0, 1])

    def loss(scores):
        return angle_loss(scores, labels, ranges)

    assert gradcheck(loss, scores)
    assert gradcheck(lambda scores: over_ranges(scores, RANGES), scores)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 60_000.0])
def test_extreme_scores_of_few_bits(dtype, scale):
    torch.manual_seed(0)
    scores = (scale * torch.randn(8, 1 + 10 * RANGES, 2, 2).clamp(-1, 1)).to(dtype).requires_grad_()
    labels, ranges = torch.arange(-1, 7), torch.arange(8) % RANGES
    outcomes = read_maximum(over_ranges(scores, RANGES)).outcomes
    loss = F.nll_loss(outcomes, labels + 1)
    loss = loss + angle_loss(scores, labels, ranges)
    loss.backward()
    assert loss.isfinite()
    assert scores.grad.isfinite().all()
    torch.testing.assert_close(outcomes.exp().sum(1), torch.ones(8))


@pytest.mark.parametrize("digits", ["any", "three"])
def test_a_network_that_trains_tells_angles_of_patches_only(digits):
    torch.manual_seed(0)
    network = digit_reader(0.5, digits, angles=6)
    images = torch.rand(8, 1, 80, 80)
    assert network.joint_scores(images).shape == (8, 61, 10, 10)
    assert network(images).joint is None
    for mosaic in (1, 2):
        assert network(images, mosaic, True).joint.shape == (8, 61, 10, 10)
    assert network.eval().read(images, patches=True).joint is None
    assert network.eval()(images).shape == (8, 10)


def test_at_first_no_digit_is_as_likely_as_for_a_single_range():
    none = []
    for angles in (1, 6):
        torch.manual_seed(0)
        network = digit_reader(0.5, angles=angles)
        scores = over_ranges(network.joint_scores(torch.rand(4, 1, 64, 64)), angles)
        none.append(scores.softmax(1)[:, 0].mean())
    torch.testing.assert_close(none[0], none[1], rtol=0.02, atol=0)


@pytest.mark.parametrize("function", [over_ranges, ranges_of_single])
def test_autocast_does_not_reach_them(function):
    scores = joint().float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = function(scores, RANGES)
    assert torch.equal(inside, function(scores, RANGES))
