"""Smoothing before a grid is halved, so that features depend less on where a stroke lies on it.

After R. Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, with the 3 × 3
binomial filter, but applied right after the convolution, before normalisation and ReLU. There it
can be folded into the kernels, which become 5 × 5, instead of being applied to the features.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def smoothing() -> Tensor:
    """float32 [9, 25]: flattened 3 × 3 kernels times this give flattened, smoothed 5 × 5 ones."""
    rows = torch.tensor([[1.0, 2, 1, 0, 0], [0, 1, 2, 1, 0], [0, 0, 1, 2, 1]]) / 4
    return torch.kron(rows, rows)


def smooth(kernels: Tensor, smoothing: Tensor) -> Tensor:
    """Kernels [out_channels, in_channels, 3, 3] → [out_channels, in_channels, 5, 5].

    The result is the same convolution followed by the smoothing filter.
    """
    return (kernels.reshape(-1, 9) @ smoothing).view(*kernels.shape[:2], 5, 5)


class AntialiasedConv2d(nn.Conv2d):
    """A 3 × 3 convolution with stride 2 and no bias, whose output is smoothed before the stride.

    Its weights are the kernels before smoothing, [out_channels, in_channels, 3, 3].
    """

    smoothing: Tensor
    """float [9, 25], as of the function `smoothing`."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels, 3, stride=2, padding=2, bias=False)
        self.register_buffer("smoothing", smoothing(), persistent=False)

    def kernels(self) -> Tensor:
        """The smoothed kernels, [out_channels, in_channels, 5, 5]."""
        return smooth(self.weight, self.smoothing)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, in_channels, H, W] → [B, out_channels, ⌈H / 2⌉, ⌈W / 2⌉]."""
        return F.conv2d(x, self.kernels(), stride=2, padding=2)
