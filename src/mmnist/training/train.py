"""One experiment, from its configuration to a finished run folder."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.learner import Learner

from mmnist.config.difference import differing_keys
from mmnist.config.schema import Experiment
from mmnist.data.digits import load_digits
from mmnist.data.manifest import IMAGE_SHAPE
from mmnist.data.patches import PatchSource, digits_overlap, patch_source
from mmnist.data.splits import split_indices
from mmnist.data.store import Store, open_store
from mmnist.errors import InputError, RunError
from mmnist.models.factory import build_model, count_parameters
from mmnist.models.pretraining import load_pretrained
from mmnist.pipeline.dataloaders import make_dataloaders
from mmnist.pipeline.device import Hardware, choose_hardware
from mmnist.pipeline.randomness import Stream, stream_seed
from mmnist.runs import FINISHED, TRAINING, Run, run_of
from mmnist.training.checkpoint import load_checkpoint
from mmnist.training.environment import (
    describe_environment,
    peak_memory_mib,
    reset_peak_memory,
)
from mmnist.training.learner import make_learner
from mmnist.training.progress import Reporter
from mmnist.training.recorder import Recorder, SaveEpochs
from mmnist.training.state import RunState
from mmnist.training.stopping import stop_on_signal


def train(
    experiment: Experiment,
    root: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    deadline: float | None = None,
) -> Run:
    """Train one experiment into `<root>/<name>/seed-<seed>` and return the finished run.

    With `resume`, an interrupted run goes on where it stopped, a finished one is left as it is,
    and one that does not exist is begun. Once `time.monotonic()` reaches `deadline`, the step that
    is being computed is the last.

    Raises:
        InputError: the run exists already (unless `resume` or `overwrite`), is of another
            experiment or data set, or the experiment cannot be run on this machine or data.
        RunError: the training failed, e.g. its loss became NaN.
        Interrupted: the user stopped the run; it is saved.
        OutOfTime: the deadline came before the end; the run is saved.
    """
    run = run_of(experiment, root)
    if check_run(run, experiment, resume=resume, overwrite=overwrite):
        return run
    store = open_store(experiment.data.path)
    hardware = choose_hardware(experiment.compute)
    reset_peak_memory(hardware)
    resumed = resume and run.checkpoint_file.is_file()
    patches = _patch_source(experiment)
    learner, state, notes = _set_up(experiment, run, store, hardware, patches, resumed=resumed)
    # Only now, when the experiment is known to be possible, is anything written or replaced.
    if not resumed:
        _make_folder(run, experiment, describe_environment(hardware, store, patches))
    with (
        Reporter(run.log_file, work=_work(experiment, learner)) as reporter,
        stop_on_signal(deadline) as stop,
    ):
        for note in notes:
            reporter.line(note)
        recorder = Recorder(run, state, reporter, stop, experiment)
        learner.add_cbs([recorder, SaveEpochs(recorder, lambda: _summarise(learner, run, state))])
        learner.fit(experiment.epochs, start_epoch=state.epoch)
        _finish(run, state, reporter)
    return run


def check_run(run: Run, experiment: Experiment, *, resume: bool, overwrite: bool) -> bool:
    """Whether the run is finished and to be left as it is.

    Raises:
        InputError: the folder holds a run that is neither to be gone on with nor to be replaced, or
            one of another experiment.
    """
    if not run.exists or overwrite:
        return False
    if not resume:
        state = "finished" if run.finished else "unfinished"
        raise InputError(
            f"{run.path} holds a run already ({state}): add --resume to go on with it, --force to "
            "replace it, or another name with --set name=…"
        )
    _check_same_experiment(run, experiment)
    return run.finished


def _patch_source(experiment: Experiment) -> PatchSource | None:
    """What the epochs of single digits are drawn from, if there are any."""
    if not experiment.pretraining_epochs:
        return None
    seed = stream_seed(experiment.seed, Stream.GROUNDS)
    return patch_source(load_digits(experiment.pretraining.digits), seed)


def _work(experiment: Experiment, learner: Learner) -> list[float]:
    """What each epoch is to compute: pixels of all of its images."""
    single = experiment.pretraining.patches * experiment.pretraining.side**2
    whole = len(learner.dls.train.index) * IMAGE_SHAPE[0] ** 2
    return [single] * experiment.pretraining_epochs + [whole] * experiment.train.epochs


def _set_up(
    experiment: Experiment,
    run: Run,
    store: Store,
    hardware: Hardware,
    patches: PatchSource | None,
    *,
    resumed: bool,
) -> tuple[Learner, RunState, list[str]]:
    """Network, batches and optimiser, as new or as the checkpoint left them; what to say of it."""
    choose_algorithms(experiment.compute.deterministic)
    torch.manual_seed(stream_seed(experiment.seed, Stream.WEIGHTS))
    model = build_model(experiment.model)
    parameters = count_parameters(model)
    if resumed:
        _check_same_data(run, store)
    weights = None if resumed else load_pretrained(model, experiment.model)
    labels = store.labels("train")
    split = split_indices(labels, experiment.data.split)
    dataloaders = make_dataloaders(
        experiment,
        store.images("train"),
        labels,
        split,
        hardware.device,
        digits=_digits(experiment, store),
        patches=patches,
    )
    learner = make_learner(experiment, dataloaders, model, hardware)
    state = load_checkpoint(run.checkpoint_file, learner) if resumed else RunState()
    source = "generated data" if store.generated else "the competition's data"
    notes = [
        f"{experiment.name}/seed-{experiment.seed}: {experiment.model.architecture} "
        f"{'' if experiment.model.size is None else experiment.model.size}".rstrip()
        + f", {parameters:,} parameters, {experiment.resize} px, "
        f"on {len(split[0]):,} + {len(split[1]):,} images of {source}, "
        f"{hardware.description}, {hardware.precision}"
    ]
    if weights is not None:
        notes.append(str(weights))
    if patches is not None:
        notes.append(_describe_patches(experiment, store, patches))
    if resumed:
        notes.append(f"resumed at epoch {state.epoch + 1}, batch {state.step + 1}")
    return learner, state, notes


def _digits(experiment: Experiment, store: Store) -> np.ndarray | None:
    """The digits of the training images, if the training is to be told of them."""
    if not experiment.train.presence_weight:
        return None
    digits = store.digits("train")
    if digits is None:
        raise InputError(
            f"train.presence_weight is {experiment.train.presence_weight:g}, but {store.path} does "
            "not say which digits are in its images: set it to 0, or take a generated data set"
        )
    return digits


def _describe_patches(experiment: Experiment, store: Store, patches: PatchSource) -> str:
    """How the training begins, and what that means for the test images."""
    settings = experiment.pretraining
    text = (
        f"the first {settings.epochs} epochs: {settings.patches:,} single digits each, "
        f"{settings.side} px, from {len(patches.pool.images):,} digits of {patches.digits}"
    )
    return f"{text}; {overlap}" if (overlap := digits_overlap(patches, store)) else text


def choose_algorithms(deterministic: bool) -> None:
    """Let torch look for the fastest operations, or use only deterministic ones."""
    if deterministic:  # read by cuBLAS when it is first used
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic


def _make_folder(run: Run, experiment: Experiment, environment: dict[str, Any]) -> None:
    """Make the run folder, in place of an old one."""
    try:
        if run.path.is_symlink() or run.path.is_file():
            run.path.unlink()
        elif run.path.exists():
            shutil.rmtree(run.path)
        run.path.mkdir(parents=True)
    except OSError as error:
        raise RunError(f"cannot make the run folder {run.path}: {error.strerror}") from error
    run.write_environment(environment)
    run.write_config(experiment)


def _check_same_data(run: Run, store: Store) -> None:
    before, now = run.environment["data"]["fingerprint"], store.fingerprint
    if before != now:
        raise InputError(
            f"{run.path} was begun on other data: {store.path} had the fingerprint {before[:12]} "
            f"then and has {now[:12]} now; restore the data, or start afresh with --force"
        )


def _check_same_experiment(run: Run, experiment: Experiment) -> None:
    """A run may go on on another device or with other workers, but as the same experiment."""
    changed = differing_keys([run.experiment, experiment], {"compute"})
    if changed:
        raise InputError(
            f"{run.path} was begun with another configuration; different: {', '.join(changed)}. "
            f"Resume it with `mmnist train {run.config_file} --resume`, or give the new experiment "
            "another name with --set name=…"
        )


def _summarise(learner: Learner, run: Run, state: RunState) -> None:
    """Write summary.json as of the last finished epoch."""
    hardware = learner.precision.hardware
    seconds = [row["seconds"] for row in state.rows]
    run.write_summary(
        {
            "status": TRAINING,
            "epochs": len(state.rows),
            "best_epoch": state.best.epoch,
            "valid": state.best_valid,
            "parameters": sum(p.numel() for p in learner.model.parameters()),
            "train_images": len(learner.dls.train.index),
            "valid_images": len(learner.dls.valid.index),
            "seconds_total": round(sum(seconds), 3),
            "seconds_per_epoch": round(sum(seconds) / len(seconds), 3),
            "images_per_second": sorted(row["images_per_second"] for row in state.rows)[
                len(state.rows) // 2
            ],
            "peak_memory_mib": peak_memory_mib(hardware),
            "device": hardware.description,
            "precision": hardware.precision,
            "data": run.environment["data"],
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
    )


def _finish(run: Run, state: RunState, reporter: Reporter) -> None:
    """Mark the run as finished and say what it came to."""
    run.write_summary({**run.summary, "status": FINISHED})
    run.checkpoint_file.unlink(missing_ok=True)
    valid = state.best_valid
    low, high = valid["interval"]
    reporter.line(
        f"best: epoch {state.best.epoch + 1} with {valid['accuracy']:.2%} of {valid['n']:,} "
        f"validation images (95 % interval {low:.2%} to {high:.2%}); {run.path}"
    )
