"""The terminal: one console for results, one for everything beside them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

#: Results: what a user may pipe into a file.
console = Console(highlight=False)
#: Progress, hints and errors.
messages = Console(stderr=True, highlight=False)


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
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    )
    with progress:
        task = progress.add_task(description, total=total, rate="")

        def advance(count: int) -> None:
            progress.advance(task, count)
            speed = progress.tasks[0].speed
            progress.update(task, rate=f"{speed:,.0f} {unit}/s" if speed else "")

        yield advance
