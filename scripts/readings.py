"""How well a network locates digits: its readings against the generator's layout, and a picture.

    python scripts/readings.py RUN DIGITS readings.png

RUN is a run of a network that reads each location, trained on a generated data set; DIGITS is the
source of the data set's digits (as in `mmnist data make --digits`). Reads 1,000 test images, or all
of them if there are fewer.
"""

import sys
from pathlib import Path

import matplotlib
import matplotlib.patches
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from mmnist.data.backgrounds import (
    TEXTURE_SIDE,
    Textures,
    texture_variants,
    texture_weights,
)
from mmnist.data.digits import load_digits
from mmnist.data.glyphs import GlyphPool
from mmnist.data.scenes import CHUNK_SIZE, chunk_layout
from mmnist.data.store import Store, open_store
from mmnist.errors import MmnistError
from mmnist.evaluation.predict import read_digits
from mmnist.finding import find_run
from mmnist.report.figures import STYLE, save_figure
from mmnist.task import CELL_SIDE, IMAGE_SIDE

CHUNKS = 4
SHOWN = 12


def main(name: str, digits: str, picture: Path) -> None:
    run = find_run(name)
    store = open_store(run.experiment.data.path)
    truth, middles = layout(store, digits)
    images = np.array(store.images("test")[: len(truth)])
    found = read_digits(run, images)
    near, right, offsets = 0, 0, []
    for image, (each, places) in enumerate(zip(truth, middles, strict=True)):
        read = found[found["Id"] == image]
        for digit, place in zip(each, places, strict=True):
            distance = np.abs(read[["y", "x"]].to_numpy() - place)
            here = np.flatnonzero((distance < CELL_SIDE / 2).all(axis=1))
            if len(here):
                near += 1
                right += read["digit"].iloc[here[0]] == digit
                offsets.append(read[["y", "x"]].iloc[here[0]] - place)
    count = truth.size
    off = np.sqrt(np.mean(np.square(offsets), axis=0)).round(2)
    print(
        f"{count:,} digits: {near / count:.2%} found, {right / count:.2%} read right, "
        f"{len(found) - near} readings elsewhere; middles off by {off} px (y, x; root mean square)"
    )
    with matplotlib.rc_context(STYLE):
        save_figure(draw(images[:SHOWN], found), picture)


def layout(store: Store, digits: str) -> tuple[np.ndarray, np.ndarray]:
    """Digits [n, 3] of the first test images, and the centres of their cells [n, 3, 2] as y, x."""
    pools = load_digits(digits)
    pool = GlyphPool.of(pools.test_images, pools.test_labels)
    black = np.zeros((len(texture_variants()), TEXTURE_SIDE, TEXTURE_SIDE), np.uint8)
    textures, source = Textures(black, texture_weights()), store.manifest.source
    seed, labels = source["seed"], source["labels"]
    if source["generator_version"] == 1 and labels == "natural":
        labels = "uniform"  # which version 1 called natural
    layouts = [
        chunk_layout(textures, pool, seed=seed, part="test", index=index, mode=labels)
        for index in range(CHUNKS)
    ]
    count = min(CHUNKS * CHUNK_SIZE, store.count("test"))
    truth = np.concatenate([each.digits for each in layouts])[:count]
    if not np.array_equal(truth, store.digits("test")[:count]):
        sys.exit(f"{store.path} was not made from the digits of {digits}")
    middles = np.concatenate([each.cells for each in layouts]) + (CELL_SIDE - 1) / 2
    return truth, middles[:count]


def draw(images: np.ndarray, found) -> Figure:
    """The images, with each digit that was read marked where it was read."""
    columns = 6
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(2 * columns, 2.15 * rows), layout="constrained")
    panels = figure.subplots(rows, columns).ravel()
    for axes in panels:
        axes.set_axis_off()
    for number, (axes, image) in enumerate(zip(panels, images, strict=False)):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        read = found[found["Id"] == number]
        largest = read["digit"].max()
        for digit, x, y in read[["digit", "x", "y"]].itertuples(index=False):
            colour = "#E69F00" if digit == largest else "#56B4E9"
            box = axes.add_patch(
                matplotlib.patches.Rectangle(
                    (x - 14, y - 14), 28, 28, fill=False, ec=colour, lw=1.5
                )
            )
            box.set_clip_on(False)
            above = y > 24
            axes.text(
                x,
                y - 15 if above else y + 15,
                str(digit),
                color=colour,
                ha="center",
                va="bottom" if above else "top",
                fontsize=11,
                fontweight="bold",
                path_effects=[withStroke(linewidth=3, foreground="black")],
            )
        axes.set(xlim=(-0.5, IMAGE_SIDE - 0.5), ylim=(IMAGE_SIDE - 0.5, -0.5))
    return figure


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except MmnistError as error:
        sys.exit(str(error))
