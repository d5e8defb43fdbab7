"""Dividing the training images into training and validation."""

import numpy as np

from mmnist.config.schema import SplitSettings
from mmnist.errors import InputError


def split_indices(labels: np.ndarray, settings: SplitSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training images and of the validation images.

    `labels` is int64 [N], in order of Id. The two results are sorted, int64, have no index in
    common and together hold every index from 0 to N - 1, unless `train_images` leaves some out.

    `stratified` draws at random within each class with scikit-learn's `train_test_split`; the only
    image of a class is for training, since it cannot be divided. `ordered` is the authors' split:
    of each class, the first int(n * fraction) images are for training and the rest for validation
    (0.99 gives 505 and 0.9 gives 5,007 validation images of the competition's 50,000).
    `train_images` then draws from the training side with scikit-learn's `resample`, which keeps the
    shares of the classes.

    Raises InputError if there are too few images for the split.
    """
    split = _stratified if settings.method == "stratified" else _ordered
    train, valid = split(labels, settings)
    if len(train) < 2:  # the other side always gets at least one
        left = "a single one is" if len(train) else "none is"
        raise _too_few(labels, settings, f"{left} left for training, too few for a batch")
    if settings.train_images is not None:
        train = _some(train, labels, settings.train_images, settings.seed)
    return train, valid


def _some(train: np.ndarray, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.utils import resample

    if count > len(train):
        raise InputError(
            f"data.split.train_images: {count:,} wanted, but the split leaves "
            f"{len(train):,} images for training; take at most that many, or null for all of them"
        )
    chosen = resample(
        train, replace=False, n_samples=count, stratify=labels[train], random_state=seed
    )
    return np.sort(chosen)


def _stratified(labels: np.ndarray, settings: SplitSettings) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import train_test_split

    indices = np.arange(len(labels))
    _, class_of, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    alone = sizes[class_of] < 2
    try:
        train, valid = train_test_split(
            indices[~alone],
            train_size=settings.fraction,
            random_state=settings.seed,
            stratify=labels[~alone],
        )
    except ValueError as error:
        raise _too_few(labels, settings, str(error).rstrip(".")) from error
    return np.sort(np.concatenate([train, indices[alone]])), np.sort(valid)


def _ordered(labels: np.ndarray, settings: SplitSettings) -> tuple[np.ndarray, np.ndarray]:
    trains = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        # The authors' own expression, rounding of the product included.
        trains[of_class[: int(len(of_class) * settings.fraction)]] = True
    return np.flatnonzero(trains), np.flatnonzero(~trains)


def _too_few(labels: np.ndarray, settings: SplitSettings, cause: str) -> InputError:
    return InputError(
        f"data.split: {len(labels)} training images cannot be split by the method "
        f"{settings.method} with fraction {settings.fraction:g}: {cause}; use more images or "
        "another data.split.fraction"
    )
