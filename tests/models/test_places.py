"""Readings where the number of digits is known, against enumeration of where they may be."""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmnist.models.digit_reader import STRIDE, digit_reader
from mmnist.models.maximum import (
    NUM_OUTCOMES,
    read_maximum,
    read_single,
    read_three,
)
from mmnist.models.places import APART, three_places


def probabilities(scores):
    """P of no digit and of 0 … 9 at each location, float64 [11, H, W]."""
    return scores.double().softmax(0).numpy()


def enumerated_single(scores):
    """P(no digit, 0 … 9) [11], over all readings with at most one digit."""
    p = probabilities(scores).reshape(NUM_OUTCOMES, -1)
    weights = np.zeros(NUM_OUTCOMES)
    for outcome in product(range(NUM_OUTCOMES), repeat=p.shape[1]):
        if np.count_nonzero(outcome) <= 1:
            weights[max(outcome)] += p[outcome, range(len(outcome))].prod()
    return weights / weights.sum()


def enumerated_three(scores):
    """P(largest = 0 … 9) and P(digit present) [10], over all readings with three digits that are
    `APART` or more locations from each other."""
    p = probabilities(scores)
    locations = list(np.ndindex(p.shape[1:]))
    largest, present = np.zeros(10), np.zeros(10)
    for three in combinations(locations, 3):
        if any(np.abs(np.subtract(a, b)).max() < APART for a, b in combinations(three, 2)):
            continue
        none = np.prod([p[0, *place] for place in locations if place not in three])
        for digits in product(range(10), repeat=3):
            weight = none * np.prod([p[1 + d, *at] for d, at in zip(digits, three, strict=True)])
            largest[max(digits)] += weight
            present[list(set(digits))] += weight
    return largest / largest.sum(), present / largest.sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
def test_a_single_digit_is_what_enumeration_gives(shape, scale):
    scores = scale * torch.randn(3, NUM_OUTCOMES, *shape, generator=torch.manual_seed(0)).double()
    reading = read_single(scores)
    for n in range(3):
        expected = enumerated_single(scores[n])
        assert reading.outcomes[n].exp().tolist() == pytest.approx(expected, rel=1e-9)
        there = expected[1:]
        assert reading.present[n].sigmoid().tolist() == pytest.approx(there, rel=1e-6)


def test_three_digits_are_what_enumeration_gives():
    """Of places that are far from each other, each with two locations that could have a digit."""
    scores = torch.randn(2, NUM_OUTCOMES, 1, 10, generator=torch.manual_seed(0)).double()
    scores[:, 0, :, [2, 3, 6, 7]] += 40  # no digit there
    reading = read_three(scores)
    for n in range(2):
        largest, present = enumerated_three(scores[n])
        assert reading.logits[n].exp().tolist() == pytest.approx(largest, rel=1e-9)
        assert reading.present[n].sigmoid().tolist() == pytest.approx(present, rel=1e-6)


def three_sure_digits(*digits):
    """Scores [1, 11, 16, 16] of three digits in the corners."""
    scores = torch.zeros(1, NUM_OUTCOMES, 16, 16)
    scores[:, 0] = 12
    for digit, (row, column) in zip(digits, [(1, 1), (1, 14), (14, 1)], strict=True):
        scores[0, 1 + digit, row, column] = 20
    return scores


def test_one_digit_is_not_read_as_two_by_neighbours():
    """What may be a 4 or a 9 to two neighbours is a 4 or a 9 once, and the 4 is more likely."""
    scores = three_sure_digits(0, 1, 2)
    place = scores[0, :, 1, 1:3]
    place[:] = -30
    place[[0, 5, 10], 0] = torch.tensor([0.1, 0.55, 0.35]).log()
    place[[0, 5, 10], 1] = torch.tensor([0.6, 0.1, 0.3]).log()
    assert read_maximum(scores).logits.argmax() == 9
    reading = read_three(scores)
    assert reading.logits.argmax() == 4
    four, nine = 0.55 * 0.6 + 0.1 * 0.1, 0.35 * 0.6 + 0.3 * 0.1
    assert reading.logits.exp()[0, 9].item() == pytest.approx(nine / (four + nine), rel=1e-3)
    assert reading.outcomes[0, 0] < -100  # there are digits


def test_a_fourth_digit_is_not_read_however_likely():
    scores = three_sure_digits(3, 4, 5)
    scores[0, 1 + 9, 8, 8] = 15
    assert read_maximum(scores).logits.argmax() == 9
    assert read_three(scores).logits.argmax() == 5


def test_a_third_digit_is_read_however_unlikely():
    scores = three_sure_digits(3, 4, 5)
    scores[0, 1 + 5, 14, 1] = 10
    assert read_maximum(scores).logits.argmax() == 4
    assert read_three(scores).logits.argmax() == 5


def test_digits_may_touch():
    """Cells of 28 px, with middles 28 px apart, are at different places of the grid."""
    assert 28 / STRIDE >= APART
    scores = three_sure_digits(0, 0, 0)
    scores[0, 1:] = 0
    for digit, column in [(7, 4), (8, 4 + APART), (6, 4 + 2 * APART)]:
        scores[0, 1 + digit, 9, column] = 20 + digit / 10
    middles = three_places(scores).middles
    assert middles.tolist() == [[[9, 7], [9, 4], [9, 10]]]
    assert read_three(scores).logits.argmax() == 8


def test_a_location_near_two_places_is_counted_in_the_first_only():
    scores = torch.zeros(1, NUM_OUTCOMES, 1, 12)
    scores[:, 0] = 12
    for digit, column, score in [(9, 4, 30), (8, 6, 26), (1, 7, 25), (3, 11, 24)]:
        scores[0, 1 + digit, 0, column] = score
    places = three_places(scores)
    assert places.middles[0, :, 1].tolist() == [4, 7, 11]
    assert places.scores[1:, 0].argmax(dim=0).tolist() == [9, 1, 3]


def test_places_are_ranked_by_the_odds_of_any_digit():
    scores = torch.zeros(1, NUM_OUTCOMES, 1, 12)
    scores[:, 0] = 12
    scores[0, 1:4, 0, 3] = 20.0  # one of three, each less likely than the digit at 7
    scores[0, 1 + 7, 0, 7] = 20.5
    scores[0, 1 + 5, 0, 11] = 20.0
    assert three_places(scores).middles[0, :, 1].tolist() == [3, 7, 11]


@pytest.mark.parametrize("read", [read_single, read_three])
def test_gradients(read):
    scores = 3 * torch.randn(2, NUM_OUTCOMES, 4, 7, generator=torch.manual_seed(2)).double()
    scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: read(x).logits, scores)


@pytest.mark.parametrize("read", [read_single, read_three])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("size", [1.0, 1e2, 6e4])
def test_extreme_scores_have_finite_losses_and_gradients(read, dtype, size):
    signs = torch.randint(-1, 2, (4, NUM_OUTCOMES, 16, 16), generator=torch.manual_seed(3))
    certain = torch.zeros(1, NUM_OUTCOMES, 16, 16)
    certain[:, 0] = 1  # no digit anywhere
    scores = (size * torch.cat([signs, certain, -certain])).to(dtype).requires_grad_()
    reading = read(scores)
    assert reading.logits.dtype == torch.float32
    total = reading.logits.double().exp().sum(1)
    torch.testing.assert_close(total, torch.ones(6).double(), rtol=0, atol=1e-3)
    for label in range(10):
        target = torch.full((6,), label)
        loss = F.nll_loss(reading.logits, target, reduction="none")
        there = F.one_hot(target, 10).float()
        loss = loss + F.binary_cross_entropy_with_logits(reading.present, there)
        (gradient,) = torch.autograd.grad(loss.sum(), scores, retain_graph=True)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("read", [read_single, read_three])
def test_autocast_does_not_reach_them(read):
    scores = torch.randn(2, NUM_OUTCOMES, 8, 8, generator=torch.manual_seed(4))
    with torch.autocast("cpu", torch.bfloat16):
        inside = read(scores)
    for a, b in zip(inside[:2], read(scores)[:2], strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("read", [read_single, read_three])
def test_other_shapes_are_refused(read):
    with pytest.raises(ValueError, match=r"scores must be \[B, 11, H, W\]"):
        read(torch.zeros(2, 10, 4, 4))


def test_a_network_that_knows_reads_patches_and_images_so():
    torch.manual_seed(0)
    network = digit_reader(0.5, digits="three").eval()
    patches, images = torch.rand(4, 1, 40, 40), torch.rand(2, 1, 128, 128)
    read = network.read(patches, patches=True)
    torch.testing.assert_close(read, read_single(network.joint_scores(patches)))
    expected = read_three(network.joint_scores(images))
    torch.testing.assert_close(network.read(images), expected)
    torch.testing.assert_close(network(images), expected.logits)
    unknowing = digit_reader(0.5).eval()
    unknowing.load_state_dict(network.state_dict())
    expected = read_maximum(network.joint_scores(patches))
    torch.testing.assert_close(unknowing.read(patches, patches=True), expected)


@pytest.mark.parametrize("digits", ["any", "three"])
def test_in_training_images_of_three_digits_can_be_read_the_other_way_too(digits):
    torch.manual_seed(0)
    network = digit_reader(0.5, digits=digits).train()
    patches, images = torch.rand(2, 1, 40, 40), torch.rand(2, 1, 128, 128)
    assert network(patches, patches=True).scores is None
    scores = network(images).scores
    if digits == "any":
        assert scores is None
    else:
        torch.testing.assert_close(scores, network.joint_scores(images))
    assert network.eval().read(images).scores is None


def test_only_the_other_way_teaches_what_is_beside_the_places():
    """Where nothing is read yet, places are anywhere, and what digits are on is seldom in one."""
    scores = torch.zeros(1, NUM_OUTCOMES, 16, 16)
    scores[:, 0] = 6
    scores[0, 0, 8, [0, 7, 14]] -= 1  # the three places are in this row
    taught = {}
    for read in (read_three, read_maximum):
        given = scores.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(read(given).outcomes[0, 5], given)
        taught[read] = gradient[0].abs().sum(0) > 0
    assert not taught[read_three][:6].any()
    assert taught[read_maximum].all()
