"""Initial weights: what is used, reset, missing or refused; nothing that is read may run."""

import hashlib
import os

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from mmnist.config.model import ModelSettings
from mmnist.errors import InputError, RunError
from mmnist.models.factory import build_model
from mmnist.models.pretraining import load_pretrained
from mmnist.torchvision_import import torchvision

SHUFFLE = {"architecture": "shufflenet_v2", "size": 0.5}


def shufflenet(pretrained) -> tuple[torch.nn.Module, ModelSettings]:
    settings = ModelSettings(**SHUFFLE, pretrained=str(pretrained))
    return build_model(settings), settings


@pytest.fixture(scope="module")
def imagenet_like() -> dict[str, torch.Tensor]:
    """A state dict of another training, with ImageNet's 1000 classes."""
    torch.manual_seed(7)
    return torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_body_is_used_and_last_layer_reset(tmp_path, imagenet_like, suffix):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(imagenet_like, path)
    else:
        torch.save(imagenet_like, path)
    model, settings = shufflenet(path)
    before = model.fc.weight.clone()
    loaded = load_pretrained(model, settings)
    assert loaded.reset == ("fc.weight", "fc.bias")
    assert loaded.missing == ()
    assert len(loaded.used) == len(imagenet_like) - 2
    assert torch.equal(model.fc.weight, before)
    for name in loaded.used:
        assert torch.equal(model.state_dict()[name], imagenet_like[name])
    assert "reset: fc.weight, fc.bias" in str(loaded)


def test_ten_class_weights_are_used_whole(tmp_path):
    trained, _ = shufflenet("none")
    path = tmp_path / "own.safetensors"
    save_file(trained.state_dict(), path)
    model, settings = shufflenet(path)
    loaded = load_pretrained(model, settings)
    assert loaded.reset == loaded.missing == ()
    assert torch.equal(model.fc.weight, trained.fc.weight)


def test_ranges_of_angles_are_not_begun_from_weights_without_them(tmp_path):
    path = tmp_path / "own.safetensors"
    settings = {"architecture": "digit_reader", "size": 0.5, "pretrained": str(path)}
    save_file(build_model(ModelSettings(**settings)).state_dict(), path)
    told = ModelSettings(**settings, angles=6)
    with pytest.raises(InputError, match="does not tell 6 ranges of angles apart"):
        load_pretrained(build_model(told), told)
    save_file(build_model(told).state_dict(), path)
    assert load_pretrained(build_model(told), told).reset == ()


@pytest.mark.parametrize(
    "prefix", ["_orig_mod.", "module.", "_orig_mod.module.", "module._orig_mod."]
)
@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_wrapped_state_dicts_are_found(tmp_path, imagenet_like, prefix, key):
    content = {prefix + name: tensor for name, tensor in imagenet_like.items()}
    torch.save(content if key is None else {key: content, "epoch": 3}, tmp_path / "w.pth")
    model, settings = shufflenet(tmp_path / "w.pth")
    assert len(load_pretrained(model, settings).used) == len(imagenet_like) - 2


def test_missing_last_layer_and_counters_are_reported(tmp_path, imagenet_like):
    partial = {
        name: tensor
        for name, tensor in imagenet_like.items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    torch.save(partial, tmp_path / "w.pth")
    model, settings = shufflenet(tmp_path / "w.pth")
    loaded = load_pretrained(model, settings)
    assert {"fc.weight", "fc.bias"} < set(loaded.missing)
    assert set(loaded.used) == set(partial)


@pytest.mark.parametrize("other", ["resnet18", "shufflenet_v2_x1_0", "mobilenet_v2"])
def test_another_architecture_is_refused(tmp_path, other):
    torch.save(torchvision.models.get_model(other).state_dict(), tmp_path / "w.pth")
    model, settings = shufflenet(tmp_path / "w.pth")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError, match=r"another architecture than shufflenet_v2 0\.5"):
        load_pretrained(model, settings)
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())


class Canary:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_pickle_that_runs_code_is_refused(tmp_path, suffix):
    path = tmp_path / f"evil{suffix}"
    torch.save({"weight": Canary(tmp_path / "ran")}, path)
    model, settings = shufflenet(path)
    with pytest.raises(InputError, match="that can be read safely"):
        load_pretrained(model, settings)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"hello", b"Repository not found", b"PK\x03\x04 broken zip"]
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_files_are_refused_by_name(tmp_path, content, suffix):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    model, settings = shufflenet(path)
    with pytest.raises(InputError, match="broken"):
        load_pretrained(model, settings)


def test_a_missing_file_says_what_is_allowed(tmp_path):
    model, settings = shufflenet(tmp_path / "nowhere.pth")
    with pytest.raises(InputError, match=r"model\.pretrained: there is no file .*nowhere\.pth"):
        load_pretrained(model, settings)


def test_none_changes_nothing():
    model, settings = shufflenet("none")
    assert load_pretrained(model, settings) is None


def test_imagenet_without_network_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    model, settings = shufflenet("imagenet")
    with pytest.raises(RunError, match="put it at") as caught:
        load_pretrained(model, settings)
    assert str(tmp_path / "hub" / "checkpoints" / "shufflenetv2_x0.5-") in str(caught.value)


def test_imagenet_from_the_cache_is_checked_against_its_hash(tmp_path, monkeypatch, imagenet_like):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
    path = tmp_path / "hub" / "checkpoints" / weights.url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    torch.save(imagenet_like, path)
    model, settings = shufflenet("imagenet")
    with pytest.raises(InputError, match="is damaged: its SHA-256"):
        load_pretrained(model, settings)
    # the same file is taken when its hash is the promised one
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    honest = path.with_name(f"shufflenet-{digest[:8]}.pth")
    path.rename(honest)
    monkeypatch.setattr(
        type(weights), "url", property(lambda _: f"https://x.invalid/{honest.name}")
    )
    assert len(load_pretrained(model, settings).used) == len(imagenet_like) - 2


def test_every_torchvision_size_has_imagenet_weights():
    from mmnist.config.model import SIZES
    from mmnist.models.factory import FAMILIES, torchvision_name

    for architecture, sizes in SIZES.items():
        if FAMILIES[architecture].builder is None:  # not torchvision's
            with pytest.raises(ValidationError, match="no ImageNet weights"):
                ModelSettings(
                    architecture=architecture,
                    size=sizes[0] if sizes else None,
                    pretrained="imagenet",
                )
            continue
        for size in sizes:
            name = torchvision_name(ModelSettings(architecture=architecture, size=size))
            weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
            stem = weights.url.rpartition("/")[2].removesuffix(".pth")
            assert len(bytes.fromhex(stem.rpartition("-")[2])) >= 4
