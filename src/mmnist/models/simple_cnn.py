"""The paper's two-layer benchmark network (section 4.1)."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from mmnist.models.maximum import MaximumNetwork, scores_of_locations


class SimpleCNN(nn.Module):
    """Two convolutions and two fully connected layers, as the authors defined it.

    Takes one grey channel, unlike the torchvision networks. The second pooling is adaptive to
    64×64, which is larger than its input at 128 pixels, so nearly all of the 102 million
    parameters are in the first fully connected layer.
    """

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, kernel_size=5)
        self.conv2 = nn.Conv2d(20, 50, kernel_size=5)
        self.pool = nn.AdaptiveAvgPool2d(64)
        self.fc1 = nn.Linear(50 * 64 * 64, 500)
        self.fc2 = nn.Linear(500, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images float [B, 1, H, W] → logits float [B, num_classes]."""
        x = F.max_pool2d(F.relu(self.conv1(images)), 2)
        x = self.pool(F.relu(self.conv2(x)))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def simple_cnn_reader() -> MaximumNetwork:
    """The same two convolutions, with the maximum head in place of the fully connected layers."""
    return MaximumNetwork(
        OrderedDict(
            conv1=nn.Conv2d(1, 20, kernel_size=5),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, kernel_size=5),
            relu2=nn.ReLU(),
            fc2=scores_of_locations(50),
        )
    )
