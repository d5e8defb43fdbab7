"""`mmnist config`: look at configuration files before anything is trained."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmnist.cli.options import Overrides

app = typer.Typer(no_args_is_help=True, help="Show, check and document configuration files.")


#: Formats of the documentation of all keys.
Format = Literal["json", "markdown"]


@app.command()
def show(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file.")],
    overrides: Overrides,
) -> None:
    """Print a configuration with all its keys, and where each value comes from.

    The output is a configuration itself.
    """
    from mmnist.config.loading import dump_with_origins, load_with_origins

    typer.echo(dump_with_origins(load_with_origins(config, overrides)), nl=False)


@app.command()
def check(
    configs: Annotated[
        list[Path],
        typer.Argument(metavar="CONFIG...", help="YAML files, or folders of them."),
    ],
) -> None:
    """Check configuration files, and show all errors of each with file, line and key.

    Exits with code 2 if any file is wrong.
    """
    from mmnist.config.loading import configuration_files
    from mmnist.errors import InputError

    files = configuration_files(configs)
    wrong = 0
    for path in files:
        try:
            _load(path)
        except InputError as error:
            wrong += 1
            typer.echo(error, err=True)
        else:
            typer.echo(f"{path}: ok")
    if wrong:
        raise InputError(f"{wrong} of {len(files)} configurations cannot be used")


def _load(path: Path) -> None:
    """Read a configuration, or a study with all of its configurations."""
    from mmnist.config.loading import load_experiment
    from mmnist.study.loading import is_study, load_study

    if is_study(path):
        load_study(path)
    else:
        load_experiment(path)


@app.command()
def schema(
    format: Annotated[
        Format,
        typer.Option("--format", "-f", help="JSON Schema for editors, or a page for people."),
    ] = "json",
    study: Annotated[
        bool, typer.Option("--study", help="The keys of study files instead (JSON only).")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to this file instead of stdout."
        ),
    ] = None,
) -> None:
    """Print every key of a configuration with its explanation, type, bounds and default."""
    from mmnist.config.json_schema import file_schema_text
    from mmnist.config.reference import reference
    from mmnist.errors import InputError
    from mmnist.files import write_text
    from mmnist.study.json_schema import study_schema_text

    if study and format != "json":
        raise InputError("--study: the keys of study files are explained in docs/studies.md")
    made = reference if format == "markdown" else study_schema_text if study else file_schema_text
    text = made()
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
