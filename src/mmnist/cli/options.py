"""Options that several commands share.

Words that the code below the commands lists too are listed again here, so that no command has to
import that code to show its help; tests/cli compares the two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

#: Where to compute.
Device = Literal["auto", "cpu", "cuda"]
#: The two parts of a data set.
Part = Literal["train", "test"]
#: How generated labels are distributed.
LabelMode = Literal["natural", "uniform", "balanced"]
#: Which digits generated test images show.
TestDigits = Literal["new", "all"]

Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Folder that holds the runs.")]
#: Its default is a new, empty list for each call.
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        default_factory=list,
        show_default=False,
        help="Change one key of every configuration, e.g. train.epochs=5; repeatable.",
    ),
]


@contextmanager
def data_named_by_set() -> Iterator[None]:
    """Let the error that there is no data set say how `--set` names another folder."""
    from mmnist.data.store import NoDataError
    from mmnist.errors import InputError

    try:
        yield
    except NoDataError as error:
        raise InputError(f"{error}; if it is elsewhere, add --set data.path=FOLDER") from error
