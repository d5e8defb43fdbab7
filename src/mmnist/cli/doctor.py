"""`mmnist doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from mmnist.cli.options import Runs
from mmnist.defaults import DATA, RUNS

_STYLES = {"ok": "green", "slow": "yellow", "problem": "bold red"}


def doctor(
    data: Annotated[Path, typer.Option(help="Data set to check.")] = DATA,
    runs: Runs = RUNS,
) -> None:
    """Check whether this machine is fit, and what will be slow: one line for each check.

    Exits with code 1 if there is a problem.
    """
    from mmnist.doctor import examine
    from mmnist.terminal import console

    problem = False
    for check in examine(data, runs):
        style = _STYLES[check.status]
        console.print(f"{check.subject:<12} [{style}]{check.status:<8}[/{style}]", end="")
        console.print(check.finding, markup=False, soft_wrap=True)
        problem |= check.status == "problem"
    if problem:
        raise typer.Exit(1)
