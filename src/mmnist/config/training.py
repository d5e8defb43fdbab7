"""How a network is trained: optimiser, learning rate, length."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from mmnist.config.section import Section
from mmnist.task import IMAGE_SIDE

ScheduleName = Literal["constant", "step", "one_cycle", "cosine"]

#: Least side in pixels of the square that each digit of a patch has to itself.
SQUARE = 40


class ScheduleSettings(Section):
    """How the learning rate changes over the epochs."""

    name: ScheduleName = "step"
    """`constant`; `step` (the paper's: times `gamma` every `step_size` epochs); `one_cycle` (up,
    then down to almost zero, momentum the other way); `cosine` (down to zero)."""
    step_size: Annotated[int, Field(ge=1)] = 7
    """Epochs between two steps (`step` only)."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Factor at each step (`step` only)."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Share of the training during which the rate rises (`one_cycle` only)."""

    @field_validator("step_size", "gamma", "warmup")
    @classmethod
    def _has_an_effect(cls, value: Any, info: ValidationInfo) -> Any:
        user = "one_cycle" if info.field_name == "warmup" else "step"
        name = info.data.get("name", user)
        # The default is accepted, so that a configuration can be written out with all its keys.
        if name != user and value != cls.model_fields[str(info.field_name)].default:
            raise ValueError(
                f"has no effect: the schedule is {name}, and only {user} uses it; leave it out, or "
                "give the schedule as a word (schedule: "
                f"{name}), which replaces the mapping of the file that is extended"
            )
        return value


class UnfreezingSettings(Section):
    """Which layers of a pretrained network are trained, and from when."""

    mode: Literal["none", "frozen", "gradual"] = "none"
    """`none`: all layers are trained from the start; `frozen`: only the last layer for `epochs`
    epochs, then all; `gradual`: one more group of layers every `epochs` epochs, from the last to
    the first. Batch normalisation is trained throughout."""
    epochs: Annotated[int, Field(ge=1)] = 1
    """Epochs before the next layers are unfrozen."""

    @field_validator("epochs")
    @classmethod
    def _has_an_effect(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("mode") == "none" and value != 1:
            raise ValueError("has no effect: mode is none; set mode to frozen or gradual")
        return value


def _named(value: Any) -> Any:
    """`schedule: cosine` is short for `schedule: {name: cosine}`."""
    return {"name": value} if isinstance(value, str) else value


def _one_cycle(value: Any) -> Any:
    """The same for a schedule that is `one_cycle` unless it has another name."""
    if isinstance(value, dict):
        return {"name": "one_cycle"} | value
    return _named(value)


class PretrainingSettings(Section):
    """The first epochs of a run with `model.pretrained: mnist`: handwritten digits.

    Their images, called patches, are drawn afresh for every step: pieces of the generator's
    backgrounds, with one digit or none on each square of at least 40 pixels; a patch of one square
    may also show parts of another digit at its border. Everything else is as in `train`: optimiser,
    momentum, weight decay, moving average.
    """

    digits: Annotated[str, Field(min_length=1)] = "auto"
    """Where the digits come from, as in `mmnist data make --digits`: `sample`, `mnist`, `auto`, or
    a folder with MNIST's four files. Only training digits are used."""
    epochs: Annotated[int, Field(ge=1)] = 4
    """Epochs before those of `train`, validated on the same images."""
    patches: Annotated[int, Field(ge=2)] = 100_000
    """Patches per epoch, rounded up to whole batches."""
    side: Annotated[int, Field(ge=32, le=IMAGE_SIDE)] = 48
    """Side of a patch in pixels, before it is resized by the same factor as whole images; 48: a
    single digit, 80: four, 128: nine."""
    empty: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of squares without a digit; 0 for networks that cannot answer that there is none."""
    distortion: Annotated[float, Field(ge=0, le=0.3)] = 0.08
    """How far digits are randomly stretched, slanted and bent (0.1: by about a tenth), to cover
    handwriting that is not among them; 0: not at all."""
    candidates: Annotated[int, Field(ge=1, le=100)] = 1
    """Patches drawn for each one trained on, from the first epoch that starts when a quarter of
    these epochs is done (the second of 2 to 4, the third of 5 to 8): the network reads all of them
    and is trained on a random selection that favours those it reads worst (selective
    backpropagation). 1: it is trained on all of them."""
    batch_size: Annotated[int, Field(ge=2)] = 256
    """Patches in a training batch."""
    mosaic: Annotated[int, Field(ge=1, le=16)] = 1
    """Compute patches as tiles of larger images, this many per side: long rows are faster on some
    CPUs. The training is not quite the same: at the border of a patch the network sees the next
    patch instead of zero padding. Only for `digit_reader`; 1: each patch on its own."""
    angle_weight: Annotated[float, Field(ge=0)] = 0.3
    """Weight of a second loss, on how far the digit in a patch is rotated, if `model.angles` is
    above 1."""
    nearest_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of another loss: each of the four locations nearest to the digit in a patch has to
    predict the digit and its rotation on its own. Only for `digit_reader`; 0: only the joint
    prediction of all locations counts."""
    learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    """Learning rate; the maximum if the schedule varies it."""
    schedule: Annotated[
        ScheduleSettings,
        BeforeValidator(_one_cycle, json_schema_input_type=ScheduleName | ScheduleSettings),
    ] = ScheduleSettings(name="one_cycle")
    """Learning-rate schedule of these epochs: a mapping, or just its name."""

    @field_validator("candidates")
    @classmethod
    def _candidates_have_an_effect(cls, candidates: int, info: ValidationInfo) -> int:
        if candidates > 1 and info.data.get("epochs") == 1:
            raise ValueError(
                "has no effect in a single epoch: the first quarter of the epochs learns from all "
                "patches; leave it 1, or set pretraining.epochs to 2 or more"
            )
        return candidates

    def side_at(self, resize: int) -> int:
        """Side in pixels of a patch after resizing by the same factor as whole images.

        Whole images are resized from 128 to `resize`.
        """
        return round(self.side * resize / IMAGE_SIDE)

    def candidates_in(self, epoch: int) -> int:
        """Patches drawn for each one that is trained on in `epoch` (from 0).

        Until a quarter of the epochs is done, while all are read badly, only the latter are drawn.
        """
        return self.candidates if 4 * epoch >= self.epochs else 1

    def pixels_in(self, epoch: int) -> float:
        """Amount of computation of `epoch`, as a number of pixels that are trained on.

        Reading a pixel takes a third of the time of training on it.
        """
        candidates = self.candidates_in(epoch)
        read = candidates / 3 if candidates > 1 else 0.0
        return self.patches * self.side**2 * (1 + read)


class TrainSettings(Section):
    """How the network is trained."""

    epochs: Annotated[int, Field(ge=0)] = 30
    """Passes over the training images; 0 (only the epochs of `pretraining`) needs
    `model.pretrained: mnist`."""
    batch_size: Annotated[int, Field(ge=2)] = 256
    """Images in a batch."""
    gradient_accumulation: Annotated[int, Field(ge=1)] = 1
    """Batches whose gradients are averaged for each step of the optimiser."""
    optimiser: Literal["adam", "adamw", "muon", "sgd"] = "adam"
    """torch.optim's Adam, AdamW or SGD; `muon`: Muon for all kernels and matrices except those of
    the last layer, AdamW for everything else, with one learning rate for both."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate; the maximum if the schedule varies it."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD and Muon, and the first beta of Adam and AdamW."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay: L2 for adam and sgd, decoupled for adamw and muon."""
    schedule: Annotated[
        ScheduleSettings,
        BeforeValidator(_named, json_schema_input_type=ScheduleName | ScheduleSettings),
    ] = ScheduleSettings()
    """Learning-rate schedule: a mapping, or just its name."""
    anywhere_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of a second label loss for `digits: three`: that of the reading as in `digits: any`,
    added to that of the three places. The places are where most is read, so they teach little until
    something is read; this loss teaches from the start. 0: only the three places."""
    presence_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of a second loss, on which of the ten digits are in the image, added to the label
    loss. It needs a network that reads each location (`digit_reader`, or `head: maximum`) and a
    generated data set, whose digits are known; 0: the label loss only."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target probability that is spread over all classes."""
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    """Maximum norm of the gradient; null: no limit."""
    early_stopping: Annotated[int, Field(ge=1)] | None = None
    """Stop after this many epochs without a new best; null: never."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of an exponential moving average of the weights, which is then validated and saved in
    place of the weights; null: none."""
    unfreezing: UnfreezingSettings = UnfreezingSettings()
    """Which layers of a pretrained network are trained, and from when."""
