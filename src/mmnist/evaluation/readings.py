"""Which digits a network read, and where: from the scores of locations to a list of digits."""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from mmnist.files import replacing

#: A digit is read where it is more likely than not that there is one.
_LIKELY = 0.5
#: Two digits are at least this many locations apart; they are wider than that.
_APART = 2

COLUMNS = ["Id", "digit", "x", "y", "probability"]


def find_digits(scores: Tensor, side: int) -> pd.DataFrame:
    """Digits that were read in a batch of images, most certain first within each.

    Args:
        scores: float [B, 11, H, W], of no digit and of 0 to 9 at each location.
        side: side of the images in pixels; places are given in these.

    Returns:
        A row a digit: Id (number of the image in the batch), digit, x and y of its middle in pixels
        from the top left corner, and the probability of this digit at that location.
    """
    p = scores.float().softmax(dim=1)
    some = 1 - p[:, :1]
    size = 2 * _APART + 1
    highest = F.max_pool2d(some, size, stride=1, padding=_APART)
    image, _, row, column = torch.nonzero((some == highest) & (some > _LIKELY), as_tuple=True)
    probability, digit = p[image, 1:, row, column].max(dim=1)
    y, x = _middles(some, image, row, column, side)
    found = pd.DataFrame(
        dict(zip(COLUMNS, (t.cpu() for t in (image, digit, x, y, probability)), strict=True))
    )
    return found.sort_values(["Id", "probability"], ascending=[True, False], ignore_index=True)


def _middles(
    some: Tensor, image: Tensor, row: Tensor, column: Tensor, side: int
) -> tuple[Tensor, Tensor]:
    """y and x in pixels of digits at these locations: the mean of their neighbourhood, weighted
    with the probability of a digit there.
    """
    padded = F.pad(some[:, 0], (1, 1, 1, 1))
    weights = torch.stack(
        [padded[image, row + 1 + dy, column + 1 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    ).view(3, 3, -1)
    total = weights.sum(dim=(0, 1))
    offset = torch.arange(-1, 2, device=some.device)
    dy = (weights.sum(dim=1) * offset[:, None]).sum(0) / total
    dx = (weights.sum(dim=0) * offset[:, None]).sum(0) / total
    # Strided convolutions centre location i on pixel i × stride.
    stride = side / some.shape[-1]
    return (row + dy) * stride, (column + dx) * stride


def write_readings(path: Path, readings: pd.DataFrame) -> None:
    """Write the digits that were read as CSV, with the columns of `find_digits`.

    Raises:
        RunError: the file cannot be written.
    """
    rounded = readings.round({"x": 1, "y": 1, "probability": 4})
    with replacing(path) as temporary:
        rounded.to_csv(temporary, index=False)
