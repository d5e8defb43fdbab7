"""The runs of a study, one after the other: each trained once, resumed, or left as it is."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmnist.data.store import open_store
from mmnist.errors import InputError, Interrupted, InUse, OutOfTime, RunError
from mmnist.evaluation.predict import predict_probabilities, write_submission
from mmnist.pipeline.device import choose_hardware
from mmnist.study.loading import LoadedStudy
from mmnist.study.plan import PlannedRun
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


def _go_on(left: int) -> str:
    return f"everything is saved (runs left: {left}); the same command continues from here"
