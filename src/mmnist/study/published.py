"""The published numbers of a study: accuracies, per-class numbers and curves, from CSV files."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mmnist.config.keys import KeyIndex
from mmnist.config.messages import validated
from mmnist.config.origin import ConfigError, Located, Origin, Problem
from mmnist.config.section import at
from mmnist.config.yaml_source import Document
from mmnist.files import replacing
from mmnist.study.schema import Place
from mmnist.task import CLASSES


def _number(cell: str) -> int | float | str:
    """The number that a cell holds; the cell as it is if it holds none."""
    try:
        number = float(cell)
    except ValueError:
        return cell
    return int(number) if number.is_integer() else number


_NUMBER = BeforeValidator(_number)
_Share = Annotated[float, Field(ge=0, le=1), _NUMBER]
_Loss = Annotated[float, Field(ge=0), _NUMBER]
_Count = Annotated[int, Field(ge=0), _NUMBER]


class _Row(BaseModel):
    """A line of one of the files."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    experiment: str
    variant: str

    @property
    def place(self) -> Place:
        return self.experiment, self.variant

    @property
    def key(self) -> tuple[Any, ...]:
        """What no two lines of a file have in common."""
        return (*self.place, *(value for name, value in self if name in ("digit", "epoch")))


class _Accuracy(_Row):
    best_valid_accuracy: _Share
    valid_images: Annotated[int, Field(ge=1), _NUMBER]
    correct: _Count

    @model_validator(mode="after")
    def _agree(self) -> Self:
        share = self.correct / self.valid_images
        of_all = f"{self.correct} of {self.valid_images}"
        if share > 1:
            raise at(["correct"], f"{of_all} images cannot be right")
        # 0.97125 may be published as 0.9713; floats of the two can lie a little further apart.
        if abs(share - self.best_valid_accuracy) > 0.5e-4 + 1e-9:
            cause = f"{self.best_valid_accuracy} is not {of_all} ({share:.6f})"
            raise at(["best_valid_accuracy"], cause)
        return self


class _Class(_Row):
    digit: Annotated[int, Field(ge=0, le=CLASSES - 1), _NUMBER]
    precision: _Share
    recall: _Share
    f1: _Share


class _Epoch(_Row):
    epoch: _Count
    train_accuracy: _Share
    train_loss: _Loss
    valid_accuracy: _Share
    valid_loss: _Loss


#: The files that a folder of published numbers may hold, and what a line of each is.
_FILES: dict[str, type[_Row]] = {
    "accuracy.csv": _Accuracy,
    "per_class.csv": _Class,
    "curves.csv": _Epoch,
}


@dataclass(frozen=True)
class Counts:
    """How many of the validation images a published model got right."""

    correct: int
    n: int

    @property
    def accuracy(self) -> float:
        """Share of right answers, from 0 to 1."""
        return self.correct / self.n


@dataclass(frozen=True)
class Published:
    """Published numbers by experiment and variant; a place without any is absent."""

    counts: Mapping[Place, Counts]
    per_class: Mapping[Place, pd.DataFrame]
    """Rows 0 to 9 by `digit`; columns precision, recall, f1. A digit may be missing."""
    curves: Mapping[Place, pd.DataFrame]
    """One row per epoch (from 0): train_accuracy, train_loss, valid_accuracy, valid_loss."""

    def __bool__(self) -> bool:
        """Whether there is any number."""
        return bool(self.counts or self.per_class or self.curves)

    def write(self, folder: Path) -> None:
        """Write the files that `read_published` reads.

        Raises:
            RunError: a file cannot be written.
        """
        counts = [(*place, n.accuracy, n.n, n.correct) for place, n in self.counts.items()]
        tables = (
            pd.DataFrame(counts, columns=list(_Accuracy.model_fields)),
            _joined(self.per_class, _Class),
            _joined(self.curves, _Epoch),
        )
        for name, table in zip(_FILES, tables, strict=True):
            with replacing(folder / name) as temporary:
                table.to_csv(temporary, index=False)


def read_published(folder: Path, places: Sequence[Place]) -> Published:
    """Read accuracy.csv, per_class.csv and curves.csv, of which up to two may be absent.

    Args:
        folder: the folder that holds them.
        places: the experiments and variants that numbers can belong to.

    Raises:
        ConfigError: there is none of these files, one is damaged, or a value is no number, out of
            range, or of an unknown variant or digit; the message has one line for each problem,
            with file and line.
    """
    if not any((folder / name).exists() for name in _FILES):
        cause = f"holds none of {', '.join(_FILES)}"
        raise ConfigError([Problem(Origin(str(folder)), (), cause)])
    rows: dict[type[_Row], list[Any]] = {}
    problems: list[Problem] = []
    for name, kind in _FILES.items():
        try:
            rows[kind] = _read(folder / name, kind, places)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    per_class, curves = _tables(rows[_Class]), _tables(rows[_Epoch])
    return Published(
        {row.place: Counts(row.correct, row.valid_images) for row in rows[_Accuracy]},
        {place: table.set_index("digit").sort_index() for place, table in per_class},
        {place: table.sort_values("epoch", ignore_index=True) for place, table in curves},
    )


def _read(path: Path, kind: type[_Row], places: Sequence[Place]) -> list[_Row]:
    """The lines of the table in `path`; none if there is no such file."""
    rows: dict[tuple[Any, ...], _Row] = {}
    problems: list[Problem] = []
    for origin, cells in _lines(path, list(kind.model_fields)) if path.exists() else ():
        problems += _misplaced(cells, origin, places)
        try:
            row = _row(cells, origin, kind)
        except ConfigError as error:
            problems += error.problems
            continue
        if rows.setdefault(row.key, row) is not row:
            cause = f"a second line for {', '.join(map(str, row.key))}"
            problems.append(Problem(origin, (), cause))
    if problems:
        raise ConfigError(problems)
    return list(rows.values())


def _lines(path: Path, columns: list[str]) -> Iterator[tuple[Origin, dict[Any, Any]]]:
    """The cells of each line by column, and where the line is."""
    source = str(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                cause = f"no column {', '.join(missing)}; wanted {', '.join(columns)}"
                raise ConfigError([Problem(Origin(source, 1), (), cause)])
            for cells in reader:
                yield Origin(source, reader.line_num), cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError([Problem(Origin(source), (), f"cannot be read: {error}")]) from None


def _row(cells: dict[Any, Any], origin: Origin, kind: type[_Row]) -> _Row:
    if None in cells:
        raise ConfigError([Problem(origin, (), "more cells than columns")])
    values = {name: Located(cells[name], origin) for name in kind.model_fields}
    return validated(kind, Document(Located(values, origin)), _columns(kind))


@cache
def _columns(kind: type[_Row]) -> KeyIndex:
    return KeyIndex(kind.model_json_schema())


def _misplaced(cells: dict[Any, Any], origin: Origin, places: Sequence[Place]) -> list[Problem]:
    """The problem of a line about an experiment or variant that there is not."""
    experiment, variant = cells["experiment"], cells["variant"]
    if (experiment, variant) in places:
        return []
    variants = [name for of, name in places if of == experiment]
    if variants:
        cause = f"experiment {experiment} has no variant {variant!r}; it has: {', '.join(variants)}"
    else:
        experiments = dict.fromkeys(name for name, _ in places)
        cause = f"there is no experiment {experiment!r}; there are: {', '.join(experiments)}"
    return [Problem(origin, (), cause)]


def _tables(rows: list[_Row]) -> Iterator[tuple[Place, pd.DataFrame]]:
    """The lines about each place, without its columns."""
    by_place: dict[Place, list[dict[str, Any]]] = {}
    for row in rows:
        by_place.setdefault(row.place, []).append(row.model_dump(exclude={"experiment", "variant"}))
    for place, lines in by_place.items():
        yield place, pd.DataFrame(lines)


def _joined(tables: Mapping[Place, pd.DataFrame], kind: type[_Row]) -> pd.DataFrame:
    columns = list(kind.model_fields)
    if not tables:
        return pd.DataFrame(columns=columns)
    return pd.concat(tables, names=["experiment", "variant"]).reset_index()[columns]
