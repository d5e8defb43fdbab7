"""What an experiment is: every key of a configuration file, its type, bounds and explanation.

The descriptions are the documentation: `mmnist config schema` and docs/configuration.md are made
from them. Defaults are the paper's settings wherever the paper states one.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
)

from mmnist.config.augmentation import PAPER_AUGMENTATION, AugmentSettings
from mmnist.config.section import Section, at

#: Sizes of each architecture: depth (ResNets) or width multiplier (mobile networks).
SIZES: dict[str, tuple[int | float, ...]] = {
    "resnet": (18, 34, 50, 101, 152),
    "wide_resnet": (50, 101),
    "mobilenet_v2": (1.0,),
    "shufflenet_v2": (0.5, 1.0, 1.5, 2.0),
    "simple_cnn": (),
}


class SplitSettings(Section):
    """How the training images are divided into training and validation."""

    method: Literal["stratified", "ordered"] = "stratified"
    """`stratified`: drawn at random within each class; `ordered`: the authors' split, the first
    int(n * fraction) images of each class by Id train and the rest validate."""
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the images that train; the rest validate."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the stratified split and of the draw of `train_images`. It is not the seed of the
    run, so that runs with different seeds are judged on the same images."""
    train_images: Annotated[int, Field(ge=2)] | None = None
    """Train on this many of the training images only, drawn so that the classes keep their shares;
    the validation images stay the same. null: all of them."""


class DataSettings(Section):
    """Which images."""

    path: Annotated[str, Field(min_length=1)] = "data/modified-mnist"
    """Folder of a prepared data set (`mmnist data make` or `mmnist data import`), relative to the
    working directory."""
    split: SplitSettings = SplitSettings()
    """How the training images are divided into training and validation."""


class ModelSettings(Section):
    """Which network, and where its first weights come from."""

    architecture: Literal[
        "resnet", "wide_resnet", "mobilenet_v2", "shufflenet_v2", "simple_cnn"
    ] = "resnet"
    """Family of networks; all but `simple_cnn` (the paper's two-layer benchmark) are
    torchvision's."""
    size: Annotated[
        int | float | None,
        Field(
            validate_default=True,
            json_schema_extra={"enum": [*sorted(set().union(*SIZES.values())), None]},
        ),
    ] = None
    """Member of the family: resnet 18 34 50 101 152, wide_resnet 50 101, mobilenet_v2 1.0,
    shufflenet_v2 0.5 1.0 1.5 2.0; none for simple_cnn."""
    pretrained: Annotated[str, Field(min_length=1)] = "none"
    """Initial weights: `none` (random), `imagenet` (torchvision's), or the path of a `.pth` or
    `.safetensors` state dict."""

    @field_validator("size")
    @classmethod
    def _size_belongs_to_architecture(cls, size: Any, info: ValidationInfo) -> Any:
        architecture = info.data.get("architecture")
        if architecture is None:  # already reported
            return size
        allowed = SIZES[architecture]
        if not allowed:
            if size is not None:
                raise ValueError(f"{architecture} comes in one size: leave size out, or null")
            return None
        if size not in allowed:
            given = "is missing" if size is None else f"{size} is not a size of {architecture}"
            raise ValueError(f"{given}; allowed for {architecture}: {', '.join(map(str, allowed))}")
        return next(value for value in allowed if value == size)


ScheduleName = Literal["constant", "step", "one_cycle", "cosine"]


class ScheduleSettings(Section):
    """How the learning rate changes over the epochs."""

    name: ScheduleName = "step"
    """`constant`; `step` (the paper's: times `gamma` every `step_size` epochs); `one_cycle` (up,
    then down to nothing, momentum the other way); `cosine` (down to nothing)."""
    step_size: Annotated[int, Field(ge=1)] = 7
    """Epochs between two steps (`step` only)."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Factor at each step (`step` only)."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Share of the training in which the rate rises (`one_cycle` only)."""

    @field_validator("step_size", "gamma", "warmup")
    @classmethod
    def _has_an_effect(cls, value: Any, info: ValidationInfo) -> Any:
        user = "one_cycle" if info.field_name == "warmup" else "step"
        name = info.data.get("name", user)
        # The default is let pass, so that a configuration can be written out with all its keys.
        if name != user and value != cls.model_fields[str(info.field_name)].default:
            raise ValueError(
                f"has no effect: the schedule is {name}, and only {user} uses it; leave it out, or "
                "give the schedule as a word (schedule: "
                f"{name}), which replaces the mapping of the file that is extended"
            )
        return value


class UnfreezingSettings(Section):
    """Which layers of a pretrained network train, and from when on."""

    mode: Literal["none", "frozen", "gradual"] = "none"
    """`none`: all layers train from the start; `frozen`: only the last layer for `epochs` epochs,
    then all; `gradual`: one more group of layers every `epochs` epochs, the last one first."""
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


class TrainSettings(Section):
    """How the network is trained."""

    epochs: Annotated[int, Field(ge=1)] = 30
    """Passes over the training images."""
    batch_size: Annotated[int, Field(ge=2)] = 256
    """Images in a batch."""
    gradient_accumulation: Annotated[int, Field(ge=1)] = 1
    """Batches whose gradients are averaged for one step of the optimiser."""
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    """torch.optim's Adam, AdamW or SGD."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate; the highest one where the schedule changes it."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD, and the first beta of Adam and AdamW."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay: L2 for adam and sgd, decoupled for adamw."""
    schedule: Annotated[
        ScheduleSettings,
        BeforeValidator(_named, json_schema_input_type=ScheduleName | ScheduleSettings),
    ] = ScheduleSettings()
    """How the learning rate changes; a mapping, or just its name."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target probability that is spread over all classes."""
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient; null: no limit."""
    early_stopping: Annotated[int, Field(ge=1)] | None = None
    """Stop after this many epochs without a new best; null: never."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of an exponential moving average of the weights, which is then validated and saved in
    place of the weights; null: none."""
    unfreezing: UnfreezingSettings = UnfreezingSettings()
    """Which layers of a pretrained network train, and from when on."""


class ComputeSettings(Section):
    """How it is computed; changes speed and the last digits, not the experiment."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: CUDA where there is any, else the CPU."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number format of the network's arithmetic; `auto`: bf16 where the hardware has it, else
    fp16 on CUDA and fp32 on the CPU."""
    channels_last: bool = True
    """Keep images and weights in the order that convolutions are fastest in."""
    compile: bool = False
    """Compile the network with torch.compile."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Threads that read batches ahead; 0: the training thread reads."""
    deterministic: bool = False
    """Use only deterministic operations. The CPU needs no switch for that; CUDA gets slower."""


def _augment_kind(value: Any) -> str:
    return "preset" if isinstance(value, str) else "transforms"


class Experiment(Section):
    """One experiment: everything that decides the result of a run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """Name of the run folder, `runs/<name>`; the configuration file's name if left out."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of initial weights, order of images, augmentation and dropout."""
    data: DataSettings = DataSettings()
    """Which images."""
    model: ModelSettings
    """Which network, and where its first weights come from."""
    resize: Annotated[int, Field(ge=32, le=1024)] = 128
    """Side of the images that the network sees, in pixels (the originals have 128)."""
    normalisation: Literal["unit", "imagenet", "none"] = "unit"
    """`unit`: grey level / 256, as in the paper; `imagenet`: mean and deviation of ImageNet's
    channels; `none`: grey levels 0-255 as they are."""
    augment: Annotated[
        Annotated[Literal["none", "paper"], Tag("preset")]
        | Annotated[AugmentSettings, Tag("transforms")],
        Discriminator(_augment_kind),
    ] = "none"
    """Random transforms of training images: `none`, `paper` (the authors' nine), or a mapping of
    transforms to their magnitudes and probabilities."""
    train: TrainSettings = TrainSettings()
    """How the network is trained."""
    compute: ComputeSettings = ComputeSettings()
    """How it is computed."""

    @field_validator("train")
    @classmethod
    def _unfreezing_needs_pretraining(
        cls, train: TrainSettings, info: ValidationInfo
    ) -> TrainSettings:
        model = info.data.get("model")  # absent where it was wrong itself
        mode = train.unfreezing.mode
        if mode != "none" and model is not None and model.pretrained == "none":
            raise at(
                ["unfreezing", "mode"],
                f"{mode} wants pretrained weights, but model.pretrained is none: a frozen network "
                "with random weights cannot learn; set model.pretrained, or drop train.unfreezing",
            )
        return train

    @property
    def augmentation(self) -> AugmentSettings:
        """The transforms that `augment` stands for."""
        if self.augment == "none":
            return AugmentSettings()
        return PAPER_AUGMENTATION if self.augment == "paper" else self.augment
