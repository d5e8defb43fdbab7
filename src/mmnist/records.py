"""What environment.json, summary.json, metrics.csv and the predictions of a run must hold.

Keys with a default are those that older versions of mmnist did not write. Keys that are not named
here are kept as they are.
"""

import json
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, JsonValue, ValidationError

from mmnist.config.section import Section
from mmnist.errors import InputError, first_problem
from mmnist.files import write_text
from mmnist.task import CLASSES

#: Value of `status` in summary.json.
TRAINING: Final = "training"
FINISHED: Final = "finished"


class Record(Section):
    """A mapping of such a file: as one of a configuration, but unknown keys are kept."""

    model_config = ConfigDict(extra="allow")


class DataRecord(Record):
    """The data set of a run."""

    path: str
    """Its folder when the run began."""
    fingerprint: str
    """What tells its images and labels from others."""
    generated: bool
    """Whether the images are generated, not the competition's."""
    source: dict[str, JsonValue]
    """Where the images come from, as the data set's manifest says."""


class DigitsRecord(Record):
    """The handwritten digits of a run's patches."""

    digits: str
    """Where they come from."""
    digits_sha256: str
    """SHA-256 of all digits of the source, in hexadecimal."""
    digit_images: int
    """Images of digits that patches are drawn from."""
    patches_version: int = 1
    """`PATCHES_VERSION` of the version of mmnist that drew the patches."""
    seen_in_test_images: str
    """How the data set's test images may show some of the digits; empty if they do not."""


class ProcessRecord(Record):
    """What one process that trained the run was started with: command, versions, machine."""

    command: str
    python: str
    """Version of Python."""
    platform: str
    packages: dict[str, str]
    """Versions by the packages' names."""
    commit: str | None
    """Commit of mmnist's source, with `+` if changed since; None outside its repository."""
    device: str
    """For people, such as `CPU (AMD EPYC), 2 threads`."""
    device_type: str
    """`cpu` or `cuda`."""
    precision: str
    """fp32, bf16 or fp16."""
    threads: int
    """CPU threads that torch computes with."""


class Environment(ProcessRecord):
    """environment.json: with what the run was begun, and the processes that resumed it."""

    data: DataRecord
    pretraining: DigitsRecord | None = None
    """None: the run has no epochs of single digits."""
    resumed: list[ProcessRecord] = Field(default_factory=list)


_PER_CLASS = Field(min_length=CLASSES, max_length=CLASSES)
Shares = Annotated[list[float], _PER_CLASS]
Counts = Annotated[list[int], _PER_CLASS]


class AveragesRecord(Record):
    """Averages over classes, from 0 to 1."""

    precision: float
    recall: float
    f1: float


class MetricsRecord(Record):
    """Metrics of the validation images; `mmnist.evaluation.metrics.Metrics` says what they are."""

    n: int
    correct: int
    accuracy: float
    interval: Annotated[list[float], Field(min_length=2, max_length=2)]
    precision: Shares
    recall: Shares
    f1: Shares
    support: Counts
    macro: AveragesRecord
    weighted: AveragesRecord
    confusion: Annotated[list[Counts], _PER_CLASS]
    loss: float
    """Mean cross-entropy of the validation images."""


class Summary(Record):
    """summary.json: the result of the finished epochs."""

    status: Literal["training", "finished"]
    epochs: int
    """Epochs trained so far."""
    best_epoch: int
    """Counted from 0."""
    valid: MetricsRecord
    """Of the best epoch."""
    parameters: int
    train_images: int
    """0: the run has epochs of single digits alone."""
    valid_images: int
    seconds_total: float
    seconds_per_epoch: float
    """Mean."""
    images_per_second: float
    """Median over the epochs, of training alone."""
    peak_memory_mib: float
    device: str
    """As in environment.json, like the next two, for readers who have this file alone."""
    precision: str
    data: DataRecord
    finished_at: str
    """When the last epoch ended, such as `2026-01-31T12:00:00+0000`."""


AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read a file of a run folder as a record of this kind.

    Raises:
        InputError: the file is missing, cannot be read, or is damaged; the message names the key.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path.parent} is not a complete run: {path.name} is missing") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise InputError(f"{path} is damaged: {first_problem(error)}") from error


def write_record(path: Path, record: Record) -> None:
    """Write what `read_record` reads, without the keys that have only their default.

    Raises:
        RunError: the file cannot be written.
    """
    content = record.model_dump(mode="json", exclude_unset=True)
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


#: Columns of metrics.csv that reports show; all versions of mmnist wrote them.
_CURVES = ("epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "seconds")


def read_metrics(path: Path, epochs: int) -> pd.DataFrame:
    """Read metrics.csv: a row for each of at least so many epochs.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is damaged.
    """
    try:
        rows = pd.read_csv(path, engine="python")  # exact floats
        _check_curves(rows, epochs)
        return rows
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}") from error


def _check_curves(rows: pd.DataFrame, epochs: int) -> None:
    numbers = set(rows.select_dtypes("number").columns)
    if missing := [name for name in _CURVES if name not in numbers]:
        raise ValueError(f"no column {', '.join(missing)} that holds numbers")
    finite = np.isfinite(rows[list(_CURVES)])
    if gaps := [name for name in _CURVES if not finite[name].all()]:
        raise ValueError(f"not every epoch has a finite {', '.join(gaps)}")
    if len(rows) < epochs:
        raise ValueError(f"it has {len(rows)} of {epochs} epochs")


def check_predictions(
    index: NDArray[np.integer], label: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> None:
    """Raise ValueError unless these are predictions of N > 0 images.

    That is: integer [N] and [N], labels from 0 to 9, and finite floating [N, 10].
    """
    for name, array, kind, shape in (
        ("index", index, np.integer, (len(probabilities),)),
        ("label", label, np.integer, (len(probabilities),)),
        ("probabilities", probabilities, np.floating, (len(probabilities), CLASSES)),
    ):
        if array.shape != shape or not np.issubdtype(array.dtype, kind):
            found = f"{array.dtype} {list(array.shape)}"
            raise ValueError(f"{name} must be {kind.__name__} {list(shape)}, not {found}")
    if not len(label):
        raise ValueError("it has no image")
    if label.min() < 0 or label.max() >= CLASSES:
        raise ValueError(f"labels must be 0 to {CLASSES - 1}")
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities must be finite")
