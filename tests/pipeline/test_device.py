"""What `auto` stands for, and what is refused."""

import pytest
import torch

from mmnist.config.schema import ComputeSettings
from mmnist.errors import InputError
from mmnist.pipeline import device


def choose(**settings):
    return device.choose_hardware(ComputeSettings(**settings))


def test_auto_without_cuda_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose().device == torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bf16"),
        ({"avx2": True, "avx512_bf16": False}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_auto_precision_follows_the_cpu(monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose().precision == precision


def test_cuda_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"compute\.device is cuda, but torch finds no usable"):
        choose(device="cuda")


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_autocast_computes_in_the_precision(precision, dtype):
    hardware = choose(device="cpu", precision=precision)
    with hardware.autocast():
        assert torch.nn.Linear(4, 4)(torch.rand(2, 4)).dtype == dtype
