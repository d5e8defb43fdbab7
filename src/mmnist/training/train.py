"""One experiment, from its configuration to a finished run folder."""

import shutil
import time
from pathlib import Path
from statistics import median

from fastai.learner import Learner

from mmnist.config.difference import PLACES, differing_keys
from mmnist.config.schema import Experiment
from mmnist.data.store import open_store
from mmnist.errors import InputError, Interrupted, InUse, RunError
from mmnist.models.factory import count_parameters
from mmnist.pipeline.device import choose_hardware
from mmnist.records import FINISHED, TRAINING, Environment, MetricsRecord, Summary
from mmnist.runs import Run, run_of
from mmnist.training.environment import describe_environment
from mmnist.training.learner import fit
from mmnist.training.memory import explained_if_too_small, peak_memory_mib, reset_peak_memory
from mmnist.training.progress import Reporter
from mmnist.training.recorder import Recorder, SaveEpochs
from mmnist.training.setup import (
    Setup,
    check_same_data,
    check_same_digits,
    digits_of,
    set_up,
)
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

    With `resume`, an interrupted run continues where it stopped, a finished one is left as it is,
    one that does not exist is started, and one that has lost its checkpoint starts again. Once
    `time.monotonic()` reaches `deadline`, the current step is the last; so at least one step is
    computed, and a validation that has begun is finished.

    Raises:
        InputError: the run exists already (unless `resume` or `overwrite`), has lost its
            configuration (unless `overwrite`), belongs to another experiment or data set, or the
            experiment cannot be run on this machine or data.
        RunError: the training failed, e.g. its loss became NaN, the memory is too small, or another
            process is working on the run (`InUse`).
        Interrupted: the user stopped the run; it is saved.
        OutOfTime: the deadline came before the end; the run is saved.
    """
    run = run_of(experiment, root)
    if check_run(run, experiment, resume=resume, overwrite=overwrite):
        return run
    hardware = choose_hardware(experiment.compute)
    reset_peak_memory(hardware)
    checkpoint = run.checkpoint_written
    resumed = resume and checkpoint is not None
    with explained_if_too_small(experiment, hardware):
        ready = set_up(experiment, hardware, resume_from=run if resumed else None)
    if resume and run.exists and not resumed:
        again = f"{run.path} had no {run.checkpoint_file.name}: the run starts over"
        ready.notes.insert(0, again)
    # Nothing is written or replaced until here, where the experiment is known to be possible.
    with run.held():
        # Another process may have continued the run meanwhile.
        if check_run(run_of(experiment, root), experiment, resume=resume, overwrite=overwrite):
            return run
        if resume and run.checkpoint_written != checkpoint:
            raise InUse(f"another process has continued {run.path}; run the command again")
        environment = describe_environment(hardware, ready.store, ready.patches)
        if resumed:
            run.note_resumption(environment)
            _note_places(run, experiment)
        else:
            _make_folder(run, experiment, environment)
        with explained_if_too_small(experiment, hardware):
            _fit(run, experiment, ready, deadline)
    return run


def _fit(run: Run, experiment: Experiment, ready: Setup, deadline: float | None) -> None:
    """Train a run that has been set up, to the end."""
    learner, state = ready.learner, ready.state
    with (
        Reporter(run.log_file, work=ready.work) as reporter,
        stop_on_signal(deadline) as stop,
    ):
        for note in ready.notes:
            reporter.line(note)
        recorder = Recorder(run, state, reporter, stop, experiment)
        learner.add_cbs([recorder, SaveEpochs(recorder, lambda: _summarise(learner, run, state))])
        run.keep_best(state.best.epoch if state.best else None)
        run.delete_half_written()
        if not recorder.is_over:
            fit(learner, experiment.epochs, start_epoch=state.epoch)
        else:  # it was killed after its last checkpoint
            _summarise(learner, run, state)
        _finish(run, state, reporter)
        if stop.asked:  # when there was no step left to stop after
            raise Interrupted(
                f"{run.path} is finished; to continue with what comes after it, run the same "
                "command with --resume (and without --force)"
            )


def check_run(run: Run, experiment: Experiment, *, resume: bool, overwrite: bool) -> bool:
    """Whether the run is finished and to be left as it is.

    Raises:
        InputError: the folder holds a run that is neither to be resumed nor to be replaced, a run
            of another experiment, or files without a configuration that says whose run they are.
    """
    if overwrite:
        return False
    if not run.exists:
        _refuse_unknown_files(run)
        return False
    if not resume:
        state = "finished" if run.finished else "unfinished"
        raise InputError(
            f"{run.path} already holds a run ({state}): add --resume to continue it, --force to "
            "replace it, or another name with --set name=…"
        )
    _check_same_experiment(run, experiment)
    return run.finished


def _refuse_unknown_files(run: Run) -> None:
    """Protect a run that has lost its configuration, or any other files, from being deleted."""
    if run.path.is_file():
        raise InputError(f"{run.path} is a file; move it away, or replace it with --force")
    if not run.path.is_dir():
        return
    # A process that is killed just after its start may leave only environment.json.
    names = {path.name for path in run.path.iterdir()} - {"environment.json"}
    lost = sorted(name for name in names if not name.startswith("."))
    if lost:
        raise InputError(
            f"{run.path} has no {run.config_file.name}, so it is unknown which run this is, but "
            f"it holds {', '.join(lost)}: restore the file, move the folder away, or replace it "
            "with --force"
        )


def _make_folder(run: Run, experiment: Experiment, environment: Environment) -> None:
    """Make the run folder, replacing an old one."""
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


def _note_places(run: Run, experiment: Experiment) -> None:
    """Let the configuration of a resumed run say where its data and digits are now."""
    begun = run.experiment
    data = begun.data.model_copy(update={"path": experiment.data.path})
    digits = {"digits": experiment.pretraining.digits}
    pretraining = begun.pretraining.model_copy(update=digits)
    now = begun.model_copy(update={"data": data, "pretraining": pretraining})
    if now != begun:
        run.write_config(now)


def _check_same_experiment(run: Run, experiment: Experiment) -> None:
    """A run may resume on another device, and where its data are now, but as the same experiment.

    If its data or digits are elsewhere now, their fingerprints say whether they are the same.
    """
    changed = differing_keys([run.experiment, experiment], {"compute"})
    if changed and set(changed) <= PLACES:
        check_same_data(run, open_store(experiment.data.path))
        if "pretraining.digits" in changed:
            check_same_digits(run, digits_of(experiment))
    elif changed:
        raise InputError(
            f"{run.path} was started with another configuration; different: {', '.join(changed)}. "
            f"Resume it with `{run.resume_command}`, or give the new experiment another name with "
            "--set name=…"
        )


def _summarise(learner: Learner, run: Run, state: RunState) -> None:
    """Write summary.json as of the last finished epoch."""
    hardware = learner.precision.hardware
    state.note_memory(peak_memory_mib(hardware))
    seconds = [row["seconds"] for row in state.rows]
    run.write_summary(
        Summary(
            status=TRAINING,
            epochs=len(state.rows),
            best_epoch=state.best_epoch,
            valid=MetricsRecord.model_validate(state.best_valid),
            parameters=count_parameters(learner.model),
            train_images=len(learner.dls.train.index) if run.experiment.train.epochs else 0,
            valid_images=len(learner.dls.valid.index),
            seconds_total=round(sum(seconds), 3),
            seconds_per_epoch=round(sum(seconds) / len(seconds), 3),
            images_per_second=median(row["images_per_second"] for row in state.rows),
            peak_memory_mib=state.peak_memory_mib,
            device=hardware.description,
            precision=hardware.precision,
            data=run.environment.data,
            finished_at=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        )
    )


def _finish(run: Run, state: RunState, reporter: Reporter) -> None:
    """Mark the run as finished and report its result."""
    run.write_summary(run.summary.model_copy(update={"status": FINISHED}))
    run.checkpoint_file.unlink(missing_ok=True)
    valid = state.best_valid
    low, high = valid["interval"]
    reporter.line(
        f"best: epoch {state.best_epoch + 1} with {valid['accuracy']:.2%} of {valid['n']:,} "
        f"validation images (95 % interval {low:.2%} to {high:.2%}); {run.path}"
    )
