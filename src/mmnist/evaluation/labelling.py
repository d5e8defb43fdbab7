"""What labelling images with runs takes, and where its results go: settled before it is computed.

This needs no torch, so a mistake shows at once. `mmnist.evaluation.predict` computes the labels.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmnist.data.digits import digits_stated
from mmnist.data.image_files import image_names, read_images
from mmnist.data.store import Store, open_store
from mmnist.errors import InputError, RunError
from mmnist.runs import Run


class NoFileError(InputError):
    """No file is given for the labels, and they have no usual place."""


class NoImagesError(InputError):
    """No images are given, and the runs have no data set in common that is there."""


@dataclass(frozen=True)
class Files:
    """The files of the results; None: not written."""

    labels: Path | None = None
    probabilities: Path | None = None
    readings: Path | None = None


@dataclass(frozen=True)
class Labelling:
    """Runs, the images that they are to label, and the files for the results."""

    runs: Sequence[Run]
    files: Files
    images: np.ndarray
    """uint8 [N, 128, 128]."""
    names: Sequence[str] | None
    """Names of the N image files; None: the images do not come from image files."""
    store: Store | None
    """The data set that these are the test images of."""
    warnings: Sequence[str]
    """What makes the results worth less than they seem, for people."""


def plan_labelling(
    runs: Sequence[Run], files: Files, *, images: Path | None = None, data: Path | None = None
) -> Labelling:
    """Settle which images are labelled and where results go, and check all that can be checked.

    Args:
        runs: the runs whose probabilities are averaged.
        files: the results that are wanted. If no file for the labels is given, they go to the
            folder of the run, or to that above several seeds; with `data`, nowhere.
        images: what `read_images` reads, to be labelled instead of the runs' own test images.
        data: folder of another data set, to label its test images instead; not with `images`.

    Raises:
        NoFileError: the labels need a file.
        NoImagesError: the images to label must be given.
        InputError: a run has no weights or cannot give the readings, images cannot be read, or a
            file cannot be written.
    """
    if files.probabilities is not None:
        check_probabilities_file(files.probabilities)
    if files.readings is not None:
        _check_readings(runs, files.readings)
    if files.labels is None and data is None:
        files = replace(files, labels=_usual_file(runs, images))
    _check_files(files, images)
    for run in runs:
        run.check_weights()
    unfinished = [
        f"{run.path} is not finished: its best epoch so far is used"
        for run in runs
        if not run.finished
    ]
    if images is not None:
        return Labelling(runs, files, read_images(images), image_names(images), None, unfinished)
    store = open_store(_own_data(runs) if data is None else data)
    if files.labels is None and store.labels("test") is None:
        raise NoFileError(f"the labels of {data} are not known")
    doubts = [*_changed_data(runs, store)] if data is None else []
    doubts += _seen_digits(runs, store)
    return Labelling(runs, files, store.images("test"), None, store, [*unfinished, *doubts])


def check_probabilities_file(path: Path) -> None:
    """Raise InputError unless probabilities can be written in the format of that name."""
    if path.suffix not in (".csv", ".npy"):
        raise InputError(f"{path}: the name of a file of probabilities must end in .csv or .npy")


def check_reads_digits(run: Run) -> None:
    """Raise InputError unless the network of a run tells where digits are."""
    architecture = run.experiment.model.architecture
    if architecture != "digit_reader":
        raise InputError(
            f"{run.title} does not tell where digits are: its network is {architecture}; only a "
            "digit_reader has locations that are as small as digits"
        )


def _check_readings(runs: Sequence[Run], path: Path) -> None:
    if path.suffix != ".csv":
        raise InputError(f"{path}: the name of a file of readings must end in .csv")
    if len(runs) > 1:
        titles = ", ".join(run.title for run in runs)
        raise InputError(f"{path}: a file of readings needs a single run, not {titles}")
    check_reads_digits(runs[0])


def _usual_file(runs: Sequence[Run], images: Path | None) -> Path:
    """The file in the run's own folder; for several seeds of one name, in the folder above."""
    if images is not None:
        raise NoFileError(f"the labels of {images} have no usual place")
    if len(runs) == 1:
        return runs[0].submission_file
    parents = {run.path.parent for run in runs}
    if len(parents) > 1:
        raise NoFileError("several experiments are averaged")
    return parents.pop() / runs[0].submission_file.name


def _check_files(files: Files, images: Path | None) -> None:
    """Refuse files that cannot be written, or that the images are read from."""
    seen: set[Path] = set()
    for path in (files.labels, files.probabilities, files.readings):
        if path is None:
            continue
        if images is not None and path.resolve() == images.resolve():
            raise InputError(f"{path} holds the images to label, and would be overwritten")
        if path.resolve() in seen:
            raise InputError(
                "labels, probabilities and readings must be different files; two of them are "
                f"{path}"
            )
        seen.add(path.resolve())
        _check_writable(path)


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file, such as {path / 'labels.csv'}")
    above = next(each for each in path.parents if each.exists())
    if above.is_file():
        raise InputError(f"cannot write {path}: {above} is a file, not a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise RunError(f"cannot write {path}: {above} is read-only")


def _own_data(runs: Sequence[Run]) -> str:
    """Folder of the data set that the runs were trained on; of several copies, one that exists."""
    paths = sorted({run.experiment.data.path for run in runs})
    if len({run.environment.data.fingerprint for run in runs}) > 1 and len(paths) > 1:
        raise NoImagesError(
            f"the runs were trained on different data sets ({', '.join(paths)}): use those "
            "of one data set"
        )
    for path in paths:
        if Path(path).expanduser().exists():
            return path
    raise NoImagesError(
        f"the data set of the run, {paths[0]} (relative to the working directory), does not exist: "
        "go to the folder that the run was trained in"
    )


def _changed_data(runs: Sequence[Run], store: Store) -> Iterator[str]:
    for run in runs:
        if run.environment.data.fingerprint != store.fingerprint:
            yield f"{run.path} was not trained on the data that {store.path} holds now"


def _seen_digits(runs: Sequence[Run], store: Store) -> Iterator[str]:
    for run in runs:
        begun = run.environment
        learned = [digits_stated(begun.data.source)]
        if begun.pretraining is not None:
            learned.append(begun.pretraining.digits_sha256)
        if any(store.may_show_digits_of(each) for each in learned):
            yield f"{store.path} shows digits that {run.path} may have been trained on"
