"""What locations next to a digit say, against SciPy's interpolation and loops over locations."""

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from torch.autograd import gradcheck

from mmnist.models.digit_reader import STRIDE, digit_reader
from mmnist.models.nearest import nearest_loss, nearness

RANGES = 3
LABELS = torch.tensor([3, -1, 9])
TURNED = torch.tensor([2, 0, 1])
MIDDLES = torch.tensor([[13.5, 20.0], [16.0, 16.0], [21.25, 8.0]], dtype=torch.float64)


def joint(n=3, size=4):
    shape = (n, 1 + 10 * RANGES, size, size)
    return 3 * torch.randn(shape, generator=torch.manual_seed(0), dtype=torch.float64)


def test_weights_interpolate_linearly():
    middles = 8 * torch.tensor([3.0, 5.0]) * torch.rand(20, 2, generator=torch.manual_seed(0))
    weights = nearness(middles, 4, 6)
    assert weights.shape == (20, 4, 6)
    values = np.random.default_rng(0).normal(size=(4, 6))
    axes = STRIDE * np.arange(4.0), STRIDE * np.arange(6.0)
    expected = RegularGridInterpolator(axes, values)(middles.numpy())
    found = (weights.double() * torch.from_numpy(values)).sum(dim=(1, 2))
    torch.testing.assert_close(found, torch.from_numpy(expected), atol=1e-5, rtol=0)
    assert ((weights > 0).sum(dim=(1, 2)) <= 4).all()


def test_beyond_the_outermost_locations_these_are_the_nearest():
    (weights,) = nearness(torch.tensor([[39.0, -5.0]]), 5, 5)
    assert weights[4, 0] == 1
    assert weights.sum() == 1


@pytest.mark.parametrize("angle_weight", [0.0, 0.3])
def test_the_loss_is_the_mean_over_locations(angle_weight):
    scores = joint()
    p, total = scores.softmax(1), 0.0
    for patch in (0, 2):  # the others have no digit
        digit, angle = LABELS[patch], TURNED[patch]
        for row in range(4):
            for column in range(4):
                distance = (MIDDLES[patch] - STRIDE * torch.tensor([row, column])).abs() / STRIDE
                weight = (1 - distance).clamp(min=0).prod()
                here = p[patch, 1:, row, column].view(10, RANGES)
                of_digit = here[digit].sum() / here.sum()
                of_angle = here[digit, angle] / here[digit].sum()
                total -= weight * (of_digit.log() + angle_weight * of_angle.log())
    found = nearest_loss(scores, LABELS, TURNED, MIDDLES, angle_weight)
    torch.testing.assert_close(found, total / 2)


def test_whether_there_is_a_digit_is_not_its_matter():
    scores = joint()
    moved = scores.clone()
    moved[:, 0] += 5
    arguments = LABELS, TURNED, MIDDLES
    torch.testing.assert_close(nearest_loss(moved, *arguments), nearest_loss(scores, *arguments))
    assert nearest_loss(scores, torch.full((3,), -1), *arguments[1:]) == 0


def test_gradients():
    scores = joint(size=2).requires_grad_()
    assert gradcheck(lambda scores: nearest_loss(scores, LABELS, TURNED, MIDDLES, 0.3), scores)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_extreme_scores_have_a_finite_loss(dtype):
    scores = (joint().sign() * 60_000).to(dtype).requires_grad_()
    loss = nearest_loss(scores, LABELS, TURNED, MIDDLES.float(), 0.3)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("mosaic", [1, 2])
def test_the_network_gives_it_scores_of_patches_while_it_trains(mosaic):
    network = digit_reader(0.5, "three", angles=RANGES)
    images = torch.rand(8, 1, 40, 40)
    assert network(images, mosaic, True).joint.shape == (8, 1 + 10 * RANGES, 5, 5)
    assert network.eval().read(images, mosaic, True).joint is None
