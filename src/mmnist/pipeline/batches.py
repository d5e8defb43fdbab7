"""Whole batches of images on the device, as fastai DataLoaders.

A batch is one index operation on the stored array; it travels as uint8 and becomes what the network
sees on the device. Nothing is done per image.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from fastai.data.core import DataLoaders
from torch import Tensor

from mmnist.config.schema import Experiment
from mmnist.pipeline.augment import Augment
from mmnist.pipeline.preprocess import Preprocess
from mmnist.pipeline.randomness import Stream, stream_seed

_In, _Out = TypeVar("_In"), TypeVar("_Out")


class ImageSource:
    """Images of a store, read by index onto a device.

    On CUDA the whole array is kept on the device when it takes less than half of the free memory
    (50,000 images take 0.8 GB).
    """

    def __init__(self, images: np.ndarray, device: torch.device):
        self.device = device
        self._images = images
        self._resident: Tensor | None = None
        if device.type == "cuda" and images.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
            self._resident = torch.from_numpy(np.array(images)).to(device)

    def read(self, index: np.ndarray) -> Tensor:
        """Images uint8 [B, H, W] on the device for int64 indices [B]."""
        if self._resident is not None:
            return self._resident[torch.from_numpy(index).to(self.device, non_blocking=True)]
        batch = torch.from_numpy(self._images[index])
        if self.device.type == "cuda":
            batch = batch.pin_memory()
        return batch.to(self.device, non_blocking=True)


class Batches:
    """One pass over some images of a source, in batches of (images, labels) on the device.

    The images are what the network takes: float32 [B, C, S, S]; the labels int64 [B]. With
    `shuffle`, the order and the augmentation follow from the seed and `epoch`; `first_step` skips
    the batches before it, which leaves the others as they are. A last batch of a single image is
    left out of shuffled passes, since batch normalisation cannot train on it.
    """

    def __init__(
        self,
        source: ImageSource,
        index: np.ndarray,
        labels: np.ndarray,
        preprocess: Preprocess,
        *,
        batch_size: int,
        workers: int = 0,
        shuffle: bool = False,
        augment: Augment | None = None,
        seed: int = 0,
    ):
        self.index = index
        self.device = source.device
        self.epoch = 0
        self.first_step = 0
        self._source = source
        self.labels = torch.from_numpy(labels[index].astype(np.int64)).to(source.device)
        self._preprocess = preprocess
        self._batch_size = batch_size
        self._workers = workers
        self._shuffle = shuffle
        self._augment = augment
        self._seed = seed

    def __len__(self) -> int:
        full, rest = divmod(len(self.index), self._batch_size)
        return full + (rest > 1 or (rest == 1 and not self._shuffle))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        steps = range(self.first_step, len(self))
        order = self._order()

        def read(step: int) -> tuple[int, Tensor, Tensor]:
            chosen = order[step * self._batch_size : (step + 1) * self._batch_size]
            labels = self.labels[chosen.to(self._source.device, non_blocking=True)]
            return step, self._source.read(self.index[chosen.numpy()]), labels

        for step, images, labels in _ahead(read, steps, self._workers):
            yield self._preprocess(images, self._augmentation(step)), labels

    def to(self, device: torch.device) -> "Batches":
        """Batches are made on the device of their source; fastai asks all the same."""
        if torch.device(device).type != self._source.device.type:
            raise ValueError(f"these batches are made on {self._source.device}, not {device}")
        return self

    def _order(self) -> Tensor:
        if not self._shuffle:
            return torch.arange(len(self.index))
        seed = stream_seed(self._seed, Stream.ORDER, self.epoch)
        return torch.randperm(len(self.index), generator=torch.Generator().manual_seed(seed))

    def _augmentation(self, step: int) -> Callable[[Tensor], Tensor] | None:
        augment = self._augment
        if augment is None:
            return None
        seed = stream_seed(self._seed, Stream.AUGMENTATION, self.epoch, step)
        generator = torch.Generator().manual_seed(seed)
        return lambda images: augment(images, generator)


def make_dataloaders(
    experiment: Experiment,
    images: np.ndarray,
    labels: np.ndarray,
    split: tuple[np.ndarray, np.ndarray],
    device: torch.device,
) -> DataLoaders:
    """Training and validation batches of an experiment.

    Args:
        experiment: what is run.
        images: uint8 [N, 128, 128], read by index.
        labels: int64 [N].
        split: indices of the training and of the validation images, int64.
        device: where the batches are made.
    """
    source = ImageSource(images, device)
    preprocess = Preprocess.of(experiment)
    common = {
        "batch_size": experiment.train.batch_size,
        "workers": experiment.compute.workers,
    }
    train_index, valid_index = split
    train = Batches(
        source,
        train_index,
        labels,
        preprocess,
        shuffle=True,
        augment=Augment(experiment.augmentation) if experiment.augment != "none" else None,
        seed=experiment.seed,
        **common,
    )
    valid = Batches(source, valid_index, labels, preprocess, **common)
    return DataLoaders(train, valid, device=device)


def _ahead(function: Callable[[_In], _Out], items: Iterable[_In], workers: int) -> Iterator[_Out]:
    """`map`, with up to 2 × `workers` results computed ahead by threads; 0 workers: plain `map`."""
    if workers == 0:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        pending: deque = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
