"""The digits for which several networks mislabel the same test images: counts, and a picture.

    python scripts/misread.py misread.png RUN RUN ...

Each RUN is a run of a network that reads each location; all were trained on the same generated
data set, whose test images are labelled. Of the images that all of them label wrong, those are
shown in which the first network misreads a single digit, the most confident errors first.
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from mmnist.data.store import open_store
from mmnist.errors import MmnistError
from mmnist.evaluation.predict import predict_probabilities, read_digits
from mmnist.finding import find_runs
from mmnist.report.grid import labelled_grid

SHOWN, COLUMNS = 48, 12
SIDE = 40  # of the piece around a digit, in pixels


def main(picture: Path, names: list[str]) -> None:
    runs = find_runs(names)
    store = open_store(runs[0].experiment.data.path)
    if store.digits("test") is None:
        sys.exit(f"{store.path} does not know the digits of its images")
    images, labels = np.array(store.images("test")), store.labels("test")
    each = np.array([predict_probabilities(run, images) for run in runs])
    wrong = each.argmax(axis=2) != labels
    shared = np.flatnonzero(wrong.all(axis=0))
    mean = each.mean(axis=0)
    surest = shared[np.argsort(-mean[shared].max(axis=1), kind="stable")]
    found = read_digits(runs[0], images[surest])
    print(
        f"{len(images):,} images; wrong: "
        + ", ".join(f"{count} {run.title}" for count, run in zip(wrong.sum(1), runs, strict=True))
        + f", {(mean.argmax(axis=1) != labels).sum()} their average, {len(shared)} each of them"
    )
    pieces, captions = misread(images[surest], store.digits("test")[surest], found)
    print(f"{len(pieces)} of the {len(shared)} by a single digit")
    if pieces:
        enlarged = np.kron(np.stack(pieces[:SHOWN]), np.ones((2, 2), np.uint8))
        labelled_grid(enlarged, captions[:SHOWN], COLUMNS, picture)


def misread(
    images: np.ndarray, digits: np.ndarray, found: pd.DataFrame
) -> tuple[list[np.ndarray], list[str]]:
    """The digits of images uint8 [N, H, W] that were taken for others, `digits` [N, 3] being right.

    Returns pieces uint8 [SIDE, SIDE] around them, and captions. Images in which another number of
    digits than one was misread are left out.
    """
    pieces, captions = [], []
    for number, truth in enumerate(digits.tolist()):
        read = found[found["Id"] == number]
        taken = Counter(read["digit"].tolist()) - Counter(truth)
        missed = Counter(truth) - Counter(read["digit"].tolist())
        if taken.total() == missed.total() == 1:
            (wrong,), (right,) = taken, missed
            # Of several that were read so, the least certain one is most likely the wrong one.
            here = read[read["digit"] == wrong].sort_values("probability").iloc[0]
            y, x = (
                min(max(round(here[axis]) - SIDE // 2, 0), side - SIDE)
                for axis, side in zip("yx", images.shape[1:], strict=True)
            )
            pieces.append(images[number, y : y + SIDE, x : x + SIDE])
            captions.append(f"{right} read as {wrong}")
    return pieces, captions


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except MmnistError as error:
        sys.exit(str(error))
