"""The runs of a study, one after the other: each trained once, resumed, or left as it is."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from filelock import Timeout

from mmnist.config.schema import Experiment
from mmnist.data.store import open_store
from mmnist.errors import InputError, Interrupted, InUse, OutOfTime, RunError
from mmnist.evaluation.predict import predict_probabilities, write_submission
from mmnist.pipeline.device import choose_hardware
from mmnist.study.costs import Cost, made_on, read_costs, whole_rounds, write_costs
from mmnist.study.folder import StudyFolder
from mmnist.study.loading import LoadedStudy
from mmnist.study.plan import PlannedRun
from mmnist.training.cost import NotMeasured, measure_costs
from mmnist.training.memory import explained_if_too_small
from mmnist.training.train import check_run, train


@dataclass
class Outcome:
    """What became of the runs of a study."""

    failed: dict[str, str] = field(default_factory=dict)
    """Runs that failed, or whose test images could not be predicted, with the reason; the others
    continued."""
    elsewhere: list[str] = field(default_factory=list)
    """Runs that another process is working on."""


def run_all(
    loaded: LoadedStudy,
    planned: Sequence[PlannedRun],
    *,
    deadline: float | None = None,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Train all runs that are not finished, and predict the test images if the study needs them.

    Processes that work on the same study at the same time share the runs: each takes the next run
    that no other holds. Each call makes progress, if only by one step, however early the deadline.

    Args:
        loaded: the study.
        planned: its runs.
        deadline: value of `time.monotonic()` at which to stop and save.
        say: takes one line of progress.

    Raises:
        InputError: a run belongs to another experiment or data set.
        Interrupted: the user, or the deadline, stopped the work; everything is saved.
    """
    outcome, begun = Outcome(), False
    for each in planned:  # check all of them before the first one takes hours
        check_run(each.run, each.config, resume=True, overwrite=False)
    for number, each in enumerate(planned, start=1):
        title = f"{each.config.name}/seed-{each.config.seed}"
        left = len(planned) - number + 1
        try:
            with each.run.held():
                if not (each.run.exists and each.run.finished):
                    if begun and deadline is not None and time.monotonic() >= deadline:
                        raise OutOfTime(_go_on(left))
                    begun = True
                    say(f"run {number} of {len(planned)}: {title}")
                    train(each.config, each.run.path.parents[1], resume=True, deadline=deadline)
                _predict_test(loaded, each, say)
        except OutOfTime as error:
            raise OutOfTime(_go_on(left)) from error
        except Interrupted as error:
            raise Interrupted(_go_on(left - each.run.finished)) from error
        except InUse:
            outcome.elsewhere.append(title)
        except (RunError, InputError) as error:
            say(f"{title} failed: {error}")
            outcome.failed[title] = str(error)
    return outcome


def measure_missing(
    configs: Mapping[str, Experiment],
    folder: StudyFolder,
    *,
    rounds: Mapping[str, int],
    pairs: Sequence[Collection[str]] = (),
    renew: bool = True,
    deadline: float | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, list[Cost]]:
    """Costs of each configuration here: read from the study's folder, or measured and added to it.

    All are measured once before any is measured a second time, so that a temporary slowdown of the
    machine does not affect only one of them. A configuration that cannot be measured (too little
    memory, say) is left out. Measurements of different devices are not mixed: what another one
    measured is dropped as soon as this one measures. While one process measures, others that need
    to measure wait.

    Args:
        configs: configurations by name.
        folder: the study's folder.
        rounds: number of measurements wanted of each configuration, by name.
        pairs: names that are compared; measurements of one of a pair without the other are dropped.
        renew: measure even if another device has measured enough.
        deadline: value of `time.monotonic()` after which no other configuration is measured.
        say: takes one line of progress.

    Raises:
        InputError: a configuration cannot be run on this machine.
        OutOfTime: the deadline has passed.
    """
    path = folder.costs_file
    with _measuring(folder, deadline):
        costs = _usable(read_costs(path), configs, rounds, pairs, renew=renew)
        impossible: set[str] = set()

        def done(name: str, cost: Cost) -> None:
            costs.setdefault(name, []).append(replace(cost, round=begun))
            write_costs(path, costs)
            say(f"  {name}: {cost.train_images_per_second:,.1f} img/s")
            if deadline is not None and time.monotonic() >= deadline:
                raise OutOfTime(_go_on(None))

        for number in range(1, max(rounds.values(), default=0) + 1):
            begun = datetime.now().astimezone().isoformat()
            while missing := {
                name: configs[name]
                for name, count in rounds.items()
                if len(costs.get(name, ())) < number <= count and name not in impossible
            }:
                what = f"{len(missing)} configuration{'' if len(missing) == 1 else 's'}"
                say(f"measuring {what}, a few steps each (round {number})")
                try:
                    measure_costs(missing, done)
                except NotMeasured as error:
                    say(f"  {error}" if error.name in str(error) else f"  {error.name}: {error}")
                    impossible.add(error.name)
    return costs


def _usable(
    costs: dict[str, list[Cost]],
    configs: Mapping[str, Experiment],
    rounds: Mapping[str, int],
    pairs: Sequence[Collection[str]],
    *,
    renew: bool,
) -> dict[str, list[Cost]]:
    """The measurements that need not be made again: see `measure_missing`."""
    wanted = [pair for pair in map(set, pairs) if pair <= rounds.keys()]

    def enough(measured: Mapping[str, Sequence[Cost]]) -> bool:
        whole = whole_rounds(measured, wanted)
        return all(len(whole.get(name, ())) >= count for name, count in rounds.items())

    devices = {cost.device for each in costs.values() for cost in each}
    by_one = (made_on(costs, dict.fromkeys(costs, device)) for device in devices)
    if not renew and any(map(enough, by_one)):
        return costs
    here = {name: choose_hardware(each.compute).description for name, each in configs.items()}
    costs = made_on(costs, here)
    return costs if enough(costs) else whole_rounds(costs, wanted)


@contextmanager
def _measuring(folder: StudyFolder, deadline: float | None) -> Iterator[None]:
    """Let only this process measure during the block; wait for others, up to the deadline."""
    timeout = -1 if deadline is None else max(0, deadline - time.monotonic())
    try:
        held = folder.measuring_lock.acquire(timeout=timeout)
    except Timeout as error:
        raise OutOfTime(_go_on(None)) from error
    with held:
        yield


def _predict_test(loaded: LoadedStudy, each: PlannedRun, say: Callable[[str], None]) -> None:
    """Predict the test images, if an experiment that the run belongs to is judged on them.

    Raises:
        RunError: the run has lost its weights, the memory is too small, or the predictions cannot
            be written.
    """
    judged_on = {loaded.study.experiments[experiment].judged_on for experiment, _ in each.places}
    run = each.run
    if "test" not in judged_on:
        return
    store = open_store(each.config.data.path)
    labels = store.labels("test")
    if run.submission_file.is_file() and (labels is None or run.has_predictions("test")):
        return
    if not run.model_file.is_file():
        raise RunError(
            f"{run.path} has lost its weights ({run.model_file.name}), so its test images cannot "
            "be predicted: restore the file, or delete the folder to train it again"
        )
    images = store.images("test")
    say(f"{run.title}: predicting {len(images):,} test images")
    compute = each.config.compute
    with explained_if_too_small(each.config, choose_hardware(compute)):
        probabilities = predict_probabilities(run, images, compute.device)
    if labels is not None:
        run.write_predictions("test", np.arange(len(images)), labels, probabilities)
    write_submission(run.submission_file, probabilities.argmax(axis=1))


def _go_on(left: int | None) -> str:
    runs = "" if left is None else f" (runs left: {left})"
    return f"everything is saved{runs}; the same command continues from here"
