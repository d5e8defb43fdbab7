"""An invented study: its file, its published numbers, its runs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from fake_runs import data_record, environment, epoch_row
from fake_runs import write_run as write_fake_run

from mmnist.config.schema import Experiment
from mmnist.records import Environment
from mmnist.runs import Run
from mmnist.study.costs import Cost

#: Images per digit, like the competition's; 0 is too small to judge.
SHARES = np.array([42, 421, 1029, 1991, 3171, 4223, 6184, 8866, 10621, 13452]) / 50_000


def labels_of(images: int) -> np.ndarray:
    counts = np.floor(SHARES * images).astype(int)
    counts[9] += images - counts.sum()
    return np.repeat(np.arange(10), counts)


def invented_probabilities(labels: np.ndarray, accuracy: float, seed: int) -> np.ndarray:
    """float32 [N, 10]: networks of different seeds err mostly on the same images."""
    hard = np.random.default_rng(1).random(len(labels))
    rng = np.random.default_rng(seed + 100)
    order = np.argsort(hard + 0.1 * rng.random(len(labels)))
    wrong = np.zeros(len(labels), dtype=bool)
    wrong[order[round(accuracy * len(labels)) :]] = True
    said = np.where(wrong, (labels + 1 + (1000 * hard).astype(int) % 9) % 10, labels)
    confidence = rng.uniform(0.5, 0.999, len(labels))
    probabilities = np.repeat(((1 - confidence) / 9)[:, None], 10, axis=1)
    probabilities[np.arange(len(labels)), said] = confidence
    return probabilities.astype(np.float32)


def invented_curves(epochs: int, accuracy: float, seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    rows = []
    for epoch in range(epochs):
        ahead = np.exp(-6 * (epoch + 1) / epochs) * np.exp(0.1 * rng.standard_normal())
        rise = 0.1 * (1 - accuracy) * epoch
        rows.append(
            epoch_row(
                epoch,
                train_loss=0.6 * (1 - accuracy) + 2 * ahead,
                train_accuracy=1 - 0.2 * (1 - accuracy) - 0.6 * ahead,
                valid_loss=3 * (1 - accuracy) + 1.9 * ahead + rise,
                valid_accuracy=accuracy * (1 - 0.7 * ahead),
            )
        )
    return rows


def write_run(
    experiment: Experiment,
    root: Path,
    accuracy: float,
    *,
    images: int = 1000,
    index: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    test: int = 0,
    finished: bool = True,
    about: Environment | None = None,
) -> Run:
    """A run folder of an experiment whose best epoch has this accuracy."""
    labels = labels_of(images) if labels is None else labels
    run = write_fake_run(
        experiment,
        root,
        rows=invented_curves(experiment.train.epochs if finished else 1, accuracy, experiment.seed),
        labels=labels,
        probabilities=invented_probabilities(labels, accuracy, experiment.seed),
        index=index,
        about=environment(data=data_record(generated=False)) if about is None else about,
        finished=finished,
    )
    if test:
        of_test = labels_of(test)
        guesses = invented_probabilities(of_test, accuracy, experiment.seed)
        run.write_predictions("test", np.arange(test), of_test, guesses)
    return run


STUDY = {
    "name": "pair",
    "title": "Two sizes | of image",
    "source": "A. Author, 2019",
    "published": "numbers",
    "notes": ["The split is not given."],
    "experiments": {
        "resize": {
            "question": "Do larger images help?",
            "answers": "figure 8",
            "variants": {
                "small": {"config": "small.yaml", "label": "32 px"},
                "large": {"config": "large.yaml", "label": "64 px"},
                "never": {"config": "never.yaml", "label": "128 px"},
            },
            "claims": [
                {
                    "claim": "Larger images help",
                    "where": "section 5",
                    "kind": "better",
                    "better": "large",
                    "than": "small",
                },
                {"claim": "In this order", "kind": "ranking", "order": ["never", "large", "small"]},
                {
                    "claim": "Larger images overfit less",
                    "kind": "overfits_less",
                    "variant": "large",
                    "than": "small",
                },
                {
                    "claim": "Twice the side, four times the time",
                    "kind": "cost",
                    "measure": "time",
                    "variant": "large",
                    "over": "small",
                    "factor": 4,
                },
            ],
        },
        "final": {
            "question": "How good is it?",
            "judged_on": "test",
            "variants": {"best": {"config": "large.yaml", "label": "the submission"}},
            "claims": [
                {
                    "claim": "Above 70 %",
                    "kind": "accuracy",
                    "variant": "best",
                    "side": "above",
                    "threshold": 0.7,
                }
            ],
        },
    },
}

NUMBERS = {
    "accuracy.csv": """\
experiment,variant,best_valid_accuracy,valid_images,correct
resize,small,0.8,500,400
resize,large,0.9,500,450
""",
    "per_class.csv": "experiment,variant,digit,precision,recall,f1\n"
    + "".join(f"resize,small,{k},0.{k}11,0.{k}22,0.{k}33\n" for k in range(10)),
    "curves.csv": "experiment,variant,epoch,train_accuracy,train_loss,valid_accuracy,valid_loss\n"
    + "".join(f"resize,small,{k},0.5,{2 / (k + 1)},0.5,{1.5 / (k + 1)}\n" for k in range(6)),
}

COSTS = {
    "small": Cost(1_000_000, 20_000_000, 400.0, 1000.0, 500.0, 32, "CPU, 2 threads", "fp32", 2),
    "large": Cost(1_000_000, 80_000_000, 100.0, 250.0, 1500.0, 32, "CPU, 2 threads", "fp32", 2),
}

ACCURACIES = {"small": 0.75, "large": 0.85}


def write_study(folder: Path, study: Mapping, published: Mapping[str, str] | None) -> Path:
    """The study file with the configurations that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, side in {"small": 32, "large": 64, "never": 128}.items():
        config = {
            "model": {"architecture": "simple_cnn"},
            "resize": side,
            "train": {"epochs": 6},
            "data": {"path": "no-such-data"},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    if published is not None:
        (folder / "numbers").mkdir(exist_ok=True)
    for name, text in (published or {}).items():
        (folder / "numbers" / name).write_text(text, encoding="utf-8")
    path = folder / "experiments.yaml"
    path.write_text(yaml.safe_dump(dict(study), sort_keys=False), encoding="utf-8")
    return path
