"""Networks: sizes as published, outputs, layer groups."""

import pytest
import torch

from mmnist.config.model import SIZES, ModelSettings
from mmnist.models.factory import FAMILIES, build_model, count_parameters, layer_groups
from mmnist.torchvision_import import torchvision

#: Every architecture in every size that is not too slow to build for each test.
SMALL = [
    ("resnet", 18),
    ("mobilenet_v2", 1.0),
    ("shufflenet_v2", 0.5),
    ("shufflenet_v2", 2.0),
    ("simple_cnn", None),
]
ALL = [(name, size) for name, sizes in SIZES.items() for size in sizes or (None,)]


def settings(architecture: str, size: int | float | None) -> ModelSettings:
    return ModelSettings(architecture=architecture, size=size)


@pytest.mark.parametrize(
    ("architecture", "size", "published"),
    [
        ("resnet", 101, 42_520_650),  # paper, section 6
        ("wide_resnet", 50, 66_854_730),  # paper, section 6
        # conv 20@5x5, conv 50@5x5, 500, 10: weights and biases by hand
        (
            "simple_cnn",
            None,
            (25 * 20 + 20) + (20 * 25 * 50 + 50) + (50 * 64 * 64 * 500 + 500) + 5010,
        ),
    ],
)
def test_number_of_parameters_is_the_published_one(architecture, size, published):
    with torch.device("meta"):
        assert count_parameters(build_model(settings(architecture, size))) == published


@pytest.mark.parametrize(("architecture", "size"), SMALL)
def test_ten_outputs(architecture, size):
    model = build_model(settings(architecture, size)).eval()
    images = torch.rand(2, FAMILIES[architecture].channels, 64, 64)
    with torch.inference_mode():
        assert model(images).shape == (2, 10)


@pytest.mark.parametrize(("architecture", "size"), [pair for pair in SMALL if pair[1]])
def test_weights_fit_plain_torchvision(architecture, size):
    names = {
        ("resnet", 18): "resnet18",
        ("mobilenet_v2", 1.0): "mobilenet_v2",
        ("shufflenet_v2", 0.5): "shufflenet_v2_x0_5",
        ("shufflenet_v2", 2.0): "shufflenet_v2_x2_0",
    }
    with torch.device("meta"):
        plain = torchvision.models.get_model(names[architecture, size], num_classes=10)
        model = build_model(settings(architecture, size))
    assert not any(plain.load_state_dict(model.state_dict()))


def test_mobilenet_drops_out_before_its_last_layer():
    with torch.device("meta"):
        classifier = build_model(settings("mobilenet_v2", 1.0)).classifier
    assert [type(layer).__name__ for layer in classifier] == ["Dropout", "Linear"]
    assert classifier[0].p == 0.2


@pytest.mark.parametrize(("architecture", "size"), ALL)
def test_layer_groups_hold_every_parameter_once(architecture, size):
    with torch.device("meta"):
        model = build_model(settings(architecture, size))
    grouped = [id(p) for group in layer_groups(model, architecture) for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    assert len(grouped) == len(set(grouped))
    last = model.get_submodule(FAMILIES[architecture].last_layer)
    assert {id(p) for p in last.parameters()} == {
        id(p) for p in layer_groups(model, architecture)[-1]
    }


def test_weights_follow_from_torchs_seed():
    def first_weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return build_model(settings("shufflenet_v2", 0.5)).conv1[0].weight

    assert torch.equal(first_weights(1), first_weights(1))
    assert not torch.equal(first_weights(1), first_weights(2))


def test_frozen_parameters_are_counted_too():
    model = build_model(settings("resnet", 18)).requires_grad_(False)
    assert count_parameters(model) == 11_181_642
