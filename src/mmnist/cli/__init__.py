"""The command line: `main` runs a command and turns every error into a message and an exit code.

Exit codes: 0 done, 1 failed, 2 bad input, 3 time limit reached (saved, can be continued),
130 interrupted, 143 terminated (making data).
"""

import os
import sys
import traceback
from typing import Any

import typer

from mmnist.cli.app import app
from mmnist.errors import Interrupted, MmnistError
from mmnist.machine import keep_freed_memory
from mmnist.terminal import console, messages

#: What click raises for a command line that it cannot read. Newer versions of typer contain a click
#: of their own, so it is not always that of the installed click.
_UsageError: type[Any] = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException"
)


def main() -> None:
    """Run `mmnist` with the arguments of the process; `--debug` may stand anywhere."""
    # By default torch's threads spin while they wait for each other, so another process on one of
    # the cores slows training not by half but several times over. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    sys.exit(run([argument for argument in arguments if argument != "--debug"], debug=debug))


def run(arguments: list[str], *, debug: bool = False) -> int:
    """Run one command and return its exit code; with `debug`, errors show their traceback."""
    try:
        result = app(arguments, prog_name="mmnist", standalone_mode=False)
        if result == Interrupted.exit_code:  # how newer versions of typer pass Ctrl-C on
            _show(Interrupted.kind, "", debug=False)
        return result if isinstance(result, int) else 0
    except _UsageError as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _show(Interrupted.kind, "", debug)
        return Interrupted.exit_code
    except MmnistError as error:
        _show(error.kind, str(error), debug)
        return error.exit_code
    except BrokenPipeError:  # `mmnist report … | head`
        console.on_broken_pipe()
        return 1
    except Exception as error:
        if isinstance(error, OSError) and error.filename:  # not permitted, or too long a name
            _show("error", f"{error.filename}: {error.strerror}", debug)
            return 1
        _show("unexpected error", f"{type(error).__name__}: {error}", debug)
        if not debug:
            messages.print("[dim]Run the command again with --debug to see where.[/dim]")
        return 1


def _show(kind: str, text: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    messages.print(f"[bold red]{kind}[/bold red]" + (": " if text else ""), end="")
    messages.print(text, markup=False, soft_wrap=True)
