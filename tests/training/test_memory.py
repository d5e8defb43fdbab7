"""How much memory a training takes, and what is said if it is too much."""

import numpy as np
import pytest
import torch

from mmnist.config.schema import ComputeSettings
from mmnist.errors import RunError
from mmnist.pipeline.device import choose_hardware
from mmnist.training.memory import explained_if_too_small, peak_memory_mib

HARDWARE = choose_hardware(ComputeSettings(device="cpu", precision="fp32"))
TOO_LARGE = 2**60  # bytes


def test_peak_memory_is_that_of_this_process():
    before = peak_memory_mib(HARDWARE)
    block = torch.ones(400 * 2**20 // 4)
    assert peak_memory_mib(HARDWARE) >= max(before, 400)
    del block


@pytest.mark.parametrize(
    "allocate",
    [lambda: torch.empty(TOO_LARGE, dtype=torch.uint8), lambda: np.empty(TOO_LARGE, np.uint8)],
    ids=["torch", "numpy"],
)
def test_too_little_memory_is_explained(tiny, allocate):
    experiment = tiny(train={"batch_size": 48}, resize=64)
    with (
        pytest.raises(RunError, match=r"batches of 48 images at 64 px: lower train\.batch_size,"),
        explained_if_too_small(experiment, HARDWARE),
    ):
        allocate()


def test_the_keys_of_patches_are_named_where_patches_are_learned(tiny):
    experiment = tiny(
        model={"architecture": "digit_reader", "size": 0.5, "pretrained": "mnist"},
        pretraining={"batch_size": 32, "candidates": 3, "side": 40},
        resize=128,
    )
    with (
        pytest.raises(RunError, match=r"of 96 patches at 40 px: lower .*pretraining.* or \.cand"),
        explained_if_too_small(experiment, HARDWARE),
    ):
        raise MemoryError


@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "FIND was unable to find an engine to execute this computation",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_so_are_the_errors_of_cuda(tiny, message):
    with (
        pytest.raises(RunError, match="does not fit into the memory"),
        explained_if_too_small(tiny(), HARDWARE),
    ):
        raise RuntimeError(message)


def test_other_errors_pass_unchanged(tiny):
    with (
        pytest.raises(RuntimeError, match="a bug"),
        explained_if_too_small(tiny(), HARDWARE),
    ):
        raise RuntimeError("a bug")
