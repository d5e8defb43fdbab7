"""Stored grey levels → the network's input."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmnist.config.schema import Experiment
from mmnist.models.factory import FAMILIES
from mmnist.pipeline.device import send

#: Mean and standard deviation of ImageNet's red, green and blue, for values of 0 to 1
#: (torchvision, "Models and pre-trained weights").
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocess:
    """Scaling, resizing, augmentation and normalisation of a batch, in this order.

    As far as possible this is done on one channel; the three channels are made last.
    """

    size: int
    """Side of the result in pixels."""
    normalisation: str
    """`unit`, `imagenet` or `none` (see the configuration)."""
    channels: int
    """Channels of the result: 1 or 3."""
    channels_last: bool = False
    """Memory order of the result."""

    @classmethod
    def of(cls, experiment: Experiment) -> "Preprocess":
        """The preprocessing of an experiment."""
        return cls(
            size=experiment.resize,
            normalisation=experiment.normalisation,
            channels=FAMILIES[experiment.model.architecture].channels,
            channels_last=experiment.compute.channels_last,
        )

    def __call__(self, images: Tensor, augment: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Images uint8 [B, H, W] → float32 [B, channels, size, size].

        `augment` takes and returns float32 [B, 1, size, size] in 0..1.
        """
        x = self._resize(images.unsqueeze(1).float().div_(256))
        if augment is not None:
            x = augment(x)
        x = self._normalise(x)
        if self.channels == 3:
            x = x.expand(-1, 3, -1, -1)
        order = torch.channels_last if self.channels_last else torch.contiguous_format
        return x.contiguous(memory_format=order)

    def _resize(self, x: Tensor) -> Tensor:
        if x.shape[-2:] == (self.size, self.size):
            return x
        return F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)

    def _normalise(self, x: Tensor) -> Tensor:
        if self.normalisation == "unit":
            return x
        if self.normalisation == "none":
            return x * 256
        # All three colours are this grey; a one-channel network gets the means of their statistics.
        shape = (1, 3, 1, 1)
        mean = send(torch.tensor(IMAGENET_MEAN), x.device).view(shape)
        std = send(torch.tensor(IMAGENET_STD), x.device).view(shape)
        if self.channels == 1:
            mean, std = mean.mean(1, keepdim=True), std.mean(1, keepdim=True)
        return (x * (256 / 255) - mean) / std
