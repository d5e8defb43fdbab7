"""The maximum head, against enumeration of all readings, and at the ends of the number range."""

from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmnist.models.digit_reader import digit_reader
from mmnist.models.maximum import NUM_OUTCOMES, put_together, read_maximum, take_apart


def enumerated(scores):
    """P(largest = none, 0 … 9), P(digit present) and P(digit absent), over all combinations."""
    p = scores.double().flatten(1).softmax(0).numpy()  # [11, L]
    largest, present, absent = np.zeros(NUM_OUTCOMES), np.zeros(10), np.zeros(10)
    for outcome in product(range(NUM_OUTCOMES), repeat=p.shape[1]):
        weight = p[outcome, range(len(outcome))].prod()
        largest[max(outcome)] += weight
        seen = np.isin(np.arange(1, NUM_OUTCOMES), outcome)
        present[seen] += weight
        absent[~seen] += weight
    return largest, present, absent


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
def test_reading_is_what_enumeration_gives(shape, scale):
    scores = scale * torch.randn(3, NUM_OUTCOMES, *shape, generator=torch.manual_seed(0)).double()
    reading = read_maximum(scores)
    for n in range(3):
        largest, present, absent = enumerated(scores[n])
        labels = [largest[:2].sum(), *largest[2:]]
        odds = np.log(present) - np.log(absent)
        # Logarithms, so that the smallest probabilities count as much as the others.
        assert reading.outcomes[n].tolist() == pytest.approx(np.log(largest), rel=0, abs=1e-6)
        assert reading.logits[n].tolist() == pytest.approx(np.log(labels), rel=0, abs=1e-6)
        assert reading.present[n].tolist() == pytest.approx(odds, rel=0, abs=1e-6)


def test_probabilities_sum_to_one():
    scores = 10 * torch.randn(8, NUM_OUTCOMES, 16, 16, generator=torch.manual_seed(1))
    total = read_maximum(scores).logits.double().exp().sum(1)
    torch.testing.assert_close(total, torch.ones(8).double(), rtol=0, atol=1e-3)
    reading = read_maximum(scores.double())
    for part in (reading.logits, reading.outcomes):
        total = part.exp().sum(1)
        torch.testing.assert_close(total, torch.ones(8).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_gradients(scale):
    scores = scale * torch.randn(2, NUM_OUTCOMES, 2, 2, generator=torch.manual_seed(2)).double()
    scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(read_maximum(x))[:2], scores)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("size", [1.0, 1e2, 6e4])
def test_extreme_scores_have_finite_losses_and_gradients(dtype, size):
    signs = torch.randint(-1, 2, (4, NUM_OUTCOMES, 16, 16), generator=torch.manual_seed(3))
    certain = torch.zeros(1, NUM_OUTCOMES, 16, 16)
    certain[:, 0] = 1  # no digit anywhere
    scores = (size * torch.cat([signs, certain, -certain])).to(dtype).requires_grad_()
    reading = read_maximum(scores)
    assert reading.logits.dtype == torch.float32
    assert (reading.logits <= 1e-4).all()
    for label in range(10):
        target = torch.full((6,), label)
        there = F.one_hot(target, 10).float()
        loss = F.nll_loss(reading.logits, target, reduction="none")
        loss = loss + F.binary_cross_entropy_with_logits(reading.present, there)
        (gradient,) = torch.autograd.grad(loss.sum(), scores, retain_graph=True)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()


def test_a_certain_mistake_still_has_a_gradient():
    """Clamping would leave a network that is certain of the wrong digit where it is."""
    scores = torch.zeros(1, NUM_OUTCOMES, 1, 2)
    scores[0, 4, 0, 0] = 60.0
    scores[0, 0, 0, 1] = 60.0
    scores.requires_grad_()
    reading = read_maximum(scores)
    assert reading.logits.argmax() == 3
    loss = F.nll_loss(reading.logits, torch.tensor([8]))
    (gradient,) = torch.autograd.grad(loss, scores, retain_graph=True)
    assert gradient[0, 9].abs().sum() == pytest.approx(1, rel=0.1)
    (gradient,) = torch.autograd.grad(
        F.binary_cross_entropy_with_logits(reading.present, torch.zeros(1, 10)), scores
    )
    assert gradient[0, 4, 0, 0] > 0.05


def test_autocast_does_not_reach_it():
    scores = torch.randn(2, NUM_OUTCOMES, 4, 4, generator=torch.manual_seed(4))
    with torch.autocast("cpu", torch.bfloat16):
        inside = read_maximum(scores)
    for a, b in zip(inside[:2], read_maximum(scores)[:2], strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("shape", [(2, 10, 4, 4), (2, 11, 4), (11, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"scores must be \[B, 11, H, W\]"):
        read_maximum(torch.zeros(shape))


def test_tiles_lie_row_by_row():
    tiles = torch.arange(8 * 3 * 2 * 5).reshape(8, 3, 2, 5)
    images = put_together(tiles, 2)
    for image, (a, b, c, d) in zip(
        images.numpy(), tiles.numpy().reshape(2, 4, 3, 2, 5), strict=True
    ):
        assert (image == np.block([[a, b], [c, d]])).all()
    assert torch.equal(take_apart(images, 2), tiles)


def test_tiles_are_read_by_their_own_locations():
    torch.manual_seed(0)
    network = digit_reader(0.5).eval()
    tiles = torch.rand(8, 1, 40, 40)
    read = network.read(tiles, mosaic=2)
    for n, (a, b, c, d) in enumerate(tiles.numpy().reshape(2, 4, 40, 40)):
        image = torch.from_numpy(np.block([[a, b], [c, d]]))
        scores = network.joint_scores(image[None, None])
        for place, (i, j) in enumerate([(0, 0), (0, 5), (5, 0), (5, 5)]):
            expected = read_maximum(scores[:, :, i : i + 5, j : j + 5])
            torch.testing.assert_close(read.outcomes[4 * n + place], expected.outcomes[0])
            torch.testing.assert_close(read.present[4 * n + place], expected.present[0])
