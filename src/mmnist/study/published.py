"""The published numbers of a study: accuracies, per-class numbers and curves, from CSV files."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mmnist.config.origin import ConfigError, Origin, Problem
from mmnist.evaluation.metrics import CLASSES
from mmnist.files import replacing
from mmnist.study.schema import Place

#: The files that a folder of published numbers may hold.
FILES = ("accuracy.csv", "per_class.csv", "curves.csv")

#: Columns besides `experiment` and `variant`.
_ACCURACY = ("best_valid_accuracy", "valid_images", "correct")
_PER_CLASS = ("digit", "precision", "recall", "f1")
_CURVES = ("epoch", "train_accuracy", "train_loss", "valid_accuracy", "valid_loss")


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
        counts = [
            {
                **_named(place),
                "best_valid_accuracy": value.accuracy,
                "valid_images": value.n,
                "correct": value.correct,
            }
            for place, value in self.counts.items()
        ]
        tables = {
            "accuracy.csv": pd.DataFrame(counts, columns=["experiment", "variant", *_ACCURACY]),
            "per_class.csv": _joined(self.per_class, _PER_CLASS),
            "curves.csv": _joined(self.curves, _CURVES),
        }
        for name, table in tables.items():
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
    problems: list[Problem] = []
    if not any((folder / name).exists() for name in FILES):
        cause = f"holds none of {', '.join(FILES)}"
        raise ConfigError([Problem(Origin(str(folder)), (), cause)])
    accuracy = _read(folder / "accuracy.csv", _ACCURACY, places, _check_accuracy, problems)
    per_class = _read(folder / "per_class.csv", _PER_CLASS, places, _check_class, problems)
    curves = _read(folder / "curves.csv", _CURVES, places, _check_epoch, problems)
    if problems:
        raise ConfigError(problems)
    return Published(
        {
            place: Counts(int(rows["correct"].iloc[0]), int(rows["valid_images"].iloc[0]))
            for place, rows in _groups(accuracy)
        },
        {place: rows.set_index("digit").sort_index() for place, rows in _groups(per_class)},
        {place: rows.sort_values("epoch", ignore_index=True) for place, rows in _groups(curves)},
    )


def _read(
    path: Path,
    columns: Sequence[str],
    places: Sequence[Place],
    check: Callable[[Any], str | None],
    problems: list[Problem],
) -> pd.DataFrame | None:
    """The table in `path`, or None if there is none; its problems are added to `problems`."""
    if not path.exists():
        return None
    source = str(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            header = reader.fieldnames or ()
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(Problem(Origin(source), (), f"cannot be read: {error}"))
        return None
    wanted = ["experiment", "variant", *columns]
    if missing := [name for name in wanted if name not in header]:
        cause = f"no column {', '.join(missing)}; wanted {', '.join(wanted)}"
        problems.append(Problem(Origin(source, 1), (), cause))
        return None
    before = len(problems)
    for line, row in rows:
        if None in row:
            problems.append(Problem(Origin(source, line), (), "more cells than columns"))
    table = pd.DataFrame([row for _, row in rows], columns=wanted, dtype=object)
    key_column = columns[0] if columns[0] in ("digit", "epoch") else ""
    seen: set[tuple[Any, ...]] = set()
    table = table.assign(**{name: table[name].map(_number_or_text) for name in columns})
    for (line, _), row in zip(rows, table.itertuples(index=False), strict=True):
        cause = _place_problem(row, places) or _number_problem(row, columns) or check(row)
        key = (row.experiment, row.variant, getattr(row, key_column, None))
        if cause is None and key in seen:
            cause = f"a second line for {row.experiment}, {row.variant}"
        seen.add(key)
        if cause is not None:
            problems.append(Problem(Origin(source, line), (), cause))
    return table.infer_objects() if len(problems) == before else None


def _number_or_text(cell: str) -> int | float | str:
    """The number that a cell holds; the cell as it is if it holds none."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


def _place_problem(row: Any, places: Sequence[Place]) -> str | None:
    if (row.experiment, row.variant) in places:
        return None
    experiments = dict.fromkeys(experiment for experiment, _ in places)
    if row.experiment not in experiments:
        return f"there is no experiment {row.experiment!r}; there are: {', '.join(experiments)}"
    variants = [variant for experiment, variant in places if experiment == row.experiment]
    return (
        f"experiment {row.experiment} has no variant {row.variant!r}; it has: {', '.join(variants)}"
    )


def _number_problem(row: Any, columns: Sequence[str]) -> str | None:
    for name in columns:
        value = getattr(row, name)
        if not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            return f"{name} is {value!r}; wanted a number of at least 0"
        share = name in ("precision", "recall", "f1") or name.endswith("accuracy")
        if share and value > 1:
            return f"{name} is {value}; wanted a share from 0 to 1"
    return None


def _check_accuracy(row: Any) -> str | None:
    if row.correct != int(row.correct) or row.valid_images != int(row.valid_images):
        return "correct and valid_images must be whole numbers"
    if not row.valid_images or row.correct > row.valid_images:
        return f"{row.correct} of {row.valid_images} images cannot be right"
    share = row.correct / row.valid_images
    if abs(share - row.best_valid_accuracy) > 0.5e-4:
        return (
            f"best_valid_accuracy {row.best_valid_accuracy} is not {row.correct} of "
            f"{row.valid_images} ({share:.6f})"
        )
    return None


def _check_class(row: Any) -> str | None:
    if row.digit not in range(CLASSES):
        return f"there is no digit {row.digit}; the classes are 0 to {CLASSES - 1}"
    return None


def _check_epoch(row: Any) -> str | None:
    return None if row.epoch == int(row.epoch) else "epochs are whole numbers from 0"


def _groups(table: pd.DataFrame | None) -> Iterator[tuple[Place, pd.DataFrame]]:
    if table is None:
        return
    for place, rows in table.groupby(["experiment", "variant"], sort=False):
        yield place, rows.drop(columns=["experiment", "variant"]).reset_index(drop=True)


def _named(place: Place) -> dict[str, str]:
    return {"experiment": place[0], "variant": place[1]}


def _joined(tables: Mapping[Place, pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    parts = [
        (rows.reset_index() if rows.index.name else rows).assign(**_named(place))
        for place, rows in tables.items()
    ]
    wanted = ["experiment", "variant", *columns]
    return pd.concat(parts)[wanted] if parts else pd.DataFrame(columns=wanted)
