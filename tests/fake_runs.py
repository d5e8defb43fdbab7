"""Run folders with invented results, written as the training loop writes them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmnist.config.schema import Experiment
from mmnist.evaluation.metrics import compute_metrics
from mmnist.records import (
    FINISHED,
    TRAINING,
    DataRecord,
    DigitsRecord,
    Environment,
    MetricsRecord,
    Summary,
)
from mmnist.runs import Run, run_of


def experiment(name: str = "a", seed: int = 0) -> Experiment:
    """A small configuration."""
    return Experiment.model_validate(
        {"name": name, "seed": seed, "model": {"architecture": "resnet", "size": 18}}
    )


def begin_runs(root: Path) -> Path:
    """Runs a (seeds 0, 2 and 10) and b (seed 0), which have nothing but their configuration."""
    for name, seed in [("a", 0), ("a", 2), ("a", 10), ("b", 0)]:
        run_of(experiment(name, seed), root).write_config(experiment(name, seed))
    return root


def data_record(fingerprint: str = "1a2b3c4d5e6f7890", *, generated: bool = True) -> DataRecord:
    """What a run records of a data set."""
    made = {"generator_version": 3, "seed": 0, "labels": "natural", "digits": "/somewhere/mnist"}
    source = {"kind": "generated", **made} if generated else {"kind": "competition", "files": {}}
    return DataRecord(
        path="no-such-data", fingerprint=fingerprint, generated=generated, source=source
    )


def digits_record(digits: str = "mnist", sha256: str = "d" * 64, seen: str = "") -> DigitsRecord:
    """What a run that begins with single digits records of them."""
    return DigitsRecord(
        digits=digits,
        digits_sha256=sha256,
        digit_images=4000,
        patches_version=2,
        seen_in_test_images=seen,
    )


def environment(**changes: object) -> Environment:
    """That of a run on a GPU, on generated data."""
    values: dict = {
        "command": "mmnist train config.yaml",
        "python": "3.12.3",
        "platform": "Linux-6.8-x86_64",
        "packages": {"mmnist": "0.1.0", "torch": "2.13.0"},
        "commit": "0123abc+",
        "device": "NVIDIA H200",
        "device_type": "cuda",
        "precision": "bf16",
        "threads": 16,
        "data": data_record(),
    }
    return Environment.model_validate(values | changes)


def epoch_row(epoch: int, **changes: float) -> dict[str, float]:
    """A row of metrics.csv."""
    row = {
        "epoch": epoch,
        "train_loss": 0.5,
        "train_accuracy": 0.8,
        "valid_loss": 0.6,
        "valid_accuracy": 0.9,
        "learning_rate": 1e-3,
        "seconds": 10.0,
        "images_per_second": 500.0,
    }
    return row | changes


def write_run(
    experiment: Experiment,
    root: Path,
    *,
    rows: list[dict[str, float]] | None = None,
    labels: NDArray[np.integer] | None = None,
    probabilities: NDArray[np.floating] | None = None,
    index: NDArray[np.integer] | None = None,
    about: Environment | None = None,
    finished: bool = True,
) -> Run:
    """Write a run whose best epoch is its last, with its validation predictions; no weights.

    By default one epoch, after which 20 images are labelled without an error.
    """
    run = run_of(experiment, root)
    about = environment() if about is None else about
    rows = [epoch_row(0)] if rows is None else rows
    labels = np.arange(20) % 10 if labels is None else labels
    probabilities = certain(labels) if probabilities is None else probabilities
    metrics = compute_metrics(labels, probabilities.argmax(axis=1)).to_dict()
    seconds = [row["seconds"] for row in rows]
    run.write_config(experiment)
    run.write_environment(about)
    run.write_metrics(rows)
    run.write_summary(
        Summary(
            status=FINISHED if finished else TRAINING,
            epochs=len(rows),
            best_epoch=len(rows) - 1,
            valid=MetricsRecord(**metrics, loss=rows[-1]["valid_loss"]),
            parameters=1_000_000,
            train_images=9 * len(labels),
            valid_images=len(labels),
            seconds_total=sum(seconds),
            seconds_per_epoch=sum(seconds) / len(seconds),
            images_per_second=500.0,
            peak_memory_mib=1000.0,
            device=about.device,
            precision=about.precision,
            data=about.data,
            finished_at="2026-01-31T12:00:00+0000",
        )
    )
    index = np.arange(len(labels)) if index is None else index
    run.write_predictions("valid", index, labels, probabilities)
    return Run(run.path)


def certain(predictions: NDArray[np.integer]) -> NDArray[np.float32]:
    """float32 [N, 10]: probabilities of 1 for these labels."""
    return np.eye(10, dtype=np.float32)[predictions]
