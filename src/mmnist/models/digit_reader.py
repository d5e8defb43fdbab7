"""A small network that reads digits wherever they are, and says which is the largest.

Residual blocks of 3×3 convolutions at three resolutions; the last one is a grid of 8 pixels, at
each point of which one layer tells no digit from 0 … 9. Whatever the size of the image, only the
grid grows: a network trained on small pieces with one digit reads whole images.
"""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

from mmnist.models.maximum import Branches, MaximumNetwork, scores_of_locations

#: Pixels between locations; location i is centred on pixel 8 i.
STRIDE = 8

#: Channels at 2, 4 and 8 pixels, for a size of 1; and residual blocks there.
_CHANNELS = (32, 64, 128)
_BLOCKS = (1, 1, 2)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside the identity; it begins as the identity."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, channels, H, W] → the same shape."""
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


def digit_reader(size: float = 1.0, branches: int = 1) -> MaximumNetwork:
    """The network with `size` times as many channels; 0.78 million parameters for 1.

    It takes one grey channel. Its layers are `stage1`, `stage2`, `stage3` and `locations`; with
    several branches the last two of them are there so many times, side by side (TreeNets: S. Lee
    et al., "Why M Heads are Better than One", arXiv:1511.06314).
    """
    first, second, third = (8 * round(width * size / 8) for width in _CHANNELS)
    stages = OrderedDict[str, nn.Module]()
    stages["stage1"] = _stage(1, first, _BLOCKS[0])
    stages["stage2"] = _stage(first, second, _BLOCKS[1])
    last = [_stage(second, third, _BLOCKS[2]) for _ in range(branches)]
    heads = [scores_of_locations(third) for _ in range(branches)]
    stages["stage3"] = last[0] if branches == 1 else Branches(last)
    stages["locations"] = heads[0] if branches == 1 else Branches(heads)
    return MaximumNetwork(stages)


def _stage(channels: int, wider: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, wider, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(wider),
        nn.ReLU(),
        *(ResidualBlock(wider) for _ in range(blocks)),
    )
