"""A checkpoint gives everything back, each tensor where it is computed with."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmnist.config.schema import ComputeSettings
from mmnist.config.training import TrainSettings
from mmnist.errors import InputError
from mmnist.pipeline.device import choose_hardware
from mmnist.training.callbacks import AverageWeights, Precision
from mmnist.training.checkpoint import load_checkpoint, save_checkpoint
from mmnist.training.learner import optimiser
from mmnist.training.state import RunState


def learner_of(kind: str, device: str = "cpu", precision: str = "fp32") -> SimpleNamespace:
    """What a checkpoint holds of a learner; on the meta device, one that is not the CPU."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 10))
    model.to(device)
    groups = [list(layer.parameters()) for layer in model if list(layer.parameters())]
    average = AverageWeights(0.9)
    learner = SimpleNamespace(
        model=model,
        opt=optimiser(TrainSettings(optimiser=kind))(groups, lr=0.01),
        cbs=[
            Precision(choose_hardware(ComputeSettings(device="cpu", precision=precision))),
            average,
        ],
    )
    average.learn = learner
    average.after_create()
    return learner


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "muon"])
def test_steps_are_counted_on_the_cpu_and_all_else_is_where_the_weights_are(tmp_path, kind):
    saved, loaded = learner_of(kind), learner_of(kind, "meta")
    saved.model(torch.rand(2, 1, 8, 8)).sum().backward()
    saved.opt.step()
    save_checkpoint(tmp_path / "checkpoint.pt", saved, RunState(epoch=1))
    assert load_checkpoint(tmp_path / "checkpoint.pt", loaded).epoch == 1
    states = [loaded.opt.opt.state, *([loaded.opt.opt._adamw.state] if kind == "muon" else [])]
    found = {
        (name, tensor.device.type)
        for state in states
        for of_parameter in state.values()
        for name, tensor in of_parameter.items()
    }
    adam = {("step", "cpu"), ("exp_avg", "meta"), ("exp_avg_sq", "meta")}
    momentum = {("momentum_buffer", "meta")}
    expected = {"adam": adam, "adamw": adam, "sgd": momentum, "muon": adam | momentum}
    assert found == expected[kind]


def test_the_scale_of_fp16_gradients_comes_back(tmp_path):
    saved, loaded = (learner_of("sgd", precision="fp16") for _ in range(2))
    scaler = saved.cbs[0].gradient_scaler
    scaler.load_state_dict({**scaler.state_dict(), "scale": 8.0, "_growth_tracker": 5})
    assert loaded.cbs[0].gradient_scaler.state_dict() != scaler.state_dict()
    save_checkpoint(tmp_path / "checkpoint.pt", saved, RunState())
    load_checkpoint(tmp_path / "checkpoint.pt", loaded)
    assert loaded.cbs[0].gradient_scaler.state_dict() == scaler.state_dict()


def test_averaged_weights_are_not_dropped_by_a_training_without_them(tmp_path):
    saved, loaded = learner_of("sgd"), learner_of("sgd")
    save_checkpoint(tmp_path / "checkpoint.pt", saved, RunState())
    del loaded.cbs[1]
    with pytest.raises(InputError, match="it has averaged weights, unlike this experiment"):
        load_checkpoint(tmp_path / "checkpoint.pt", loaded)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken zip"])
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"cannot resume from .*checkpoint\.pt: .+; delete .* to start afresh"
    ):
        load_checkpoint(path, learner_of("adam"))
