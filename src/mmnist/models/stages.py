"""Residual blocks of 3×3 convolutions, in stages that halve the grid."""

from torch import Tensor, nn
from torch.nn import functional as F

from mmnist.models.orientations import OrientedConv2d


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside the identity; it begins as the identity."""

    def __init__(self, channels: int, oriented: bool = False):
        super().__init__()
        self.conv1 = _convolution(channels, channels, oriented)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _convolution(channels, channels, oriented)
        self.bn2 = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, channels, H, W] → the same shape."""
        inside = F.relu(normalised(x, self.conv1, self.bn1))
        return F.relu(x + normalised(inside, self.conv2, self.bn2))


class Stage(nn.Sequential):
    """A convolution that halves the grid, batch normalisation, ReLU, and residual blocks."""

    def __init__(self, channels: int, wider: int, blocks: int, oriented: bool = False):
        """
        Args:
            channels: of the input.
            wider: channels of the output.
            blocks: how many residual blocks.
            oriented: whether kernels are turned versions of an eighth of them.
        """
        super().__init__(
            _convolution(channels, wider, oriented, stride=2),
            nn.BatchNorm2d(wider),
            nn.ReLU(),
            *(ResidualBlock(wider, oriented) for _ in range(blocks)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, channels, H, W] → [B, wider, H / 2, W / 2]."""
        convolution, norm, *others = self
        x = normalised(x, convolution, norm)
        for layer in others:
            x = layer(x)
        return x


def scaled(channels: int, size: float) -> int:
    """`size` times as many channels, a multiple of 8."""
    return 8 * round(channels * size / 8)


def normalised(x: Tensor, convolution: nn.Conv2d | OrientedConv2d, norm: nn.BatchNorm2d) -> Tensor:
    """`norm(convolution(x))`, and in evaluation mode, where the norm is linear too, as a single
    convolution: a CPU reads in four fifths of the time. Gradients pass, as they would not through
    torch.nn.utils.fusion.
    """
    if norm.training:
        return norm(convolution(x))
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    shared = isinstance(convolution, OrientedConv2d)
    kernels = convolution.kernels() if shared else convolution.weight
    kernels = kernels * scale[:, None, None, None]
    return F.conv2d(x, kernels, shift, stride=convolution.stride, padding=1)


def _convolution(channels: int, wider: int, oriented: bool, stride: int = 1) -> nn.Module:
    if oriented:
        return OrientedConv2d(channels, wider, stride)
    return nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=False)
