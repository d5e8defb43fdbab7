"""Each callback against what it stands for, on networks small enough to follow."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from torch import nn

from mmnist.config.model import SIZES, ModelSettings
from mmnist.config.schema import ComputeSettings
from mmnist.config.training import UnfreezingSettings
from mmnist.models.factory import build_model, layer_groups
from mmnist.pipeline.batches import Batches, ImageSource
from mmnist.pipeline.device import choose_hardware
from mmnist.pipeline.preprocess import Preprocess
from mmnist.training.callbacks import Accumulate, AverageWeights, Precision, SeedSteps, Unfreeze

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)
LABELS = np.arange(24) % 10


def loaders(batch_size: int, count: int = 24) -> DataLoaders:
    source = ImageSource(IMAGES, torch.device("cpu"))
    arguments = (source, np.arange(count), LABELS, Preprocess(8, "unit", 1))
    train = Batches(*arguments, batch_size=batch_size)  # in order, so that sums can be compared
    return DataLoaders(train, Batches(*arguments, batch_size=batch_size), device="cpu")


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def fit(model, dls, *callbacks, epochs=1, lr=0.1, splitter=None) -> Learner:
    learner = Learner(
        dls,
        model,
        loss_func=nn.CrossEntropyLoss(),
        opt_func=lambda groups, lr: OptimWrapper(groups, opt=torch.optim.SGD, lr=lr),
        splitter=splitter or (lambda model: list(model.parameters())),
        wd_bn_bias=True,
        default_cbs=False,
        cbs=[TrainEvalCallback, *callbacks],
    )
    learner.fit(epochs, lr)
    return learner


@pytest.mark.parametrize("clip", [[], [GradientClip(0.01)]], ids=["plain", "clipped"])
@pytest.mark.parametrize("count", [24, 20])
def test_accumulated_small_batches_make_the_step_of_a_large_one(count, clip):
    # 20 images in batches of 4: a full group of three batches, then one of two.
    small, large = linear(), linear()
    fit(small, loaders(4, count), Accumulate(3), *clip)
    fit(large, loaders(12, count), *clip)
    for one, other in zip(small.parameters(), large.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_average_follows_its_recurrence():
    class Remember(Callback):
        weights: list = []  # noqa: RUF012

        def after_step(self):
            self.weights.append(self.learn.model[1].weight.detach().clone())

    remember, average = Remember(), AverageWeights(0.9)
    remember.weights = []
    fit(linear(), loaders(4), remember, average, epochs=2)
    expected = remember.weights[0]
    for step, weight in enumerate(remember.weights[1:], start=1):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
    torch.testing.assert_close(average.average.module[1].weight, expected)


def test_average_is_what_validation_sees_and_training_goes_on_with_the_weights():
    class Watch(Callback):
        order = 100
        seen: dict = {}  # noqa: RUF012

        def after_pred(self):
            self.seen[self.training] = self.learn.model

    watch, average, model = Watch(), AverageWeights(0.9), linear()
    learner = fit(model, loaders(4), watch, average)
    assert watch.seen[True] is learner.model is model
    assert watch.seen[False] is average.average.module
    assert not torch.equal(model[1].weight, average.average.module[1].weight)


@pytest.mark.parametrize(
    ("mode", "pretraining", "expected"),
    [
        ("frozen", 0, [1, 1, 5, 5, 5, 5]),
        ("gradual", 0, [1, 1, 2, 2, 3, 3]),
        ("gradual", 1, [5, 1, 1, 2, 2, 3]),
    ],
)
def test_unfreezing_lets_more_groups_train_as_epochs_pass(mode, pretraining, expected):
    class Count(Callback):
        order = 100

        def before_batch(self):
            if self.training and self.iter == 0:
                flags = [
                    any(p.requires_grad for p in g if p.ndim > 1) for g in self.opt.param_lists
                ]
                assert flags == sorted(flags), "the last groups train first"
                counts.append(sum(flags))

    counts: list[int] = []

    class Stop(Callback):
        """The network itself need not run."""

        def before_batch(self):
            from fastai.callback.core import CancelBatchException

            raise CancelBatchException

        order = 200

    settings = UnfreezingSettings(mode=mode, epochs=2)
    model = build_model(ModelSettings(architecture="shufflenet_v2", size=0.5))
    fit(
        model,
        loaders(12),
        Unfreeze(settings, pretraining),
        Count(),
        Stop(),
        epochs=6,
        splitter=lambda model: layer_groups(model, "shufflenet_v2"),
    )
    assert counts == expected


def test_a_frozen_body_does_not_move():
    model = build_model(ModelSettings(architecture="shufflenet_v2", size=0.5))
    before = copy.deepcopy(model.state_dict())
    source = ImageSource(np.repeat(IMAGES, 4, 1).repeat(4, 2), torch.device("cpu"))
    arguments = (source, np.arange(24), LABELS, Preprocess(32, "unit", 3))
    dls = DataLoaders(Batches(*arguments, batch_size=12), Batches(*arguments, batch_size=12))
    fit(
        model,
        dls,
        Unfreeze(UnfreezingSettings(mode="frozen", epochs=1)),
        splitter=lambda model: layer_groups(model, "shufflenet_v2"),
    )
    after = model.state_dict()
    convolutions = [name for name, tensor in before.items() if tensor.ndim == 4]
    assert len(convolutions) > 50
    assert all(torch.equal(before[name], after[name]) for name in convolutions)
    assert not torch.equal(before["fc.weight"], after["fc.weight"])


@pytest.mark.parametrize(("precision", "scaled"), [("bf16", False), ("fp16", True)])
def test_low_precision_trains_like_full_precision(precision, scaled):
    hardware = choose_hardware(ComputeSettings(device="cpu", precision=precision))
    callback = Precision(hardware)
    low, full = linear(), linear()
    seen = []

    class Watch(Callback):
        order = -50

        def after_pred(self):
            seen.append(self.learn.pred.dtype)

    fit(low, loaders(4), callback, Watch(), epochs=3)
    fit(full, loaders(4), epochs=3)
    assert set(seen) == {torch.bfloat16 if precision == "bf16" else torch.float16}
    assert callback.gradient_scaler.is_enabled() == scaled
    torch.testing.assert_close(low[1].weight, full[1].weight, rtol=0, atol=0.01)
    assert not torch.equal(low[1].weight, linear()[1].weight)


def test_dropout_follows_from_seed_epoch_and_step():
    class Drop(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 10)

        def forward(self, x):
            masks.append(nn.functional.dropout(torch.ones(50), 0.5, training=self.training))
            return self.linear(x.flatten(1))

    def masks_of(seed: int, noise: int) -> list[torch.Tensor]:
        masks.clear()
        torch.manual_seed(noise)
        fit(Drop(), loaders(8), SeedSteps(seed), epochs=2)
        return [mask for mask in masks if (mask == 0).any()]  # training only

    masks: list[torch.Tensor] = []
    first, again, other = masks_of(1, 5), masks_of(1, 6), masks_of(2, 5)
    assert len(first) == 6
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert len({tuple(mask.tolist()) for mask in first}) == 6


@pytest.mark.parametrize(
    "settings",
    [
        *({"architecture": name, "size": min(of, default=None)} for name, of in SIZES.items()),
        {"architecture": "digit_reader", "size": 0.5, "orientations": 8},
        {"architecture": "digit_reader", "size": 0.5, "antialiased": True},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_the_average_of_weights_that_stay_is_the_weights(settings):
    """Of all that a network holds, and however many steps it was averaged over."""
    model = build_model(ModelSettings(**settings))
    for name, buffer in model.named_buffers():
        if name.endswith("num_batches_tracked"):
            buffer.fill_(1001)
    average = AverageWeights(0.9)
    average.learn = SimpleNamespace(model=model)
    average.after_create()
    for steps in (1, 12, 30):
        average.average.n_averaged.fill_(steps)
        average.after_step()
    averaged = average.average.module
    for one, other in (
        (model.named_parameters(), averaged.parameters()),
        (model.named_buffers(), averaged.buffers()),
    ):
        for (name, tensor), mean in zip(one, other, strict=True):
            assert torch.equal(tensor, mean), name
