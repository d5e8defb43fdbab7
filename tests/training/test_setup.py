"""What is refused before anything is written."""

import pytest
import torch

from mmnist.errors import InputError
from mmnist.pipeline.device import Hardware
from mmnist.training.setup import choose_algorithms, set_up

CUDA = Hardware(torch.device("cuda"), "fp32")
CPU = Hardware(torch.device("cpu"), "fp32")
DETERMINISTIC = {"deterministic": True}


@pytest.fixture(autouse=True)
def settings_come_back():
    benchmark = torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = benchmark


def test_an_operation_that_is_not_deterministic_on_cuda_is_refused(tiny):
    model = {"architecture": "simple_cnn", "size": None}
    with pytest.raises(InputError, match=r"compute\.deterministic: simple_cnn .*--device cpu"):
        set_up(tiny(model=model, compute=DETERMINISTIC), CUDA, resume_from=None)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("hardware", "model", "compute"),
    [
        (CPU, {"architecture": "simple_cnn", "size": None}, DETERMINISTIC),
        (CUDA, {"architecture": "simple_cnn", "size": None}, {}),
        (CUDA, {"architecture": "simple_cnn", "size": None, "head": "maximum"}, DETERMINISTIC),
        (CUDA, {"architecture": "resnet", "size": 18}, DETERMINISTIC),
    ],
)
def test_others_are_not(tiny, hardware, model, compute):
    choose_algorithms(tiny(model=model, compute=compute), hardware)
    assert torch.are_deterministic_algorithms_enabled() == bool(compute)
