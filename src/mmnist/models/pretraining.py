"""Where initial weights come from: ImageNet through torchvision, or a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mmnist.config.model import ModelSettings
from mmnist.errors import InputError, RunError, first_line
from mmnist.files import expanded, sha256_of
from mmnist.models.factory import FAMILIES, torchvision_name
from mmnist.torchvision_import import torchvision

#: Prefixes that torch.compile and DataParallel add to every name, in any order.
_WRAPPERS = ("_orig_mod.", "module.")


@dataclass(frozen=True)
class LoadedWeights:
    """What became of the tensors of a state dict."""

    source: str
    """File that the tensors came from."""
    used: tuple[str, ...]
    """Copied into the network."""
    reset: tuple[str, ...]
    """In the file with another shape (the last layer, made for other classes): left random."""
    missing: tuple[str, ...]
    """Not in the file: left as they were initialised."""

    def __str__(self) -> str:
        parts = [f"{len(self.used)} tensors used"]
        parts += [f"reset: {', '.join(self.reset)}"] if self.reset else []
        parts += [f"missing: {', '.join(self.missing)}"] if self.missing else []
        return f"initial weights from {self.source}: {'; '.join(parts)}"


def load_pretrained(model: nn.Module, settings: ModelSettings) -> LoadedWeights | None:
    """Load the weights that `settings.pretrained` names into `model`.

    None if it is `none`, or `mnist`, which stands for how the training begins, not for weights. The
    last layer is left random if the file's has another number of outputs.

    Raises:
        InputError: there are no such weights, the file cannot be read safely, or it does not fit
            the network (`copy_weights`).
        RunError: ImageNet weights are not on this machine and cannot be downloaded.
    """
    if settings.pretrained in ("none", "mnist"):
        return None
    if settings.pretrained == "imagenet":
        path = _imagenet_file(settings)
    else:
        path = expanded(settings.pretrained)
    return copy_weights(model, read_state_dict(path), settings, str(path))


def copy_weights(
    model: nn.Module, tensors: Mapping[str, Tensor], settings: ModelSettings, source: str
) -> LoadedWeights:
    """Copy the tensors of a state dict into `model`, which must be of the same architecture.

    Raises:
        InputError: a tensor other than those of the last layer is missing, unknown or of another
            shape; or one of the last layer is, and the network tells angles apart.
    """
    own = model.state_dict()
    last = FAMILIES[settings.architecture].last_layer + "."
    same = [name for name in own if name in tensors and tensors[name].shape == own[name].shape]
    other_shape = [name for name in own if name in tensors and name not in same]
    missing = [name for name in own if name not in tensors]
    unknown = [name for name in tensors if name not in own]
    wrong = [name for name in other_shape + missing if not _may_differ(name, last)]
    if wrong or unknown or not same:
        raise InputError(
            f"{source} holds weights of another architecture than {_title(settings)} "
            f"({len(same)} of {len(own)} tensors fit): {_differences(wrong, unknown, tensors, own)}"
        )
    if settings.angles > 1 and any(name.startswith(last) for name in other_shape + missing):
        raise InputError(
            f"{source} does not tell {settings.angles} ranges of angles apart, which images do not "
            "teach: set model.angles to what it was trained with, or to 1"
        )
    model.load_state_dict({name: tensors[name] for name in same}, strict=False)
    return LoadedWeights(source, tuple(same), tuple(other_shape), tuple(missing))


def _may_differ(name: str, last_layer: str) -> bool:
    # Files from before torch 0.4 lack the batch counters, which are not used.
    return name.startswith(last_layer) or name.endswith("num_batches_tracked")


def _differences(
    wrong: list[str], unknown: list[str], tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> str:
    lines = []
    for name in wrong[:2]:
        given = f"has shape {list(tensors[name].shape)}" if name in tensors else "is missing"
        lines.append(f"{name} {given}, wanted {list(own[name].shape)}")
    lines += [f"{name} is unknown" for name in unknown[:2]]
    more = len(wrong) + len(unknown) - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")


def _title(settings: ModelSettings) -> str:
    return f"{settings.architecture} {'' if settings.size is None else settings.size}".strip()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a `.safetensors` or `.pth`/`.pt` state dict onto the CPU without running its code.

    A state dict within a checkpoint (under `state_dict` or `model`) is found; prefixes that
    torch.compile and DataParallel leave in names are removed.

    Raises:
        InputError: no such file, not a state dict, or a pickle of anything but tensors.
    """
    if not path.is_file():
        raise InputError(
            f"model.pretrained: there is no file {path}; give `none`, `imagenet`, or the path of a "
            ".pth or .safetensors state dict"
        )
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can raise anything: IndexError, struct.error …
        raise InputError(
            f"{path} is not a state dict that can be read safely ({first_line(error)}); it must "
            "be saved with torch.save(model.state_dict(), path) or as .safetensors"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise InputError(f"{path} does not hold a state dict (names with tensors)")
    return {_unwrapped(name): tensor for name, tensor in content.items()}


def _unwrapped(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.partition(".")[2]
    return name


def _imagenet_file(settings: ModelSettings) -> Path:
    """The file of torchvision's ImageNet weights, downloaded if missing, with its hash checked."""
    # V1 are the weights that existed when the paper was written.
    weights = torchvision.models.get_model_weights(torchvision_name(settings)).IMAGENET1K_V1
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not path.is_file():
        try:
            weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except (OSError, RuntimeError) as error:
            raise RunError(
                f"cannot download the ImageNet weights of {_title(settings)} ({error}). Download "
                f"{weights.url} elsewhere and put it at {path}, or give its path as "
                "model.pretrained."
            ) from error
    digest = sha256_of(path)
    expected = path.stem.rpartition("-")[2]  # torchvision's file names end in the hash
    if not digest.startswith(expected):
        raise InputError(
            f"{path} is damaged: its SHA-256 begins with {digest[:8]}, not {expected}; delete it"
        )
    return path
