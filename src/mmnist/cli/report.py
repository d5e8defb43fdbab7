"""`mmnist report`: how well runs do, per digit, side by side."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmnist.cli.options import Runs
from mmnist.defaults import RUNS

#: Formats of the table.
Format = Literal["text", "csv", "md", "latex"]


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Run folders (runs/x/seed-0), all seeds of a name (runs/x), or names (x).",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="Format of the table that is printed.")
    ] = "text",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder for the figures and a copy of the table (report.txt, .csv, .md or .tex). "
            "Without it the figures go to `report/` in the run folder or, for several runs, in "
            "the deepest folder that holds them all.",
            show_default=False,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            metavar="STUDY",
            help="Write the page of a study instead: its folder (runs/paper) or name (paper), as "
            "`mmnist reproduce` made it.",
            show_default=False,
        ),
    ] = None,
    root: Runs = RUNS,
) -> None:
    """Report accuracy and per-class metrics of runs, side by side, and draw their curves.

    The table goes to standard output, everything else to standard error. A run that is still
    training is reported up to its last finished epoch. With --study: the page of `mmnist
    reproduce`, rebuilt from the runs that are finished.
    """
    from mmnist.errors import InputError

    if study is not None:
        if format != "text":
            raise InputError(
                f"--format {format} is for runs: the page of a study is always README.md with "
                "its tables in all formats; leave it out, or --study"
            )
        _report_study(study, runs, output, root)
    elif runs:
        _report_runs(runs, format, output, root)
    else:
        raise InputError("Missing argument 'RUN...': name runs, such as quickstart, or a --study")


def _report_study(study: str, runs: list[str] | None, output: Path | None, root: Path) -> None:
    from mmnist.errors import InputError
    from mmnist.report.report import check_folder
    from mmnist.report.study.page import write_page
    from mmnist.study.folder import find_study
    from mmnist.study.results import read_study

    if runs:
        raise InputError(f"--study reports a whole study: leave {runs[0]} out, or --study")
    if output is not None:
        check_folder(output)
    write_page(read_study(find_study(study, root)), output)


def _report_runs(runs: list[str], format: Format, output: Path | None, root: Path) -> None:
    from mmnist.finding import find_runs
    from mmnist.report.content import build_report
    from mmnist.report.figures import draw_figures
    from mmnist.report.report import FORMATS, check_folder, report_folder, save_table
    from mmnist.report.text import render_text
    from mmnist.terminal import console, messages, warn

    if output is not None:
        check_folder(output)
    found = find_runs(runs, root)
    empty = [run for run in found if not run.has_epoch]
    if len(empty) < len(found):  # otherwise the report itself says that there is nothing
        for run in empty:
            warn(f"{run.path} is left out: it has no finished epoch yet")
        found = [run for run in found if run not in empty]
    content = build_report(found)
    if format == "text":
        console.print(render_text(content, console.width), crop=False)
    else:
        typer.echo(FORMATS[format][0](content), nl=False)
        for warning in content.warnings:
            warn(warning)
    folder = output or report_folder(found, root)
    files = [save_table(content, format, output)] if output is not None else []
    for path in [*files, *draw_figures(content, folder)]:
        messages.print(f"wrote {path}", markup=False, soft_wrap=True)
