"""Rotated kernels: one set of weights sees a stroke in eight directions.

After T. Cohen, M. Welling, "Group Equivariant Convolutional Networks", ICML 2016, with rotations by
45 degrees: the eight weights around the centre of a 3 × 3 kernel move on by one. A rotation by 90
degrees is exact; one by 45 is as close as a square grid of this size allows.

A field is one kind of feature in all of the orientations; channels are orientations × fields, in
this order. If an image is rotated by 90 degrees, so are the features, and each field moves on by
two orientations.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmnist.models.antialiasing import smooth, smoothing

ORIENTATIONS = 8

#: Indices of the weights around the centre of a kernel, clockwise from the top left.
_RING = (0, 1, 2, 5, 8, 7, 6, 3)


class OrientedConv2d(nn.Module):
    """A 3 × 3 convolution, padded by 1, without bias; its kernels are rotations of each other.

    Its weights are [out_channels / 8, in_channels, 3, 3]: the kernels of the first orientation.

    Args:
        in_channels: channels of all eight orientations together, or 1 for an image.
        out_channels: channels of all eight orientations together.
        stride: of the convolution.
        antialiased: whether the output is smoothed before the stride.

    Raises:
        ValueError: a number of channels that is not a multiple of eight.
    """

    turned: Tensor
    """int64, as of `_turned`."""
    smoothing: Tensor | None
    """float [9, 25], or None if the output is not smoothed."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, antialiased: bool = False
    ):
        super().__init__()
        if out_channels % ORIENTATIONS or (in_channels % ORIENTATIONS and in_channels != 1):
            raise ValueError(
                f"{in_channels} and {out_channels} channels are not those of {ORIENTATIONS} "
                "orientations"
            )
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        self.padding = 2 if antialiased else 1
        shape = (out_channels // ORIENTATIONS, in_channels, 3, 3)
        self.weight = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(shape), a=5**0.5))
        self.register_buffer("turned", _turned(*shape[:2]), persistent=False)
        self.register_buffer("smoothing", smoothing() if antialiased else None, persistent=False)

    def kernels(self) -> Tensor:
        """The kernels, [out_channels, in_channels, 3, 3], or smoothed ones, 5 × 5."""
        shape = (self.out_channels, 3, 3, self.in_channels)
        turned = self.weight.flatten().index_select(0, self.turned).view(shape).permute(0, 3, 1, 2)
        return turned if self.smoothing is None else smooth(turned, self.smoothing)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, in_channels, H, W] → [B, out_channels, H / stride, W / stride]."""
        return F.conv2d(x, self.kernels(), stride=self.stride, padding=self.padding)


def _turned(fields: int, channels: int) -> Tensor:
    """For each weight of all kernels, the index of the first orientation's weight that it is.

    int64 [8 · fields · 9 · channels], in the order of kernels, rows, columns and input channels.
    """
    number = torch.arange(fields * channels * 9).view(fields, -1, max(1, channels // 8), 9)
    return torch.cat([_turn(number, steps).transpose(1, 2).flatten() for steps in range(8)])


def _turn(number: Tensor, steps: int) -> Tensor:
    """Indices of the weights of kernels that are rotated by `steps` times 45 degrees.

    `number` [fields, orientations, channels of each, 9] → [fields, orientations · channels of
    each, 9].
    """
    source = list(range(9))
    for place, weight in enumerate(_RING):
        source[_RING[(place + steps) % ORIENTATIONS]] = weight
    if number.shape[1] == ORIENTATIONS:  # the input is rotated too: its orientations move on
        number = number.roll(steps, dims=1)
    return number.flatten(1, 2)[:, :, source]
