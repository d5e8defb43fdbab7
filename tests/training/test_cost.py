"""What is measured of an experiment: MACs as published, the steps of training itself, memory."""

import multiprocessing
import operator
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mmnist.config.loading import dump_experiment
from mmnist.config.schema import Experiment
from mmnist.errors import InputError, RunError
from mmnist.models.digit_reader import digit_reader
from mmnist.models.simple_cnn import SimpleCNN
from mmnist.pipeline.augment import Augment
from mmnist.pipeline.device import Hardware
from mmnist.torchvision_import import torchvision
from mmnist.training import cost
from mmnist.training.cost import NotMeasured, count_macs, enough, measure_cost, measure_costs, timed

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
linux_only = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak can be reset on Linux only"
)
RESNET18 = {"architecture": "resnet", "size": 18}


@pytest.mark.parametrize(
    "name", ["resnet18", "wide_resnet50_2", "mobilenet_v2", "shufflenet_v2_x1_0"]
)
def test_macs_are_those_that_torchvision_publishes(name):
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None)
    published = torchvision.models.get_model_weights(name).DEFAULT.meta["_ops"]  # in 1e9
    assert count_macs(model, 3, 224) / 1e9 == pytest.approx(published, rel=0.01)


def test_macs_of_the_two_layer_network_by_hand():
    # 5×5 convolutions: 1 → 20 channels giving 124×124, then 20 → 50 giving 58×58 from 62×62.
    convolutions = 124**2 * 20 * 25 + 58**2 * 50 * 20 * 25
    with torch.device("meta"):
        model = SimpleCNN()
    assert count_macs(model, 1, 128) == convolutions + 50 * 64 * 64 * 500 + 500 * 10


def test_macs_of_a_digit_reader_by_hand():
    # Grids of 64, 32 and 16; at each the layer that leads there, and two for each block.
    widths, blocks = (1, 32, 64, 128), (1, 1, 2)
    expected = 128 * 11 * 16**2
    for before, width, count, side in zip(widths, widths[1:], blocks, (64, 32, 16), strict=False):
        expected += side**2 * 9 * width * (before + 2 * count * width)
    with torch.device("meta"):
        model = digit_reader()
    assert count_macs(model, 1, 128) == expected


@pytest.mark.parametrize(
    ("laps", "counted"),
    [
        ([1] * 6, None),
        ([1] * 7, 5),  # 5 s, after two that do not count
        ([0.1] * 11, None),
        ([0.1] * 12, 10),
        ([300, 200], None),
        ([300, 200, 200], 2),  # a long first step is warm-up enough
    ],
)
def test_timed_until_five_seconds_or_ten_steps(laps, counted):
    assert enough(laps) is (counted is not None)
    if counted:
        assert len(timed(laps)) == counted


@pytest.fixture
def network(monkeypatch):
    """The network of the tiny experiment on a clock of its own: `network.train` are the seconds
    that its training batches take in turn, and a validation batch takes a quarter of one."""

    clock = SimpleNamespace(now=0.0, train=repeat(2.0), batches={True: 0, False: 0})
    kind = torchvision.models.ShuffleNetV2
    forward = kind.forward

    def timed_forward(self, images):
        if images.device.type != "meta":
            clock.batches[self.training] += 1
            clock.now += next(clock.train) if self.training else 0.25
        return forward(self, images)

    monkeypatch.setattr(kind, "forward", timed_forward)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock.now)
    return clock


def test_cost_of_an_experiment(tiny, network):
    network.train = chain([100.0, 2.0, 2.0, 9.0], repeat(7.0))  # a warm-up, an outlier
    found = measure_cost(tiny())
    assert network.batches == {True: 4, False: 12}
    assert found.train_images_per_second == 16 / 2
    assert found.valid_images_per_second == 16 / 0.25
    assert found.parameters == 352_042
    assert found.batch_size == 16
    assert found.precision == "fp32"
    assert found.threads == torch.get_num_threads()
    assert re.fullmatch(rf"CPU \(.+\), {found.threads} threads?", found.device)
    with torch.device("meta"):
        model = torchvision.models.shufflenet_v2_x0_5(num_classes=10)
    assert found.macs == count_macs(model, 3, 32)


def test_epochs_of_images_are_measured_though_a_training_has_none(tiny, network):
    experiment = tiny(model={"pretrained": "mnist"})
    none = experiment.train.model_copy(update={"epochs": 0})
    found = measure_cost(experiment.model_copy(update={"train": none}))
    assert found.train_images_per_second == 16 / 2


def test_a_timed_step_is_one_of_the_optimiser_on_the_path_of_training(tiny, network, monkeypatch):
    augmented, steps = [], []
    augment, step = Augment.__call__, torch.optim.SGD.step

    def count_step(self, *arguments, **options):
        parameters = [p for group in self.param_groups for p in group["params"]]
        steps.append(all(p.grad is not None for p in parameters))
        return step(self, *arguments, **options)

    monkeypatch.setattr(Augment, "__call__", lambda *a: augmented.append(1) or augment(*a))
    monkeypatch.setattr(torch.optim.SGD, "step", count_step)
    settings = {"optimiser": "sgd", "gradient_accumulation": 2, "unfreezing": {"mode": "gradual"}}
    found = measure_cost(
        tiny(
            augment="paper",
            model={"architecture": "shufflenet_v2", "size": 0.5, "pretrained": "missing.pth"},
            train=settings,
        )
    )
    # Of 4 s each: two that do not count, two that do.
    assert steps == [True] * 4, "all layers train"
    assert network.batches[True] == len(augmented) == 2 * 4
    assert found.train_images_per_second == 16 / 2


def test_what_cannot_be_run_is_refused_before_anything_is_measured(tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    experiments = {"fine": tiny(), "not": tiny(compute={"device": "cuda"})}
    with pytest.raises(InputError, match=r"compute\.device is cuda"):
        measure_costs(experiments, lambda *_: pytest.fail("measured"))


@pytest.mark.parametrize(
    "message", ["CUDA out of memory. Tried to allocate 2 GiB", "can't allocate memory: you tried"]
)
def test_too_little_memory_is_a_clear_failure(tiny, monkeypatch, message):
    def fail(*_):
        raise RuntimeError(message)

    monkeypatch.setattr(cost, "make_learner", fail)
    with pytest.raises(RunError, match=r"does not fit into the memory.*train\.batch_size"):
        measure_cost(tiny())


def test_what_is_to_be_lowered_is_what_was_too_large(monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(cost, "make_learner", fail)
    reader = {
        "name": "reader",
        "model": {"architecture": "digit_reader", "size": 0.5, "pretrained": "mnist"},
        "pretraining": {"batch_size": 32, "candidates": 3, "side": 40},
        "train": {"epochs": 0},
    }
    with pytest.raises(RunError, match=r"96 patches at 40 px: lower .*pretraining\.batch_size"):
        measure_cost(Experiment.model_validate(reader))


AFTER_A_BLOCK = """
import torch
from mmnist import machine
from mmnist.config.loading import load_experiment
from mmnist.training.cost import measure_cost
block = torch.ones(600 * 2**20 // 4)
assert machine.peak_memory_mib() > 600
del block
print(measure_cost(load_experiment("small.yaml")).peak_memory_mib)
"""


@linux_only
def test_memory_is_what_the_network_takes_whatever_was_before(tiny, tmp_path):
    experiment = tiny(train={"batch_size": 2}, model=RESNET18)
    (tmp_path / "small.yaml").write_text(dump_experiment(experiment), encoding="utf-8")
    # In a process of its own: what other tests leave behind would be used again.
    done = subprocess.run(
        [sys.executable, "-c", AFTER_A_BLOCK], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # Weights, gradients, and Adam's two moments: 4 × 4 bytes a parameter.
    assert 0.9 * 16 * 11_181_642 / 2**20 < float(done.stdout) < 500


@needs_cuda
def test_memory_on_cuda_is_torchs(tiny):
    experiment = tiny(train={"batch_size": 2}, model=RESNET18, compute={"device": "cuda"})
    seen = []
    found = measure_costs({"one": experiment, "two": experiment}, lambda *a: seen.append(a))
    assert seen == list(found.items())
    for each in found.values():
        assert 16 * each.parameters / 2**20 <= each.peak_memory_mib < 1000
        assert each.device == torch.cuda.get_device_name()


def test_each_is_measured_in_a_process_whose_errors_come_out(tiny, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("needs a machine without CUDA")
    # Here the second looks possible, in the worker it is not.
    cpu = Hardware(torch.device("cpu"), "fp32")
    monkeypatch.setattr(cost, "choose_hardware", lambda _: cpu)
    monkeypatch.setattr(cost, "count_macs", lambda *_: pytest.fail("measured in this process"))
    seen = {}
    with pytest.raises(InputError, match=r"compute\.device is cuda"):
        measure_costs({"fine": tiny(), "not": tiny(compute={"device": "cuda"})}, seen.setdefault)
    assert list(seen) == ["fine"]
    assert seen["fine"].parameters == 352_042
    assert not multiprocessing.active_children()


def test_a_process_that_dies_is_a_clear_failure(tiny, monkeypatch, capfd):
    monkeypatch.setattr(cost, "_measure_each", operator.truediv)  # fails at once
    with pytest.raises(NotMeasured, match=r"large could not be measured.*ended with code 1") as it:
        measure_costs({"large": tiny()}, lambda *_: pytest.fail("measured"))
    assert it.value.name == "large"


INTERRUPTED = """
import multiprocessing
from mmnist.config.loading import load_experiment
from mmnist.training.cost import measure_costs
slow = {"one": load_experiment("slow.yaml")}
for _ in range(2):
    try:
        print("ready", flush=True)
        measure_costs(slow, print)
    except KeyboardInterrupt:
        print("interrupted", multiprocessing.active_children(), flush=True)
"""


def test_ctrl_c_ends_it_at_once_without_a_traceback(tmp_path):
    (tmp_path / "slow.yaml").write_text(
        "model: {architecture: resnet, size: 152}\ncompute: {device: cpu}\n", encoding="utf-8"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for moment in (0.03, 1.0):  # while the worker is started, while it imports torch
            assert process.stdout.readline() == "ready\n"
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all
            assert process.stdout.readline() == "interrupted []\n"
        output, errors = process.communicate(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, output, errors) == (0, "", "")
