"""Three handwritten digits on a piece of a texture: images of Modified MNIST, many at a time.

The original images are `min(255, background + digit)`; each digit is rotated and enlarged
independently and lies in a cell of 28 x 28 px, and the three cells of an image do not overlap.

Scenes are drawn in chunks of a fixed size, each from a random stream of its own. So the first
images of a data set do not depend on how many are drawn, nor on how many processes draw them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mmnist.data.backgrounds import Textures
from mmnist.data.glyphs import GlyphPool, render_digits
from mmnist.data.manifest import Part
from mmnist.task import CELL_SIDE, CLASSES, IMAGE_SIDE, MAX_ROTATION, SCALE_RANGE

CHUNK_SIZE = 250

LabelMode = Literal["natural", "uniform", "balanced"]

#: How often each digit occurs among MNIST's 60,000 training images. The competition's 50,000 labels
#: are distributed like the largest of three digits with these frequencies (chi-squared 3.2 with 9
#: degrees of freedom); three uniform digits are ruled out (91.7).
MNIST_COUNTS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)

# First number of the spawn key of each part's random streams.
_STREAM = {"train": 0, "test": 1}


@dataclass(frozen=True)
class Scenes:
    """Images uint8 [n, 128, 128], labels uint8 [n] (the largest digit), digits uint8 [n, 3]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    digits: NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """All random choices of a chunk of n scenes, made before anything is drawn."""

    digits: NDArray[np.uint8]
    """[n, 3]"""
    glyphs: NDArray[np.int64]
    """[n, 3]: indices into the pool."""
    scales: NDArray[np.float32]
    """[n, 3]"""
    angles: NDArray[np.float32]
    """[n, 3], radians."""
    cells: NDArray[np.int64]
    """[n, 3, 2]: row and column of the top left pixel of each digit's cell."""
    textures: NDArray[np.int64]
    """[n]"""
    offsets: NDArray[np.int64]
    """[n, 2]: row and column of the piece of texture."""


def draw_chunk(
    textures: Textures, pool: GlyphPool, *, seed: int, part: Part, index: int, mode: LabelMode
) -> Scenes:
    """Chunk number `index` of `part`: `CHUNK_SIZE` scenes, the same for the same arguments."""
    layout = chunk_layout(textures, pool, seed=seed, part=part, index=index, mode=mode)
    images = cut_backgrounds(textures, layout.textures, layout.offsets, IMAGE_SIDE)
    cells = render_digits(pool.images[layout.glyphs], layout.scales, layout.angles)
    for k in range(3):  # cells of one image do not overlap, so each can be added by itself
        add_clipped(images, cells[:, k], layout.cells[:, k])
    return Scenes(images, layout.digits.max(axis=1), layout.digits)


def chunk_layout(
    textures: Textures, pool: GlyphPool, *, seed: int, part: Part, index: int, mode: LabelMode
) -> Layout:
    """The layout of that chunk. Of the textures, only number, size and weights matter."""
    stream = np.random.SeedSequence(seed, spawn_key=(_STREAM[part], index))
    return draw_layout(np.random.default_rng(stream), textures, pool, mode)


def draw_layout(
    rng: np.random.Generator, textures: Textures, pool: GlyphPool, mode: LabelMode
) -> Layout:
    """All random choices of `CHUNK_SIZE` scenes."""
    n = CHUNK_SIZE
    digits = draw_digits(rng, n, mode)
    first, stop = pool.starts[digits], pool.starts[digits + 1]
    return Layout(
        digits=digits,
        glyphs=rng.integers(first, stop),
        scales=rng.uniform(*SCALE_RANGE, (n, 3)).astype(np.float32),
        angles=np.radians(rng.uniform(-MAX_ROTATION, MAX_ROTATION, (n, 3))).astype(np.float32),
        cells=_place_cells(rng, n),
        textures=rng.choice(len(textures.images), n, p=textures.weights),
        offsets=rng.integers(0, textures.images.shape[1] - IMAGE_SIDE + 1, (n, 2)),
    )


def draw_digits(rng: np.random.Generator, n: int, mode: LabelMode) -> NDArray[np.uint8]:
    """Digits uint8 [n, 3].

    `natural`: each as often as in MNIST, so P(label <= k) = P(digit <= k)^3. `uniform`: the same
    with all digits equally likely. `balanced`: a uniform label and two digits uniform from 0 to the
    label, in random order.
    """
    if mode == "natural":
        shares = np.array(MNIST_COUNTS) / sum(MNIST_COUNTS)
        return rng.choice(CLASSES, (n, 3), p=shares).astype(np.uint8)
    if mode == "uniform":
        return rng.integers(0, CLASSES, (n, 3), dtype=np.uint8)
    label = rng.integers(0, CLASSES, (n, 1))
    others = rng.integers(0, label + 1, (n, 2))
    return rng.permuted(np.concatenate([label, others], axis=1), axis=1).astype(np.uint8)


def _place_cells(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Top left corners int64 [n, 3, 2] of cells within the image that do not overlap."""
    cells = np.empty((n, 3, 2), dtype=np.int64)
    todo = np.arange(n)
    while todo.size:
        cells[todo] = rng.integers(0, IMAGE_SIDE - CELL_SIDE + 1, (todo.size, 3, 2))
        distance = np.abs(cells[todo] - np.roll(cells[todo], 1, axis=1)).max(axis=2)
        todo = todo[distance.min(axis=1) < CELL_SIDE]
    return cells


def cut_backgrounds(
    textures: Textures, index: NDArray[np.int64], offsets: NDArray[np.int64], side: int
) -> NDArray[np.uint8]:
    """Copy pieces uint8 [n, side, side] of textures `index` [n].

    Each begins at its row and column in `offsets` [n, 2].
    """
    windows = sliding_window_view(textures.images, (side, side), axis=(1, 2))
    y, x = offsets.T
    return windows[index, y, x]


def add_clipped(
    images: NDArray[np.uint8],
    cells: NDArray[np.uint8],
    corners: NDArray[np.int64],
    which: NDArray[np.int64] | None = None,
) -> None:
    """Add `cells` [m, 28, 28] in place to the images [n, H, W] with the indices `which` [m].

    Without `which`, each image gets one cell. The top left pixel of a cell goes to its row and
    column in `corners` [m, 2], and grey levels are clipped at 255.
    """
    windows = sliding_window_view(images, (CELL_SIDE, CELL_SIDE), axis=(1, 2), writeable=True)
    place = (np.arange(len(images)) if which is None else which, *corners.T)
    total = windows[place].astype(np.uint16) + cells
    windows[place] = np.minimum(total, 255).astype(np.uint8)
