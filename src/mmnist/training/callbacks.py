"""What an experiment can change about fastai's training loop, one callback for each change.

Where several callbacks act within a step, `order` puts them in sequence: `Accumulate` decides
whether there is a step at all, then `Precision` unscales the gradients, then fastai's GradientClip
limits them.
"""

import torch
from fastai.callback.core import Callback, CancelBatchException
from fastai.callback.fp16 import MixedPrecision
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmnist.config.schema import Experiment
from mmnist.config.training import PretrainingSettings, UnfreezingSettings
from mmnist.pipeline.device import Hardware
from mmnist.pipeline.randomness import Stream, stream_seed
from mmnist.training.schedule import learning_rate_at, momentum_at


class Precision(MixedPrecision):
    """Computes the network in the chosen precision, on any device.

    fastai's callback supports CUDA only; the rest of it (scaling of fp16 gradients, skipped steps)
    is used unchanged.
    """

    def __init__(self, hardware: Hardware):
        super().__init__()
        self.hardware = hardware
        self.computing = False
        self.gradient_scaler = GradScaler(
            hardware.device.type, enabled=hardware.precision == "fp16"
        )

    def before_fit(self) -> None:
        """Set autocast and the gradient scaler, which may hold the state of an interrupted run."""
        self.autocast = self.hardware.autocast()
        self.learn.scaler = self.gradient_scaler
        self.scales: list[float] = []

    def before_batch(self) -> None:
        """Start computing in the chosen precision."""
        super().before_batch()
        self.computing = True

    def after_loss(self) -> None:
        """Stop computing in the chosen precision."""
        super().after_loss()
        self.computing = False

    def leave(self) -> None:
        """Leave autocast if an error in the middle of a batch kept fastai from doing so.

        torch caches low-precision copies of weights until the outermost autocast is left: without
        this, the next training in the same process would use its initial weights for ever.
        """
        if self.computing:
            self.after_loss()

    def after_pred(self) -> None:
        """Convert the output to fp32 for the loss; a `Reading` is in fp32 already."""
        if isinstance(self.pred, Tensor):
            super().after_pred()

    def before_step(self) -> None:
        """Skip the step if gradients overflowed (fp16 only; other precisions need no check)."""
        if self.gradient_scaler.is_enabled():
            super().before_step()

    def after_step(self) -> None:
        """Adapt the scale of the gradients."""
        if self.gradient_scaler.is_enabled():
            super().after_step()


class StepCallback(Callback):
    """A callback on training batches that knows the index of the current step in the epoch."""

    run_valid = False

    @property
    def step(self) -> int:
        """Index of the batch within the epoch, even if the epoch was resumed in the middle."""
        return self.dls.train.first_step + self.iter


class Schedule(StepCallback):
    """Sets learning rate and momentum before each batch."""

    def __init__(self, experiment: Experiment):
        self.experiment = experiment

    def before_batch(self) -> None:
        """Follow the schedule."""
        progress = self.step / self.n_iter
        self.opt.set_hypers(
            lr=learning_rate_at(self.experiment, self.epoch, progress),
            mom=momentum_at(self.experiment, self.epoch, progress),
        )


class SeedSteps(StepCallback):
    """Gives each step its own random stream, so that dropout does not depend on earlier steps."""

    def __init__(self, seed: int):
        self.seed = seed

    def before_batch(self) -> None:
        """Seed torch's generators for this step."""
        torch.manual_seed(stream_seed(self.seed, Stream.NETWORK, self.epoch, self.step))


class Accumulate(StepCallback):
    """Averages the gradients of `count` batches for one step of the optimiser.

    The last group of an epoch may be smaller; its gradients are averaged over its own batches.
    """

    order = MixedPrecision.order - 5

    def __init__(self, count: int):
        self.count = count

    def before_backward(self) -> None:
        """Weight this batch by its share of the group."""
        group = self.step // self.count
        size = min(self.count, self.n_iter - group * self.count)
        self.learn.loss_grad = self.loss_grad / size

    def before_step(self) -> None:
        """Skip the optimiser's step, unless this batch ends its group."""
        done = self.step + 1
        if done % self.count and done < self.n_iter:
            raise CancelBatchException


class ReadPatches(StepCallback):
    """Tells a network that reads each location that its images are patches.

    Also says whether to compute them as tiles of larger images (`pretraining.mosaic`).
    """

    order = Precision.order + 2
    """After `SelectPatches` has reduced the batch (`mmnist.training.selection`)."""

    def __init__(self, settings: PretrainingSettings):
        self.settings = settings

    def before_batch(self) -> None:
        """Tell the network, in epochs of single digits."""
        if self.epoch < self.settings.epochs:
            self.learn.xb = (*self.xb, self.settings.mosaic, True)


#: As torch passes them.
_Tensors = tuple[Tensor, ...] | list[Tensor]


class AverageWeights(Callback):
    """Keeps an exponential moving average of the weights, which is validated in their place.

    In the first steps the decay is smaller, (1 + n) / (10 + n) after n steps, so that the random
    initial weights are soon forgotten. Buffers (of batch normalisation) are averaged too; integer
    buffers (counters, indices) cannot be averaged and are copied.
    """

    order = 60
    """After `Recorder`, so that `Recorder` sees the average; before the checkpoint is saved."""

    average: AveragedModel
    """The average, from `after_create` on."""

    def __init__(self, decay: float):
        self.decay = decay
        self.trained: nn.Module | None = None

    def after_create(self) -> None:
        """Start from the initial weights."""
        self.average = AveragedModel(self.model, multi_avg_fn=self._update, use_buffers=True)

    def after_step(self) -> None:
        """Move the average towards the new weights."""
        self.average.update_parameters(self.model)

    def before_validate(self) -> None:
        """Replace the weights by the average for the validation."""
        self.trained = self.model
        self.learn.model = self.average.module.eval()

    def after_validate(self) -> None:
        """Put the weights themselves back, for further training."""
        self.learn.model, self.trained = self.trained, None

    def _update(self, averages: _Tensors, values: _Tensors, _: Tensor | int) -> None:
        """Update the averages of tensors that share one dtype and device."""
        if not averages[0].is_floating_point():
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)
            return
        steps = int(self.average.n_averaged)  # kept on the CPU; the argument is not
        decay = min(self.decay, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(decay)(averages, values, steps)


class Unfreeze(Callback):
    """Freezes the body of a pretrained network at first, and unfreezes it later.

    Which groups of layers are trained depends on the epoch alone. Batch normalisation is trained
    throughout, as in fastai. In the first `pretraining_epochs` epochs, all layers are trained.
    """

    run_valid = False

    def __init__(self, settings: UnfreezingSettings, pretraining_epochs: int = 0):
        self.settings = settings
        self.pretraining_epochs = pretraining_epochs

    def before_train(self) -> None:
        """Freeze the layers that are not trained in this epoch."""
        groups = len(self.opt.param_lists)
        if self.epoch < self.pretraining_epochs:
            self.opt.freeze_to(0)
            return
        stage = (self.epoch - self.pretraining_epochs) // self.settings.epochs
        if self.settings.mode == "frozen":
            trained = groups if stage else 1
        else:
            trained = min(1 + stage, groups)
        self.opt.freeze_to(groups - trained)
