"""A report for the terminal, drawn with rich."""

import io
from collections.abc import Iterator, Sequence

import numpy as np
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Column as GridColumn
from rich.table import Table as Grid
from rich.text import Text

from mmnist.evaluation.metrics import Metrics
from mmnist.report.content import (
    MARK,
    SMALL_NOTE,
    Report,
    describe_model,
    percent,
    percent_interval,
)
from mmnist.report.entry import DATA, Entry
from mmnist.report.run_tables import confusion_table, per_class_table
from mmnist.report.table import Column, Table
from mmnist.terminal import natural_width

#: Width of a saved text report, in characters.
SAVED_WIDTH = 100

#: Blank characters between blocks that stand side by side.
_GAP = 3
#: Longest line of a run's name in the overview, in characters.
_NAME = 26


def render_text(report: Report, width: int) -> RenderableType:
    """The report, for a console of `width` characters; print it with `crop=False`.

    Text is wrapped to the width. Tables of numbers are wider if they have to be.
    """
    single = len(report.entries) == 1
    parts: list[RenderableType] = [
        _header(report.entries[0]) if single else _overview(report),
        *(Text(f"warning: {warning}", style="yellow") for warning in report.warnings),
    ]
    for blocks in _class_tables(report, width):
        parts += ["", blocks]
    if any(entry.metrics.small.any() for entry in report.entries):
        parts += [Text(f"{MARK} {SMALL_NOTE}", style="yellow")]
    if report.seed_means:
        parts += ["", *(Text(str(seed_mean)) for seed_mean in report.seed_means)]
    if single:
        parts += ["", _confusion(report.entries[0])]
    return Group(*parts)


def plain_text(report: Report) -> str:
    """The report as text without colours, `SAVED_WIDTH` characters wide."""
    console = Console(file=io.StringIO(), width=SAVED_WIDTH, color_system=None, highlight=False)
    console.print(render_text(report, SAVED_WIDTH), crop=False)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _header(entry: Entry) -> RenderableType:
    lines = Grid.grid(*(GridColumn(overflow="fold") for _ in range(2)), padding=(0, 2))
    lines.add_row("network", Text(describe_model(entry.run.experiment)))
    lines.add_row("data", DATA[entry.origin])
    lines.add_row("validation", f"{entry.metrics.n:,} images (split {entry.split})")
    lines.add_row("best epoch", entry.progress)
    lines.add_row("loss", f"{entry.loss:.4f} (validation)")
    lines.add_row("accuracy", _accuracy(entry.metrics))
    return Group(Text(entry.label, style="bold"), lines)


def _overview(report: Report) -> Grid:
    lines = Grid.grid(padding=(0, 2))
    lines.add_column(style="bold", overflow="fold", max_width=_NAME)
    lines.add_column(overflow="fold")
    for entry in report.entries:
        data = f"{DATA[entry.origin]}; best epoch {entry.progress}"
        about = Text(f"{describe_model(entry.run.experiment)}\n{data}")
        lines.add_row(Text(entry.label), Group(_accuracy(entry.metrics), about))
    return lines


def _accuracy(metrics: Metrics) -> Text:
    interval = percent_interval(metrics.interval)
    return Text.assemble(
        (percent(metrics.accuracy), "bold"),
        f"  (95 % interval {interval}; {metrics.correct:,} of {metrics.n:,} right)",
    )


def _class_tables(report: Report, width: int) -> Iterator[RenderableType]:
    """Per-class numbers: digits at the left, then as many runs as fit; the others below them."""
    table = per_class_table(report, report.entries)
    (_, titles), *runs = table.spans
    left = _block(table, titles, report.entries[0] if report.same_images else None)
    if not runs:
        yield left
        return
    blocks = [
        _block(table, columns, entry, label)
        for (label, columns), entry in zip(runs, report.entries, strict=True)
    ]
    size = max(1, (width - natural_width(left)) // (_GAP + max(map(natural_width, blocks))))
    for start in range(0, len(blocks), size):
        row = [left, *blocks[start : start + size]]
        grid = Grid.grid(*(GridColumn(vertical="bottom") for _ in row), padding=(0, _GAP, 0, 0))
        grid.add_row(*row)
        grid.width = natural_width(grid)
        yield grid


def _block(
    table: Table, columns: Sequence[Column], entry: Entry | None = None, title: str = ""
) -> Grid:
    """Some columns below a title; digits of which `entry` has too few images are dim."""
    block = _empty(columns)
    block.title = Text(title, "not italic bold", no_wrap=False, overflow="fold") if title else None
    small = [] if entry is None else np.flatnonzero(entry.metrics.small).tolist()
    ends = np.cumsum([len(rows) for rows in table.groups]) - 1
    for place, row in enumerate(table.rows):
        block.add_row(
            *(column.cell(row) for column in columns),
            style="dim" if place in small else None,
            end_section=place in ends,
        )
    block.width = natural_width(block)
    return block


def _confusion(entry: Entry) -> Group:
    table = confusion_table(entry)
    block = _empty(table.shown)
    for place, row in enumerate(table.rows):
        label, *counts = (column.cell(row) for column in table.shown)
        cells = [Text("·" if count == "0" else count) for count in counts]
        cells[place].stylize("green")
        block.add_row(label, *cells)
    block.width = natural_width(block)
    return Group(Text(table.title, style="bold"), block)


def _empty(columns: Sequence[Column]) -> Grid:
    block = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        block.add_column(column.heading, justify="left" if column.left else "right", no_wrap=True)
    return block
