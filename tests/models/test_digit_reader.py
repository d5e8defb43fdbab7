"""The digit reader, and the maximum head on other networks."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from mmnist.config.model import SIZES, ModelSettings
from mmnist.config.rules import GRID
from mmnist.models.digit_reader import STRIDE, digit_reader
from mmnist.models.factory import FAMILIES, build_model, count_parameters, layer_groups
from mmnist.models.maximum import MaximumNetwork, Reading, read_maximum

READERS = [
    ("resnet", 18),
    ("resnet", 50),
    ("wide_resnet", 50),
    ("mobilenet_v2", 1.0),
    ("shufflenet_v2", 0.5),
    ("simple_cnn", None),
]


def reader(architecture, size):
    head = {} if architecture == "digit_reader" else {"head": "maximum"}
    return ModelSettings(architecture=architecture, size=size, **head)


@pytest.mark.parametrize(("architecture", "size"), [*READERS, ("digit_reader", 1.0)])
def test_readers_give_labels_and_in_training_a_reading(architecture, size):
    torch.manual_seed(0)
    model = build_model(reader(architecture, size))
    images = torch.rand(2, FAMILIES[architecture].channels, 64, 64)
    output = model(images)
    assert isinstance(output, Reading)
    assert output.outcomes.shape == (2, 11)
    assert output.present.shape == (2, 10)
    model.eval()
    labels = model(images)
    assert labels.shape == (2, 10)
    torch.testing.assert_close(labels.exp().sum(1), torch.ones(2))
    scores = model.joint_scores(images)
    assert scores.shape[1] == 11
    torch.testing.assert_close(labels, read_maximum(scores).logits)
    groups = layer_groups(model, architecture)
    assert sum(p.numel() for group in groups for p in group) == count_parameters(model)


@pytest.mark.parametrize(("architecture", "size"), READERS)
def test_other_heads_keep_the_names_of_all_other_layers(architecture, size):
    with torch.device("meta"):
        plain = build_model(ModelSettings(architecture=architecture, size=size)).state_dict()
        read = build_model(reader(architecture, size)).state_dict()
    last = FAMILIES[architecture].last_layer
    body = {name for name in plain if not name.startswith((last, "fc1"))}
    assert {name for name in read if not name.startswith(last)} == body
    assert all(read[name].shape == plain[name].shape for name in body)


def test_the_grid_has_eight_pixels_and_grows_with_the_image():
    model = digit_reader()
    assert model.joint_scores(torch.rand(1, 1, 48, 48)).shape == (1, 11, 6, 6)
    assert model.joint_scores(torch.rand(1, 1, 128, 128)).shape == (1, 11, 16, 16)


def test_the_configuration_knows_the_grid_and_the_size_of_images():
    """It imports neither networks nor data."""
    assert GRID == STRIDE


@pytest.mark.parametrize("size", SIZES["digit_reader"])
def test_sizes(size):
    with torch.device("meta"):
        count = count_parameters(digit_reader(size))
    assert count == pytest.approx(778_000 * size**2, rel=0.06)
    assert count <= 2_000_000


def test_at_first_there_is_no_digit_nearly_anywhere():
    torch.manual_seed(0)
    p = digit_reader().joint_scores(torch.rand(4, 1, 128, 128)).softmax(1)
    assert p[:, 0].min() > 0.9


def test_its_weights_load_without_the_code_of_the_training(tmp_path):
    """A state dict and six files that need nothing but torch are enough to read images."""
    model = digit_reader(0.5).eval()
    images = torch.rand(2, 1, 128, 128)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    torch.save({"images": images, "labels": model(images)}, tmp_path / "expected.pt")
    code = """
import sys
import torch
from safetensors.torch import load_file
from mmnist.models.digit_reader import digit_reader
model = digit_reader(0.5).eval()
model.load_state_dict(load_file("model.safetensors"))
expected = torch.load("expected.pt", weights_only=True)
torch.testing.assert_close(model(expected["images"]), expected["labels"])
loaded = {name for name in sys.modules if name.startswith(("mmnist.", "fastai", "torchvision"))}
print(sorted(loaded))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(
        [
            "mmnist.models",
            "mmnist.models.angles",
            "mmnist.models.antialiasing",
            "mmnist.models.digit_reader",
            "mmnist.models.maximum",
            "mmnist.models.orientations",
            "mmnist.models.places",
        ]
    )


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("orientations", [1, 8])
def test_it_reads_what_its_layers_say_one_by_one(orientations, antialiased):
    torch.manual_seed(0)
    network = digit_reader(0.5, orientations=orientations, antialiased=antialiased).double()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for values in (layer.weight, layer.bias, layer.running_mean):
                torch.nn.init.normal_(values)
            torch.nn.init.uniform_(layer.running_var, 0.1, 3)
    images = torch.rand(2, 1, 40, 40, dtype=torch.float64)

    x = images
    network.eval()
    for stage in (network.stage1, network.stage2, network.stage3):
        convolution, norm, relu, *blocks = stage
        x = relu(norm(convolution(x)))
        for block in blocks:
            inside = block.bn1(block.conv1(x)).relu()
            x = (x + block.bn2(block.conv2(inside))).relu()
    torch.testing.assert_close(network.joint_scores(images), network.locations(x))


def test_a_reader_is_a_plain_sequence():
    assert [name for name, _ in digit_reader().named_children()] == [
        "stage1",
        "stage2",
        "stage3",
        "locations",
    ]
    assert isinstance(build_model(reader("resnet", 18)), MaximumNetwork)
