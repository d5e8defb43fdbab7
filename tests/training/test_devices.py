"""A whole run on each device and in each of its number formats; on the CPU, too, where there is no
GPU, so that these tests are known to pass at all.
"""

import numpy as np
import pytest
import torch
from training.interruption import interrupted_after

from mmnist.data.store import open_store
from mmnist.errors import Interrupted
from mmnist.evaluation.predict import predict_probabilities
from mmnist.training.train import train

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")

#: Reading digits from patches with all that this brings, then from images.
READER = {
    "model": {
        **{"architecture": "digit_reader", "size": 0.5, "pretrained": "mnist"},
        **{"digits": "three", "angles": 6, "antialiased": True},
    },
    "resize": 128,
    "pretraining": {
        **{"digits": "sample", "epochs": 2, "patches": 64, "batch_size": 32, "side": 40},
        **{"mosaic": 4, "candidates": 2, "nearest_weight": 0.5},
    },
    "data": {"split": {"train_images": 32}},
    "train": {"epochs": 1, "optimiser": "muon", "presence_weight": 0},
}


@pytest.fixture(
    params=[
        ("cpu", "fp32"),
        pytest.param(("cuda", "fp32"), marks=needs_cuda),
        pytest.param(("cuda", "bf16"), marks=needs_cuda),
        pytest.param(("cuda", "fp16"), marks=needs_cuda),
    ],
    ids="-".join,
)
def compute(request):
    device, precision = request.param
    return {"device": device, "precision": precision}


def test_a_network_learns_and_predicts_as_in_its_training(tiny, tiny_run, tmp_path, compute):
    experiment = tiny(compute=compute)
    run = tiny_run if experiment == tiny_run.experiment else train(experiment, tmp_path)
    assert run.summary.valid.accuracy >= 0.9
    assert run.environment.device_type == compute["device"]
    index, _, expected = run.predictions("valid")
    images = open_store(experiment.data.path).images("train")[index]
    found = predict_probabilities(run, images, compute["device"])
    np.testing.assert_allclose(
        found, expected, atol=1e-5 if compute["precision"] == "fp32" else 0.05
    )


@pytest.mark.parametrize("changes", [{"train": {"epochs": 2}, "augment": "paper"}, READER])
def test_an_interrupted_run_is_finished(tiny, tmp_path, compute, changes):
    experiment = tiny(**changes, compute=compute)
    with interrupted_after(3), pytest.raises(Interrupted):
        train(experiment, tmp_path)
    run = train(experiment, tmp_path, resume=True)
    assert run.finished
    assert len(run.metrics) == experiment.epochs
    assert np.isfinite(run.metrics["valid_loss"]).all()
