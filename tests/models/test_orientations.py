"""Kernels that are turned versions of each other: what turning an image does."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmnist.models.digit_reader import digit_reader
from mmnist.models.orientations import ORIENTATIONS, OrientedConv2d


def turn_features(x, quarters):
    """Features [B, 8 · fields, H, W] of an image that is turned clockwise by so many quarters."""
    turned = x.unflatten(1, (ORIENTATIONS, -1)).roll(2 * quarters, dims=1).flatten(1, 2)
    return torch.rot90(turned, -quarters, dims=(2, 3))


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_image_has_turned_features(quarters):
    torch.manual_seed(0)
    layers = nn.Sequential(
        OrientedConv2d(1, 16, stride=2), nn.ReLU(), OrientedConv2d(16, 24), nn.ReLU(),
        OrientedConv2d(24, 8, stride=2),
    ).double()  # fmt: skip
    images = torch.rand(2, 1, 33, 33, dtype=torch.float64)  # both strides begin and end at a pixel
    features = layers(images)
    turned = layers(torch.rot90(images, -quarters, dims=(2, 3)))
    assert not torch.allclose(turned, features)
    torch.testing.assert_close(turned, turn_features(features, quarters))


def test_by_half_a_quarter_the_ring_moves_on():
    layer = OrientedConv2d(1, 8)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2, 3], [8, 0, 4], [7, 6, 5]]))
    kernels = layer.kernels()
    assert kernels.shape == (8, 1, 3, 3)
    assert kernels[0, 0].tolist() == [[1, 2, 3], [8, 0, 4], [7, 6, 5]]
    assert kernels[1, 0].tolist() == [[8, 1, 2], [7, 0, 3], [6, 5, 4]]
    assert kernels[2, 0].tolist() == [[7, 8, 1], [6, 0, 2], [5, 4, 3]]


def test_it_is_the_convolution_with_its_kernels():
    torch.manual_seed(0)
    layer = OrientedConv2d(16, 8, stride=2)
    x = torch.rand(2, 16, 9, 9)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.kernels(), stride=2, padding=1))
    assert layer.kernels().is_contiguous(memory_format=torch.channels_last)
    assert layer.weight.numel() == layer.kernels().numel() / 8
    assert list(layer.state_dict()) == ["weight"]


def test_gradients_of_all_orientations_come_together():
    torch.manual_seed(0)
    layer = OrientedConv2d(8, 16).double()
    assert torch.autograd.gradcheck(lambda _: layer.kernels(), layer.weight)


@pytest.mark.parametrize("channels", [(4, 8), (8, 12), (3, 8)])
def test_channels_must_be_those_of_eight_orientations(channels):
    with pytest.raises(ValueError, match="not those of 8 orientations"):
        OrientedConv2d(*channels)


@pytest.mark.parametrize("size", [0.5, 0.75, 1.0, 1.5])
def test_a_reader_shares_kernels_at_2_and_4_pixels(size):
    plain, shared = digit_reader(size), digit_reader(size, orientations=ORIENTATIONS)
    images = torch.rand(2, 1, 64, 64)
    shapes = [[stage.shape for stage in features(network, images)] for network in (plain, shared)]
    assert shapes[0] == shapes[1]
    counts = {
        stage: sum(p.numel() for p in getattr(plain, stage).parameters() if p.ndim == 4)
        / sum(p.numel() for p in getattr(shared, stage).parameters() if p.ndim == 4)
        for stage in ("stage1", "stage2", "stage3")
    }
    assert counts == {"stage1": 8, "stage2": 8, "stage3": 1}


@pytest.mark.parametrize("antialiased", [False, True])
def test_features_of_a_turned_image_are_turned_up_to_4_pixels(antialiased):
    """With the statistics of batch normalisation as they begin, the same for all channels."""
    torch.manual_seed(0)
    network = digit_reader(0.5, orientations=ORIENTATIONS, antialiased=antialiased)
    network = network.double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # blocks begin as the identity
    images = torch.rand(2, 1, 33, 33, dtype=torch.float64)
    straight = features(network, images)
    turned = features(network, torch.rot90(images, -1, dims=(2, 3)))
    for one, other in zip(straight[:2], turned[:2], strict=True):
        torch.testing.assert_close(other, turn_features(one, 1))
    assert not torch.allclose(turned[2], torch.rot90(straight[2], -1, dims=(2, 3)))


def features(network, images):
    """Those of the three stages."""
    found = []
    for stage in (network.stage1, network.stage2, network.stage3):
        images = stage(images)
        found.append(images)
    return found
