"""Batches of patches, and trainings whose first epochs are made of them."""

import numpy as np
import pytest
import torch

from mmnist.config.schema import Experiment
from mmnist.data.angles import ranges_of
from mmnist.data.backgrounds import Textures
from mmnist.data.digits import load_digits
from mmnist.data.glyphs import GlyphPool
from mmnist.data.patches import PatchSource, draw_patches
from mmnist.pipeline.dataloaders import make_dataloaders
from mmnist.pipeline.patches import PatchBatches
from mmnist.pipeline.randomness import Stream, stream_seed
from mmnist.pipeline.stages import StagedBatches

CPU = torch.device("cpu")
READER = {"architecture": "digit_reader", "size": 0.5, "pretrained": "mnist"}
PLAIN = {"architecture": "shufflenet_v2", "size": 0.5, "pretrained": "mnist"}


@pytest.fixture(scope="module")
def source():
    digits = load_digits("sample")
    pool = GlyphPool.of(digits.train_images, digits.train_labels)
    textures = Textures(np.full((1, 300, 300), 60, np.uint8), np.ones(1))
    return PatchSource(textures, pool, "sample", digits.fingerprint)


def experiment(model=READER, *, resize=128, seed=0, workers=0, **pretraining):
    return Experiment.model_validate(
        {
            "name": "x",
            "seed": seed,
            "model": model,
            "resize": resize,
            "pretraining": {"epochs": 2, "patches": 100, "batch_size": 32, **pretraining},
            "train": {"batch_size": 8},
            "compute": {"workers": workers},
        }
    )


def batches(source, *arguments, epoch=0, first_step=0, **settings):
    made = PatchBatches(source, experiment(*arguments, **settings), CPU)
    made.epoch, made.first_step = epoch, first_step
    return made


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def equal(some, others):
    """Whether each batch is the same as the other; there are as many."""
    return [same(one, other) for one, other in zip(some, others, strict=True)]


def test_whole_batches_of_what_a_reader_takes(source):
    made = batches(source)
    assert len(made) == 4  # of 32, for at least 100
    for images, labels, present, turned, middles in made:
        assert images.shape == (32, 1, 48, 48)
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert labels.dtype == torch.int64
        assert present.shape == (32, 10)
        assert (turned == 0).all()
        assert middles.shape == (32, 2)
        for label, each in zip(labels.tolist(), present, strict=True):
            assert each.nonzero().flatten().tolist() == ([] if label < 0 else [label])
    assert (labels < 0).any()


def test_ranges_of_angles_and_middles_come_with_patches(source):
    plain, told = batches(source), batches(source, {**READER, "angles": 6})
    for one, other in zip(plain, told, strict=True):
        assert same(one[:3], other[:3])
        assert other[3].dtype == torch.int64
    rng = np.random.default_rng(stream_seed(0, Stream.PATCHES, 0, 3))
    drawn = draw_patches(rng, source, 32, side=48, empty=0.1, distortion=0.08)
    assert torch.equal(other[3], torch.from_numpy(ranges_of(drawn.angles[:, 0], 6)))
    assert torch.equal(other[4], torch.from_numpy(drawn.middles[:, 0]))
    assert len(other[3].unique()) == 6


def test_several_digits_are_all_present(source):
    images, labels, present, *_ = next(iter(batches(source, side=128)))
    assert images.shape == (32, 1, 128, 128)
    assert present.sum(1).max() > 3
    largest = torch.where(present.any(1), 9 - present.flip(1).argmax(1), -1)
    assert torch.equal(largest, labels)


def test_other_networks_see_three_channels_and_no_empty_patch(source):
    for images, labels in batches(source, PLAIN):
        assert images.shape == (32, 3, 48, 48)
        assert (labels >= 0).all()


@pytest.mark.parametrize(("resize", "side"), [(64, 24), (128, 48), (256, 96)])
def test_patches_are_resized_as_whole_images_are(source, resize, side):
    images, *_, middles = next(iter(batches(source, resize=resize)))
    assert images.shape[-2:] == (side, side)
    *_, before = next(iter(batches(source)))
    torch.testing.assert_close((middles + 0.5) / side, (before + 0.5) / 48)


def test_they_follow_from_seed_epoch_and_step_alone(source):
    whole = list(batches(source, epoch=1))
    assert equal(whole, batches(source, epoch=1, workers=2)) == [True] * 4
    assert equal(whole[2:], batches(source, epoch=1, first_step=2)) == [True] * 2
    for other in (batches(source, epoch=0), batches(source, epoch=1, seed=1)):
        assert equal(whole, other) == [False] * 4
    assert not same(whole[0], whole[1])


def test_patches_first_then_images(source):
    images = np.zeros((30, 128, 128), np.uint8)
    labels = np.arange(30) % 10
    split = np.arange(20), np.arange(20, 30)
    digits = np.stack([labels] * 3, axis=1).astype(np.uint8)
    loaders = make_dataloaders(
        experiment(), images, labels, split, CPU, digits=digits, patches=source
    )
    train = loaders.train
    assert isinstance(train, StagedBatches)
    assert train.n_inp == 1
    for epoch, side, count in ((0, 48, 4), (1, 48, 4), (2, 128, 3), (7, 128, 3)):
        train.epoch, train.first_step = epoch, 0
        assert len(train) == count
        first = next(iter(train))
        assert first[0].shape[-1] == side
        assert first[2].shape == (len(first[0]), 10)
    train.first_step = 2
    assert len(list(train)) == 1
    assert np.array_equal(train.index, np.arange(20))
    train.epoch = 0
    assert train.first_step == 0, "each kind has its own"


def test_without_them_all_epochs_are_images(source):
    images, labels = np.zeros((30, 128, 128), np.uint8), np.arange(30) % 10
    split = np.arange(20), np.arange(20, 30)
    loaders = make_dataloaders(experiment(), images, labels, split, CPU)
    assert [len(batch) for batch in loaders.train] == [2, 2, 2]
