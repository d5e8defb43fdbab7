"""The two-layer benchmark against the same network written with functions."""

import torch
from torch.nn import functional as F

from mmnist.models.simple_cnn import SimpleCNN


def test_forward_is_the_authors_definition():
    torch.manual_seed(0)
    model, images = SimpleCNN().eval(), torch.rand(2, 1, 128, 128)
    with torch.inference_mode():
        x = F.conv2d(images, model.conv1.weight, model.conv1.bias).clamp(min=0)
        assert x.shape == (2, 20, 124, 124)
        x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
        x = F.conv2d(x, model.conv2.weight, model.conv2.bias).clamp(min=0)
        assert x.shape == (2, 50, 58, 58)
        x = F.adaptive_avg_pool2d(x, 64).flatten(1)
        x = (x @ model.fc1.weight.T + model.fc1.bias).clamp(min=0)
        expected = x @ model.fc2.weight.T + model.fc2.bias
        torch.testing.assert_close(model(images), expected, rtol=1e-3, atol=1e-4)


def test_any_image_size_will_do():
    with torch.inference_mode():
        assert SimpleCNN().eval()(torch.rand(1, 1, 64, 64)).shape == (1, 10)
