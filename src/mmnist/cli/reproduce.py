"""`mmnist reproduce`: all runs of a study, and its page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmnist.cli.options import Device, Overrides, Runs, data_named_by_set
from mmnist.defaults import RUNS

if TYPE_CHECKING:
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
    with data_named_by_set():
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

    from mmnist.report.study.plan import describe_plan
    from mmnist.study.loading import save_study
    from mmnist.study.plan import check_saved, cost_pairs, images_of, rounds_of
    from mmnist.terminal import console

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
    costs = measure(rounds=dict.fromkeys(configs, 1))
    table, time = describe_plan(planned, costs, images, console.width)
    console.print(table, crop=False)
    _say(time)
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
