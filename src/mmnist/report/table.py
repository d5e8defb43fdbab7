"""A table that is built once and written as CSV, Markdown, LaTeX or text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pandas as pd

#: Shown in a cell without a value.
NOTHING = "–"


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
    spanner: str = ""
    """Heading above its own that it shares with its neighbours, such as the name of a run."""

    def has(self, row: Mapping[str, Any]) -> bool:
        """Whether its cell in `row` has a value."""
        return row.get(self.keys[0]) not in (None, "")

    def cell(self, row: Mapping[str, Any]) -> str:
        """Its cell in `row` as plain text."""
        return self.show(*map(row.get, self.keys)) if self.has(row) else self.missing


def integer(value: int) -> str:
    """`5,007`."""
    return f"{value:,}"


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
    """Key by which rows are grouped; LaTeX puts a rule, text a blank line between groups."""

    def without(self, *keys: str) -> "Table":
        """The table without the columns that begin with these keys."""
        return replace(self, columns=tuple(c for c in self.columns if c.keys[0] not in keys))

    @property
    def shown(self) -> list[Column]:
        """The columns that are displayed: those with a heading and at least one value."""
        return [c for c in self.columns if c.heading and any(map(c.has, self.rows))]

    @property
    def spans(self) -> list[tuple[str, list[Column]]]:
        """Spanners with their columns: neighbours that share one, of those displayed."""
        return [(name, list(each)) for name, each in groupby(self.shown, lambda c: c.spanner)]

    @property
    def groups(self) -> list[list[Mapping[str, Any]]]:
        """The rows, neighbours of one group together."""
        return [list(rows) for _, rows in groupby(self.rows, lambda row: row.get(self.group))]


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
