"""Experiment → everything that its training needs, opened and checked.

Nothing is written except downloads that the configuration asks for: ImageNet weights into torch's
cache, MNIST into data/mnist.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from fastai.learner import Learner
from torch import nn

from mmnist.config.schema import Experiment
from mmnist.data.digits import DigitPools, load_digits
from mmnist.data.patches import PATCHES_VERSION, PatchSource, digits_overlap, patch_source
from mmnist.data.splits import split_indices
from mmnist.data.store import Store, open_store
from mmnist.errors import InputError
from mmnist.models.factory import FAMILIES, build_model, count_parameters
from mmnist.models.pretraining import LoadedWeights, load_pretrained
from mmnist.pipeline.dataloaders import make_dataloaders
from mmnist.pipeline.device import Hardware
from mmnist.pipeline.randomness import Stream, stream_seed
from mmnist.runs import Run
from mmnist.task import IMAGE_SHAPE
from mmnist.training.checkpoint import load_checkpoint
from mmnist.training.learner import make_learner
from mmnist.training.state import RunState


class Setup(NamedTuple):
    """A training that is ready to begin or to continue."""

    learner: Learner
    state: RunState
    store: Store
    patches: PatchSource | None
    """What epochs of single digits are drawn from, if there are any."""
    work: list[float]
    """Amount of computation of each epoch: the pixels of all its images."""
    notes: list[str]
    """Lines that describe the training to the user."""


def set_up(experiment: Experiment, hardware: Hardware, *, resume_from: Run | None) -> Setup:
    """Network, batches and optimiser, new or restored from the checkpoint of a run.

    Raises:
        InputError: the experiment cannot be run on this machine or data, or the run to be resumed
            was started on other data or with other patches.
        RunError: weights or digits cannot be downloaded.
    """
    store = open_store(experiment.data.path)
    digits = patches = None
    if experiment.pretraining_epochs:
        digits = digits_of(experiment)
        patches = patch_source(digits, stream_seed(experiment.seed, Stream.GROUNDS))
    choose_algorithms(experiment, hardware)
    torch.manual_seed(stream_seed(experiment.seed, Stream.WEIGHTS))
    model = build_model(experiment.model)
    if patches is not None:
        _check_patch_size(model, experiment)
    if resume_from is not None:
        check_same_data(resume_from, store)
        if digits is not None:
            check_same_digits(resume_from, digits)
    weights = None if resume_from else load_pretrained(model, experiment.model)
    labels = store.labels("train")
    dataloaders = make_dataloaders(
        experiment,
        store.images("train"),
        labels,
        split_indices(labels, experiment.data.split),
        hardware.device,
        digits=_digits(experiment, store),
        patches=patches,
    )
    learner = make_learner(experiment, dataloaders, model, hardware)
    if resume_from is None:
        state = RunState()
    else:
        state = load_checkpoint(resume_from.checkpoint_file, learner)
        dataloaders.train.epoch = state.epoch
    setup = Setup(learner, state, store, patches, _work(experiment, learner), [])
    setup.notes.extend(_notes(experiment, hardware, setup, weights))
    return setup


def choose_algorithms(experiment: Experiment, hardware: Hardware) -> None:
    """Let torch search for the fastest operations, or use only deterministic ones.

    Raises:
        InputError: an operation of the network has no deterministic form on the device.
    """
    deterministic, model = experiment.compute.deterministic, experiment.model
    pools = model.architecture == "simple_cnn" and not model.reads_maximum
    if deterministic and pools and hardware.device.type == "cuda":
        raise InputError(
            "compute.deterministic: simple_cnn has adaptive average pooling, for whose gradient "
            "torch has no deterministic operation on CUDA; leave it false, or use --device cpu"
        )
    if deterministic:  # read by cuBLAS when it is first used
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic


def digits_of(experiment: Experiment) -> DigitPools:
    """The handwritten digits that patches of an experiment show.

    Raises InputError if they cannot be read.
    """
    try:
        return load_digits(experiment.pretraining.digits)
    except InputError as error:
        raise InputError(f"pretraining.digits: {error}") from error


def _check_patch_size(model: nn.Module, experiment: Experiment) -> None:
    """Make sure that the network can take images of the size of patches."""
    side = experiment.pretraining.side_at(experiment.resize)
    channels = FAMILIES[experiment.model.architecture].channels
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, channels, side, side))
    except RuntimeError as error:
        raise InputError(
            f"pretraining.side: patches of {experiment.pretraining.side} px are {side} px with "
            f"resize {experiment.resize}, too small for {experiment.model.architecture}; raise "
            "either"
        ) from error
    model.train()


def _work(experiment: Experiment, learner: Learner) -> list[float]:
    before = range(experiment.pretraining_epochs)
    single = [experiment.pretraining.pixels_in(epoch) for epoch in before]
    whole = float(len(learner.dls.train.index) * IMAGE_SHAPE[0] * IMAGE_SHAPE[1])
    return single + [whole] * experiment.train.epochs


def _digits(experiment: Experiment, store: Store) -> np.ndarray | None:
    """The digits of the training images, if the loss uses them."""
    if not experiment.train.presence_weight or not experiment.train.epochs:
        return None  # patches come with their own
    digits = store.digits("train")
    if digits is None:
        raise InputError(
            f"train.presence_weight is {experiment.train.presence_weight:g}, but {store.path} does "
            "not say which digits are in its images: set it to 0, or use a generated data set"
        )
    return digits


def check_same_data(run: Run, store: Store) -> None:
    """Raise InputError unless a run began with these images."""
    before, now = run.environment.data.fingerprint, store.fingerprint
    if before != now:
        raise InputError(
            f"{run.path} was started on other data: they had the fingerprint {before[:12]}, and "
            f"{store.path} has {now[:12]} now; restore the data, or delete {run.path} to start "
            "afresh"
        )


def check_same_digits(run: Run, digits: DigitPools) -> None:
    """Raise InputError unless the patches of a run show these digits, as they are drawn today."""
    told = run.digits
    if told.digits_sha256 != digits.fingerprint:
        raise InputError(
            f"{run.path} was started with other handwritten digits: those of {told.digits} then "
            f"and of {digits.name} now are not the same; set pretraining.digits to where the "
            f"original ones are, or delete {run.path} to start afresh"
        )
    if told.patches_version != PATCHES_VERSION:
        raise InputError(
            f"{run.path} was started with patches of version {told.patches_version}, but this "
            f"version of mmnist draws version {PATCHES_VERSION}: continue with the mmnist that "
            f"started it, or delete {run.path} to start afresh"
        )


def _notes(
    experiment: Experiment, hardware: Hardware, setup: Setup, weights: LoadedWeights | None
) -> Iterator[str]:
    store, dataloaders = setup.store, setup.learner.dls
    source = "generated data" if store.generated else "the competition's data"
    size = "" if experiment.model.size is None else f" {experiment.model.size}"
    valid = f"{len(dataloaders.valid.index):,} images of {source}"
    images = f"on {len(dataloaders.train.index):,} + {valid}"
    if not experiment.train.epochs:
        images = f"validated on {valid}"
    yield (
        f"{experiment.name}/seed-{experiment.seed}: {experiment.model.architecture}{size}, "
        f"{count_parameters(setup.learner.model):,} parameters, {experiment.resize} px, "
        f"{images}, {hardware.description}, {hardware.precision}"
    )
    if weights is not None:
        yield str(weights)
    if setup.patches is not None:
        settings = experiment.pretraining
        overlap = digits_overlap(setup.patches, store)
        yield (
            f"{_which_epochs(experiment)}: {settings.patches:,} patches of {settings.side} px per "
            f"epoch, from {len(setup.patches.pool.images):,} handwritten digits of "
            f"{setup.patches.digits}" + (f"; {overlap}" if overlap else "")
        )
        chosen = [n for n in range(settings.epochs) if settings.candidates_in(n) > 1]
        if chosen:
            yield (
                f"from epoch {chosen[0] + 1} on, badly read patches are trained on more often, so "
                "training loss and accuracy look worse"
            )
    epoch, step = setup.state.epoch, setup.state.step
    if epoch or step:
        validation = step == len(dataloaders.train)
        place = "its validation" if validation else f"batch {step + 1}"
        yield f"resumed at epoch {epoch + 1}, {place}"


def _which_epochs(experiment: Experiment) -> str:
    """The epochs of single digits, in words."""
    n, others = experiment.pretraining_epochs, experiment.train.epochs > 0
    if n == 1:
        return "the first epoch" if others else "the only epoch"
    return f"the first {n} epochs" if others else f"all {n} epochs"
