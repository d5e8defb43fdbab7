"""A report as CSV or Markdown."""

import re
from collections.abc import Container, Sequence

import numpy as np
import pandas as pd

from mmnist.evaluation.metrics import CLASSES
from mmnist.report.content import SMALL_NOTE, Report, describe_model, percent, percent_interval
from mmnist.report.entry import DATA, Entry


def render_csv(report: Report) -> str:
    """One row for each run and digit, and rows `macro`, `weighted` and `accuracy` for each run.

    Columns: run, seed, label (what tells the runs apart), data, digit, precision, recall, f1,
    support, predicted_0 … predicted_9 (the digit's row of the confusion matrix; rows of digits
    only), accuracy, accuracy_low, accuracy_high (95 % Wilson interval), accuracy_deviation, note.
    If the runs of a name are seeds of one recipe, a row `accuracy` with seed `all` holds mean and
    standard deviation, with the number of seeds in the note. Shares are from 0 to 1; the cells of a
    digit without images are empty.
    """
    rows = [row for entry in report.entries for row in _csv_rows(entry)]
    for seed_mean in report.seed_means:
        rows.append(
            {
                "run": seed_mean.name,
                "seed": "all",
                "digit": "accuracy",
                "accuracy": seed_mean.mean,
                "accuracy_deviation": seed_mean.deviation,
                "note": f"mean and standard deviation over {seed_mean.seeds} seeds",
            }
        )
    columns = ["run", "seed", "label", "data", "digit", "precision", "recall", "f1", "support"]
    columns += [f"predicted_{digit}" for digit in range(CLASSES)]
    columns += ["accuracy", "accuracy_low", "accuracy_high", "accuracy_deviation", "note"]
    counts = [column for column in columns if column.startswith(("support", "predicted"))]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(counts, "Int64"))
    return table.to_csv(index=False, float_format="%.6f", lineterminator="\n")


def render_markdown(report: Report) -> str:
    """Runs, per-class numbers and, for a single run, the confusion matrix as Markdown tables."""
    parts = [_markdown_runs(report), _markdown_classes(report)]
    if len(report.entries) == 1:
        digits = [str(digit) for digit in range(CLASSES)]
        rows = [
            [label, *map(str, counts)]
            for label, counts in zip(digits, report.entries[0].metrics.confusion, strict=True)
        ]
        table = markdown_table(["label \\\\ prediction", *digits], rows)
        parts.append("Confusion matrix:\n\n" + table)
    parts += [f"{escape_markdown(note)}\n" for note in report.notes]
    return "\n".join(parts)


def _csv_rows(entry: Entry) -> list[dict[str, object]]:
    metrics = entry.metrics
    run = {
        "run": entry.run.name,
        "seed": entry.run.seed,
        "label": entry.label,
        "data": entry.origin,
    }
    rows = []
    for digit in range(CLASSES):
        known = metrics.support[digit] > 0
        shares = {
            name: getattr(metrics, name)[digit] if known else np.nan
            for name in ("precision", "recall", "f1")
        }
        predicted = {f"predicted_{i}": int(metrics.confusion[digit, i]) for i in range(CLASSES)}
        note = SMALL_NOTE if metrics.small[digit] else None
        support = int(metrics.support[digit])
        rows.append(
            {**run, "digit": str(digit), **shares, "support": support, **predicted, "note": note}
        )
    for name, averages in [("macro", metrics.macro), ("weighted", metrics.weighted)]:
        rows.append({**run, "digit": name, **averages._asdict(), "support": metrics.n})
    low, high = metrics.interval
    unfinished = f"not finished: best of the first {entry.epochs} epochs"
    rows.append(
        {
            **run,
            "digit": "accuracy",
            "support": metrics.n,
            "accuracy": metrics.accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "note": None if entry.run.finished else unfinished,
        }
    )
    return rows


def _markdown_runs(report: Report) -> str:
    head = ["run", "network", "data", "best epoch", "right / images", "accuracy", "95 % interval"]
    rows = [
        [
            escape_markdown(entry.label),
            escape_markdown(describe_model(entry.run.experiment)),
            DATA[entry.origin],
            entry.progress,
            f"{entry.metrics.correct:,} / {entry.metrics.n:,}",
            percent(entry.metrics.accuracy),
            percent_interval(entry.metrics.interval),
        ]
        for entry in report.entries
    ]
    return markdown_table(head, rows, left=range(3))


def _markdown_classes(report: Report) -> str:
    single, shared = len(report.entries) == 1, report.same_images
    measures = ["precision", "recall", "f1", *([] if shared else ["support"])]
    head = ["digit", *(["support"] if shared else [])]
    for entry in report.entries:
        prefix = "" if single else f"{escape_markdown(entry.label)} "
        head += [prefix + measure for measure in measures]
    rows = []
    for row in report.rows:
        cells = [row.title, *([row.marked_support(0)] if shared else [])]
        for index in range(len(report.entries)):
            cells += row.cells[index]
            cells += [] if shared else [row.marked_support(index)]
        rows.append(cells)
    if not single:
        metrics = [entry.metrics for entry in report.entries]
        rows += [
            _spread("accuracy", [percent(m.accuracy) for m in metrics], len(measures), shared),
            _spread(
                "95 % interval",
                [percent_interval(m.interval) for m in metrics],
                len(measures),
                shared,
            ),
        ]
    return markdown_table(head, rows)


def _spread(title: str, cells: Sequence[str], columns: int, shared: bool) -> list[str]:
    """A row with one cell per run, in the first of the run's columns."""
    blank = [""] * (columns - 1)
    return [title, *([""] if shared else []), *(c for cell in cells for c in [cell, *blank])]


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: Container[int] = (0,)
) -> str:
    """A table; the cells are Markdown already, and the columns `left` are left-aligned."""
    rule = ["---" if column in left else "---:" for column in range(len(head))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [head, rule, *rows])


def escape_markdown(text: str) -> str:
    """`text` escaped so that Markdown shows it literally."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text)
