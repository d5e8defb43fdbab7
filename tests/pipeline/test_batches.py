"""Batches: every image once, with its label, in an order that follows from seed and epoch."""

import numpy as np
import pytest
import torch

from mmnist.config.augmentation import AugmentSettings, FractionSettings
from mmnist.pipeline.augment import Augment
from mmnist.pipeline.batches import Batches, ImageSource
from mmnist.pipeline.preprocess import Preprocess

CPU = torch.device("cpu")
COUNT = 103
#: Image k is all of grey level k; its label is k modulo 10.
IMAGES = np.repeat(np.arange(COUNT, dtype=np.uint8), 32 * 32).reshape(COUNT, 32, 32)
LABELS = np.arange(COUNT) % 10


def batches(**changes) -> Batches:
    arguments = {"index": np.arange(COUNT), "batch_size": 16, **changes}
    index = arguments.pop("index")
    return Batches(ImageSource(IMAGES, CPU), index, LABELS, Preprocess(32, "none", 1), **arguments)


def seen(passed: Batches) -> list[int]:
    """Which images a pass gives, in order; checks that labels go with them."""
    order = []
    for images, labels in passed:
        which = images[:, 0, 0, 0].long()
        assert torch.equal(labels, which % 10)
        order += which.tolist()
    return order


def test_validation_gives_every_image_once_in_order():
    assert seen(batches()) == list(range(COUNT))
    assert len(batches()) == 7


def test_training_gives_every_image_once_in_an_order_of_its_own_each_epoch():
    passed = batches(shuffle=True, seed=1)
    orders = []
    for epoch in range(3):
        passed.epoch = epoch
        orders.append(seen(passed))
        assert sorted(orders[-1]) == list(range(COUNT))
        assert seen(passed) == orders[-1]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert seen(batches(shuffle=True, seed=2)) != orders[0]
    assert seen(batches(shuffle=True, seed=1)) == orders[0]


def test_only_the_given_images():
    index = np.array([5, 17, 99])
    assert seen(batches(index=index)) == [5, 17, 99]


def test_which_digits_are_present_goes_with_the_image():
    digits = np.stack([LABELS, (LABELS + 1) % 10], axis=1)
    ((_, labels, present),) = batches(index=np.array([7, 30, 99, 4]), digits=digits, shuffle=True)
    expected = torch.eye(10)[labels] + torch.eye(10)[(labels + 1) % 10]
    assert torch.equal(present, expected)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(workers):
    assert seen(batches(shuffle=True, workers=workers)) == seen(batches(shuffle=True))


def test_a_pass_can_begin_in_the_middle_with_the_same_augmentation():
    augment = Augment(AugmentSettings(brightness=FractionSettings(magnitude=0.5, probability=1.0)))
    whole = batches(shuffle=True, seed=3, augment=augment)
    whole.epoch = 4
    expected = list(whole)
    whole.first_step = 5
    rest = list(whole)
    assert len(rest) == 2
    for (images, labels), (images_again, labels_again) in zip(expected[5:], rest, strict=True):
        assert torch.equal(images, images_again)
        assert torch.equal(labels, labels_again)


def test_a_last_single_image_is_left_out_of_training_only():
    index = np.arange(33)
    assert len(seen(batches(index=index, shuffle=True))) == 32
    assert len(seen(batches(index=index))) == 33


def test_an_epoch_shows_new_augmentations():
    augment = Augment(AugmentSettings(contrast=FractionSettings(magnitude=0.5, probability=1.0)))
    passed = batches(shuffle=True, seed=3, augment=augment)
    first = torch.cat([images for images, _ in passed]).sort(dim=0).values
    passed.epoch = 1
    second = torch.cat([images for images, _ in passed]).sort(dim=0).values
    assert not torch.equal(first, second)


def test_each_batch_and_each_seed_has_augmentations_of_its_own():
    augment = Augment(AugmentSettings(brightness=FractionSettings(magnitude=0.5, probability=1.0)))
    same = np.full(32, 100)  # one image only: what differs is its augmentation
    drawn = [
        images[:, 0, 0, 0].tolist()
        for seed in (0, 1)
        for images, _ in batches(index=same, seed=seed, augment=augment)
    ]
    assert len(set(map(tuple, drawn))) == 4


def test_batches_stay_on_their_device():
    with pytest.raises(ValueError, match="made on cpu"):
        batches().to(torch.device("cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_holds_the_images_and_gives_the_same_batches():
    source = ImageSource(IMAGES, torch.device("cuda"))
    assert source._resident is not None
    arguments = (np.arange(COUNT), LABELS, Preprocess(32, "none", 1))
    on_cuda = Batches(source, *arguments, batch_size=16, shuffle=True, seed=1)
    for (here, _), (there, _) in zip(batches(shuffle=True, seed=1), on_cuda, strict=True):
        assert torch.equal(here, there.cpu())
