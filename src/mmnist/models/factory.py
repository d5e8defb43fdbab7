"""(architecture, size) → network with 10 outputs, through torchvision's own builders."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from mmnist.config.model import ModelSettings
from mmnist.models.digit_reader import digit_reader
from mmnist.models.maximum import MaximumNetwork, scores_of_locations
from mmnist.models.simple_cnn import SimpleCNN, simple_cnn_reader
from mmnist.task import CLASSES
from mmnist.torchvision_import import torchvision


@dataclass(frozen=True)
class Family:
    """What the networks of one architecture have in common."""

    builder: Callable[[int | float | None], str] | None
    """Size → name of the network in torchvision's registry; None for a network of our own."""
    last_layer: str
    """Dotted name of the layer that gives the class scores."""
    groups: tuple[tuple[str, ...], ...]
    """Layers from input to output, grouped as they are unfrozen; those without parameters are left
    out."""
    channels: int = 3
    """Channels of the input images."""


_RESNET_GROUPS = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",), ("fc",))

FAMILIES: dict[str, Family] = {
    "resnet": Family(lambda size: f"resnet{size}", "fc", _RESNET_GROUPS),
    "wide_resnet": Family(lambda size: f"wide_resnet{size}_2", "fc", _RESNET_GROUPS),
    "mobilenet_v2": Family(
        lambda _: "mobilenet_v2",
        "classifier.1",
        (
            # one group per resolution
            ("features.0", "features.1"),
            ("features.2", "features.3"),
            ("features.4", "features.5", "features.6"),
            tuple(f"features.{i}" for i in range(7, 14)),
            tuple(f"features.{i}" for i in range(14, 19)),
            ("classifier",),
        ),
    ),
    "shufflenet_v2": Family(
        lambda size: f"shufflenet_v2_x{size:.1f}".replace(".", "_"),
        "fc",
        (("conv1",), ("stage2",), ("stage3",), ("stage4", "conv5"), ("fc",)),
    ),
    "simple_cnn": Family(None, "fc2", (("conv1",), ("conv2",), ("fc1",), ("fc2",)), channels=1),
    "digit_reader": Family(
        None,
        "locations",
        (("stage1",), ("stage2",), ("stage3",), ("locations",)),
        channels=1,
    ),
}


def torchvision_name(settings: ModelSettings) -> str:
    """Name of the network in torchvision's registry, e.g. `wide_resnet50_2`.

    Raises:
        ValueError: it is a network of our own.
    """
    builder = FAMILIES[settings.architecture].builder
    if builder is None:
        raise ValueError(f"torchvision has no {settings.architecture}")
    return builder(settings.size)


def build_model(settings: ModelSettings) -> nn.Module:
    """Build a network with random weights and 10 outputs.

    The last layer of the torchvision networks is replaced, as the authors did, so their state dicts
    fit torchvision's own builders called with `num_classes=10`. `settings.pretrained` is ignored
    here: see `mmnist.models.pretraining`.

    With `head: maximum` the network is a `MaximumNetwork` whose layers keep their names; the last
    one gives 11 outputs at each location of the last feature map.
    """
    if settings.architecture == "digit_reader":
        assert settings.size is not None  # as for every architecture with sizes
        return digit_reader(
            settings.size,
            settings.digits,
            settings.angles,
            settings.orientations,
            settings.antialiased,
        )
    if settings.architecture == "simple_cnn":
        return simple_cnn_reader() if settings.reads_maximum else SimpleCNN(CLASSES)
    model = torchvision.models.get_model(torchvision_name(settings), weights=None)
    name = FAMILIES[settings.architecture].last_layer
    parent, _, attribute = name.rpartition(".")
    features = model.get_submodule(name).in_features
    if settings.reads_maximum:
        setattr(model.get_submodule(parent), attribute, scores_of_locations(features))
        # Without the average pooling, the layers of all these families form a sequence.
        layers = {name: layer for name, layer in model.named_children() if name != "avgpool"}
        return MaximumNetwork(OrderedDict(layers))
    setattr(model.get_submodule(parent), attribute, nn.Linear(features, CLASSES))
    return model


def layer_groups(model: nn.Module, architecture: str) -> list[list[nn.Parameter]]:
    """Parameters of each group of layers, from input to output; together, all of the network's."""
    own = dict(model.named_modules())  # simple_cnn with the maximum head lacks a layer
    return [
        [parameter for name in names for parameter in own[name].parameters()]
        for names in FAMILIES[architecture].groups
        if own.keys() & names
    ]


def count_parameters(model: nn.Module) -> int:
    """Number of parameters, frozen ones included."""
    return sum(parameter.numel() for parameter in model.parameters())
