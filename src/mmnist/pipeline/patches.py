"""Batches of patches, images with few digits, drawn as they are needed."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mmnist.config.schema import Experiment
from mmnist.data.angles import ranges_of
from mmnist.data.patches import Patches, PatchSource, draw_patches
from mmnist.pipeline.batches import ahead, presence
from mmnist.pipeline.device import send
from mmnist.pipeline.preprocess import Preprocess
from mmnist.pipeline.randomness import Stream, stream_seed


class PatchBatches:
    """One pass over patches, in batches on the device.

    A batch is a tuple of
    - images: float32 [B, C, S, S], the network's input, resized by the same factor as whole images;
    - labels: int64 [B], -1 where there is no digit;
    - only for networks that read locations, which digits are there: float32 [B, 10];
    - likewise, the range of the digit's angle: int64 [B], as of `mmnist.data.angles.ranges_of`;
    - likewise, its centre: float32 [B, 2], row and column in pixels of the network's input.

    Where there are several digits, angle and centre are those of the first. All follows from the
    seed and `epoch`. If patches are to be selected (`mmnist.training.selection`), B is a multiple
    of the batch size. Networks that give one of ten answers for the whole image see no empty
    patches.
    """

    n_inp = 1
    """For fastai: the first part goes into the network, the others into the loss."""

    def __init__(self, source: PatchSource, experiment: Experiment, device: torch.device):
        settings = experiment.pretraining
        self.device = device
        self.epoch = 0
        self.first_step = 0
        self.side = settings.side
        self.batch_size = settings.batch_size
        self._source = source
        self._distortion = settings.distortion
        self._empty = settings.empty if experiment.model.reads_maximum else 0.0
        self._candidates = settings.candidates_in
        self._batches = -(-settings.patches // settings.batch_size)
        self._seed = experiment.seed
        self._workers = experiment.compute.workers
        self._reads_locations = experiment.model.reads_maximum
        self._angles = experiment.model.angles
        self._preprocess = replace(
            Preprocess.of(experiment), size=settings.side_at(experiment.resize)
        )

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        steps = range(self.first_step, self._batches)
        for patches in ahead(self._draw, steps, self._workers):
            batch = [torch.from_numpy(patches.images), torch.from_numpy(patches.labels)]
            if self._reads_locations:
                batch.append(presence(patches.digits))
                batch.append(torch.from_numpy(ranges_of(patches.angles[:, 0], self._angles)))
                scale = np.float32(self._preprocess.size / self.side)
                batch.append(torch.from_numpy((patches.middles[:, 0] + 0.5) * scale - 0.5))
            pixels, *targets = (send(each, self.device) for each in batch)
            yield self._preprocess(pixels), *targets

    def _draw(self, step: int) -> Patches:
        rng = np.random.default_rng(stream_seed(self._seed, Stream.PATCHES, self.epoch, step))
        return draw_patches(
            rng,
            self._source,
            self.batch_size * self._candidates(self.epoch),
            side=self.side,
            empty=self._empty,
            distortion=self._distortion,
        )
