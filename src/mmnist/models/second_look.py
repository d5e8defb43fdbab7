"""A second look at each digit: cut out, put upright, and read again by a network of its own.

The first network tells where a digit is and how far it is turned, but has to know every digit at
every angle and place. The second one sees it in the middle and upright, and has to know that only.
It learns from what the first one finds, so with its errors; no gradient passes between them, as one
would in M. Jaderberg et al., "Spatial Transformer Networks", NeurIPS 2015.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmnist.models.angles import middles_of_ranges
from mmnist.models.maximum import put_together, take_apart
from mmnist.models.places import around, at_least_float32, middle_of
from mmnist.models.stages import Stage, scaled

#: Pixels to a side of what is cut out; cells of digits have 28, and are turned.
SIDE = 32

#: Channels at 2, 4 and 8 pixels, for a size of 1; and residual blocks there.
_CHANNELS = (32, 64, 128)
_BLOCKS = (1, 2, 1)


class SecondLook(nn.Module):
    """Reads digits that another network has found."""

    def __init__(self, size: float, angles: int):
        """
        Args:
            size: of the network; 0.5 million parameters for 1.
            angles: ranges of angles that the other network tells apart.
        """
        super().__init__()
        channels = [1, *(scaled(width, size) for width in _CHANNELS)]
        self.stage1, self.stage2, self.stage3 = (
            Stage(*each) for each in zip(channels[:-1], channels[1:], _BLOCKS, strict=True)
        )
        self.digits = nn.Linear(channels[-1] * (SIDE // 8) ** 2, 10)
        nn.init.normal_(self.digits.weight, std=0.01)
        nn.init.zeros_(self.digits.bias)
        self.angles = angles

    def forward(self, images: Tensor, joint: Tensor, middles: Tensor, mosaic: int = 1) -> Tensor:
        """Log-probabilities of 0 to 9 at each place, float32 [B, n, 10].

        Args:
            images: float [B, 1, S, S].
            joint: float [B, 1 + 10 · angles, H, W], what the other network says at each location,
                as of `mmnist.models.angles.over_ranges`.
            middles: int64 [B, n, 2], row and column of the location in the middle of each place.
            mosaic: compute what is cut out as tiles of larger images, so many to a side, of whose
                square B · n must be a multiple.
        """
        y, x, turned = find_poses(joint.detach(), middles, self.angles)
        pieces = put_together(cut_upright(images, y, x, turned), mosaic)
        features = take_apart(self.stage3(self.stage2(self.stage1(pieces))), mosaic)
        scores = self.digits(features.flatten(1))
        return at_least_float32(scores).log_softmax(dim=1).unflatten(0, middles.shape[:2])


def find_poses(joint: Tensor, middles: Tensor, ranges: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where the digits at some places are, and how far they are turned.

    Args:
        joint: float [B, 1 + 10 · ranges, H, W], as of `mmnist.models.angles.over_ranges`.
        middles: int64 [B, n, 2], row and column of the location in the middle of each place.

    Returns:
        y and x of the middle in pixels, and the angle by which the digit that is most likely there
        is turned clockwise, in degrees; each float32 [B, n]. All three are means over what the
        location and its neighbours say.
    """
    joint = at_least_float32(joint)
    odds = joint[:, 1:] - joint[:, :1]
    image = torch.arange(len(joint), device=joint.device).repeat_interleave(middles.shape[1])
    row, column = middles.flatten(0, 1).T
    y, x = middle_of(odds.logsumexp(dim=1, keepdim=True)[image], row, column)
    each = around(odds[image], row, column).logsumexp(dim=0).unflatten(1, (-1, ranges))
    likeliest = each.logsumexp(dim=2).argmax(dim=1)
    share = each[torch.arange(len(each), device=each.device), likeliest].softmax(dim=1)
    turned = share @ middles_of_ranges(ranges).to(share)
    return tuple(value.view(middles.shape[:2]) for value in (y, x, turned))


def cut_upright(images: Tensor, y: Tensor, x: Tensor, turned: Tensor) -> Tensor:
    """Squares around digits, turned back, by linear interpolation; what lies outside of an image is
    as its border.

    Args:
        images: float [B, 1, S, S].
        y: float [B, n], of the middles, in pixels; and x.
        turned: float [B, n], degrees clockwise.

    Returns:
        float [B · n, 1, SIDE, SIDE], in the order of images.
    """
    angle = torch.deg2rad(turned)[:, :, None, None]
    cos, sin = angle.cos(), angle.sin()
    axis = torch.arange(SIDE, device=images.device) - (SIDE - 1) / 2
    down, right = axis[:, None], axis[None, :]
    rows = y[:, :, None, None] + sin * right + cos * down
    columns = x[:, :, None, None] + cos * right - sin * down
    # grid_sample takes -1 and 1 for the middles of the first and the last pixel.
    places = torch.stack([columns, rows], dim=-1) * (2 / (images.shape[-1] - 1)) - 1
    pieces = F.grid_sample(
        images,
        places.flatten(1, 2).to(images.dtype),  # all of an image below each other
        padding_mode="border",
        align_corners=True,
    )
    return pieces.view(-1, 1, SIDE, SIDE)
