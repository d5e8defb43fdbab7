"""A small network that reads digits wherever they are, and says which is the largest.

Residual blocks of 3×3 convolutions at three resolutions; the last one is a grid of 8 pixels, at
each point of which one layer tells no digit from 0 … 9. Whatever the size of the image, only the
grid grows: a network trained on small pieces with one digit reads whole images.
"""

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from mmnist.models.maximum import MaximumNetwork, scores_of_locations
from mmnist.models.orientations import OrientedConv2d

#: Pixels between locations; location i is centred on pixel 8 i.
STRIDE = 8

#: Channels at 2, 4 and 8 pixels, for a size of 1; and residual blocks there.
_CHANNELS = (32, 64, 128)
_BLOCKS = (1, 1, 2)
#: Whether kernels there may be shared by orientations: not where digits are told, since what is
#: turned too far is another digit.
_MAY_SHARE = (True, True, False)


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

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, C, H, W] → [B, channels, H / 2, W / 2]."""
        convolution, norm, *others = self
        x = normalised(x, convolution, norm)
        for layer in others:
            x = layer(x)
        return x


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


def digit_reader(
    size: float = 1.0,
    digits: Literal["any", "three"] = "any",
    angles: int = 1,
    orientations: Literal[1, 8] = 1,
) -> MaximumNetwork:
    """The network with `size` times as many channels; 0.78 million parameters for 1.

    It takes one grey channel. With `digits` three, images are known to have exactly three. Each
    digit is read in as many ranges of `angles`. With 8 `orientations`, kernels at 2 and 4 pixels
    are turned versions of an eighth of them (`mmnist.models.orientations`). Its layers are
    `stage1`, `stage2`, `stage3` and `locations`.
    """
    stages = OrderedDict[str, nn.Module]()
    channels = 1
    layout = zip(_CHANNELS, _BLOCKS, _MAY_SHARE, strict=True)
    for number, (width, blocks, may_share) in enumerate(layout, start=1):
        wider = 8 * round(width * size / 8)
        oriented = may_share and orientations > 1
        stages[f"stage{number}"] = Stage(
            _convolution(channels, wider, oriented, stride=2),
            nn.BatchNorm2d(wider),
            nn.ReLU(),
            *(ResidualBlock(wider, oriented) for _ in range(blocks)),
        )
        channels = wider
    stages["locations"] = scores_of_locations(channels, angles)
    network = MaximumNetwork(stages)
    network.digits = digits
    network.angles = angles
    return network


def _convolution(channels: int, wider: int, oriented: bool, stride: int = 1) -> nn.Module:
    if oriented:
        return OrientedConv2d(channels, wider, stride)
    return nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=False)
