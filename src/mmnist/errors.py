"""The errors that mmnist shows to people.

Every error that a user can cause or mend is a `MmnistError`; the command line prints its message
without a traceback and ends with its exit code. A message says what is wrong, where (file, line,
key or argument), what is allowed and what to do.
"""


class MmnistError(Exception):
    """Base of all errors that are shown as a message; ends the program with `exit_code`."""

    exit_code = 1


class InputError(MmnistError):
    """The user gave something that cannot be used: an argument, a file or a configuration."""

    exit_code = 2


class RunError(MmnistError):
    """The input was fine, but the work could not be done: no disk space, loss became NaN, ..."""

    exit_code = 1
