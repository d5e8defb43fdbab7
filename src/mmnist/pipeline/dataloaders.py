"""Experiment and images → fastai DataLoaders."""

from functools import partial

import numpy as np
import torch
from fastai.data.core import DataLoaders

from mmnist.config.schema import Experiment
from mmnist.data.patches import PatchSource
from mmnist.pipeline.augment import Augment
from mmnist.pipeline.batches import Batches, ImageSource
from mmnist.pipeline.patches import PatchBatches
from mmnist.pipeline.preprocess import Preprocess
from mmnist.pipeline.stages import StagedBatches


def make_dataloaders(
    experiment: Experiment,
    images: np.ndarray,
    labels: np.ndarray,
    split: tuple[np.ndarray, np.ndarray],
    device: torch.device,
    *,
    digits: np.ndarray | None = None,
    patches: PatchSource | None = None,
) -> DataLoaders:
    """Training and validation batches of an experiment.

    Args:
        experiment: what is run.
        images: uint8 [N, 128, 128], read by index.
        labels: int64 [N].
        split: indices of the training and of the validation images, int64.
        device: where the batches are made.
        digits: uint8 [N, 3], the digits of each image, if the training uses them.
        patches: source of the images of the first epochs, if they are on single digits.
    """
    batches_of = partial(
        Batches,
        ImageSource(images, device),
        labels=labels,
        preprocess=Preprocess.of(experiment),
        batch_size=experiment.train.batch_size,
        workers=experiment.compute.workers,
    )
    train_index, valid_index = split
    whole = batches_of(
        train_index,
        digits=digits,
        shuffle=True,
        augment=Augment(experiment.augmentation) if experiment.augment != "none" else None,
        seed=experiment.seed,
    )
    train: Batches | StagedBatches = whole
    if patches is not None:
        single = PatchBatches(patches, experiment, device)
        train = StagedBatches(single, experiment.pretraining_epochs, whole)
    return DataLoaders(train, batches_of(valid_index), device=device)
