"""Schedules against torch's own schedulers."""

from itertools import pairwise

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR

from mmnist.config.schema import Experiment
from mmnist.training.schedule import learning_rate_at, momentum_at


def settings(name: str, **changes) -> Experiment:
    schedule = {"name": name, **changes}
    train = {"epochs": 30, "learning_rate": 0.02, "schedule": schedule}
    return Experiment(name="any", model={"architecture": "simple_cnn"}, train=train)


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.02, momentum=0.9)


def test_step_is_steplr_stepped_once_an_epoch():
    optimiser = sgd()
    scheduler = StepLR(optimiser, step_size=7, gamma=0.1)
    for epoch in range(30):
        for progress in (0.0, 0.5, 0.99):
            rate = learning_rate_at(settings("step"), epoch, progress)
            assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
        optimiser.step()
        scheduler.step()


def test_cosine_is_cosine_annealing_stepped_every_batch():
    optimiser = sgd()
    scheduler = CosineAnnealingLR(optimiser, T_max=300)
    for step in range(300):
        rate = learning_rate_at(settings("cosine"), step // 10, step % 10 / 10)
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6, abs=1e-12)
        optimiser.step()
        scheduler.step()


def test_one_cycle_is_torchs_one_cycle():
    optimiser = sgd()
    scheduler = OneCycleLR(
        optimiser,
        max_lr=0.02,
        total_steps=301,
        pct_start=75 / 300 + 1 / 301,  # torch puts the peak at pct_start * total_steps - 1
        base_momentum=0.8,
        max_momentum=0.9,
        div_factor=25,
        final_div_factor=4000,
    )
    cycle = settings("one_cycle", warmup=0.25)
    for step in range(300):
        place = (step // 10, step % 10 / 10)
        group = optimiser.param_groups[0]
        assert learning_rate_at(cycle, *place) == pytest.approx(group["lr"], rel=0.02, abs=1e-5)
        assert momentum_at(cycle, *place) == pytest.approx(group["momentum"], abs=2e-3)
        optimiser.step()
        scheduler.step()


def test_momentum_does_not_fall_below_zero():
    values = {"learning_rate": 0.02, "momentum": 0.05, "schedule": "one_cycle", "epochs": 30}
    cycle = Experiment.model_validate(
        {"name": "any", "model": {"architecture": "simple_cnn"}, "train": values}
    )
    momenta = [momentum_at(cycle, epoch, step / 4) for epoch in range(30) for step in range(4)]
    assert min(momenta) == pytest.approx(0, abs=1e-4)
    assert min(momenta) >= 0


def test_constant():
    rates = {learning_rate_at(settings("constant"), epoch, 0.3) for epoch in range(30)}
    assert rates == {0.02}
    assert momentum_at(settings("constant"), 3, 0.3) == 0.9


def test_one_cycle_without_warmup_falls_throughout():
    cycle = settings("one_cycle", warmup=0.0)
    rates = [learning_rate_at(cycle, epoch, 0.0) for epoch in range(30)]
    assert rates[0] == pytest.approx(0.02)
    assert all(late < early for early, late in pairwise(rates))


def test_epochs_of_single_digits_have_a_schedule_of_their_own():
    both = Experiment.model_validate(
        {
            "name": "both",
            "model": {"architecture": "digit_reader", "size": 1.0, "pretrained": "mnist"},
            "pretraining": {"epochs": 3, "learning_rate": 0.5},
            "train": {"epochs": 30, "learning_rate": 0.02, "schedule": "one_cycle"},
        }
    )
    assert learning_rate_at(both, 0, 0.75) == pytest.approx(0.5)
    assert learning_rate_at(both, 2, 1.0) == pytest.approx(0.5e-5)
    alone = settings("one_cycle")
    for epoch in range(30):
        assert learning_rate_at(both, 3 + epoch, 0.5) == learning_rate_at(alone, epoch, 0.5)
        assert momentum_at(both, 3 + epoch, 0.5) == momentum_at(alone, epoch, 0.5)
    assert momentum_at(both, 0, 0.75) == pytest.approx(0.8)
