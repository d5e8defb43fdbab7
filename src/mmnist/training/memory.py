"""How much memory a training takes, and the error that says what to change if it is too much."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mmnist import machine
from mmnist.config.schema import Experiment
from mmnist.errors import RunError
from mmnist.pipeline.device import Hardware

#: What torch's errors say if there is too little memory, on the CPU and on CUDA; the last two come
#: from cuBLAS and cuDNN.
_TOO_LITTLE = (
    "out of memory",
    "can't allocate memory",
    "_STATUS_ALLOC_FAILED",
    "unable to find an engine",
)


def reset_peak_memory(hardware: Hardware) -> None:
    """Make `peak_memory_mib` count from now on, without what an earlier run has left behind."""
    gc.collect()  # a Learner and its callbacks refer to each other
    if hardware.device.type == "cuda":
        torch.cuda.init()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(hardware.device)
    else:
        machine.reset_peak_memory()


def peak_memory_mib(hardware: Hardware) -> float:
    """Peak memory since `reset_peak_memory`, in MiB.

    On CUDA: what torch had allocated; on the CPU: resident memory of the whole process.
    """
    if hardware.device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(hardware.device) / 2**20, 1)
    return round(machine.peak_memory_mib(), 1)


@contextmanager
def explained_if_too_small(experiment: Experiment, hardware: Hardware) -> Iterator[None]:
    """Replace out-of-memory errors within the block by one that says what to change.

    Raises:
        RunError: in place of torch's and numpy's errors if there is too little memory.
    """
    try:
        yield
    except MemoryError as error:  # numpy's
        raise _too_small(experiment, hardware) from error
    except RuntimeError as error:  # torch's, on CUDA and on the CPU
        if not any(words in str(error) for words in _TOO_LITTLE):
            raise
        raise _too_small(experiment, hardware) from error


def _too_small(experiment: Experiment, hardware: Hardware) -> RunError:
    train, single = experiment.train, experiment.pretraining
    batches = f"batches of {train.batch_size} images at {experiment.resize} px"
    lower = "train.batch_size"
    if experiment.pretraining_epochs:
        read = single.batch_size * single.candidates
        batches += f" and of {read} patches at {single.side_at(experiment.resize)} px"
        lower += ", pretraining.batch_size" + (" or .candidates" if single.candidates > 1 else "")
    if train.epochs:
        lower += ", and raise train.gradient_accumulation instead"
    return RunError(
        f"{experiment.name} does not fit into the memory of {hardware.description} with {batches}: "
        f"lower {lower}"
    )
