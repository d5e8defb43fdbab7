"""Scaling, resizing and normalisation against Pillow, torchvision and closed forms."""

import importlib

import numpy as np
import pytest
import torch
from PIL import Image

from mmnist.pipeline.preprocess import Preprocess
from mmnist.torchvision_import import torchvision

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 128, 128), dtype=np.uint8))


def test_unit_divides_by_256_and_repeats_the_channel():
    x = Preprocess(128, "unit", 3)(IMAGES)
    assert x.shape == (3, 3, 128, 128)
    assert x.dtype == torch.float32
    for channel in range(3):
        assert torch.equal(x[:, channel] * 256, IMAGES.float())


def test_none_keeps_grey_levels():
    assert torch.equal(Preprocess(128, "none", 1)(IMAGES)[:, 0], IMAGES.float())


def test_imagenet_is_torchvisions_normalisation():
    v2 = importlib.import_module("torchvision.transforms.v2")
    colour = (IMAGES.float() / 255).unsqueeze(1).expand(-1, 3, -1, -1)
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    expected = v2.functional.normalize(colour, weights.mean, weights.std)
    torch.testing.assert_close(Preprocess(128, "imagenet", 3)(IMAGES), expected, rtol=0, atol=1e-5)


def test_imagenet_of_one_channel_has_the_mean_statistics():
    mean, deviation = (0.485 + 0.456 + 0.406) / 3, (0.229 + 0.224 + 0.225) / 3
    expected = (IMAGES.float() / 255 - mean) / deviation
    x = Preprocess(128, "imagenet", 1)(IMAGES)
    torch.testing.assert_close(x, expected.unsqueeze(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [32, 64, 100, 256])
def test_resizing_is_pillows_antialiased_bilinear(size):
    x = Preprocess(size, "unit", 1)(IMAGES)
    for image, result in zip(IMAGES, x, strict=True):
        grey = Image.fromarray(image.numpy().astype(np.float32), mode="F")
        expected = np.asarray(grey.resize((size, size), Image.Resampling.BILINEAR)) / 256
        np.testing.assert_allclose(result[0].numpy(), expected, atol=1e-4)


def test_augmentation_sees_one_channel_of_the_final_size_in_unit_range():
    seen = []

    def augment(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return images * 0

    x = Preprocess(64, "none", 3)(IMAGES, augment)
    assert seen[0].shape == (3, 1, 64, 64)
    assert seen[0].min() >= 0
    assert 0.5 < seen[0].max() < 1
    assert not x.any()


@pytest.mark.parametrize("channels_last", [False, True])
def test_memory_order(channels_last):
    x = Preprocess(64, "unit", 3, channels_last)(IMAGES)
    assert x.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert x.is_contiguous() != channels_last
