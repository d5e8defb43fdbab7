"""The optimiser for kernels, against singular value decompositions and torch's own."""

import copy

import pytest
import torch
from torch import nn

from mmnist.training import muon
from mmnist.training.muon import Muon, equalise

RATE = 0.01


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 36, 4),
    )


def groups(model: nn.Sequential) -> list[dict]:
    return [{"params": list(model[:2].parameters())}, {"params": list(model[4].parameters())}]


def train(model: nn.Sequential, optimiser: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        model(images).square().sum().backward()
        optimiser.step()


def test_a_step_of_a_kernel_has_equal_singular_values_in_the_directions_of_the_gradient():
    model = network()
    kernel = model[0].weight
    before = kernel.detach().clone()
    optimiser = Muon(groups(model), lr=RATE, momentum=0.0)
    train(model, optimiser, range(1))
    gradient = kernel.grad.flatten(1)
    step = (before - kernel.detach()).flatten(1)
    u, _, vh = torch.linalg.svd(gradient, full_matrices=False)
    in_those_directions = u.T @ step @ vh.T
    values = in_those_directions.diagonal() / (0.2 * RATE * 27**0.5)
    # Newton and Schulz's iteration in bf16 leaves them between 0.5 and 1.5 or so.
    assert ((values > 0.5) & (values < 1.5)).all()
    off = in_those_directions - torch.diag(in_those_directions.diagonal())
    assert off.abs().max() < 0.05 * in_those_directions.max()


def polynomial_of(values: torch.Tensor) -> torch.Tensor:
    """Newton and Schulz's iteration of single numbers, with the coefficients of Jordan's text."""
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return values


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6), (1, 5)])
def test_singular_values_become_what_the_iteration_makes_of_numbers(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, values, vh = torch.linalg.svd(matrix.double(), full_matrices=False)
    expected = u @ torch.diag(polynomial_of(values / values.square().sum().sqrt())) @ vh
    torch.testing.assert_close(equalise(matrix).double(), expected, rtol=0, atol=1e-4)


def test_zeros_stay_zeros():
    assert torch.equal(equalise(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_everything_but_hidden_kernels_moves_as_with_adamw():
    model, other = network(), network()
    settings = {"lr": RATE, "weight_decay": 0.1}
    train(model, Muon(groups(model), momentum=0.8, **settings), range(1))
    train(other, torch.optim.AdamW(groups(other), betas=(0.8, 0.999), **settings), range(1))
    for name, parameter in model.named_parameters():
        same = torch.equal(parameter, dict(other.named_parameters())[name])
        assert same == (name != "0.weight"), name


@pytest.mark.parametrize(("in_hardware", "tolerance"), [(True, 0), (False, 2e-3)])
def test_matrices_move_as_with_torchs_muon(monkeypatch, in_hardware, tolerance):
    """A linear layer, several steps, with momentum, decay and a rate that changes; to the bit if it
    iterates in bf16, as torch's does always, and else as closely as bf16 allows."""
    monkeypatch.setattr(muon, "has_bf16", lambda device: in_hardware)
    ours, theirs = (nn.Sequential(nn.Linear(6, 9, bias=False), nn.Linear(9, 2)) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    settings = {"lr": RATE, "momentum": 0.9, "weight_decay": 0.1}
    mine = Muon([{"params": ours[0].parameters()}, {"params": ours[1].parameters()}], **settings)
    last = torch.optim.AdamW(theirs[1].parameters(), lr=RATE, betas=(0.9, 0.999), weight_decay=0.1)
    first = torch.optim.Muon(theirs[0].parameters(), adjust_lr_fn="match_rms_adamw", **settings)
    for step in range(4):
        x = torch.randn(50, 6, generator=torch.Generator().manual_seed(step))
        for optimiser in (mine, first, last):
            optimiser.zero_grad()
            for group in optimiser.param_groups:
                group["lr"] = RATE / (1 + step)
        ours(x).square().sum().backward()
        theirs(x).square().sum().backward()
        for optimiser in (mine, first, last):
            optimiser.step()
    for own, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own, expected, rtol=0, atol=tolerance)


def test_the_order_of_kernels_in_memory_does_not_matter():
    model, other = network(), network().to(memory_format=torch.channels_last)
    for each in (model, other):
        train(each, Muon(groups(each), lr=RATE), range(3))
    # Sums in another order, and iterations in bf16: a thousandth of what a step changes.
    torch.testing.assert_close(other.state_dict(), model.state_dict(), rtol=1e-2, atol=2e-4)


def test_a_saved_state_goes_on_where_it_was():
    model = network()
    optimiser = Muon(groups(model), lr=RATE, weight_decay=0.1)
    train(model, optimiser, range(3))
    weights, state = copy.deepcopy(model.state_dict()), copy.deepcopy(optimiser.state_dict())
    train(model, optimiser, range(3, 6))

    restored = network()
    restored.load_state_dict(weights)
    afresh = Muon(groups(restored), lr=1.0)
    afresh.load_state_dict(state)
    train(restored, afresh, range(3, 6))
    torch.testing.assert_close(restored.state_dict(), model.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("frozen", [0, 1])
def test_frozen_layers_stay(frozen):
    model = network()
    layers = (model[0], model[4])
    layers[frozen].requires_grad_(False)
    before = copy.deepcopy(layers[frozen].state_dict())
    moved = copy.deepcopy(layers[1 - frozen].weight.detach())
    train(model, Muon(groups(model), lr=RATE, weight_decay=0.1), range(2))
    torch.testing.assert_close(layers[frozen].state_dict(), before, rtol=0, atol=0)
    assert not torch.equal(layers[1 - frozen].weight, moved)
