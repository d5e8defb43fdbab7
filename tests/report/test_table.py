"""One table in three formats."""

import csv
import io

import pytest

from mmnist.report.content import percent
from mmnist.report.latex import render_latex
from mmnist.report.markdown import markdown_rows, render_markdown
from mmnist.report.table import Column, Table, render_csv

COLUMNS = (
    Column("experiment", ("experiment",), left=True),
    Column("share | part", ("share",), percent),
    Column("range", ("low", "high"), lambda low, high: f"{low:g}–{high:g}"),
    Column("", ("raw",)),
    Column("empty", ("never",)),
)
ROWS = (
    {"experiment": "a_b", "share": 1 / 3, "low": 1, "high": 2, "raw": 7},
    {"experiment": "c", "share": None, "low": 0.0, "high": 1},
)
TABLE = Table("Title", COLUMNS, ROWS, ("How to read.",), ("Generated.",), group="experiment")


def _cells(line):
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_markdown_shows_what_has_something_to_say():
    head, rule, first, second, _, note = render_markdown(TABLE).splitlines()
    assert _cells(head) == ["experiment", r"share \| part", "range"]
    assert _cells(rule) == ["---", "---:", "---:"]
    assert _cells(first) == [r"a\_b", "33.33 %", "1–2"]
    assert _cells(second) == ["c", "–", "0–1"]  # nothing is a dash, zero is a number
    assert note == "*How to read. Generated.*"


def test_csv_has_every_column_with_all_digits():
    first, second = csv.DictReader(io.StringIO(render_csv(TABLE)))
    assert list(first) == ["experiment", "share", "low", "high", "raw", "never", "note"]
    assert float(first["share"]) == 1 / 3
    assert (first["raw"], first["never"]) == ("7", "")
    assert (second["share"], second["low"]) == ("", "0.0")
    assert first["note"] == second["note"] == "Generated."  # not how the Markdown is to be read


def test_csv_without_caveats_has_no_column_for_them():
    text = render_csv(Table("Title", COLUMNS[:1], ROWS))
    assert text == "experiment\na_b\nc\n"


def test_latex_escapes_and_parts_groups():
    text = render_latex(TABLE)
    assert r"\caption{Title. How to read. Generated.}" in text
    assert r"\begin{tabular}{lrr}" in text
    assert r"share \textbar{} part" in text
    assert "a\\_b & 33.33 \\% & 1--2 \\\\\n\\midrule\nc & -- & 0--1 \\\\" in text
    assert text.count(r"\midrule") == 2
    assert text.count(r"\begin{") == text.count(r"\end{")


@pytest.mark.parametrize(("rows", "long"), [(24, False), (25, True)])
def test_long_tables_break_over_pages(rows, long):
    text = render_latex(Table("Title", COLUMNS[:1], ROWS[:1] * rows))
    assert (r"\begin{longtable}" in text) is long
    assert (r"\begin{table}" in text) is not long
    assert text.count(r"a\_b \\") == rows


def test_without_drops_columns_by_their_first_key():
    table = TABLE.without("experiment", "low")
    assert [column.keys for column in table.columns] == [("share",), ("raw",), ("never",)]


def test_bold_cells_and_what_stands_for_nothing():
    column = Column("verdict", ("verdict",), bold=True, missing="not run")
    text = render_markdown(Table("Title", (column,), ({"verdict": "holds"}, {})))
    assert text.splitlines()[2:] == ["| **holds** |", "| not run |"]


#: Two runs side by side, with a column that they share.
SPANNED = Table(
    "Spanned",
    (
        Column("digit", ("digit",), left=True),
        Column("f1", ("a",), spanner="run_a"),
        Column("never", ("none",), spanner="run_a"),
        Column("f1", ("b",), spanner="b"),
        Column("support", ("n",), spanner="b"),
    ),
    ({"digit": "0", "a": 1, "b": 2, "n": 3}, {"digit": "1", "a": 4, "b": 5, "n": 6}),
)


def test_columns_are_grouped_by_spanner_without_those_that_are_not_shown():
    spans = [(spanner, [c.heading for c in columns]) for spanner, columns in SPANNED.spans]
    assert spans == [("", ["digit"]), ("run_a", ["f1"]), ("b", ["f1", "support"])]


def test_markdown_has_the_spanner_in_each_heading():
    assert _cells(markdown_rows(SPANNED).splitlines()[0]) == [
        "digit",
        r"run\_a f1",
        "b f1",
        "b support",
    ]


def test_latex_has_spanners_above_the_headings():
    lines = render_latex(SPANNED).splitlines()
    head = lines.index(r"\toprule") + 1
    assert lines[head : head + 4] == [
        r"\multicolumn{1}{c}{} & \multicolumn{1}{c}{run\_a} & \multicolumn{2}{c}{b} \\",
        r"\cmidrule(lr){2-2}\cmidrule(lr){3-4}",
        r"digit & f1 & f1 & support \\",
        r"\midrule",
    ]


def test_latex_of_several_tables_names_its_packages_once():
    text = render_latex(TABLE, SPANNED)
    assert text.count(r"\begin{tabular}") == 2
    assert text.count("% needs") == 1


def test_small_type_is_set_within_the_float_which_resets_it():
    lines = render_latex(TABLE).splitlines()
    small = next(place for place, line in enumerate(lines) if line.startswith(r"\footnotesize"))
    assert lines.index(r"\begin{table}") < small < lines.index(r"\begin{tabular}{lrr}")
