"""Smoothing before a grid is halved, held against SciPy."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

from mmnist.models.antialiasing import AntialiasedConv2d
from mmnist.models.digit_reader import digit_reader
from mmnist.models.orientations import ORIENTATIONS, OrientedConv2d

BINOMIAL = np.array([1.0, 2, 1]) / 4


@pytest.mark.parametrize("side", [16, 17])
def test_it_is_a_convolution_that_is_smoothed_before_its_stride(side):
    torch.manual_seed(0)
    layer = AntialiasedConv2d(3, 5).double()
    images = torch.rand(2, 3, side, side + 3, dtype=torch.float64)
    found = layer(images)
    whole = F.conv2d(images, layer.weight, padding=2).detach().numpy()  # a pixel more on each side
    for axis in (2, 3):
        whole = ndimage.convolve1d(whole, BINOMIAL, axis=axis)
    torch.testing.assert_close(found.detach(), torch.from_numpy(whole[:, :, 1:-1:2, 1:-1:2].copy()))
    assert found.shape == (2, 5, -(-side // 2), -(-(side + 3) // 2))


def test_turned_kernels_can_be_smoothed_too():
    torch.manual_seed(0)
    plain = OrientedConv2d(8, 16, 2).double()
    smoothed = OrientedConv2d(8, 16, 2, antialiased=True).double()
    smoothed.load_state_dict(plain.state_dict())
    reference = AntialiasedConv2d(8, 16).double()
    reference.weight.data = plain.kernels().detach()
    images = torch.rand(1, 8, 12, 12, dtype=torch.float64)
    torch.testing.assert_close(smoothed(images), reference(images))


def test_gradients_of_smoothed_kernels():
    layer = AntialiasedConv2d(1, 2).double()
    images = torch.rand(1, 1, 6, 6, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda weight: torch.func.functional_call(layer, {"weight": weight}, (images,)),
        (layer.weight,),
    )


def test_the_finest_checks_are_lost_and_all_else_stays():
    """A pattern that changes sign at every pixel would come out as a plain field, or as another one
    if it were moved by a pixel."""
    layer = AntialiasedConv2d(1, 1)
    torch.nn.init.dirac_(layer.weight)
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    checks = (1 - 2.0 * ((rows + columns) % 2))[None, None]
    plain = torch.ones(1, 1, 32, 32)
    inner = (..., slice(1, -1), slice(1, -1))
    assert layer(checks)[inner].abs().max() < 1e-6
    torch.testing.assert_close(layer(plain)[inner], plain[..., :14, :14])


@pytest.mark.parametrize("orientations", [1, ORIENTATIONS])
def test_readers_have_as_many_parameters_and_the_same_grid(orientations):
    plain = digit_reader(0.5, orientations=orientations)
    smoothed = digit_reader(0.5, orientations=orientations, antialiased=True)
    images = torch.rand(1, 1, 64, 56)
    assert plain.joint_scores(images).shape == smoothed.joint_scores(images).shape
    assert [tuple(p.shape) for p in plain.parameters()] == [
        tuple(p.shape) for p in smoothed.parameters()
    ]
    assert smoothed.stage1[0].padding in (1, (1, 1))  # the image itself is not smoothed
    for stage in (smoothed.stage2, smoothed.stage3):
        assert stage[0].kernels().shape[2:] == (5, 5)
