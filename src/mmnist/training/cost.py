"""What an experiment costs on this machine: parameters, MACs, images per second, memory.

A few steps are trained and validated on random images, by the same code as a real training, so no
data set is needed. Pretrained weights are not loaded, and all layers are trained from the start.
"""

import multiprocessing
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import numpy as np
import torch
from fastai.callback.core import Callback, CancelTrainException, CancelValidException
from fastai.data.core import DataLoaders
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmnist.config.schema import Experiment
from mmnist.config.training import UnfreezingSettings
from mmnist.errors import MmnistError, RunError
from mmnist.machine import keep_freed_memory
from mmnist.models.factory import FAMILIES, build_model, count_parameters
from mmnist.pipeline.dataloaders import make_dataloaders
from mmnist.pipeline.device import Hardware, choose_hardware
from mmnist.pipeline.randomness import Stream, stream_seed
from mmnist.processes import end_with_parent, interrupts_held_back
from mmnist.study.costs import Cost
from mmnist.task import CLASSES, IMAGE_SHAPE
from mmnist.training.learner import fit, make_learner
from mmnist.training.memory import explained_if_too_small, peak_memory_mib, reset_peak_memory
from mmnist.training.setup import choose_algorithms

#: Warm-up steps, which do not count; only one if the first takes `_SECONDS` or more.
_WARM_UP = 2
#: Steps that count: from 2 to 10, until they have taken 5 s in total.
_LEAST, _MOST = 2, 10
_SECONDS = 5.0


class NotMeasured(RunError):  # noqa: N818 - says what became of it
    """An experiment could not be measured, for example because it does not fit into memory."""

    def __init__(self, name: str, message: str):
        super().__init__(message)
        self.name = name


def measure_costs(
    experiments: Mapping[str, Experiment], done: Callable[[str, Cost], None]
) -> dict[str, Cost]:
    """Measure each experiment; `done` is called with the name and the cost of each, in turn.

    On the CPU, each is measured in a fresh process, so that the memory of one network is not
    counted for the next; on CUDA, where torch counts what it allocates, one process measures all.
    No process is left behind, even after Ctrl-C. To be called in the main thread.

    Raises:
        InputError: an experiment cannot be run on this machine.
        NotMeasured: an experiment does not fit into the memory.
    """
    on_cuda = [
        name
        for name, experiment in experiments.items()
        if choose_hardware(experiment.compute).device.type == "cuda"
    ]
    alone = [[name] for name in experiments if name not in on_cuda]
    costs: dict[str, Cost] = {}
    for names in [*alone, on_cuda] if on_cuda else alone:
        with _worker([experiments[name] for name in names]) as (process, receiver):
            for name in names:
                try:
                    costs[name] = _receive(name, process, receiver)
                except RunError as error:
                    raise NotMeasured(name, str(error)) from error
                done(name, costs[name])
    return {name: costs[name] for name in experiments}


def measure_cost(experiment: Experiment) -> Cost:
    """Measure one experiment in this process.

    Raises:
        InputError: the experiment cannot be run on this machine.
        RunError: it does not fit into the memory.
    """
    hardware = choose_hardware(experiment.compute)
    with explained_if_too_small(experiment, hardware):
        return _measure(_from_scratch(experiment), hardware)


def count_macs(model: nn.Module, channels: int, size: int) -> int:
    """Multiply–accumulate operations of one forward pass of one image [channels, size, size].

    Convolutions and linear layers are counted, as in torchvision's published figures. On the meta
    device, nothing is computed. The network is left in evaluation mode.
    """
    model.eval()
    image = torch.zeros(1, channels, size, size, device=next(model.parameters()).device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    return counter.get_total_flops() // 2


def _from_scratch(experiment: Experiment) -> Experiment:
    model = experiment.model.model_copy(update={"pretrained": "none"})
    # Epochs of whole images are measured, even if the experiment has none.
    update = {"unfreezing": UnfreezingSettings(), "epochs": max(1, experiment.train.epochs)}
    train = experiment.train.model_copy(update=update)
    return experiment.model_copy(update={"model": model, "train": train})


def _measure(experiment: Experiment, hardware: Hardware) -> Cost:
    choose_algorithms(experiment, hardware)
    with torch.device("meta"):
        channels = FAMILIES[experiment.model.architecture].channels
        macs = count_macs(build_model(experiment.model), channels, experiment.resize)
    dataloaders = _random_batches(experiment, hardware.device)
    reset_peak_memory(hardware)
    before = peak_memory_mib(hardware)
    torch.manual_seed(stream_seed(experiment.seed, Stream.WEIGHTS))
    model = build_model(experiment.model)
    parameters = count_parameters(model)
    learner = make_learner(experiment, dataloaders, model, hardware)
    stopwatch = Stopwatch(experiment.train.gradient_accumulation, hardware)
    learner.add_cb(stopwatch)
    fit(learner, 1)
    batch_size = experiment.train.batch_size
    return Cost(
        parameters=parameters,
        macs=macs,
        train_images_per_second=round(batch_size / stopwatch.train_seconds, 2),
        valid_images_per_second=round(batch_size / stopwatch.valid_seconds, 2),
        peak_memory_mib=round(stopwatch.peak_memory_mib - before, 1),
        batch_size=batch_size,
        device=hardware.description,
        precision=hardware.precision,
        threads=torch.get_num_threads(),
    )


def _random_batches(experiment: Experiment, device: torch.device) -> DataLoaders:
    """Random batches, as many as are timed at most: two different ones, repeated."""
    size = experiment.train.batch_size
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2 * size, *IMAGE_SHAPE), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, 2 * size)

    def indices(batches: int) -> np.ndarray:
        return np.arange(batches * size) % len(images)

    steps = _WARM_UP + _MOST
    split = indices(steps * experiment.train.gradient_accumulation), indices(steps)
    return make_dataloaders(experiment, images, labels, split, device)


class Stopwatch(Callback):
    """Times the steps of an epoch and the batches of its validation, and cuts both short.

    On CUDA, memory counts after the warm-up, in which cuDNN tries algorithms that need more.
    """

    order = 100
    """After all other callbacks of a batch."""

    train_seconds: float
    """Median time per training batch: that of an optimiser step, divided by its batches."""
    valid_seconds: float
    """Median time of a validation batch."""
    peak_memory_mib: float
    """Peak memory of the training."""

    def __init__(self, batches_a_step: int, hardware: Hardware):
        self.batches_a_step = batches_a_step
        self.hardware = hardware
        self._last = 0.0

    def before_train(self) -> None:
        """Start the clock."""
        self._start(self.batches_a_step)

    def before_validate(self) -> None:
        """Start the clock again."""
        self._start(1)

    def after_batch(self) -> None:
        """Record the time of a step, and stop when enough steps have been timed."""
        if (self.iter + 1) % self._batches:
            return
        now = self._now()
        self._laps.append(now - self._last)
        self._last = now
        if self.training and self._on_cuda and not timed(self._laps):
            torch.cuda.reset_peak_memory_stats(self.hardware.device)
        if not enough(self._laps):
            return
        median = statistics.median(timed(self._laps)) / self._batches
        if self.training:
            self.train_seconds = median
            self.peak_memory_mib = peak_memory_mib(self.hardware)
            raise CancelTrainException
        self.valid_seconds = median
        raise CancelValidException

    def _start(self, batches: int) -> None:
        self._batches = batches
        self._laps: list[float] = []
        self._last = self._now()

    @property
    def _on_cuda(self) -> bool:
        return self.hardware.device.type == "cuda"

    def _now(self) -> float:
        if self._on_cuda:
            torch.cuda.synchronize(self.hardware.device)
        return time.perf_counter()


def timed(laps: Sequence[float]) -> Sequence[float]:
    """The step times, in seconds, that count: all but those of the warm-up."""
    return laps[1 if laps[0] >= _SECONDS else _WARM_UP :]


def enough(laps: Sequence[float]) -> bool:
    """Whether enough steps have been timed."""
    counted = timed(laps)
    return len(counted) == _MOST or (len(counted) >= _LEAST and sum(counted) >= _SECONDS)


@contextmanager
def _worker(experiments: list[Experiment]) -> Iterator[tuple[SpawnProcess, Connection]]:
    """A process that measures these experiments in turn, and the connection for its results.

    A plain process is used because a ProcessPoolExecutor has no public way (before Python 3.14) of
    ending a worker in the middle of its task.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure_each, args=(experiments, sender))
    try:
        with interrupts_held_back():
            process.start()
        sender.close()
        yield process, receiver
    finally:
        if process.is_alive():
            process.kill()  # at once, even while it imports; it has nothing to save
            process.join()
        receiver.close()


def _measure_each(experiments: list[Experiment], sender: Connection) -> None:
    """Called in the worker: send the cost of each experiment, or the error if there is one."""
    end_with_parent()
    keep_freed_memory()  # as the command line does for training
    for experiment in experiments:
        try:
            sender.send(measure_cost(experiment))
        except MmnistError as error:
            sender.send(error)


def _receive(name: str, process: SpawnProcess, receiver: Connection) -> Cost:
    try:
        result: Cost | MmnistError = receiver.recv()
    except EOFError:
        process.join()
        raise RunError(
            f"{name} could not be measured: its process ended with code {process.exitcode}"
            + (
                " (out of memory? Lower train.batch_size, and raise train.gradient_accumulation)"
                if process.exitcode == -signal.SIGKILL
                else ""
            )
        ) from None
    if isinstance(result, MmnistError):
        raise result
    return result
