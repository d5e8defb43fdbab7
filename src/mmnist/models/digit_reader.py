"""A small network that reads digits wherever they are, and says which is the largest.

Residual blocks of 3×3 convolutions at three resolutions; the last one is a grid of 8 pixels, at
each point of which one layer tells no digit from 0 … 9. Whatever the size of the image, only the
grid grows: a network trained on small pieces with one digit reads whole images.
"""

from collections import OrderedDict
from typing import Literal

from torch import nn

from mmnist.models.maximum import SECOND_LOOK, MaximumNetwork, scores_of_locations
from mmnist.models.second_look import SecondLook
from mmnist.models.stages import Stage, scaled

#: Channels at 2, 4 and 8 pixels, for a size of 1; and residual blocks there.
_CHANNELS = (32, 64, 128)
_BLOCKS = (1, 1, 2)
#: Whether kernels there may be shared by orientations: not where digits are told, since what is
#: turned too far is another digit.
_MAY_SHARE = (True, True, False)


def digit_reader(
    size: float = 1.0,
    digits: Literal["any", "three"] = "any",
    angles: int = 1,
    orientations: Literal[1, 8] = 1,
    second_look: float | None = None,
) -> MaximumNetwork:
    """The network with `size` times as many channels; 0.78 million parameters for 1.

    It takes one grey channel. With `digits` three, images are known to have exactly three. Each
    digit is read in as many ranges of `angles`. With 8 `orientations`, kernels at 2 and 4 pixels
    are turned versions of an eighth of them (`mmnist.models.orientations`). Its layers are
    `stage1`, `stage2`, `stage3` and `locations`; and `second_look`, if that has a size: the network
    that reads each digit again, put upright (`mmnist.models.second_look`). That takes three digits
    whose angles are told apart.
    """
    stages = OrderedDict[str, nn.Module]()
    channels = 1
    layout = zip(_CHANNELS, _BLOCKS, _MAY_SHARE, strict=True)
    for number, (width, blocks, may_share) in enumerate(layout, start=1):
        wider = scaled(width, size)
        stages[f"stage{number}"] = Stage(
            channels, wider, blocks, oriented=may_share and orientations > 1
        )
        channels = wider
    stages["locations"] = scores_of_locations(channels, angles)
    if second_look is not None:
        stages[SECOND_LOOK] = SecondLook(second_look, angles)
    network = MaximumNetwork(stages)
    network.digits = digits
    network.angles = angles
    return network
