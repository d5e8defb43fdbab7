"""`mmnist train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmnist.cli.options import Device, Overrides, Runs, data_named_by_set
from mmnist.defaults import RUNS

if TYPE_CHECKING:
    from mmnist.config.schema import Experiment


def train(
    configs: Annotated[
        list[Path], typer.Argument(metavar="CONFIG", help="YAML files, trained in turn.")
    ],
    overrides: Overrides,
    seeds: Annotated[
        int, typer.Option(min=1, help="Train this many seeds, starting from the configuration's.")
    ] = 1,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue interrupted runs and leave finished ones as they are."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace existing runs.")] = False,
    device: Annotated[Device | None, typer.Option(help="Device to compute on.")] = None,
    runs: Runs = RUNS,
) -> None:
    """Train an experiment: from a YAML file to a run folder with metrics and weights.

    Ctrl-C stops between two steps and saves; the same command with --resume continues from there.
    """
    from mmnist.config.loading import load_experiment
    from mmnist.config.schema import with_seed
    from mmnist.errors import InputError

    if resume and force:
        raise InputError("--resume continues a run, --force replaces it: give only one of them")
    if device is not None:
        overrides = [*overrides, f"compute.device={device}"]
    experiments = [load_experiment(path, overrides) for path in configs]
    planned = [with_seed(each, each.seed + i) for each in experiments for i in range(seeds)]
    _refuse_repeated(planned)

    from mmnist.data.store import open_store
    from mmnist.runs import run_of
    from mmnist.terminal import console, warn
    from mmnist.training.train import check_run
    from mmnist.training.train import train as train_one

    for experiment in planned:  # check all of them before the first one takes hours
        with data_named_by_set():
            store = open_store(experiment.data.path)
        run = run_of(experiment, runs)
        done = check_run(run, experiment, resume=resume, overwrite=force)
        if done and run.environment.data.fingerprint != store.fingerprint:
            warn(f"{run.path} is finished, but not with the data that {store.path} holds now")
    for experiment in planned:
        run = train_one(experiment, runs, resume=resume, overwrite=force)
        console.print(f"run folder: {run.path}", markup=False, soft_wrap=True)


def _refuse_repeated(experiments: "list[Experiment]") -> None:
    from mmnist.errors import InputError

    titles = [f"{experiment.name}/seed-{experiment.seed}" for experiment in experiments]
    repeated = sorted({title for title in titles if titles.count(title) > 1})
    if repeated:
        raise InputError(
            f"two configurations have the same name and seed: {', '.join(repeated)}; their runs "
            "would share a folder. Set `name` in one of them"
        )
