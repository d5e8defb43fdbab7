"""Put real images of the competition beside generated ones in one picture.

    python scripts/side_by_side.py REAL.npz data/modified-mnist side_by_side.png

REAL.npz holds the images as `x`, uint8 [N, 128, 128], and their labels as `y`. Rows alternate:
real, generated. The last row of each may be shorter.
"""

import sys
from pathlib import Path

import numpy as np

from mmnist.data.store import open_store
from mmnist.errors import MmnistError
from mmnist.report.grid import labelled_grid

COLUMNS = 8


def main(real: Path, generated: Path, output: Path) -> None:
    try:
        with np.load(real, allow_pickle=False) as file:
            if missing := {"x", "y"} - set(file):
                sys.exit(f"{real} has no {' and no '.join(sorted(missing))}")
            images, labels = file["x"], file["y"]
    except (OSError, ValueError, TypeError) as error:  # TypeError: a plain array
        sys.exit(f"{real} cannot be read: {error}")
    if not len(images):
        sys.exit(f"{real} holds no image")
    store = open_store(generated)
    others, their_labels = store.images("train"), store.labels("train")
    if len(others) < len(images):
        sys.exit(f"{generated} has {len(others)} training images, and {real} has {len(images)}")
    blank = np.full_like(others[0], 255)
    pictures, captions = [], []
    for start in range(0, len(images), COLUMNS):
        chosen = slice(start, min(start + COLUMNS, len(images)))
        gap = start + COLUMNS - chosen.stop
        pictures += [*images[chosen], *[blank] * gap, *others[chosen], *[blank] * gap]
        captions += [f"real: {label}" for label in labels[chosen]] + [""] * gap
        captions += [f"generated: {label}" for label in their_labels[chosen]] + [""] * gap
    labelled_grid(np.stack(pictures), captions, COLUMNS, output)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*map(Path, sys.argv[1:]))
    except MmnistError as error:
        sys.exit(str(error))
