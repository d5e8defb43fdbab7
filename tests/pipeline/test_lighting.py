"""Brightness and contrast against scipy.special."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from mmnist.pipeline.lighting import relight


def test_closed_form():
    images = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    brightness, contrast = torch.tensor([0.4, -0.4, 0.1]), torch.tensor([0.8, 1.0, 1.25])
    shift, factor = (v.double().numpy()[:, None, None, None] for v in (brightness, contrast))
    expected = expit(factor * (logit(images.double().numpy()) + shift))
    result = relight(images, brightness, contrast)
    assert result.dtype == torch.float32
    assert result.numpy() == pytest.approx(expected, abs=1e-6)


def test_all_256_grey_levels_come_back_when_nothing_changes():
    levels = (torch.arange(256) / 256).view(1, 1, 16, 16)
    result = relight(levels, torch.zeros(1), torch.ones(1))
    assert (result - levels).abs().max() <= 2.5e-7


def test_black_stays_black_and_digits_stay_bright():
    levels = torch.tensor([0.0, 255 / 256, 1.0]).view(1, 1, 1, 3).expand(4, 1, 1, 3)
    brightness = torch.tensor([logit(0.4), logit(0.6), logit(0.4), logit(0.6)]).float()
    result = relight(levels, brightness, torch.tensor([0.8, 0.8, 1.25, 1.25])).numpy()
    assert (result[..., 0] < 5e-6).all()
    assert (result[..., 1] > 0.98).all()
    assert (result <= 1).all()
    assert np.isfinite(result).all()


def test_the_input_is_left_as_it_is():
    images = torch.full((1, 1, 2, 2), 0.25)
    relight(images, torch.ones(1), torch.ones(1))
    assert (images == 0.25).all()
