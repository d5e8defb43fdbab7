"""What an experiment is: every key of a configuration file, its type, bounds and explanation.

The descriptions are the documentation: `mmnist config schema` and docs/configuration.md are made
from them. Defaults are the paper's settings wherever the paper states one.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from mmnist.config.augmentation import PAPER_AUGMENTATION, AugmentSettings
from mmnist.config.model import ModelSettings
from mmnist.config.section import Section, at
from mmnist.config.training import SIDE_OF_FOUR, PretrainingSettings, TrainSettings
from mmnist.errors import InputError

SEEDS = 2**32
"""Seeds are below this."""


class SplitSettings(Section):
    """How the training images are split into training and validation."""

    method: Literal["stratified", "ordered"] = "stratified"
    """`stratified`: drawn at random within each class; `ordered`: the authors' split, in which the
    first int(n * fraction) images of each class, by Id, are for training and the rest for
    validation."""
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the images for training; the rest are for validation."""
    seed: Annotated[int, Field(ge=0, lt=SEEDS)] = 0
    """Seed of the stratified split and of the draw of `train_images`. It is not the seed of the
    run, so that runs with different seeds are validated on the same images."""
    train_images: Annotated[int, Field(ge=2)] | None = None
    """Train on only this many of the training images, drawn so that the classes keep their shares;
    the validation images stay the same. null: all of them."""

    @property
    def words(self) -> str:
        """Which images validate, such as `stratified 0.9, seed 0`."""
        seed = f", seed {self.seed}" if self.method == "stratified" else ""
        return f"{self.method} {self.fraction:g}{seed}"


class DataSettings(Section):
    """The data set and its split."""

    path: Annotated[str, Field(min_length=1)] = "data/modified-mnist"
    """Folder of a prepared data set (`mmnist data make` or `mmnist data import`), relative to the
    working directory."""
    split: SplitSettings = SplitSettings()
    """How the training images are split into training and validation."""


class ComputeSettings(Section):
    """How results are computed: affects speed and rounding, not the experiment."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: CUDA if available, else the CPU."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number format of the network's arithmetic; `auto`: bf16 if the hardware supports it,
    else fp16 on CUDA and fp32 on the CPU."""
    channels_last: bool = True
    """Keep images and weights in channels-last order, in which convolutions are fastest."""
    compile: bool = False
    """Compile the network with torch.compile."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Threads that prepare batches ahead; 0: the training thread prepares them."""
    deterministic: bool = False
    """Use only deterministic operations. Not needed on the CPU; slower on CUDA."""


def _augment_kind(value: Any) -> str:
    return "preset" if isinstance(value, str) else "transforms"


#: Pixels between the locations of a digit reader.
GRID = 8

#: What a training without epochs of whole images learns from.
_ONLY_PATCHES = "epochs is 0, so there are only single digits to learn from"


class Experiment(Section):
    """One experiment: everything that decides the result of a run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """Name of the run folder, `runs/<name>`; the configuration file's name if left out."""
    seed: Annotated[int, Field(ge=0, lt=SEEDS)] = 0
    """Seed of the initial weights, the order of images, augmentation and dropout."""
    data: DataSettings = DataSettings()
    """The data set and its split."""
    model: ModelSettings
    """Which network, and where its initial weights come from."""
    resize: Annotated[int, Field(ge=32, le=1024)] = 128
    """Side of the images that the network sees, in pixels (the originals are 128)."""
    normalisation: Literal["unit", "imagenet", "none"] = "unit"
    """`unit`: grey level / 256, as in the paper; `imagenet`: standardised by the mean and standard
    deviation of ImageNet's channels; `none`: grey levels 0-255 as they are."""
    augment: Annotated[
        Annotated[Literal["none", "paper"], Tag("preset")]
        | Annotated[AugmentSettings, Tag("transforms")],
        Discriminator(_augment_kind),
    ] = "none"
    """Random transforms of training images: `none`, `paper` (the authors' nine), or a mapping of
    transforms to their magnitudes and probabilities."""
    pretraining: PretrainingSettings = PretrainingSettings()
    """The first epochs of a run with `model.pretrained: mnist`."""
    train: TrainSettings = TrainSettings()
    """How the network is trained."""
    compute: ComputeSettings = ComputeSettings()
    """Device, precision and speed."""

    @field_validator("train")
    @classmethod
    def _unfreezing_needs_pretraining(
        cls, train: TrainSettings, info: ValidationInfo
    ) -> TrainSettings:
        model = info.data.get("model")  # absent if it is itself invalid
        mode = train.unfreezing.mode
        if mode != "none" and model is not None and model.pretrained == "none":
            raise at(
                ["unfreezing", "mode"],
                f"{mode} wants pretrained weights, but model.pretrained is none: a frozen network "
                "with random weights cannot learn; set model.pretrained, or drop train.unfreezing",
            )
        return train

    @field_validator("pretraining")
    @classmethod
    def _pretraining_has_an_effect(
        cls, pretraining: PretrainingSettings, info: ValidationInfo
    ) -> PretrainingSettings:
        model = info.data.get("model")
        # The defaults are accepted, so that a configuration can be written out with all its keys.
        if (
            model is not None
            and model.pretrained != "mnist"
            and pretraining != PretrainingSettings()
        ):
            raise ValueError(
                f"has no effect: model.pretrained is {model.pretrained}, and only mnist uses it"
            )
        return pretraining

    @field_validator("pretraining")
    @classmethod
    def _angle_weight_has_an_effect(
        cls, pretraining: PretrainingSettings, info: ValidationInfo
    ) -> PretrainingSettings:
        model = info.data.get("model")
        if model is None:
            return pretraining
        default = PretrainingSettings.model_fields["angle_weight"].default
        if model.angles == 1 and pretraining.angle_weight != default:
            raise at(["angle_weight"], "has no effect: model.angles is 1, so none are told apart")
        if model.angles > 1 and model.pretrained == "mnist" and not pretraining.angle_weight:
            raise at(
                ["angle_weight"],
                f"0 teaches no angles, but model.angles is {model.angles}: raise it, or leave out "
                "model.angles",
            )
        return pretraining

    @field_validator("pretraining")
    @classmethod
    def _nearest_weight_has_an_effect(
        cls, pretraining: PretrainingSettings, info: ValidationInfo
    ) -> PretrainingSettings:
        model = info.data.get("model")
        if pretraining.nearest_weight and model and model.architecture != "digit_reader":
            raise at(
                ["nearest_weight"],
                "is for digit_reader, whose locations are nearer to each other than digits; "
                f"with {model.architecture} leave it 0",
            )
        return pretraining

    @field_validator("pretraining")
    @classmethod
    def _mosaic_fits(
        cls, pretraining: PretrainingSettings, info: ValidationInfo
    ) -> PretrainingSettings:
        n, model = pretraining.mosaic, info.data.get("model")
        if n == 1 or model is None:
            return pretraining
        if model.architecture != "digit_reader":
            raise at(
                ["mosaic"],
                f"is for digit_reader, whose locations each belong to one patch; with "
                f"{model.architecture} leave it 1",
            )
        if pretraining.batch_size % n**2:
            raise at(
                ["mosaic"],
                f"{n} wants batches of whole mosaics, of {n**2} patches each, but "
                f"pretraining.batch_size is {pretraining.batch_size}",
            )
        side = pretraining.side_at(info.data.get("resize", 128))
        if side % GRID:
            raise at(
                ["mosaic"],
                f"wants patches that are a multiple of {GRID} px, the distance of locations, but "
                f"these are {side} px: change pretraining.side, or leave it 1",
            )
        return pretraining

    @field_validator("resize")
    @classmethod
    def _three_digits_fit(cls, resize: int, info: ValidationInfo) -> int:
        model = info.data.get("model")
        if model is not None and model.digits == "three" and resize != 128:
            raise ValueError(
                "must be 128 with model.digits: three, which knows how far apart digits are there"
            )
        return resize

    @field_validator("pretraining")
    @classmethod
    def _patches_have_one_digit(
        cls, pretraining: PretrainingSettings, info: ValidationInfo
    ) -> PretrainingSettings:
        model = info.data.get("model")
        if model is None or pretraining.side < SIDE_OF_FOUR:
            return pretraining
        for key, asked in (
            ("model.digits: three", model.digits == "three"),
            ("model.angles", model.angles > 1),
            ("pretraining.nearest_weight", pretraining.nearest_weight > 0),
        ):
            if asked:
                raise at(
                    ["side"],
                    f"must be below {SIDE_OF_FOUR} with {key}, which takes patches to have "
                    f"one digit or none; those of {pretraining.side} px have four or nine",
                )
        return pretraining

    @field_validator("train")
    @classmethod
    def _losses_fit_the_head(cls, train: TrainSettings, info: ValidationInfo) -> TrainSettings:
        model = info.data.get("model")
        if train.presence_weight and model is not None and not model.reads_maximum:
            raise at(
                ["presence_weight"],
                f"{model.architecture} gives one answer for the whole image: set model.head to "
                "maximum, take digit_reader, or leave it 0",
            )
        if train.anywhere_weight and model is not None and model.digits != "three":
            raise at(
                ["anywhere_weight"],
                "adds a second way to read the image to that of model.digits: three; leave it 0",
            )
        if train.label_smoothing and model is not None and model.reads_maximum:
            raise at(
                ["label_smoothing"],
                "is for networks that score ten classes: a network that reads each location gives "
                "the probability of the largest digit; leave it 0",
            )
        return train

    @field_validator("train")
    @classmethod
    def _there_are_epochs(cls, train: TrainSettings, info: ValidationInfo) -> TrainSettings:
        model = info.data.get("model")
        if not train.epochs and model is not None and model.pretrained != "mnist":
            raise at(
                ["epochs"],
                f"0 leaves nothing to train: model.pretrained is {model.pretrained}, and only "
                "mnist brings epochs of its own",
            )
        return train

    @field_validator("train")
    @classmethod
    def _settings_of_no_epochs(cls, train: TrainSettings, info: ValidationInfo) -> TrainSettings:
        if train.epochs:
            return train
        of_images = ("learning_rate", "schedule", "early_stopping", "unfreezing", "anywhere_weight")
        for key in of_images:
            if getattr(train, key) != TrainSettings.model_fields[key].default:
                raise at([key], f"has no effect: {_ONLY_PATCHES}")
        if info.data.get("augment", "none") != "none":
            raise ValueError(f"augment has no effect: {_ONLY_PATCHES}, which are not augmented")
        return train

    @property
    def pretraining_epochs(self) -> int:
        """Epochs of single digits, before those of whole images."""
        return self.pretraining.epochs if self.model.pretrained == "mnist" else 0

    @property
    def epochs(self) -> int:
        """Number of all epochs of a training."""
        return self.pretraining_epochs + self.train.epochs

    @property
    def augmentation(self) -> AugmentSettings:
        """The transforms that `augment` stands for."""
        if self.augment == "none":
            return AugmentSettings()
        return PAPER_AUGMENTATION if self.augment == "paper" else self.augment


def with_seed(experiment: Experiment, seed: int) -> Experiment:
    """The same experiment with another seed.

    Raises:
        InputError: the seed is not below `SEEDS`.
    """
    if seed >= SEEDS:
        raise InputError(f"--seeds: the last seed would be {seed}; seeds end at {SEEDS - 1}")
    return experiment.model_copy(update={"seed": seed})
