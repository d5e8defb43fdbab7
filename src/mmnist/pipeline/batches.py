"""Whole batches of images on the device.

A batch is one index operation on the stored array. It is sent to the device as uint8 and
preprocessed there; nothing is done per image.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mmnist.pipeline.augment import Augment
from mmnist.pipeline.device import send
from mmnist.pipeline.preprocess import Preprocess
from mmnist.pipeline.randomness import Stream, stream_seed

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class ImageSource:
    """Images of a store, read by index onto a device.

    On CUDA the whole array is kept on the device when it takes less than half of the free memory
    (50,000 images take 0.8 GB).
    """

    def __init__(self, images: np.ndarray, device: torch.device):
        """`images`: uint8 [N, H, W], which may be mapped from a file."""
        self.device = device
        self._images = images
        self._resident: Tensor | None = None
        if device.type == "cuda" and images.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
            self._resident = torch.from_numpy(np.array(images)).to(device)

    def read(self, index: np.ndarray) -> Tensor:
        """Images uint8 [B, H, W] on the device for int64 indices [B]."""
        if self._resident is not None:
            return self._resident[torch.from_numpy(index).to(self.device, non_blocking=True)]
        return send(torch.from_numpy(self._images[index]), self.device)


class Batches:
    """One pass over some images of a source, in batches of (images, labels) on the device.

    Images are the network's input, float32 [B, C, S, S], and labels int64 [B]. If `digits` are
    given, a third part, float32 [B, 10], says which of the ten are in each image. The order
    with `shuffle`, and the augmentation if there is one, follow from the seed and `epoch`.
    `first_step` skips the batches before it and leaves the others as they are. A last batch of a
    single image is left out of shuffled passes, since batch normalisation cannot train on it.
    """

    n_inp = 1
    """For fastai: the first part goes into the network, the others into the loss."""

    def __init__(
        self,
        source: ImageSource,
        index: np.ndarray,
        labels: np.ndarray,
        preprocess: Preprocess,
        *,
        digits: np.ndarray | None = None,
        batch_size: int,
        workers: int = 0,
        shuffle: bool = False,
        augment: Augment | None = None,
        seed: int = 0,
    ):
        """
        Args:
            source: N images.
            index: int64 [M], the images of the pass.
            labels: integer [N], 0 to 9, of all images of the source.
            preprocess: turns stored images into the network's input.
            digits: integer [N, K], the digits that are in each image of the source; negative: none.
            batch_size: images per batch, above 0; the last batch may have fewer.
            workers: threads that read batches ahead; 0: the caller's thread reads.
            shuffle: whether the order is new in each epoch; otherwise it is that of `index`.
            augment: random transforms; None: none.
            seed: of the order and the transforms.
        """
        self.index = index
        self.device = source.device
        self.epoch = 0
        self.first_step = 0
        self._source = source
        self.labels = torch.from_numpy(labels[index].astype(np.int64)).to(source.device)
        self._targets = [self.labels]
        if digits is not None:
            self._targets.append(presence(digits[index]).to(source.device))
        self._preprocess = preprocess
        self._batch_size = batch_size
        self._workers = workers
        self._shuffle = shuffle
        self._augment = augment
        self._seed = seed

    def __len__(self) -> int:
        full, rest = divmod(len(self.index), self._batch_size)
        return full + (rest > 1 or (rest == 1 and not self._shuffle))

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        steps = range(self.first_step, len(self))
        order = self._order()

        def read(step: int) -> tuple[int, Tensor, list[Tensor]]:
            chosen = order[step * self._batch_size : (step + 1) * self._batch_size]
            here = chosen.to(self._source.device, non_blocking=True)
            images = self._source.read(self.index[chosen.numpy()])
            return step, images, [target[here] for target in self._targets]

        for step, images, targets in ahead(read, steps, self._workers):
            yield self._preprocess(images, self._augmentation(step)), *targets

    def to(self, device: torch.device) -> "Batches":
        """These batches, which are made on the device of their source; fastai calls this anyway."""
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


def presence(digits: np.ndarray) -> Tensor:
    """float32 [N, 10]: which of 0 … 9 are among `digits` int [N, K]; negative: no digit."""
    present = np.zeros((len(digits), 11), dtype=np.float32)
    np.put_along_axis(present, np.where(digits < 0, 10, digits).astype(np.int64), 1, axis=1)
    return torch.from_numpy(present[:, :10].copy())


def ahead(function: Callable[[_In], _Out], items: Iterable[_In], workers: int) -> Iterator[_Out]:
    """`map`, with up to 2 × `workers` results computed ahead by threads; 0 workers: plain `map`."""
    if workers == 0:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[_Out]] = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
