"""The run folder: its files, all read and written here.

runs/<name>/seed-<n>/
  config.yaml              resolved; trained elsewhere or under another name, gives this run again
  environment.json         versions, git commit, device, data fingerprint, command line; for each
                           time that the run was resumed, again, without data and digits
  metrics.csv              one row per epoch
  summary.json             best epoch, accuracy, per class, confusion, times, throughput, memory
  valid_predictions.npz    index, label, probabilities of the best epoch
  test_predictions.npz     the same for the test images, if a study is judged on them
  model.safetensors        the best weights, loadable into plain torchvision
  checkpoint.pt            what resuming needs
  train.log                what the terminal showed
  submission.csv           once predicted
  report/                  once reported
"""

import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from mmnist.config.loading import dump_experiment, load_experiment
from mmnist.config.schema import Experiment
from mmnist.defaults import RUNS
from mmnist.errors import InputError, InUse, RunError
from mmnist.files import replacing, write_text
from mmnist.records import (
    FINISHED,
    DigitsRecord,
    Environment,
    ProcessRecord,
    Summary,
    check_predictions,
    read_metrics,
    read_record,
    write_record,
)


@dataclass(frozen=True)
class Run:
    """One run folder; attributes are read from its files, the larger ones on first access."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def metrics_file(self) -> Path:
        """One row per epoch."""
        return self.path / "metrics.csv"

    @property
    def model_file(self) -> Path:
        """The best weights."""
        return self.path / "model.safetensors"

    @property
    def checkpoint_file(self) -> Path:
        """The state of the training."""
        return self.path / "checkpoint.pt"

    @property
    def checkpoint_written(self) -> int | None:
        """When the checkpoint was written, in nanoseconds; None: there is none."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return self.checkpoint_file.stat().st_mtime_ns
        return None

    @property
    def submission_file(self) -> Path:
        """The predicted labels of the test images."""
        return self.path / "submission.csv"

    @property
    def log_file(self) -> Path:
        """What the terminal showed."""
        return self.path / "train.log"

    @property
    def exists(self) -> bool:
        """Whether there is a run here."""
        with suppress(OSError):  # not allowed to look, or a name that is too long
            return self.config_file.is_file()
        return False

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment that was run."""
        return load_experiment(self.config_file)

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.experiment.name

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.experiment.seed

    @property
    def title(self) -> str:
        """Name and seed, for people."""
        return f"{self.name}/seed-{self.seed}"

    @property
    def resume_command(self) -> str:
        """The command that resumes the run, for the folder that its path is relative to."""
        whole = len(self.path.parents) > 1 and ".." not in self.path.parts
        parents = (self.path if whole else self.path.resolve()).parents
        root = [] if parents[1] == RUNS else ["--runs", str(parents[1])]
        return shlex.join(["mmnist", "train", str(self.config_file), "--resume", *root])

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run for this process during the block; holding it again within has no effect.

        Raises:
            InUse: another process holds it.
            RunError: the folder around it cannot be made.
        """
        lock = FileLock(self.path.parent / f".{self.path.name}.lock", is_singleton=True)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InUse(f"another process is working on {self.path}") from error
        except OSError as error:
            raise RunError(f"cannot make the run folder {self.path}: {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()

    @property
    def _environment_file(self) -> Path:
        return self.path / "environment.json"

    @property
    def _summary_file(self) -> Path:
        return self.path / "summary.json"

    @property
    def environment(self) -> Environment:
        """What it was begun with; raises InputError if the file is missing or damaged."""
        return read_record(self._environment_file, Environment)

    @property
    def environments(self) -> list[ProcessRecord]:
        """The environment in which the run began, then each in which it was resumed."""
        begun = self.environment
        return [begun, *begun.resumed]

    @property
    def digits(self) -> DigitsRecord:
        """The digits of its epochs of single digits; raises InputError if none are recorded."""
        digits = self.environment.pretraining
        if digits is None:
            raise InputError(f"{self._environment_file} is damaged: 'pretraining' is missing")
        return digits

    @property
    def summary(self) -> Summary:
        """Result of the run so far; raises InputError if the file is missing or damaged."""
        return read_record(self._summary_file, Summary)

    @property
    def finished(self) -> bool:
        """Whether all epochs were trained (or early stopping ended them)."""
        return self._summary_file.is_file() and self.summary.status == FINISHED

    @property
    def has_epoch(self) -> bool:
        """Whether an epoch is finished and completely written; files may be lost since."""
        return self.finished or (self.metrics_file.is_file() and self._summary_file.is_file())

    def check_weights(self) -> None:
        """Raise InputError if there are no weights."""
        if not self.model_file.is_file():
            state = "has lost its weights" if self.finished else "has no weights yet"
            raise InputError(f"{self.path} {state} ({self.model_file.name} is missing)")

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per epoch: losses, accuracies, learning rate, times, per-class numbers.

        Raises:
            InputError: no epoch is finished yet, or the file is lost or damaged.
        """
        # Read before the metrics, as it is written after them: the run may be in training.
        epochs = self.summary.epochs if self._summary_file.is_file() else 1
        try:
            return read_metrics(self.metrics_file, epochs)
        except FileNotFoundError as error:
            raise self._missing(self.metrics_file) from error

    def has_predictions(self, part: str) -> bool:
        """Whether there are predictions of the `valid` or the `test` images."""
        return self._predictions_file(part).is_file()

    def predictions(self, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Index of each image, its label (int64 [N]) and its probabilities (float32 [N, 10]).

        Args:
            part: `valid` (indices count the training images) or `test`.

        Raises:
            InputError: there are none yet, or the file is damaged.
        """
        path = self._predictions_file(part)
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = file["index"], file["label"], file["probabilities"]
            check_predictions(*arrays)
            return arrays
        except FileNotFoundError as error:
            raise self._missing(path) from error
        except Exception as error:  # damaged bytes can raise anything: zlib.error, KeyError …
            raise InputError(f"{path} is damaged: {error}") from error

    def write_predictions(
        self, part: str, index: np.ndarray, label: np.ndarray, probabilities: np.ndarray
    ) -> None:
        """Write what `predictions` reads; those of `valid` are the best epoch's."""
        with replacing(self._predictions_file(part)) as temporary:
            np.savez_compressed(temporary, index=index, label=label, probabilities=probabilities)

    def _missing(self, file: Path) -> InputError:
        cause = "has no finished epoch yet"
        if self.finished:
            cause = "is incomplete; delete the folder and run it again, or restore the file"
        return InputError(f"{self.path} {cause} ({file.name} is missing)")

    def _predictions_file(self, part: str) -> Path:
        return self.path / f"{part}_predictions.npz"

    def staged(self, epoch: int) -> "Run":
        """Temporary folder for weights and predictions of an epoch that is the best so far.

        They stay there until the checkpoint includes the epoch and `keep_best` moves them.
        """
        return Run(self.path / f".best-{epoch}")

    def keep_best(self, epoch: int | None) -> None:
        """Move the staged files of the best epoch, if there are any, into the run.

        Those of other epochs, which an interruption has undone, are deleted.

        Raises:
            RunError: the files cannot be moved.
        """
        try:
            for file in sorted(self.path.glob(f".best-{epoch}/*")):
                file.replace(self.path / file.name)
            for folder in self.path.glob(".best-*"):
                shutil.rmtree(folder)
        except OSError as error:
            raise RunError(f"cannot write to {self.path}: {error.strerror or error}") from error

    def delete_half_written(self) -> None:
        """Delete what a process left behind that was killed while it wrote a checkpoint.

        These files are as large as a checkpoint. Only for the process that holds the run.
        """
        for file in self.path.glob(f".{self.checkpoint_file.stem}-*{self.checkpoint_file.suffix}"):
            with suppress(OSError):
                file.unlink()

    def write_config(self, experiment: Experiment) -> None:
        """Write the resolved configuration."""
        write_text(self.config_file, dump_experiment(experiment))
        self.__dict__.pop("experiment", None)

    def write_environment(self, environment: Environment) -> None:
        """Write environment.json."""
        write_record(self._environment_file, environment)

    def note_resumption(self, environment: Environment) -> None:
        """Add to environment.json where the run is resumed, but not its data: they are the same."""
        begun = self.environment
        place = ProcessRecord(**environment.model_dump(include=set(ProcessRecord.model_fields)))
        resumed = [*begun.resumed, place]
        self.write_environment(begun.model_copy(update={"resumed": resumed}))

    def write_summary(self, summary: Summary) -> None:
        """Write summary.json."""
        write_record(self._summary_file, summary)

    def write_metrics(self, rows: list[dict[str, float]]) -> None:
        """Write metrics.csv, one row per epoch."""
        with replacing(self.metrics_file) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
        self.__dict__.pop("metrics", None)


def run_of(experiment: Experiment, root: Path) -> Run:
    """The run folder of an experiment: `<root>/<name>/seed-<seed>`."""
    return Run(root / experiment.name / f"seed-{experiment.seed}")
