"""Learning rate and momentum as functions of the position in the training, without state."""

from fastai.callback.schedule import SchedCos, combined_cos

from mmnist.config.schema import Experiment
from mmnist.config.training import PretrainingSettings, TrainSettings

#: One-cycle: the rate starts and ends at these shares of its peak (fastai's `fit_one_cycle`).
_START, _END = 1 / 25, 1e-5
#: One-cycle: momentum falls by this much while the rate rises (fastai's 0.95 → 0.85).
_MOMENTUM_DROP = 0.1


def learning_rate_at(experiment: Experiment, epoch: int, progress: float) -> float:
    """Learning rate in `epoch` (from 0), of which the share `progress` (0 to 1) is done.

    The step schedule changes between epochs only, like torch's StepLR stepped once per epoch; the
    others change with every batch. Epochs of single digits have a schedule of their own.
    """
    settings, epoch = _stage(experiment, epoch)
    rate, schedule = settings.learning_rate, settings.schedule
    position = (epoch + progress) / settings.epochs
    if schedule.name == "constant":
        return rate
    if schedule.name == "step":
        return rate * schedule.gamma ** (epoch // schedule.step_size)
    if schedule.name == "cosine":
        return float(SchedCos(rate, 0.0)(position))
    if schedule.warmup == 0:
        return float(SchedCos(rate, rate * _END)(position))
    return float(combined_cos(schedule.warmup, rate * _START, rate, rate * _END)(position))


def momentum_at(experiment: Experiment, epoch: int, progress: float) -> float:
    """Momentum (the first beta of Adam) at that position; only one-cycle changes it."""
    high = experiment.train.momentum
    settings, epoch = _stage(experiment, epoch)
    schedule = settings.schedule
    if schedule.name != "one_cycle" or schedule.warmup == 0:
        return high
    low = max(high - _MOMENTUM_DROP, 0.0)
    position = (epoch + progress) / settings.epochs
    return float(combined_cos(schedule.warmup, high, low, high)(position))


def _stage(experiment: Experiment, epoch: int) -> tuple[PretrainingSettings | TrainSettings, int]:
    """The settings of an epoch, and its number among the epochs with these settings."""
    before = experiment.pretraining_epochs
    if epoch < before:
        return experiment.pretraining, epoch
    return experiment.train, epoch - before
