"""The terminal: one console for results, one for everything else."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

#: Wider than any table, in characters: rich measures within the width of a console.
_WIDE = 1000


class _Console(Console):
    """A console whose reader may go away (`mmnist … | head`, or a `tee` that Ctrl-C ends, too).

    Work goes on unseen then; rich would end it, also in the middle of saving it.
    """

    def on_broken_pipe(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


#: Results: what a user may pipe into a file.
console = _Console(highlight=False, emoji=False)
#: Progress, hints and errors.
messages = _Console(stderr=True, highlight=False, emoji=False)


def warn(text: str) -> None:
    """Show a warning, on a line of its own."""
    messages.print("[yellow]warning[/yellow]: ", end="")
    messages.print(text, markup=False, soft_wrap=True)


def natural_width(table: Table) -> int:
    """Width in characters at which nothing in a table is wrapped or cut.

    To fit a table into a narrow terminal, rich cuts numbers off and drops columns. A table whose
    `width` is this one, printed with `crop=False`, keeps them: the terminal wraps its lines.
    """
    return Console(width=_WIDE).measure(table).maximum


def clock(seconds: float) -> str:
    """A duration as h:mm:ss."""
    return str(timedelta(seconds=round(seconds)))


def live_console() -> Console:
    """The console for live bars: that of results if it is a terminal, else that of messages.

    On one console, bars and lines of results keep out of each other's way.
    """
    return console if console.is_terminal else messages


def say_in_signal_handler(text: str) -> None:
    """Print a line on the live console, if that is possible, from within a signal handler.

    What the handler interrupted may hold the locks of rich and of Python's files, so neither is
    used here.
    """
    live = live_console()
    line = f"\n{text}\n" if live.is_terminal else f"{text}\n"  # after ^C and a bar
    with suppress(OSError, ValueError, AttributeError):  # its reader is gone, closed, none at all
        os.write(live.file.fileno(), line.encode())


@contextmanager
def progress_bar(
    description: str, total: int, unit: str = "images"
) -> Iterator[Callable[[int], None]]:
    """Show a bar with rate and remaining time while the block runs; nothing without a terminal.

    Yields a function that takes the number of items done since its last call.
    """
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=live_console(),
        transient=True,
        disable=not live_console().is_terminal,
    )
    with progress:
        task = progress.add_task(description, total=total, rate="")

        def advance(count: int) -> None:
            progress.advance(task, count)
            speed = progress.tasks[0].speed
            progress.update(task, rate=f"{speed:,.0f} {unit}/s" if speed else "")

        yield advance
