"""What a step of a training does, watched in a real one: all that the configuration asks for."""

import numpy as np
import pytest
import torch
from torch import nn

from mmnist.config.training import TrainSettings
from mmnist.data.store import open_store
from mmnist.evaluation.predict import predict_probabilities
from mmnist.training.learner import optimiser
from mmnist.training.muon import Muon
from mmnist.training.objective import Objective
from mmnist.training.schedule import learning_rate_at, momentum_at
from mmnist.training.train import train

STEPS = 7  # an epoch of 100 images in batches of 16; the last has 4
SETTINGS = {"epochs": 2, "optimiser": "adamw", "weight_decay": 0.05, "gradient_clip": 0.01}


@pytest.fixture(scope="module")
def watched(tiny, tmp_path_factory):
    """The run, its steps (hyperparameters of each group of layers, norm of the gradients), and its
    batches (loss, number of images)."""
    steps, batches = [], []
    step, label_loss = torch.optim.AdamW.step, Objective.label_loss

    def watched_step(self, *arguments, **named):
        hypers = {(g["lr"], g["betas"][0], g["weight_decay"]) for g in self.param_groups}
        gradients = [p.grad for g in self.param_groups for p in g["params"]]
        norm = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
        steps.append((hypers, norm))
        return step(self, *arguments, **named)

    def watched_loss(self, output, labels):
        loss = label_loss(self, output, labels)
        if torch.is_grad_enabled():  # neither in validation nor by who records it
            batches.append((loss.item(), len(labels)))
        return loss

    experiment = tiny(data={"split": {"train_images": 100}}, train={**SETTINGS, "ema": 0.9})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", watched_step)
        patch.setattr(Objective, "label_loss", watched_loss)
        return train(experiment, tmp_path_factory.mktemp("steps")), steps, batches


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", torch.optim.SGD),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("muon", Muon),
    ],
)
def test_the_optimiser_is_the_one_named(name, kind):
    groups = [[nn.Parameter(torch.zeros(2, 2))]]
    assert type(optimiser(TrainSettings(optimiser=name))(groups, lr=0.1).opt) is kind


def test_steps_follow_the_configuration(watched):
    run, steps, _ = watched
    assert len(steps) == 2 * STEPS, "AdamW did not make the steps"
    for n, (hypers, norm) in enumerate(steps):
        place = (run.experiment, n // STEPS, n % STEPS / STEPS)
        ((rate, beta, decay),) = hypers  # the same for all groups of layers
        assert rate == pytest.approx(learning_rate_at(*place))
        assert beta == pytest.approx(momentum_at(*place))
        assert decay == 0.05
        assert norm == pytest.approx(0.01, rel=1e-3)


def test_the_average_of_the_weights_is_what_is_validated_and_saved(watched):
    run = watched[0]
    index, _, probabilities = run.predictions("valid")
    images = open_store(run.experiment.data.path).images("train")[index]
    np.testing.assert_allclose(predict_probabilities(run, images, "cpu"), probabilities, atol=1e-5)


def test_the_loss_of_an_epoch_is_the_mean_over_its_images(watched):
    run, _, batches = watched
    losses, sizes = np.array(batches).T.reshape(2, 2, STEPS)  # by epoch
    expected = (losses * sizes).sum(axis=1) / sizes.sum(axis=1)
    np.testing.assert_allclose(run.metrics["train_loss"], expected, rtol=1e-5)
