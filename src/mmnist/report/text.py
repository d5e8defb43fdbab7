"""A report for the terminal, drawn with rich."""

import io
import textwrap
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from mmnist.evaluation.metrics import CLASSES
from mmnist.report.content import (
    MARK,
    SMALL_NOTE,
    Report,
    Row,
    describe_model,
    percent,
    percent_interval,
)
from mmnist.report.entry import DATA, Entry

#: Width of a saved text report, in characters.
SAVED_WIDTH = 100

# Widths in characters: the first block, alone and with the support; a run's block, alone and with
# the support; the gap between blocks.
_TITLES, _TITLES_SUPPORT, _RUN, _RUN_SUPPORT, _GAP = 13, 18, 26, 36, 3


def render_text(report: Report, width: int) -> RenderableType:
    """The report, for a console of `width` characters."""
    single = len(report.entries) == 1
    parts: list[RenderableType] = [
        _header(report.entries[0]) if single else _overview(report),
        *(Text(f"warning: {warning}", style="yellow") for warning in report.warnings),
    ]
    for indices in _groups(report, width):
        parts += ["", _class_table(report, indices)]
    if report.small:
        parts += [Text(f"{MARK} {SMALL_NOTE}", style="yellow")]
    if report.seed_means:
        parts += ["", *(Text(str(seed_mean)) for seed_mean in report.seed_means)]
    if single:
        parts += ["", _confusion(report.entries[0])]
    return Group(*parts)


def plain_text(report: Report) -> str:
    """The report as text without colours, `SAVED_WIDTH` characters wide."""
    console = Console(file=io.StringIO(), width=SAVED_WIDTH, color_system=None, highlight=False)
    console.print(render_text(report, SAVED_WIDTH))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _header(entry: Entry) -> RenderableType:
    metrics = entry.metrics
    low_to_high = percent_interval(metrics.interval)
    lines = Table.grid(padding=(0, 2))
    lines.add_row("network", Text(describe_model(entry.run.experiment)))
    lines.add_row("data", DATA[entry.origin])
    lines.add_row("validation", f"{metrics.n:,} images (split {entry.split})")
    lines.add_row("best epoch", entry.progress)
    if entry.loss is not None:
        lines.add_row("loss", f"{entry.loss:.4f} (validation)")
    accuracy = Text(percent(metrics.accuracy), style="bold")
    accuracy.append(
        f"  (95 % interval {low_to_high}; {metrics.correct:,} of {metrics.n:,} right)",
        style="not bold",
    )
    lines.add_row("accuracy", accuracy)
    return Group(Text(entry.label, style="bold"), lines)


def _overview(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", overflow="fold", max_width=_RUN)
    for entry in report.entries:
        metrics = entry.metrics
        result = f"{metrics.correct:,} of {metrics.n:,} right"
        table.add_row(
            Text(entry.label),
            Text(
                f"{describe_model(entry.run.experiment)}\n"
                f"{DATA[entry.origin]}; best epoch {entry.progress}; {result}"
            ),
        )
    return table


def _class_table(report: Report, indices: Sequence[int]) -> Table:
    """Per-class numbers of some of the runs: digits at the left, then the columns of each run."""
    labels = _aligned([report.entries[index].label for index in indices])
    blocks = [_title_block(report, indices[0], "\n" * labels[0].count("\n"))]
    blocks += [_run_block(report, *pair) for pair in zip(indices, labels, strict=True)]
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_row(*blocks)
    return grid


def _title_block(report: Report, index: int, heading: str) -> Group:
    table = _numbers(["support"] if report.same_images else [], title="digit")
    for row in report.rows:
        support = [row.marked_support(index)] if report.same_images else []
        _add(table, row, index, [row.title, *support])
    if len(report.entries) == 1:
        return Group(table)
    return Group(heading, table, "", Text("accuracy", style="bold"), "95 % interval")


def _run_block(report: Report, index: int, label: str) -> Group:
    support = [] if report.same_images else ["support"]
    table = _numbers(["precision", "recall", "f1", *support])
    for row in report.rows:
        _add(table, row, index, [*row.cells[index], *(row.marked_support(index) for _ in support)])
    if len(report.entries) == 1:  # the header says the rest
        return Group(table)
    metrics = report.entries[index].metrics
    return Group(
        Text(label, style="bold", justify="center"),
        table,
        "",
        Text(percent(metrics.accuracy), style="bold", justify="center"),
        Text(percent_interval(metrics.interval), justify="center"),
    )


def _numbers(columns: Sequence[str], title: str | None = None) -> Table:
    """An empty table: columns of numbers, and one of titles before them."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    if title is not None:
        table.add_column(title, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _add(table: Table, row: Row, index: int, cells: Sequence[str]) -> None:
    """Add a line; a small class is dim, and the means stand apart from the digits."""
    table.add_row(*cells, style="dim" if row.small(index) else None, end_section=row.title == "9")


def _confusion(entry: Entry) -> Group:
    digits = range(CLASSES)
    table = _numbers([str(digit) for digit in digits], title="label")
    for label in digits:
        counts = entry.metrics.confusion[label]
        table.add_row(
            str(label),
            *(
                Text(f"{counts[digit] or '·'}", style="green" if digit == label else "")
                for digit in digits
            ),
        )
    return Group(Text("confusion matrix: label (row) by prediction (column)", style="bold"), table)


def _groups(report: Report, width: int) -> Iterator[range]:
    """Indices of the runs, as many at a time as fit side by side."""
    titles, run = (_TITLES_SUPPORT, _RUN) if report.same_images else (_TITLES, _RUN_SUPPORT)
    size = max(1, (width - titles) // (_GAP + run))
    for start in range(0, len(report.entries), size):
        yield range(start, min(start + size, len(report.entries)))


def _aligned(labels: Sequence[str]) -> list[str]:
    """The labels wrapped to the width of a run's columns, all to the same number of lines."""
    broken = [textwrap.wrap(label, _RUN) for label in labels]
    height = max(map(len, broken))
    return ["\n".join([""] * (height - len(lines)) + lines) for lines in broken]
