"""The tree of commands."""

from typing import Annotated

import typer

from mmnist import __version__
from mmnist.cli import config, data, doctor, predict, report, reproduce, train

app = typer.Typer(
    name="mmnist",
    help="Controlled image-classification experiments on Modified MNIST: train networks from YAML "
    "files, predict a Kaggle submission, report per-class metrics.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mmnist {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks of errors (anywhere on the line).")
    ] = False,
) -> None:
    """Options of every command; `--debug` is taken off the line by `main`."""


app.add_typer(data.app, name="data")
app.command()(train.train)
app.command()(predict.predict)
app.command()(report.report)
app.command()(reproduce.reproduce)
app.add_typer(config.app, name="config")
app.command()(doctor.doctor)
