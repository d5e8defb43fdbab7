"""Put real images of the competition beside generated ones in one picture.

    python scripts/side_by_side.py REAL.npz data/modified-mnist side_by_side.png

REAL.npz holds the images as `x`, uint8 [N, 128, 128], and their labels as `y`. Rows alternate:
real, generated.
"""

import sys
from pathlib import Path

import numpy as np

from mmnist.data.store import open_store
from mmnist.report.grid import labelled_grid

COLUMNS = 8


def main(real: Path, generated: Path, output: Path) -> None:
    with np.load(real, allow_pickle=False) as file:
        images, labels = file["x"], file["y"]
    rows = len(images) // COLUMNS
    store = open_store(generated)
    pictures, captions = [], []
    for start in range(0, rows * COLUMNS, COLUMNS):
        chosen = slice(start, start + COLUMNS)
        pictures += [*images[chosen], *store.images("train")[chosen]]
        captions += [f"real: {label}" for label in labels[chosen]]
        captions += [f"generated: {label}" for label in store.labels("train")[chosen]]
    labelled_grid(np.stack(pictures), captions, COLUMNS, output)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
