"""The errors that mmnist shows to users.

Every error that a user can cause or fix is a `MmnistError`; the command line prints its message
without a traceback and ends with its exit code. A message says what is wrong, where (file, line,
key or argument), what is allowed and what to do.
"""

import copyreg
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


class MmnistError(Exception):
    """Base of all errors that are shown as a message; ends the program with `exit_code`."""

    exit_code = 1
    kind = "error"
    """The word that its message begins with."""

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message  # fastai rewrites the `args` of what its callbacks raise

    def __reduce__(self) -> tuple[Any, ...]:
        """Make errors of workers picklable, whatever `__init__` takes and `args` hold."""
        # typeshed lacks this function, which pickle itself uses.
        return copyreg.__newobj__, (type(self), self.message), self.__dict__  # type: ignore[attr-defined]


def first_line(error: Exception) -> str:
    """First line of a library's error without its full stop; the error's type if it is empty."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")


def first_problem(error: "ValidationError") -> str:
    """The first thing that is wrong with the content of a file that mmnist wrote: key and cause.

    For configurations, which people write, `mmnist.config.messages` tells all, with the lines.
    """
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"'{key}' is missing"
    return f"{key}: {first['msg']}" if key else first["msg"]


class InputError(MmnistError):
    """The user gave something that cannot be used: an argument, a file or a configuration."""

    exit_code = 2


class RunError(MmnistError):
    """The input was fine, but the work could not be done: no disk space, loss became NaN, ..."""

    exit_code = 1


class InUse(RunError):  # noqa: N818 - nothing is wrong
    """Another process is working on the run."""


class Interrupted(MmnistError):  # noqa: N818 - to be stopped is no error
    """The user stopped the work, and it was saved; the message says how to continue."""

    exit_code = 130  # a shell's code for SIGINT
    kind = "interrupted"


class OutOfTime(Interrupted):
    """The user's time limit has passed, and the work was saved; it can be continued."""

    exit_code = 3
    kind = "out of time"
