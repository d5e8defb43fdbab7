"""The tables of a report on runs: accuracy, per-class numbers, confusion matrix, and all as CSV."""

from collections.abc import Iterator, Sequence
from typing import Any

from mmnist.report.content import (
    MARK,
    SMALL_NOTE,
    Report,
    describe_model,
    marked,
    percent,
    percent_interval,
)
from mmnist.report.entry import DATA, Entry
from mmnist.report.table import Column, Table
from mmnist.task import CLASSES

_MEASURES = ("precision", "recall", "f1")
_DIGITS = tuple(map(str, range(CLASSES)))
_PREDICTED = tuple(f"predicted_{digit}" for digit in _DIGITS)

_ACCURACY = (
    Column("run", ("label",), left=True),
    Column("network", ("network",), left=True, width=4),
    Column("data", ("data",), left=True, width=2.5),
    Column("best epoch", ("best_epoch",)),
    Column("right / images", ("correct", "images"), lambda right, n: f"{right:,} / {n:,}"),
    Column("accuracy", ("accuracy",), percent),
    Column("95 % interval", ("interval",), percent_interval),
)


def report_tables(report: Report, side_by_side: int) -> list[Table]:
    """Accuracy, per-class numbers of `side_by_side` runs at a time, confusion of a single run."""
    entries = report.entries
    starts = range(0, len(entries), side_by_side)
    return [
        accuracy_table(report),
        *(per_class_table(report, entries[start : start + side_by_side]) for start in starts),
        *([confusion_table(entries[0])] if len(entries) == 1 else []),
    ]


def accuracy_table(report: Report) -> Table:
    """What each run is, and its accuracy."""
    rows = [
        {
            "label": entry.label,
            "network": describe_model(entry.run.experiment),
            "data": DATA[entry.origin],
            "best_epoch": entry.progress,
            "correct": entry.metrics.correct,
            "images": entry.metrics.n,
            "accuracy": entry.metrics.accuracy,
            "interval": entry.metrics.interval,
        }
        for entry in report.entries
    ]
    notes = tuple(f"{seed_mean}." for seed_mean in report.seed_means)
    title = "Accuracy on the validation images"
    return Table(title, _ACCURACY, tuple(rows), notes, _caveats(report))


def per_class_table(report: Report, entries: Sequence[Entry]) -> Table:
    """Precision, recall and F1 by digit, their means, and support, of some of the report's runs.

    Support stands once if all runs of the report were validated on the same images, else for each
    run. If the report has several runs, the columns of each stand below its label.
    """
    shared, several = report.same_images, len(report.entries) > 1
    columns = [Column("digit", ("digit",), left=True), *([_support(entries[0])] if shared else [])]
    for entry in entries:
        label = entry.label if several else ""
        columns += [*_measures(entry, label), *([] if shared else [_support(entry, label)])]
    rows = []
    for same in zip(*map(_rows_of, entries), strict=True):  # the same row of each run
        row = {"digit": same[0]["digit"], "mean": not same[0]["digit"].isdigit()}
        for entry, values in zip(entries, same, strict=True):
            row |= {f"{entry.label} {key}": value for key, value in values.items()}
        rows.append(row)
    small = any(entry.metrics.small.any() for entry in entries)
    whose = "" if several else f" of {entries[0].label}"
    data = "; ".join(dict.fromkeys(DATA[entry.origin] for entry in entries))
    return Table(
        f"Precision, recall and F1{whose} on the validation images ({data})",
        tuple(columns),
        tuple(rows),
        (f"{MARK} {SMALL_NOTE}.",) if small else (),
        _caveats(report),
        group="mean",
    )


def confusion_table(entry: Entry) -> Table:
    """How many validation images of each label got each prediction."""
    digits = tuple(Column(digit, (digit,)) for digit in _DIGITS)
    counts = zip(_DIGITS, entry.metrics.confusion.tolist(), strict=True)
    return Table(
        f"Confusion matrix of {entry.label}: label (row) by prediction (column)",
        (Column("label", ("label",), left=True), *digits),
        tuple({"label": label, **dict(zip(_DIGITS, row, strict=True))} for label, row in counts),
    )


def csv_table(report: Report) -> Table:
    """One row for each run and digit, and rows `macro`, `weighted` and `accuracy` for each run.

    Columns: run, seed, label (what tells the runs apart), data, digit, precision, recall, f1,
    support, predicted_0 … predicted_9 (the digit's row of the confusion matrix; rows of digits
    only), accuracy, accuracy_low, accuracy_high (95 % Wilson interval), accuracy_deviation, note.
    If the runs of a name are seeds of one recipe, a row `accuracy` with seed `all` holds mean and
    standard deviation, with the number of seeds in the note. Shares are from 0 to 1; the cells of a
    digit without images are empty.
    """
    keys = ("run", "seed", "label", "data", "digit", *_MEASURES, "support", *_PREDICTED)
    keys += ("accuracy", "accuracy_low", "accuracy_high", "accuracy_deviation", "note")
    rows = [row for entry in report.entries for row in _csv_rows(entry)]
    rows += [
        {
            "run": seed_mean.name,
            "seed": "all",
            "digit": "accuracy",
            "accuracy": seed_mean.mean,
            "accuracy_deviation": seed_mean.deviation,
            "note": f"mean and standard deviation over {seed_mean.seeds} seeds",
        }
        for seed_mean in report.seed_means
    ]
    return Table("Metrics", (Column("", keys),), tuple(rows))


def _caveats(report: Report) -> tuple[str, ...]:
    return tuple(f"Warning: {warning}." for warning in report.warnings)


def _rows_of(entry: Entry) -> list[dict[str, Any]]:
    """Values of each digit, then of both means; no measures of a digit without images."""
    metrics = entry.metrics
    rows: list[dict[str, Any]] = []
    for digit, support in enumerate(metrics.support.tolist()):
        row = {"digit": str(digit), "support": support, "small": bool(metrics.small[digit])}
        if support:
            row |= {name: float(getattr(metrics, name)[digit]) for name in _MEASURES}
        rows.append(row | dict(zip(_PREDICTED, metrics.confusion[digit].tolist(), strict=True)))
    for name, means in (("macro", metrics.macro), ("weighted", metrics.weighted)):
        rows.append({"digit": name, "support": metrics.n, **means._asdict()})
    return rows


def _measures(entry: Entry, spanner: str) -> list[Column]:
    return [
        Column(name, (f"{entry.label} {name}",), lambda share: f"{share:.3f}", spanner=spanner)
        for name in _MEASURES
    ]


def _support(entry: Entry, spanner: str = "") -> Column:
    keys = (f"{entry.label} support", f"{entry.label} small")
    return Column("support", keys, marked, spanner=spanner)


def _csv_rows(entry: Entry) -> Iterator[dict[str, Any]]:
    run = {
        "run": entry.run.name,
        "seed": entry.run.seed,
        "label": entry.label,
        "data": entry.origin,
    }
    for row in _rows_of(entry):
        yield {**run, **row, "note": SMALL_NOTE if row.get("small") else None}
    low, high = entry.metrics.interval
    unfinished = f"not finished: best of the first {entry.epochs} epochs"
    yield {
        **run,
        "digit": "accuracy",
        "support": entry.metrics.n,
        "accuracy": entry.metrics.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "note": None if entry.run.finished else unfinished,
    }
