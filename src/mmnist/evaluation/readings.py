"""Which digits a network read, and where: from the scores of locations to a list of digits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from mmnist.data.angles import middles_of_ranges
from mmnist.files import replacing
from mmnist.models.angles import over_ranges
from mmnist.models.digit_reader import STRIDE
from mmnist.models.places import three_places

#: In images of the task, digits are at least this many pixels apart along one axis or the other;
#: their cells have 28.
_APART = 20

COLUMNS = ["Id", "digit", "x", "y", "probability"]


@torch.inference_mode()
def find_digits(
    scores: Tensor, stride: float, digits: Literal["any", "three"] = "any", angles: int = 1
) -> pd.DataFrame:
    """Digits read in a batch of images; within each image, the most certain comes first.

    A digit is read at each location where one is more likely than not, and likelier than at all
    others nearby; or, if images are known to have three, at the three places of
    `mmnist.models.places`.

    Args:
        scores: float [B, 1 + 10 · angles, H, W], at each location, of no digit and of 0 to 9 in
            each range of angles.
        stride: pixels of the images between two locations.
        digits: how many digits images are known to have.
        angles: number of ranges of angles.

    Returns:
        One row per digit: Id (index of the image in the batch), digit, x and y of its centre in
        pixels from the top left pixel, and the probability of this digit at that location or place;
        with several ranges of angles, also the angle: degrees by which it is rotated clockwise,
        according to this location and its neighbours.
    """
    joint = scores.double().log_softmax(dim=1)
    p = over_ranges(joint, angles)
    # Log-odds of any digit: they still differ between locations whose probabilities all round to 1.
    some = p[:, 1:].logsumexp(dim=1, keepdim=True) - p[:, :1]
    if digits == "three":
        places = three_places(p)
        image = torch.arange(len(p), device=p.device).repeat_interleave(3)
        row, column = places.middles.flatten(0, 1).T
        each = places.scores[1:].softmax(dim=0).permute(1, 2, 0).flatten(0, 1)
    else:
        image, row, column = _peaks(some, int(_APART / stride))
        each = p[image, 1:, row, column].exp()
    probability, digit = each.max(dim=1)
    y, x = _middles(some.sigmoid()[image], row, column, stride)
    columns = dict(zip(COLUMNS, (image, digit, x, y, probability), strict=True))
    if angles > 1:
        odds = (joint[:, 1:] - joint[:, :1]).unflatten(1, (-1, angles))
        each = _around(odds[image, digit], row, column).logsumexp(dim=0)
        middles = torch.from_numpy(middles_of_ranges(angles))
        columns["angle"] = each.softmax(dim=1) @ middles.to(each)
    found = pd.DataFrame({name: column.cpu() for name, column in columns.items()})
    return found.sort_values(["Id", "probability"], ascending=[True, False], ignore_index=True)


def _peaks(some: Tensor, near: int) -> tuple[Tensor, Tensor, Tensor]:
    """Image, row and column of the peaks of the log-odds of any digit, `some` [B, 1, H, W].

    At a peak they are above 0 and the highest within `near` locations.
    """
    # Ranks, so that one of several locations with equal odds, frequent in bf16, is the highest.
    rank = some.flatten(1).argsort(stable=True).argsort().double().view_as(some)
    highest = F.max_pool2d(rank, 2 * near + 1, stride=1, padding=near)
    image, _, row, column = torch.nonzero((rank == highest) & (some > 0), as_tuple=True)
    return image, row, column


def _around(values: Tensor, row: Tensor, column: Tensor, outside: float = -torch.inf) -> Tensor:
    """`values` [n, C, H, W] at each `row`, `column` [n] and its eight neighbours, [9, n, C]."""
    padded = F.pad(values, (1, 1, 1, 1), value=outside)
    n = torch.arange(len(values), device=values.device)
    steps = [(dy, dx) for dy in (0, 1, 2) for dx in (0, 1, 2)]
    return torch.stack([padded[n, :, row + dy, column + dx] for dy, dx in steps])


def _middles(some: Tensor, row: Tensor, column: Tensor, stride: float) -> tuple[Tensor, Tensor]:
    """y and x, in pixels, of the centres of digits at these locations.

    Each is the mean position of a location and its eight neighbours, weighted by the probability
    `some` [n, 1, H, W] of a digit there.
    """
    weights = _around(some, row, column, outside=0.0).view(3, 3, -1)
    total = weights.sum(dim=(0, 1))
    offset = torch.arange(-1, 2, device=some.device)
    dy = (weights.sum(dim=1) * offset[:, None]).sum(0) / total
    dx = (weights.sum(dim=0) * offset[:, None]).sum(0) / total
    # Pixel 0 of a resized image is centred on pixel (scale - 1) / 2 of the original.
    shift = (stride / STRIDE - 1) / 2
    return (row + dy) * stride + shift, (column + dx) * stride + shift


def write_readings(path: Path, readings: pd.DataFrame, names: Sequence[str] | None = None) -> None:
    """Write the readings as CSV, with the columns of `find_digits` and, if the `names` of the image
    files are given, File.

    Raises:
        RunError: the file cannot be written.
    """
    rounded = readings.round({"x": 1, "y": 1, "probability": 4, "angle": 0})
    if names is not None:
        rounded["File"] = [names[index] for index in rounded["Id"]]
    with replacing(path) as temporary:
        rounded.to_csv(temporary, index=False)
