"""What the network sees of some images, for people to look at."""

from functools import partial

import numpy as np
import torch

from mmnist.config.schema import Experiment
from mmnist.pipeline.augment import Augment
from mmnist.pipeline.preprocess import Preprocess
from mmnist.pipeline.randomness import Stream, stream_seed


def augmented_versions(experiment: Experiment, images: np.ndarray, versions: int) -> np.ndarray:
    """Resized images and random augmentations of them, as in training, as grey levels.

    Args:
        experiment: its `resize`, `augment` and `seed` are used.
        images: uint8 [N, H, W].
        versions: random versions of each image.

    Returns:
        uint8 [N, 1 + versions, resize, resize]; first the image without augmentation.
    """
    preprocess = Preprocess(experiment.resize, "unit", channels=1)
    batch = torch.from_numpy(np.array(images))
    augment = Augment(experiment.augmentation)
    shown = [preprocess(batch)]
    for version in range(versions):
        seed = stream_seed(experiment.seed, Stream.AUGMENTATION, epoch=version)
        generator = torch.Generator().manual_seed(seed)
        shown.append(preprocess(batch, partial(augment, generator=generator)))
    grey = torch.stack(shown, dim=1)[:, :, 0]
    return (grey * 256).round().clamp(0, 255).byte().numpy()
