"""The frame of the command line: exit codes, errors as messages, --debug, quick start-up."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer

from mmnist import __main__ as program
from mmnist import cli
from mmnist.cli import options
from mmnist.config.schema import ComputeSettings
from mmnist.data import digits, manifest, scenes
from mmnist.errors import InputError, Interrupted, RunError


@pytest.fixture
def failing(monkeypatch):
    """Make `mmnist doctor` raise what the test wants."""

    def install(error: BaseException) -> None:
        app = typer.Typer()

        @app.command()
        def doctor() -> None:
            raise error

        @app.command()
        def other() -> None:
            pass

        monkeypatch.setattr(cli, "app", app)

    return install


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("bad [bracket] in x"), 2, "error: bad [bracket] in x"),
        (RunError("no space"), 1, "error: no space"),
        (ZeroDivisionError("oops"), 1, "unexpected error: ZeroDivisionError: oops"),
        (Interrupted("saved at epoch 3"), 130, "interrupted: saved at epoch 3"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (InputError("x.yaml:100: no :x:"), 2, "error: x.yaml:100: no :x:"),  # no emoji
        (
            PermissionError(13, "Permission denied", "locked/d"),
            1,
            "error: locked/d: Permission den",
        ),
        (OSError("no file"), 1, "unexpected error: OSError: no file"),
    ],
)
def test_errors_become_messages_and_exit_codes(failing, capsys, error, code, message):
    failing(error)
    assert cli.run(["doctor"]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_debug_shows_the_traceback(failing, capsys):
    failing(InputError("bad"))
    assert cli.run(["doctor"], debug=True) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--debug", "data", "info", "x"], ["data", "info", "x", "--debug"]]
)
def test_debug_may_stand_anywhere(mmnist_process, arguments):
    done = mmnist_process(*arguments)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "no data set at x" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["train"], "Missing argument 'CONFIG"),
        (["train", "a.yaml", "--sedes", "3"], "No such option"),
        (["train", "a.yaml", "--seeds", "0"], "Invalid value for .--seeds."),
        (["train", "a.yaml", "--seeds", "many"], "Invalid value for .--seeds."),
        (["report"], "Missing argument 'RUN"),
        (["report", "x", "--format", "pdf"], "'pdf' is not one of"),
        (["predict"], "Missing argument 'RUN"),
        (["data", "make", "--labels", "odd"], "'odd' is not one of"),
        (["data", "show", "--count", "0"], "Invalid value for .--count."),
    ],
)
def test_unusable_command_lines_end_with_2(mmnist, arguments, message):
    done = mmnist(*arguments)
    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr


def test_choices_are_those_of_the_code_below():
    assert options.Part == manifest.Part
    assert options.LabelMode == scenes.LabelMode
    assert options.TestDigits == digits.TestDigits
    assert options.Device == ComputeSettings.model_fields["device"].annotation


def test_help_of_every_command(mmnist):
    for command in (
        [],
        ["train"],
        ["predict"],
        ["report"],
        ["reproduce"],
        ["doctor"],
        *(["data", name] for name in ("make", "import", "info", "show")),
        *(["config", name] for name in ("show", "check", "schema")),
    ):
        done = mmnist(*command, "--help")
        assert done.returncode == 0
        assert "Usage: mmnist" in done.stdout


def test_version(mmnist):
    from mmnist import __version__

    assert mmnist("--version").stdout == f"mmnist {__version__}\n"


@pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")
def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m mmnist config schema | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "{\n"
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_ctrl_c_while_the_command_line_is_loaded(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "mmnist.cli", SimpleNamespace(main=interrupted))
    with pytest.raises(SystemExit) as caught:
        program.main()
    assert caught.value.code == 130
