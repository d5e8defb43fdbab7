"""Which patches are learnt from."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import nn
from torch.nn import functional as F

from mmnist.config.model import ModelSettings
from mmnist.config.training import PretrainingSettings
from mmnist.models.factory import build_model
from mmnist.models.maximum import Reading, read_single
from mmnist.training import selection
from mmnist.training.objective import probability_of
from mmnist.training.selection import SelectPatches, draw_worst


def test_chances_are_those_of_being_misread_plus_their_mean():
    torch.manual_seed(0)
    wrong = torch.tensor([0.0, 0.1, 0.2, 0.9])
    draws = 4000
    counts = np.bincount([int(draw_worst(wrong, 1)) for _ in range(draws)], minlength=4)
    chances = (wrong + 0.3).numpy() / 2.4
    low, high = binom.interval(1 - 1e-6, draws, chances)
    assert ((low <= counts) & (counts <= high)).all()


@pytest.mark.parametrize("wrong", [torch.zeros(6), torch.ones(6), torch.tensor([1.0] + 5 * [0.0])])
def test_none_is_drawn_twice_and_none_is_out_of_the_question(wrong):
    torch.manual_seed(0)
    drawn = [draw_worst(wrong, 2).tolist() for _ in range(200)]
    assert all(0 <= a < b < 6 for a, b in drawn)
    assert {index for pair in drawn for index in pair} == set(range(6))


@pytest.mark.parametrize(("epochs", "first"), [(2, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_the_first_quarter_of_the_epochs_has_no_candidates(epochs, first):
    settings = PretrainingSettings(epochs=epochs, candidates=3)
    assert [settings.candidates_in(epoch) for epoch in range(epochs)] == [
        1 if epoch < first else 3 for epoch in range(epochs)
    ]


def reader() -> nn.Module:
    return build_model(ModelSettings(architecture="digit_reader", size=0.5))


def callback(model: nn.Module, candidates: int, epoch: int = 3) -> SelectPatches:
    """The callback before a step with 24 candidates for 8 places."""
    settings = PretrainingSettings(epochs=4, candidates=candidates, batch_size=8)
    select = SelectPatches(settings)
    images, labels = torch.rand(24, 1, 48, 48), torch.arange(24) % 11 - 1
    select.learn = SimpleNamespace(
        model=model, epoch=epoch, xb=(images,), yb=(labels, torch.arange(24)), training=True
    )
    return select


def test_parts_of_a_batch_stay_together_and_the_network_as_it_is():
    torch.manual_seed(0)
    model = reader().train()
    before = copy.deepcopy(model.state_dict())
    select = callback(model, candidates=3)
    images, labels = select.learn.xb[0], select.learn.yb[0]
    select.before_batch()
    chosen = select.learn.yb[1]
    assert len(chosen) == len(set(chosen.tolist())) == 8
    torch.testing.assert_close(select.learn.xb[0], images[chosen], rtol=0, atol=0)
    torch.testing.assert_close(select.learn.yb[0], labels[chosen], rtol=0, atol=0)
    assert all(module.training for module in model.modules())
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_patches_are_read_as_patches_and_chosen_by_their_own_labels(monkeypatch):
    """By a network that would look for three digits in an image."""
    torch.manual_seed(0)
    model = build_model(ModelSettings(architecture="digit_reader", size=0.5, digits="three"))
    nn.init.normal_(model.locations.weight)
    nn.init.zeros_(model.locations.bias)
    select, seen = callback(model.train(), candidates=3), []
    (images,), (labels, _) = select.learn.xb, select.learn.yb
    monkeypatch.setattr(selection, "draw_worst", lambda w, n: seen.append(w) or draw_worst(w, n))
    select.before_batch()
    with torch.no_grad():
        outcomes = read_single(model.eval().joint_scores(images)).outcomes.exp()
    torch.testing.assert_close(seen, [1 - outcomes[torch.arange(24), labels + 1]])


def test_kernels_get_gradients_after_they_were_read_with():
    """autocast keeps weights in bf16 for a step; those of the reading have no gradients."""
    model = reader().train()
    select = callback(model, candidates=3)
    with torch.autocast("cpu", torch.bfloat16):
        select.before_batch()
        output = model(select.learn.xb[0])
    F.nll_loss(output.outcomes, select.learn.yb[0] + 1).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(("candidates", "epoch"), [(1, 3), (3, 0), (3, 4)])
def test_other_batches_are_left_alone(candidates, epoch):
    select = callback(reader(), candidates, epoch)
    select.before_batch()
    assert len(select.learn.xb[0]) == 24


def test_probability_of_labels_is_that_of_the_loss():
    outcomes = torch.randn(5, 11).log_softmax(1)
    labels = torch.tensor([-1, 0, 3, 9, 5])
    reading = Reading(outcomes, torch.zeros(5, 10))
    expected = [outcomes[i, label + 1].exp() for i, label in enumerate(labels)]
    torch.testing.assert_close(probability_of(reading, labels), torch.stack(expected))
    scores, labels = torch.randn(5, 10), torch.arange(5)
    loss = F.cross_entropy(scores, labels, reduction="none")
    torch.testing.assert_close(probability_of(scores, labels), (-loss).exp())


def test_a_network_that_broke_down_does_not_stop_the_choice():
    """The loss of the step is what says so."""
    model = reader()
    with torch.no_grad():
        model.locations.bias.fill_(torch.nan)
    select = callback(model, candidates=3)
    select.before_batch()
    assert len(select.learn.xb[0]) == 8
