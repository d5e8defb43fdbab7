"""Experiment → fastai Learner."""

from collections.abc import Callable
from functools import partial

import torch
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from torch import nn

from mmnist.config.schema import Experiment
from mmnist.config.training import TrainSettings
from mmnist.models.factory import layer_groups
from mmnist.pipeline.device import Hardware
from mmnist.training.callbacks import (
    Accumulate,
    AverageWeights,
    Precision,
    ReadPatches,
    Schedule,
    SeedSteps,
    Unfreeze,
)
from mmnist.training.muon import Muon
from mmnist.training.objective import Objective
from mmnist.training.selection import SelectPatches


def make_learner(
    experiment: Experiment, dataloaders: DataLoaders, model: nn.Module, hardware: Hardware
) -> Learner:
    """Assemble network, batches, optimiser and the callbacks that the experiment asks for.

    fastai's own Recorder and progress bar are left out: `mmnist.training.recorder` keeps the
    numbers and reports progress.
    """
    model.to(hardware.device)
    if experiment.compute.channels_last:
        # torch's types lack the keyword without a dtype or device.
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if experiment.compute.compile:
        model.compile()  # in place, so that the state dict keeps its names
    learner = Learner(
        dataloaders,
        model,
        loss_func=Objective(experiment.train, experiment.pretraining),
        opt_func=optimiser(experiment.train),
        splitter=partial(layer_groups, architecture=experiment.model.architecture),
        lr=experiment.train.learning_rate,
        wd_bn_bias=True,  # as torch's optimisers do
        default_cbs=False,
        cbs=[TrainEvalCallback, *_callbacks(experiment, hardware)],
    )
    learner.create_opt()
    return learner


def fit(learner: Learner, epochs: int, start_epoch: int = 0) -> None:
    """Train up to `epochs`; even an error leaves no state that would affect a later training."""
    try:
        learner.fit(epochs, start_epoch=start_epoch)
    finally:
        learner.precision.leave()


def optimiser(settings: TrainSettings) -> Callable[..., OptimWrapper]:
    """Factory of the optimiser in fastai's wrapper; it takes parameter groups and `lr`."""
    momentum, decay = settings.momentum, settings.weight_decay
    if settings.optimiser in ("sgd", "muon"):
        kind: type[torch.optim.Optimizer] = torch.optim.SGD if settings.optimiser == "sgd" else Muon
        return partial(OptimWrapper, opt=kind, momentum=momentum, weight_decay=decay)
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return partial(OptimWrapper, opt=kind, betas=(momentum, 0.999), weight_decay=decay)


def _callbacks(experiment: Experiment, hardware: Hardware) -> list[Callback]:
    train = experiment.train
    callbacks = [Precision(hardware), Schedule(experiment), SeedSteps(experiment.seed)]
    if train.gradient_accumulation > 1:
        callbacks.append(Accumulate(train.gradient_accumulation))
    if train.gradient_clip is not None:
        callbacks.append(GradientClip(train.gradient_clip))
    if train.ema is not None:
        callbacks.append(AverageWeights(train.ema))
    if experiment.pretraining_epochs and experiment.pretraining.candidates > 1:
        callbacks.append(SelectPatches(experiment.pretraining))
    if experiment.pretraining_epochs and experiment.model.reads_maximum:
        callbacks.append(ReadPatches(experiment.pretraining))
    if train.unfreezing.mode != "none":
        callbacks.append(Unfreeze(train.unfreezing, experiment.pretraining_epochs))
    return callbacks
