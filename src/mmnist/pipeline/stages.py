"""A training whose first epochs see other images than the rest."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmnist.pipeline.batches import Batches
from mmnist.pipeline.patches import PatchBatches


class StagedBatches:
    """Patches in the first `epochs` epochs, then `images`; `epoch` alone decides which."""

    n_inp = 1
    """For fastai, as in `Batches`."""

    def __init__(self, patches: PatchBatches, epochs: int, images: Batches):
        self.patches = patches
        self.images = images
        self.device = images.device
        self._epochs = epochs
        self.epoch = 0

    @property
    def index(self) -> np.ndarray:
        """Indices of the training images, int64 [N]."""
        return self.images.index

    @property
    def epoch(self) -> int:
        """The epoch that the next pass belongs to."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self.current.epoch = epoch

    @property
    def first_step(self) -> int:
        """The batch that the next pass begins with."""
        return self.current.first_step

    @first_step.setter
    def first_step(self, step: int) -> None:
        self.current.first_step = step

    @property
    def current(self) -> Batches | PatchBatches:
        """The batches of this epoch."""
        return self.patches if self._epoch < self._epochs else self.images

    def __len__(self) -> int:
        return len(self.current)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return iter(self.current)

    def to(self, device: torch.device) -> "StagedBatches":
        """These batches, as for `Batches.to`."""
        self.images.to(device)
        return self
