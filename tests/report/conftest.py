"""Run folders with invented results, written as the training loop writes them."""

import numpy as np
import pytest

from mmnist.config.schema import Experiment
from mmnist.evaluation.metrics import compute_metrics
from mmnist.runs import FINISHED, TRAINING, Run, run_of

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
    row = {
        "epoch": epoch,
        "train_loss": 0.05 + 2 * ahead + errors / 2,
        "train_accuracy": 1 - errors - 0.7 * ahead,
        "valid_loss": 0.08 + 1.8 * ahead + errors + 0.01 * (epoch % 3),
        "valid_accuracy": metrics.accuracy - 0.6 * (ahead - np.exp(-4)),
        "learning_rate": 1e-3,
        "seconds": 10.0,
        "images_per_second": 500.0,
    }
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
        fingerprint="1a2b3c4d5e6f",
        root=tmp_path / "runs",
        **settings,
    ) -> Run:
        settings = {"model": {"architecture": "resnet", "size": 18}, **settings}
        experiment = Experiment(name=name, seed=seed, **settings)
        run = run_of(experiment, root)
        run.write_config(experiment)
        metrics = compute_metrics(*predictions(support, errors, seed))
        rows = [_epoch(i, epochs, errors, metrics) for i in range(epochs)]
        run.write_metrics(rows)
        run.write_summary(
            {
                "status": FINISHED if finished else TRAINING,
                "best_epoch": epochs - 1,
                "epochs": epochs,
                "valid": metrics.to_dict() | {"loss": rows[-1]["valid_loss"]},
                "data": {"fingerprint": fingerprint, "generated": generated},
            }
        )
        return Run(run.path)

    return make
