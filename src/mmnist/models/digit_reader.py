"""A small network that reads digits wherever they are, and tells which is the largest.

Residual blocks of 3×3 convolutions at three resolutions. The last one is a grid with a location
every 8 pixels, at each of which one layer scores no digit and 0 … 9. A larger image only makes the
grid larger, so a network trained on small patches with one digit reads whole images.
"""

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from mmnist.models.antialiasing import AntialiasedConv2d
from mmnist.models.maximum import MaximumNetwork, scores_of_locations
from mmnist.models.orientations import OrientedConv2d

#: Pixels between locations; location i is centred on pixel 8 i.
STRIDE = 8

#: Channels (for a size of 1) and residual blocks at strides of 2, 4 and 8 pixels.
_CHANNELS = (32, 64, 128)
_BLOCKS = (1, 1, 2)
#: Whether kernels may be shared by orientations at each stride: not at the last one, where digits
#: are told apart, since a digit that is rotated too far is another digit.
_MAY_SHARE = (True, True, False)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a skip connection; initialised as the identity."""

    def __init__(self, channels: int, oriented: bool = False):
        super().__init__()
        self.conv1 = _convolution(channels, oriented)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _convolution(channels, oriented)
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
        assert isinstance(convolution, Convolution)
        assert isinstance(norm, nn.BatchNorm2d)
        x = normalised(x, convolution, norm)
        for layer in others:
            x = layer(x)
        return x


Convolution = nn.Conv2d | AntialiasedConv2d | OrientedConv2d


def normalised(x: Tensor, convolution: Convolution, norm: nn.BatchNorm2d) -> Tensor:
    """`norm(convolution(x))`, computed as a single convolution in evaluation mode.

    There the norm is linear too, and a CPU reads in four fifths of the time. Gradients pass,
    unlike with torch.nn.utils.fusion.
    """
    if norm.training:
        return norm(convolution(x))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    if isinstance(convolution, AntialiasedConv2d | OrientedConv2d):
        kernels = convolution.kernels()
    else:
        kernels = convolution.weight
    kernels = kernels * scale[:, None, None, None]
    return F.conv2d(x, kernels, shift, stride=convolution.stride, padding=convolution.padding)


def digit_reader(
    size: float = 1.0,
    digits: Literal["any", "three"] = "any",
    angles: int = 1,
    orientations: Literal[1, 8] = 1,
    antialiased: bool = False,
) -> MaximumNetwork:
    """The network with its numbers of channels scaled by `size`; 0.78 million parameters for 1.

    It takes one grey channel. If `digits` is `three`, images are known to have exactly three. Each
    digit is read in `angles` ranges of angles. With 8 `orientations`, the kernels at strides of 2
    and 4 pixels are rotated versions of an eighth of them (`mmnist.models.orientations`). If
    `antialiased`, features are smoothed on their way to strides of 4 and 8 pixels
    (`mmnist.models.antialiasing`). The layers are `stage1`, `stage2`, `stage3` and `locations`.
    """
    stages = OrderedDict[str, nn.Module]()
    channels = 1
    layout = zip(_CHANNELS, _BLOCKS, _MAY_SHARE, strict=True)
    for number, (width, blocks, may_share) in enumerate(layout, start=1):
        wider = 8 * round(width * size / 8)
        oriented = may_share and orientations > 1
        stages[f"stage{number}"] = Stage(
            _halving(channels, wider, oriented, antialiased and number > 1),
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


def _convolution(channels: int, oriented: bool) -> Convolution:
    if oriented:
        return OrientedConv2d(channels, channels)
    return nn.Conv2d(channels, channels, 3, padding=1, bias=False)


def _halving(channels: int, wider: int, oriented: bool, antialiased: bool) -> Convolution:
    if oriented:
        return OrientedConv2d(channels, wider, 2, antialiased)
    if antialiased:
        return AntialiasedConv2d(channels, wider)
    return nn.Conv2d(channels, wider, 3, stride=2, padding=1, bias=False)
