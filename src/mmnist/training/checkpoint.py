"""checkpoint.pt: everything needed to continue an interrupted run as if nothing had happened.

It holds neither random streams, which follow from seed, epoch and step (see
`mmnist.pipeline.randomness`), nor schedules, which follow from epoch and step.
"""

from pathlib import Path
from typing import Any

import torch
from fastai.learner import Learner

from mmnist.errors import InputError, first_line
from mmnist.files import replacing
from mmnist.training.callbacks import AverageWeights, Precision
from mmnist.training.state import RunState

FORMAT = 1


def save_checkpoint(path: Path, learner: Learner, state: RunState) -> None:
    """Write the state of a training between two steps; the file is replaced whole.

    Raises:
        RunError: the file cannot be written.
    """
    average = _averaging(learner)
    model = learner.model
    if average is not None and average.trained is not None:  # validation shows the average
        model = average.trained
    content = {
        "format": FORMAT,
        "state": state.to_dict(),
        "model": model.state_dict(),
        "optimiser": learner.opt.state_dict(),
        "scaler": _precision(learner).gradient_scaler.state_dict(),
        "average": None if average is None else average.average.state_dict(),
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's own, in place of that of the disk
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path, learner: Learner) -> RunState:
    """Restore a saved state into a learner of the same experiment.

    Raises:
        InputError: the file is damaged, or of another experiment or version.
    """
    try:
        # To the CPU, where Adam keeps its step counts; other tensors are copied to their device.
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']}, this version reads {FORMAT}")
        learner.model.load_state_dict(content["model"])
        learner.opt.load_state_dict(content["optimiser"])
        if content["scaler"]:
            _precision(learner).gradient_scaler.load_state_dict(content["scaler"])
        if content["average"] is not None:
            average = _averaging(learner)
            if average is None:
                raise ValueError("it has averaged weights, unlike this experiment")
            average.average.load_state_dict(content["average"])
        return RunState.from_dict(content["state"])
    except Exception as error:  # damaged bytes can raise anything
        raise InputError(
            f"cannot resume from {path}: {first_line(error)}; delete {path.parent} to start afresh"
        ) from error


def _precision(learner: Learner) -> Precision:
    return next(each for each in learner.cbs if isinstance(each, Precision))


def _averaging(learner: Learner) -> AverageWeights | None:
    return next((each for each in learner.cbs if isinstance(each, AverageWeights)), None)
