"""`mmnist reproduce`: all runs of a study, and its page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmnist.cli.options import Device, Overrides, Runs
from mmnist.defaults import RUNS

if TYPE_CHECKING:
    from mmnist.study.costs import Cost
    from mmnist.study.folder import StudyFolder
    from mmnist.study.loading import LoadedStudy
    from mmnist.study.plan import PlannedRun

PAPER = Path("configs/paper/experiments.yaml")


def reproduce(
    *,
    file: Annotated[
        Path, typer.Option("--file", "-f", metavar="FILE", help="The study file.")
    ] = PAPER,
    only: Annotated[
        list[str],
        typer.Option(
            metavar="EXPERIMENT",
            default_factory=list,
            show_default=False,
            help="Run only this experiment of the file; repeatable.",
        ),
    ],
    seeds: Annotated[
        int, typer.Option(min=1, help="Train this many seeds of each configuration.")
    ] = 1,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs of every run on whole images, for a smaller copy."),
    ] = None,
    train_images: Annotated[
        int | None,
        typer.Option(min=2, help="Training images of every run, for a smaller copy."),
    ] = None,
    overrides: Overrides,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the runs, measure a few steps of each, and stop."),
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="MINUTES",
            help="Save and stop after this long (exit code 3); the same command continues.",
        ),
    ] = None,
    device: Annotated[Device | None, typer.Option(help="Device to compute on.")] = None,
    runs: Runs = RUNS,
) -> None:
    """Run the experiments of the paper, or of your own file, and compare with published numbers.

    A run that several experiments share is trained once. Finished runs are left as they are,
    interrupted ones continue; Ctrl-C saves. The page is written to runs/NAME/report.

    Several of these commands running at the same time share the runs between them.
    """
    import time

    from mmnist.errors import InputError
    from mmnist.study.folder import folder_of
    from mmnist.study.loading import load_study
    from mmnist.study.plan import check_data, plan_runs

    deadline = None if time_limit is None else time.monotonic() + 60 * time_limit
    changes = [
        *([] if epochs is None else [f"train.epochs={epochs}"]),
        *([] if train_images is None else [f"data.split.train_images={train_images}"]),
        *overrides,
        *([] if device is None else [f"compute.device={device}"]),
    ]
    if file == PAPER and not file.exists():
        raise InputError(
            f"there is no {file} here: run this in a checkout of mmnist, which has the paper's "
            "experiments and their published numbers, or name a study with --file"
        )
    loaded = load_study(file, changes)
    folder = folder_of(loaded.study, runs)
    planned = plan_runs(loaded, folder, seeds=seeds, only=only)
    check_data(planned)
    _run_study(loaded, planned, folder, deadline, dry_run=dry_run)


def _run_study(
    loaded: "LoadedStudy",
    planned: "Sequence[PlannedRun]",
    folder: "StudyFolder",
    deadline: float | None,
    *,
    dry_run: bool,
) -> None:
    """Show how long the runs will take, then train them, and write the page of their results."""
    from functools import partial

    from mmnist.study.loading import save_study
    from mmnist.study.plan import check_saved, cost_pairs, images_of, rounds_of

    configs = {each.config.name: each.config for each in planned}
    images = {name: images_of(config) for name, config in configs.items()}

    from mmnist.training.measuring import measure_missing

    check_saved(loaded, folder)
    save_study(loaded, folder)
    measure = partial(
        measure_missing,
        configs,
        folder,
        pairs=cost_pairs(loaded),
        renew=any(each.epochs_left for each in planned),
        deadline=deadline,
        say=_say,
    )
    _show_plan(planned, measure(rounds=dict.fromkeys(configs, 1)), images)
    if not dry_run:
        measure(rounds=rounds_of(loaded, planned))
        _train_all(loaded, planned, folder, deadline)


def _say(text: str) -> None:
    from mmnist.terminal import console

    console.print(text, markup=False, soft_wrap=True)


def _train_all(
    loaded: "LoadedStudy",
    planned: "Sequence[PlannedRun]",
    folder: "StudyFolder",
    deadline: float | None,
) -> None:
    """Train the runs and write the page, also of the runs that were finished in time."""
    from mmnist.errors import OutOfTime, RunError
    from mmnist.training.reproduce import run_all

    try:
        outcome = run_all(loaded, planned, deadline=deadline, say=_say)
    except OutOfTime:
        if any(each.run.exists and each.run.finished for each in planned):
            _write_page_beside(folder, forgiving=True)
        raise
    if outcome.elsewhere:
        _say(f"left to other processes: {', '.join(outcome.elsewhere)}")
    _write_page_beside(folder, forgiving=bool(outcome.failed))
    if outcome.failed:
        reasons = "\n".join(f"  {title}: {reason}" for title, reason in outcome.failed.items())
        count = f"{len(outcome.failed)} of {len(planned)}"
        raise RunError(f"{count} runs failed:\n{reasons}")


def _write_page_beside(folder: "StudyFolder", *, forgiving: bool) -> None:
    """Write the page after runs, or say why there is nothing to write.

    With `forgiving`, an error in writing it is printed, not raised: how the runs ended matters
    more.
    """
    from mmnist.errors import MmnistError
    from mmnist.report.study.content import why_empty
    from mmnist.report.study.page import write_page
    from mmnist.study.results import read_study
    from mmnist.terminal import messages

    try:
        result = read_study(folder)
        if not (reason := why_empty(result)):
            write_page(result)
    except MmnistError as error:
        if not forgiving:
            raise
        reason = f"the page could not be written: {error}"
    if reason:
        messages.print(reason, markup=False, soft_wrap=True)


def _show_plan(
    planned: "Sequence[PlannedRun]",
    costs: "Mapping[str, Sequence[Cost]]",
    images: Mapping[str, tuple[int, int]],
) -> None:
    """Print the runs and how long they will take, estimated from the measured steps."""
    from rich.table import Table

    from mmnist.study.costs import typical_cost
    from mmnist.study.plan import seconds_left
    from mmnist.terminal import clock, console

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("run", "for", "state"):
        table.add_column(title, overflow="fold")
    for title in ("epochs", "images", "time"):
        table.add_column(title, justify="right")
    total, devices = 0.0, set()
    for each in planned:
        name, config, seconds = each.config.name, each.config, 0.0
        if name in costs:
            cost = typical_cost(costs[name])
            seconds = seconds_left(each, cost, images[name])
            devices.add(cost.device)
        total += seconds
        table.add_row(
            f"{name}/seed-{config.seed}",
            ", ".join(f"{experiment}: {variant}" for experiment, variant in each.places),
            each.state,
            f"{each.epochs_left} of {config.epochs}",
            f"{images[name][0]:,}",
            clock(seconds) if seconds else "unknown" if each.epochs_left else "–",
        )
    console.print(table)
    unknown = sum(each.config.name not in costs and each.epochs_left > 0 for each in planned)
    beside = f", plus {unknown} of unknown duration" if unknown else ""
    where = f" ({', '.join(sorted(devices))})" if devices else ""
    console.print(
        f"{len(planned)} runs, about {clock(total)} to go{beside}, estimated from a few "
        f"training steps of each{where}",
        markup=False,
        soft_wrap=True,
    )
