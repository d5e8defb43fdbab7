"""Every run of a study and every epoch as CSV: what remains when the run folders are gone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from mmnist.files import write_text
from mmnist.runs import Run
from mmnist.study.results import StudyResult

_CURVES = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "valid_loss",
    "valid_accuracy",
    "learning_rate",
    "seconds",
    "images_per_second",
)


def write_runs(result: StudyResult, folder: Path, note: str) -> list[Path]:
    """Write runs.csv (one line per run) and curves.csv (one line per epoch) into `folder`.

    runs.csv gives each run at its best epoch, counted from 0. `note`, unless empty, is in the last
    column of both.

    Raises:
        RunError: a file cannot be written.
    """
    tables = {
        "runs.csv": pd.DataFrame(_runs(result.runs)),
        "curves.csv": pd.concat([_curves(run) for run in result.runs], ignore_index=True),
    }
    for name, table in tables.items():
        if note:
            table["note"] = note
        write_text(folder / name, table.to_csv(index=False, lineterminator="\n"))
    return [folder / name for name in tables]


def _runs(runs: list[Run]) -> Iterator[dict[str, Any]]:
    for run in runs:
        summary, last = run.summary, run.environments[-1]
        valid = summary.valid
        low, high = valid.interval
        yield {
            "run": run.name,
            "seed": run.seed,
            "accuracy": valid.accuracy,
            "low": low,
            "high": high,
            "correct": valid.correct,
            "loss": valid.loss,
            "best_epoch": summary.best_epoch,
            "epochs": summary.epochs,
            "train_images": summary.train_images,
            "valid_images": summary.valid_images,
            "parameters": summary.parameters,
            "seconds_per_epoch": summary.seconds_per_epoch,
            "images_per_second": summary.images_per_second,
            "peak_memory_mib": summary.peak_memory_mib,
            "device": last.device,
            "precision": last.precision,
            "finished_at": summary.finished_at,
            "threads": last.threads,
            "data": run.environment.data.fingerprint,
            "commit": last.commit,
        }


def _curves(run: Run) -> pd.DataFrame:
    rows = run.metrics.reindex(columns=list(_CURVES))
    rows.insert(0, "run", run.name)
    rows.insert(1, "seed", run.seed)
    return rows
