"""Coordinate maps of the geometric transforms, as batches of 3×3 matrices.

Every map takes the position of a pixel in the *output* image to the position in the *input* image
that it is read from. Positions are (x, y, 1) with x to the right and y down, both in units of half
the image: -1 and 1 are its borders, and the centre of pixel i of n is (2i + 1) / n - 1.
All functions work on a batch of B images, in the parameters' dtype.

The maps are those of fastai v1 (`fastai/vision/transform.py`). They are meant for square images:
on others a rotation would shear, since x and y then have different units.
"""

import torch
from torch import Tensor

#: Corners of the image, [4, 2], clockwise: top left, top right, bottom right, bottom left.
CORNERS = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=torch.float64)

#: Displacements of one coordinate of one corner outward, [8, 4, 2].
_SKEWS = torch.diag(CORNERS.flatten()).view(8, 4, 2)

#: Displacements of the two corners of one side apart, [4, 4, 2]: left, right, top, bottom.
_TILTS = torch.tensor(
    [
        [[0, -1], [0, 0], [0, 0], [0, 1]],
        [[0, 0], [0, -1], [0, 1], [0, 0]],
        [[-1, 0], [1, 0], [0, 0], [0, 0]],
        [[0, 0], [0, 0], [1, 0], [-1, 0]],
    ],
    dtype=torch.float64,
)

#: Least denominator of a map, as a share of that of an undistorted image. See `limit_horizon`.
_LEAST_DENOMINATOR = 0.05


def rotation(degrees: Tensor) -> Tensor:
    """Rotation about the centre; `degrees` is [B]."""
    angle = torch.deg2rad(degrees)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).view(-1, 3, 3)


def zoom(scale: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Magnification by `scale` [B] > 0, about a point.

    `row` and `column` [B] say where the point lies: 0 is the top or left border, 1 the opposite.
    """
    return _scaling(1 / scale, 1 / scale, row, column)


def squish(scale: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Magnification along one axis, about a point.

    A `scale` [B] below 1 magnifies the width by 1 / scale, one above 1 the height by scale.
    `row` and `column` [B] as in `zoom`.
    """
    return _scaling(scale.clamp(max=1), 1 / scale.clamp(min=1), row, column)


def _scaling(width: Tensor, height: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Map onto a part of the image with this width and height (1: all), placed by row, column."""
    x, y = (1 - width) * (2 * column - 1), (1 - height) * (2 * row - 1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([width, zero, x, zero, height, y, zero, zero, one], dim=1).view(-1, 3, 3)


def warp(displacement: Tensor) -> Tensor:
    """The perspective map that moves each corner of the picture by `displacement` [B, 4, 2].

    As in fastai v1, which also maps from the output, the position corner + displacement of the
    output is read from the corner of the input. The order of the corners is that of `CORNERS`.
    Displacements stay below 1, so that each corner stays in its own quadrant.

    A projective map is (w·x', w·y', w) = M (x, y, 1). For the map from the corners to their
    targets, the denominators w at the four corners are proportional to the areas of the triangles
    that the other three targets form (Cramer's rule), and a linear function follows from its values
    at the corners by plain averages: no system of equations is solved. The result is the inverse of
    this map, which is its adjugate up to scale, scaled to M[2, 2] = 1.
    """
    corners = CORNERS.to(displacement)
    target = corners + displacement
    first, second, third = (target.roll(-shift, dims=1) for shift in (1, 2, 3))
    side, diagonal = second - first, third - first
    denominator = (side[..., 0] * diagonal[..., 1] - side[..., 1] * diagonal[..., 0]).unsqueeze(-1)
    at_corners = torch.cat([denominator * target, denominator], dim=-1)
    linear = torch.cat([corners, torch.ones_like(corners[:, :1])], dim=1) / 4
    inverse = _adjugate(at_corners.transpose(1, 2) @ linear)
    return inverse / inverse[:, 2:, 2:]


def _adjugate(matrix: Tensor) -> Tensor:
    """The inverse of matrices [B, 3, 3] times their determinants."""
    x, y, w = matrix.unbind(dim=1)
    columns = [torch.linalg.cross(y, w), torch.linalg.cross(w, x), torch.linalg.cross(x, y)]
    return torch.stack(columns, dim=2)


def symmetric_displacement(amounts: Tensor) -> Tensor:
    """Displacements [B, 4, 2] that move opposite corners outward together, by `amounts` [B, 4].

    The amounts belong to the right side (along y), the left side (y), the bottom (x), the top (x).
    """
    right, left, bottom, top = amounts.unbind(dim=1)
    outward_x = torch.stack([top, top, bottom, bottom], dim=1)
    outward_y = torch.stack([left, right, right, left], dim=1)
    return torch.stack([outward_x, outward_y], dim=-1) * CORNERS.to(amounts)


def skew_displacement(direction: Tensor, amount: Tensor) -> Tensor:
    """Displacements [B, 4, 2] that move one corner outward along one axis by `amount` [B].

    `direction` [B] int64, 0 to 7: corner 0 along x, corner 0 along y, corner 1 along x, ...
    """
    return _SKEWS.to(amount)[direction] * amount.view(-1, 1, 1)


def tilt_displacement(direction: Tensor, amount: Tensor) -> Tensor:
    """Displacements [B, 4, 2] that move the two corners of one side apart, each by `amount` [B].

    `direction` [B] int64, 0 to 3: the left, right, top or bottom side.
    """
    return _TILTS.to(amount)[direction] * amount.view(-1, 1, 1)


def limit_horizon(matrix: Tensor) -> Tensor:
    """Matrices [B, 3, 3] whose denominator is at least 0.0025 over the whole image.

    If a chain of strong warps brings the horizon (denominator 0) into the image, or a denominator
    in it below 0.05 of that in the centre, the perspective row is shrunk until it does not. Pixels
    near the horizon would otherwise be read from infinitely far away. fastai v1 lets that happen;
    with the paper's magnitudes, about one chain in a thousand is affected.
    """
    centre = matrix[:, 2, 2].clamp(min=_LEAST_DENOMINATOR)
    variation = matrix[:, 2, :2].abs().sum(dim=1)
    factor = ((1 - _LEAST_DENOMINATOR) * centre / variation).clamp(max=1)
    perspective_row = torch.cat([matrix[:, 2, :2] * factor[:, None], centre[:, None]], dim=1)
    return torch.cat([matrix[:, :2], perspective_row[:, None]], dim=1)


def sampling_grid(matrix: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel of an output image is read from: [B, 2, height, width], x then y.

    Pass it as `.permute(0, 2, 3, 1)` to `torch.nn.functional.grid_sample(align_corners=False)`.
    Separate planes and broadcast sums are several times as fast on the CPU as the product of the
    matrices with a list of positions.
    """
    x, y = (_pixel_centres(size, matrix) for size in (width, height))
    along_rows = matrix[:, :, 1, None] * y + matrix[:, :, 2, None]
    along_columns = matrix[:, :, 0, None] * x
    homogeneous = along_rows[..., :, None] + along_columns[..., None, :]
    return homogeneous[:, :2].div_(homogeneous[:, 2:])


def _pixel_centres(size: int, like: Tensor) -> Tensor:
    """Centres of the pixels along one axis, [size]; exact if `size` is a power of two."""
    return torch.arange(1, 2 * size, 2, dtype=like.dtype, device=like.device) / size - 1
