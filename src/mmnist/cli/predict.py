"""`mmnist predict`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmnist.cli.options import Device, Runs
from mmnist.defaults import RUNS

if TYPE_CHECKING:
    import numpy as np

    from mmnist.data.store import Store
    from mmnist.evaluation.labelling import Labelling


def predict(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Run folders, or names of runs (all their seeds). The probabilities of several "
            "runs are averaged.",
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--input",
            "-i",
            help="Images to label instead of the data set's test images: the competition's pickle, "
            ".npy, .npz, an image file or a folder of them, of 128 × 128 pixels.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Label the test images of another data set. If their true labels are known, the "
            "accuracy is printed. The predicted labels are written only with --output."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The CSV to write; by default submission.csv in the run folder, or in the folder "
            "above if seeds are averaged.",
        ),
    ] = None,
    probabilities: Annotated[
        Path | None, typer.Option(help="Also write the probabilities (.csv or .npy).")
    ] = None,
    shift: Annotated[
        int,
        typer.Option(
            min=0,
            max=32,
            metavar="PIXELS",
            help="Test-time augmentation: average over the image and four copies of it, shifted by "
            "this many pixels.",
        ),
    ] = 0,
    readings: Annotated[
        Path | None,
        typer.Option(
            help="Write each digit that was read, with its position (.csv); only for a single run "
            "of a digit_reader. Always read from the unshifted image, whatever --shift says."
        ),
    ] = None,
    device: Annotated[Device, typer.Option(help="Device to compute on.")] = "auto",
    runs_folder: Runs = RUNS,
) -> None:
    """Label images with trained runs and write a Kaggle submission (Id,Label)."""
    from mmnist.errors import InputError
    from mmnist.evaluation.labelling import Files, NoFileError, NoImagesError, plan_labelling
    from mmnist.finding import find_runs
    from mmnist.terminal import progress_bar, warn

    if images is not None and data is not None:
        raise InputError("--input and --data both say which images to label: give one of them")
    files = Files(labels=output, probabilities=probabilities, readings=readings)
    try:
        plan = plan_labelling(find_runs(runs, runs_folder), files, images=images, data=data)
    except NoFileError as error:
        raise InputError(f"{error}: name the CSV with --output") from error
    except NoImagesError as error:
        raise InputError(
            f"{error}, or choose the images to label with --input or --data"
        ) from error
    for warning in plan.warnings:
        warn(warning)

    from mmnist.evaluation.predict import mean_probabilities, view_count

    total = len(plan.images) * len(plan.runs) * view_count(shift)
    with progress_bar("predicting", total) as advance:
        mean = mean_probabilities(plan.runs, plan.images, shift, device, advance)
    _write(plan, mean, device)
    if plan.store is not None:
        _print_accuracy(plan.store, mean.argmax(1))


def _write(plan: "Labelling", probabilities: "np.ndarray", device: Device) -> None:
    """Write the files that are wanted, and say where they are."""
    from mmnist.evaluation.predict import read_digits, write_probabilities, write_submission
    from mmnist.evaluation.readings import write_readings
    from mmnist.terminal import console

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    files = plan.files
    if files.labels is not None:
        write_submission(files.labels, probabilities.argmax(1), plan.names)
        say(f"{len(plan.images):,} labels: {files.labels}")
    if files.probabilities is not None:
        write_probabilities(files.probabilities, probabilities, plan.names)
        say(f"probabilities: {files.probabilities}")
    if files.readings is not None:
        found = read_digits(plan.runs[0], plan.images, device)
        write_readings(files.readings, found, plan.names)
        say(f"{len(found):,} digits: {files.readings}")


def _print_accuracy(store: "Store", predictions: "np.ndarray") -> None:
    """Accuracy on the test images, where their labels are known."""
    labels = store.labels("test")
    if labels is None:
        return
    from mmnist.evaluation.metrics import compute_metrics
    from mmnist.terminal import console

    metrics = compute_metrics(labels, predictions)
    low, high = metrics.interval
    kind = "generated " if store.generated else ""
    console.print(
        f"accuracy on the {metrics.n:,} {kind}test images: {metrics.accuracy:.2%} "
        f"(95 % interval {low:.2%} to {high:.2%})",
        soft_wrap=True,
    )
