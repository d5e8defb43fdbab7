"""A table that is built once and written as Markdown, CSV and LaTeX."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from mmnist.files import write_text
from mmnist.report.latex import escape, latex_line, latex_table
from mmnist.report.tables import escape_markdown, markdown_table

#: Shown in a cell without a value.
NOTHING = "–"

#: A LaTeX table with more rows than this is broken over pages.
_LONG = 24

_PREAMBLE = "% needs \\usepackage{array,booktabs,longtable}\n"
_SMALL = r"\begingroup\footnotesize\setlength{\tabcolsep}{4pt}"


@dataclass(frozen=True)
class Column:
    """A column as it is displayed, made of one or more columns of the CSV file."""

    heading: str
    """Its heading; a column without one is in the CSV file only."""
    keys: tuple[str, ...]
    """Names of its columns in the CSV file, which are keys of the rows."""
    show: Callable[..., str] = str
    """Values of all keys → the cell as plain text; called only if the first value is there."""
    left: bool = False
    """Whether it is left-aligned, as words are."""
    width: float | None = None
    """Width in LaTeX, in cm, for text that needs several lines."""
    bold: bool = False
    """Whether its cells are bold in Markdown."""
    missing: str = NOTHING
    """Shown in a cell without a value."""


def integer(value: int) -> str:
    """`5,007`."""
    return f"{value:,}"


#: The columns that name a variant.
VARIANT = (
    Column("experiment", ("experiment",), left=True),
    Column("", ("variant",)),
    Column("variant", ("label",), left=True, width=3.5),
)


@dataclass(frozen=True)
class Table:
    """Rows of raw values, and how to display them."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]
    """Raw values by key; what is missing or None is an empty cell."""
    notes: tuple[str, ...] = ()
    """How to read it: sentences shown below it, as plain text."""
    caveats: tuple[str, ...] = ()
    """Shown below it in every format, and in each row of the CSV file."""
    group: str = ""
    """Key by which rows are grouped; in LaTeX, a rule separates the groups."""

    def without(self, *keys: str) -> "Table":
        """The table without the columns that begin with these keys."""
        return replace(self, columns=tuple(c for c in self.columns if c.keys[0] not in keys))

    @property
    def shown(self) -> list[Column]:
        """The columns that are displayed: those with a heading and at least one value."""
        return [
            column
            for column in self.columns
            if column.heading and any(_has(row, column) for row in self.rows)
        ]

    def cell(self, row: Mapping[str, Any], column: Column) -> str:
        """One cell as plain text."""
        if not _has(row, column):
            return column.missing
        return column.show(*(row.get(key) for key in column.keys))


def render_markdown(table: Table) -> str:
    """The table and its notes, in Markdown without the title."""
    columns = table.shown
    rows = [[_markdown_cell(table, row, column) for column in columns] for row in table.rows]
    left = {place for place, column in enumerate(columns) if column.left}
    text = markdown_table([escape_markdown(c.heading) for c in columns], rows, left)
    if notes := " ".join([*table.notes, *table.caveats]):
        text += f"\n*{escape_markdown(notes)}*\n"
    return text


def render_csv(table: Table) -> str:
    """Raw values as CSV: shares from 0 to 1, nothing rounded, empty cells for missing values.

    The caveats are in the last column, `note`, so that no row is read without them.
    """
    keys = list(dict.fromkeys(key for column in table.columns for key in column.keys))
    rows = [{key: row.get(key) for key in keys} for row in table.rows]
    frame = pd.DataFrame(rows, columns=keys, dtype=object)
    if table.caveats:
        frame["note"] = " ".join(table.caveats)
    return frame.to_csv(index=False, lineterminator="\n")


def render_latex(table: Table) -> str:
    """The table with title and notes as caption; a long one is a longtable."""
    columns = table.shown
    spec = "".join(map(_latex_column, columns))
    head = [latex_line(escape(column.heading) for column in columns), r"\midrule"]
    body = list(_latex_rows(table, columns))
    caption = " ".join([f"{table.title}.", *table.notes, *table.caveats])
    if len(table.rows) <= _LONG:
        text = latex_table(spec, [*head, *body], caption)
    else:
        text = "\n".join(
            [
                f"\\begin{{longtable}}{{{spec}}}",
                f"\\caption{{{escape(caption)}}}\\\\",
                r"\toprule",
                *head,
                r"\endhead",
                r"\bottomrule",
                r"\endfoot",
                *body,
                r"\end{longtable}",
                "",
            ]
        )
    return f"{_PREAMBLE}{_SMALL}\n{text}\\endgroup\n"


def write_table(table: Table, folder: Path, name: str) -> list[Path]:
    """Write `<name>.md`, `.csv` and `.tex` into `folder`; return their paths, in this order.

    Raises:
        RunError: a file cannot be written.
    """
    markdown = f"# {escape_markdown(table.title)}\n\n{render_markdown(table)}"
    texts = {"md": markdown, "csv": render_csv(table), "tex": render_latex(table)}
    for suffix, text in texts.items():
        write_text(folder / f"{name}.{suffix}", text)
    return [folder / f"{name}.{suffix}" for suffix in texts]


def _has(row: Mapping[str, Any], column: Column) -> bool:
    return row.get(column.keys[0]) not in (None, "")


def _markdown_cell(table: Table, row: Mapping[str, Any], column: Column) -> str:
    text = escape_markdown(" ".join(table.cell(row, column).split()))
    return f"**{text}**" if column.bold and _has(row, column) else text


def _latex_column(column: Column) -> str:
    if column.width is not None:
        return f">{{\\raggedright\\arraybackslash}}p{{{column.width:g}cm}}"
    return "l" if column.left else "r"


def _latex_rows(table: Table, columns: Sequence[Column]) -> Iterable[str]:
    before = None
    for row in table.rows:
        group = row.get(table.group)
        if before is not None and group != before:
            yield r"\midrule"
        before = group
        yield latex_line(escape(table.cell(row, column)) for column in columns)
