"""Runs → report: its tables in one of four formats, and the folder for them and its figures."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mmnist.errors import InputError
from mmnist.files import write_text
from mmnist.report.content import Report
from mmnist.report.latex import render_latex
from mmnist.report.markdown import escape_markdown, markdown_rows
from mmnist.report.run_tables import csv_table, report_tables
from mmnist.report.table import render_csv
from mmnist.report.text import plain_text
from mmnist.runs import Run

#: Runs side by side in one LaTeX table, as in the paper's Figure 3.
RUNS_PER_TABLE = 4


def report_markdown(report: Report) -> str:
    """All tables, then all their notes, each once."""
    tables = report_tables(report, len(report.entries))
    parts = [f"{escape_markdown(table.title)}:\n\n{markdown_rows(table)}" for table in tables]
    notes = dict.fromkeys(note for table in tables for note in (*table.notes, *table.caveats))
    return "\n".join([*parts, *(f"{escape_markdown(note)}\n" for note in notes)])


def report_latex(report: Report) -> str:
    """All tables, each with its notes in the caption."""
    return render_latex(*report_tables(report, RUNS_PER_TABLE))


def report_csv(report: Report) -> str:
    """All numbers, with the columns of `csv_table`."""
    return render_csv(csv_table(report))


#: How each format is written, and the file that holds it.
FORMATS: dict[str, tuple[Callable[[Report], str], str]] = {
    "text": (plain_text, "report.txt"),
    "csv": (report_csv, "report.csv"),
    "md": (report_markdown, "report.md"),
    "latex": (report_latex, "report.tex"),
}


def report_folder(runs: Sequence[Run], root: Path) -> Path:
    """Where the figures of `runs` go unless the user says otherwise.

    `report/` in the run folder of a single run, else in the deepest folder that holds all the
    runs: `<root>/<name>/report` for seeds of one name, `<root>/report` for several names.
    """
    if len(runs) == 1:
        return runs[0].path / "report"
    common = Path(os.path.commonpath([run.path.resolve() for run in runs]))
    for known in (root, Path()):  # shown as the user would write it
        if common.is_relative_to(known.resolve()):
            return known / common.relative_to(known.resolve()) / "report"
    return common / "report"


def save_table(report: Report, format: str, folder: Path) -> Path:
    """Write the report in one of `FORMATS` into `folder` and return the file's path.

    Raises RunError if it cannot be written.
    """
    render, name = FORMATS[format]
    write_text(folder / name, render(report))
    return folder / name


def check_folder(folder: Path) -> None:
    """Raise InputError if `folder` exists and is not a folder, or lies below a file."""
    for path in [folder, *folder.parents]:
        if path.exists() and not path.is_dir():
            raise InputError(f"--output {folder}: {path} is a file; give a folder")
