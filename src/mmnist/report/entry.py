"""One run in a report: what its folder says about it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mmnist.errors import InputError
from mmnist.evaluation.metrics import Metrics
from mmnist.records import DataRecord
from mmnist.runs import Run

#: What `Entry.origin` means.
DATA = {
    "generated": "generated images, not the competition's",
    "competition": "the competition's images",
}


@dataclass(frozen=True)
class Entry:
    """One run in a report, judged at its best epoch."""

    run: Run
    label: str
    """The run's name, with its seed or path where the name alone would not tell runs apart."""
    metrics: Metrics
    loss: float
    """Validation loss."""
    best_epoch: int
    """Counted from 0, as in the run's files; reports show it counted from 1."""

    @property
    def epochs(self) -> int:
        """Epochs trained so far."""
        return len(self.run.metrics)

    @property
    def data(self) -> DataRecord:
        """What the run recorded about its data set."""
        return self.run.environment.data

    @property
    def origin(self) -> str:
        """Where the images come from: `generated` or `competition`."""
        return "generated" if self.data.generated else "competition"

    @property
    def progress(self) -> str:
        """Best epoch (counted from 1) and number of epochs."""
        return f"{self.best_epoch + 1} of {self.epochs}"

    @property
    def split(self) -> str:
        """How the validation images were chosen."""
        return self.run.experiment.data.split.words

    @property
    def images(self) -> tuple[str, str, tuple[int, ...]]:
        """Data set, split and support; runs with equal values were validated on the same images."""
        return (self.data.fingerprint, self.split, tuple(self.metrics.support.tolist()))


def read_entries(runs: Sequence[Run]) -> list[Entry]:
    """Read the runs' results.

    Raises InputError if a run has no finished epoch, or a file is lost or damaged.
    """
    return [_entry(run, label) for run, label in zip(runs, _labels(runs), strict=True)]


def _entry(run: Run, label: str) -> Entry:
    if not run.finished and not run.metrics_file.is_file():
        raise InputError(
            f"{run.path}: no epoch is finished yet, so there is nothing to report; unless it is "
            f"being trained, go on with: {run.resume_command}"
        )
    _ = run.metrics  # refused here if damaged, not in the middle of a report
    summary = run.summary
    metrics = Metrics.from_record(summary.valid)
    return Entry(run, label, metrics, summary.valid.loss, summary.best_epoch)


def _labels(runs: Sequence[Run]) -> list[str]:
    """The shortest of name, name/seed-n and path that tells all runs apart."""
    names = Counter(run.name for run in runs)
    titles = Counter(run.title for run in runs)
    return [
        run.name
        if names[run.name] == 1 and len(runs) > 1
        else run.title
        if titles[run.title] == 1
        else str(run.path)
        for run in runs
    ]
