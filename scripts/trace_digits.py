"""Which handwritten digits an image was made from, and how: a test of the generator.

    python scripts/trace_digits.py RUN DIGITS IMAGES

RUN is a run of a network that reads each location; it says where digits are, and which. Their
originals are looked for in DIGITS, a source as in `mmnist data make --digits`. IMAGES is a file or
folder as in `mmnist predict --input`.

Every original of the digit that was read is rotated and enlarged to resemble the piece of the
image, and the 150 that resemble it most are fitted to it. The best one is taken for the original if
it leaves less than 0.06 of the squared ink unexplained, and all others leave more than 1.5 times as
much. All of this is done with a single linear interpolation. For each original that is found, the
output says how much is left unexplained with one interpolation and with two, first for the size and
then for the angle, as in the generator, and how white the strokes are (1: as in the original). The
background of a piece is assumed to be plain, so more are found on stars and metal than on stones.
About 4 seconds per digit on one core with the digits of `sample`, 20 with all of MNIST's.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import grid_sample

from mmnist.data.digits import load_digits
from mmnist.data.image_files import read_images
from mmnist.errors import MmnistError
from mmnist.evaluation.predict import read_digits
from mmnist.finding import find_run

SIDE = 40  # of the piece of an image that is to be explained
FLOOR = 20.0  # grey levels above the background up to which nothing counts as ink
ANGLES = torch.deg2rad(torch.arange(-48.0, 49, 6))
FITTED = 150
MOST_LEFT, MARGIN = 0.06, 1.5


class Piece(NamedTuple):
    ink: Tensor
    """float32 [SIDE, SIDE]: what is added to the background; 1 is white."""
    ground: float
    """Grey level of the background."""


class Fit(NamedTuple):
    """How well originals explain a piece, the best one first."""

    left: Tensor
    """float32 [n]: unexplained share of the squared ink."""
    original: Tensor
    """int64 [n]."""
    pose: Tensor
    """float32 [n, 5]: angle (clockwise, radians), logarithm of the scale, x and y of the cell's
    centre relative to that of the piece, and logarithm of how white the strokes are."""

    @property
    def found(self) -> bool:
        return bool(self.left[0] < MOST_LEFT and self.left[1] > MARGIN * self.left[0])


def main(name: str, digits: str, file: Path) -> None:
    pools, images = load_digits(digits), read_images(file)
    readings = read_digits(find_run(name), images)
    originals = np.concatenate([pools.train_images, pools.test_images])
    labels = np.concatenate([pools.train_labels, pools.test_labels])
    first_test = len(pools.train_labels)
    print("image digit    left    next   once  twice  degrees  scale  white  original")
    seen, found = 0, []
    for reading in readings.sort_values(["Id", "y"]).itertuples():
        alike = np.flatnonzero(labels == reading.digit)
        glyphs = torch.from_numpy(originals[alike]).float() / 255
        piece = cut(images[reading.Id], round(reading.y), round(reading.x))
        fit = trace(piece, glyphs)
        line = f"{reading.Id:5d} {reading.digit:5d} {fit.left[0]:7.3f} {fit.left[1]:7.3f}"
        seen += 1
        if fit.found:
            original, pose = int(alike[fit.original[0]]), fit.pose[0]
            once, twice = interpolated(piece, glyphs[fit.original[0]], pose)
            found.append((original >= first_test, once, twice))
            line += f" {once:6.3f} {twice:6.3f} {pose[0].rad2deg():8.1f} {pose[1].exp():6.2f} "
            line += f"{pose[4].exp():6.2f}  "
            line += f"test {original - first_test}" if found[-1][0] else f"training {original}"
        print(line, flush=True)
    of_test = sum(is_test for is_test, *_ in found)
    print(f"{len(found)} of {seen} found, {of_test} of them among the test digits")
    if found:
        _, once, twice = np.mean(found, axis=0)
        fewer = sum(twice < once for _, once, twice in found)
        print(f"left: {once:.4f} once, {twice:.4f} twice (means); less left by twice: {fewer}")


def cut(image: np.ndarray, row: int, column: int) -> Piece:
    """The digit of `image` uint8 [H, W] whose centre is at `row`, `column`."""
    padded = np.pad(image.astype(np.float32), SIDE, mode="edge")
    top, left = row + SIDE // 2, column + SIDE // 2
    piece = padded[top : top + SIDE, left : left + SIDE]
    ground = float(np.median(piece))
    strokes, _ = ndimage.label(piece > (ground + 255) / 2, np.ones((3, 3)))
    middle = slice(SIDE // 2 - 7, SIDE // 2 + 8)
    sizes = np.bincount(strokes[middle, middle].ravel(), minlength=2)
    digit = strokes == 1 + np.argmax(sizes[1:])
    near = ndimage.binary_dilation(digit, np.ones((3, 3)), iterations=2)
    ink = visible(torch.from_numpy(piece - ground) / 255, ground) * torch.from_numpy(near)
    return Piece(ink, ground)


def trace(piece: Piece, glyphs: Tensor) -> Fit:
    """The best of `glyphs` float32 [N, 28, 28], fitted to the piece."""
    centre, area = moments(piece.ink[None])
    centres, areas = moments(visible(glyphs, piece.ground))
    scale = (area / areas).sqrt()
    poses = []
    for angle in ANGLES:
        turned = (turn(angle[None]) * scale[:, None, None]) @ centres[:, :, None]
        shift = centre - turned[:, :, 0]
        poses.append(torch.column_stack([angle.expand_as(scale), scale.log(), shift, 0 * scale]))
    left, angle = torch.stack([unexplained(piece, glyphs, pose) for pose in poses]).min(0)
    best = left.argsort()[:FITTED]
    left, pose = fitted(piece, glyphs[best], torch.stack(poses)[angle[best], best])
    ranks = left.argsort()
    return Fit(left[ranks], best[ranks], pose[ranks])


def fitted(
    piece: Piece, glyphs: Tensor, pose: Tensor, twice: bool = False
) -> tuple[Tensor, Tensor]:
    """Unexplained shares [n], and poses [n, 5], after gradient descent from `pose`."""
    pose = pose.clone().requires_grad_()
    optimiser = torch.optim.Adam([pose], lr=0.05)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.97)
    for _ in range(120):
        optimiser.zero_grad()
        unexplained(piece, glyphs, pose, twice).sum().backward()
        optimiser.step()
        schedule.step()
    pose = pose.detach()
    return unexplained(piece, glyphs, pose, twice), pose


def interpolated(piece: Piece, glyph: Tensor, pose: Tensor) -> tuple[float, float]:
    """Unexplained share with `glyph` [28, 28] interpolated once, and twice, near `pose` [5]."""
    once, twice = (fitted(piece, glyph[None], pose[None], by)[0].item() for by in (False, True))
    return once, twice


def unexplained(piece: Piece, glyphs: Tensor, pose: Tensor, twice: bool = False) -> Tensor:
    """Share [n] of the squared ink that `glyphs` [n, 28, 28] in `pose` [n, 5] do not explain."""
    axis = torch.arange(SIDE) - (SIDE - 1) / 2
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    scale = pose[:, 1].exp()[:, None, None, None]
    if twice:
        glyphs, scale = sample(glyphs, grid / scale), torch.ones(())
    back = turn(-pose[:, 0])[:, None]
    drawn = sample(glyphs, (grid - pose[:, None, None, 2:4]) @ back.transpose(2, 3) / scale)
    white = pose[:, 4].exp()[:, None, None]
    difference = visible(white * drawn, piece.ground) - piece.ink
    return difference.square().sum((1, 2)) / piece.ink.square().sum()


def sample(images: Tensor, points: Tensor) -> Tensor:
    """`images` [n, side, side] at `points` [n, SIDE, SIDE, 2], x and y from the centre in px."""
    points = points / (images.shape[-1] / 2)
    return grid_sample(images[:, None], points, align_corners=False)[:, 0]


def visible(strokes: Tensor, ground: float) -> Tensor:
    """Visible part of strokes (1: 255 grey levels) on a background: sums are clipped at white."""
    return ((255 * strokes - FLOOR) / (255 - ground - FLOOR)).clamp(0, 1)


def moments(ink: Tensor) -> tuple[Tensor, Tensor]:
    """Centres [n, 2], x and y from the image's centre, and areas [n], from second moments."""
    axis = torch.arange(ink.shape[-1]) - (ink.shape[-1] - 1) / 2
    total = ink.sum((1, 2)).clamp(min=1)
    x, y = (ink.sum(1) @ axis) / total, (ink.sum(2) @ axis) / total
    dx, dy = axis - x[:, None], axis - y[:, None]
    xx = (ink.sum(1) * dx.square()).sum(1) / total
    yy = (ink.sum(2) * dy.square()).sum(1) / total
    xy = (ink * dy[:, :, None] * dx[:, None, :]).sum((1, 2)) / total
    return torch.stack([x, y], 1), (xx * yy - xy.square()).clamp(min=0.1).sqrt()


def turn(angle: Tensor) -> Tensor:
    """Rotations [n, 2, 2] of x and y: clockwise on the screen, where y points down."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except MmnistError as error:
        sys.exit(str(error))
