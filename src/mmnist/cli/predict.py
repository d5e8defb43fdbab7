"""`mmnist predict`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmnist.cli.options import Device, Runs
from mmnist.defaults import RUNS

if TYPE_CHECKING:
    import numpy as np

    from mmnist.data.store import Store
    from mmnist.runs import Run


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
            help="Write each digit that was read, with its position (.csv); only for a "
            "digit_reader. Always read from the unshifted image, whatever --shift says."
        ),
    ] = None,
    device: Annotated[Device, typer.Option(help="Device to compute on.")] = "auto",
    runs_folder: Runs = RUNS,
) -> None:
    """Label images with trained runs and write a Kaggle submission (Id,Label)."""
    from mmnist.errors import InputError
    from mmnist.runs import find_runs
    from mmnist.terminal import console, progress_bar, warn

    chosen = find_runs(runs, runs_folder)
    if probabilities is not None and probabilities.suffix not in (".csv", ".npy"):
        raise InputError(f"--probabilities {probabilities}: the name must end in .csv or .npy")
    if images is not None and data is not None:
        raise InputError("--input and --data both say which images to label: give one of them")
    if images is not None and output is None:
        raise InputError("--input needs --output, the file for the labels of those images")
    _check_readings(chosen, readings)
    path = output or (None if data is not None else _default_output(chosen))
    _check_files([each for each in (path, probabilities, readings) if each is not None], images)
    for run in chosen:  # check all of them before the first one labels its images
        run.check_weights()
        if not run.finished:
            warn(f"{run.path} is not finished: its best epoch so far is used")
    from mmnist.data.image_files import image_names

    array, store = _images(chosen, images, data)
    names = None if images is None else image_names(images)
    if path is None and store is not None and store.labels("test") is None:
        raise InputError(
            f"the labels of {data} are not known: name a CSV for the predictions with --output"
        )

    from mmnist.evaluation.predict import (
        average_probabilities,
        predict_probabilities,
        read_digits,
        shifted_views,
        write_probabilities,
        write_submission,
    )

    with progress_bar("predicting", len(array) * len(chosen) * (5 if shift else 1)) as advance:
        each = [
            predict_probabilities(run, view, device, advance)
            for run in chosen
            for view in shifted_views(array, shift)
        ]
    mean = average_probabilities(each)
    if path is not None:
        write_submission(path, mean.argmax(1), names)
        console.print(f"{len(array):,} labels: {path}", markup=False, soft_wrap=True)
    if probabilities is not None:
        write_probabilities(probabilities, mean, names)
        console.print(f"probabilities: {probabilities}", markup=False, soft_wrap=True)
    if readings is not None:
        from mmnist.evaluation.readings import write_readings

        found = read_digits(chosen[0], array, device)
        write_readings(readings, found, names)
        console.print(f"{len(found):,} digits: {readings}", markup=False, soft_wrap=True)
    if store is not None:
        _print_accuracy(store, mean.argmax(1))


def _check_files(paths: list[Path], images: Path | None) -> None:
    """Refuse files that cannot be written, before anything is computed."""
    from mmnist.errors import InputError

    seen: set[Path] = set()
    for path in paths:
        if images is not None and path.resolve() == images.resolve():
            raise InputError(f"{path} is the --input, and would be overwritten")
        if path.resolve() in seen:
            raise InputError(
                "--output, --probabilities and --readings must be different files; two of them are "
                f"{path}"
            )
        seen.add(path.resolve())
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a file, such as {path / 'labels.csv'}")
        above = next(each for each in path.parents if each.exists())
        if above.is_file():
            raise InputError(f"{path} cannot be written: {above} is a file, not a folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise InputError(f"{path} cannot be written: no permission to write to {above}")


def _check_readings(runs: "list[Run]", path: Path | None) -> None:
    """Refuse what --readings cannot do, before anything is computed."""
    from mmnist.errors import InputError

    if path is None:
        return
    if path.suffix != ".csv":
        raise InputError(f"--readings {path}: the name must end in .csv")
    if len(runs) > 1:
        titles = ", ".join(run.title for run in runs)
        raise InputError(f"--readings {path}: needs a single run, not {titles}")

    from mmnist.evaluation.predict import check_reads_digits

    check_reads_digits(runs[0])


def _images(
    runs: "list[Run]", path: Path | None, data: Path | None
) -> "tuple[np.ndarray, Store | None]":
    """The images to label, and the data set that they are the test images of."""
    from mmnist.data.image_files import read_images
    from mmnist.data.store import open_store
    from mmnist.errors import InputError
    from mmnist.terminal import warn

    if path is not None:
        return read_images(path), None
    if data is not None:
        store = open_store(data)
        for run in runs:
            if _may_have_seen_digits_of(run, store):
                warn(f"{data} shows digits that {run.path} may have been trained on")
        return store.images("test"), store
    paths = sorted({run.experiment.data.path for run in runs})
    if len({run.environment["data"]["fingerprint"] for run in runs}) > 1 and len(paths) > 1:
        raise InputError(
            f"the runs were trained on different data sets ({', '.join(paths)}); choose the images "
            "to label with --input or --data"
        )
    folder = next((path for path in paths if Path(path).expanduser().exists()), paths[0])
    if not Path(folder).expanduser().exists():
        raise InputError(
            f"the data set of the run, {folder} (relative to the working directory), does not "
            "exist: go to the folder that the run was trained in, or choose the images to label "
            "with --input or --data"
        )
    store = open_store(folder)
    for run in runs:
        if run.environment["data"]["fingerprint"] != store.fingerprint:
            warn(f"{run.path} was not trained on the data that {folder} holds now")
    return store.images("test"), store


def _may_have_seen_digits_of(run: "Run", store: "Store") -> bool:
    """Whether a run may have been trained on digits that are in the test images of a data set.

    That is so unless both come from the same digits, whose test digits are in test images only. If
    the digits of neither are known, False.
    """
    seen = [run.environment["data"]["source"], run.environment.get("pretraining") or {}]
    known = store.manifest.source.get("digits_sha256")
    digits = [each.get("digits_sha256") for each in seen if each]
    return any(each != known for each in digits)


def _default_output(runs: "list[Run]") -> Path:
    """The run's own folder; for several seeds of one name, the folder above."""
    from mmnist.errors import InputError

    if len(runs) == 1:
        return runs[0].submission_file
    parents = {run.path.parent for run in runs}
    if len(parents) > 1:
        raise InputError("several experiments are averaged: name the CSV with --output")
    return parents.pop() / "submission.csv"


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
