"""Runs whose accuracy and support are chosen."""

import numpy as np
import pytest
from fake_runs import certain, data_record, environment, epoch_row, write_run

from mmnist.config.schema import Experiment
from mmnist.evaluation.metrics import compute_metrics
from mmnist.runs import Run

#: Validation images per digit in the competition's data at 90/10; 0 is too small to judge.
SUPPORT = (5, 43, 103, 200, 318, 423, 619, 887, 1063, 1346)


def predictions(support, errors, seed):
    """Labels with `support` images a class, and predictions of which a share `errors` is wrong."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(10), support)
    wrong = rng.random(len(labels)) < errors
    return labels, np.where(wrong, (labels + rng.integers(1, 10, len(labels))) % 10, labels)


def _epoch(epoch, epochs, errors, metrics):
    ahead = np.exp(-4 * (epoch + 1) / epochs)
    row = epoch_row(
        epoch,
        train_loss=0.05 + 2 * ahead + errors / 2,
        train_accuracy=1 - errors - 0.7 * ahead,
        valid_loss=0.08 + 1.8 * ahead + errors + 0.01 * (epoch % 3),
        valid_accuracy=metrics.accuracy - 0.6 * (ahead - np.exp(-4)),
    )
    for name in ("precision", "recall", "f1"):
        row |= {f"{name}_{k}": value for k, value in enumerate(getattr(metrics, name))}
    return row


@pytest.fixture
def make_run(tmp_path):
    """Write a run folder below tmp_path / "runs" and return its Run."""

    def make(
        name="quickstart",
        seed=0,
        *,
        errors=0.05,
        support=SUPPORT,
        epochs=12,
        finished=True,
        generated=True,
        fingerprint="1a2b3c4d5e6f7890",
        root=tmp_path / "runs",
        **settings,
    ) -> Run:
        settings = {"model": {"architecture": "resnet", "size": 18}, **settings}
        experiment = Experiment(name=name, seed=seed, **settings)
        labels, said = predictions(support, errors, seed)
        metrics = compute_metrics(labels, said)
        rows = [_epoch(i, epochs, errors, metrics) for i in range(epochs)]
        about = environment(data=data_record(fingerprint, generated=generated))
        return write_run(
            experiment,
            root,
            rows=rows,
            labels=labels,
            probabilities=certain(said),
            about=about,
            finished=finished,
        )

    return make
