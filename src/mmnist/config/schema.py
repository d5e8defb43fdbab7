"""What an experiment is: every key of a configuration file, its type, bounds and explanation.

The descriptions are the documentation: `mmnist config schema` and docs/configuration.md are made
from them. Defaults are the paper's settings wherever the paper states one.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from mmnist.config.augmentation import PAPER_AUGMENTATION, AugmentSettings
from mmnist.config.model import ModelSettings
from mmnist.config.rules import pretraining_problems, train_problems
from mmnist.config.section import Section, at, refuse
from mmnist.config.training import PretrainingSettings, TrainSettings
from mmnist.defaults import DATA
from mmnist.errors import InputError
from mmnist.task import IMAGE_SIDE

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

    @model_validator(mode="after")
    def _seed_has_an_effect(self) -> Self:
        if self.seed and self.method == "ordered" and self.train_images is None:
            raise at(["seed"], "has no effect: an ordered split draws no images; leave it 0")
        return self

    @property
    def words(self) -> str:
        """Which images validate, such as `stratified 0.9, seed 0`."""
        seed = f", seed {self.seed}" if self.method == "stratified" else ""
        return f"{self.method} {self.fraction:g}{seed}"


class DataSettings(Section):
    """The data set and its split."""

    path: Annotated[str, Field(min_length=1)] = DATA.as_posix()
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
    """Threads that read images, and draw patches, ahead; 0: the training thread does."""
    deterministic: bool = False
    """Use only deterministic operations. Not needed on the CPU; slower on CUDA."""


def _augment_kind(value: Any) -> str:
    return "preset" if isinstance(value, str) else "transforms"


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
    resize: Annotated[int, Field(ge=32, le=1024)] = IMAGE_SIDE
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

    @field_validator("resize")
    @classmethod
    def _three_digits_fit(cls, resize: int, info: ValidationInfo) -> int:
        model = info.data.get("model")  # absent if it is itself invalid
        if model is not None and model.digits == "three" and resize != IMAGE_SIDE:
            raise ValueError(
                f"must be {IMAGE_SIDE} with model.digits: three, which knows how far apart digits "
                "are there"
            )
        return resize

    @field_validator("pretraining")
    @classmethod
    def _pretraining_fits(
        cls, pretraining: PretrainingSettings, info: ValidationInfo
    ) -> PretrainingSettings:
        model = info.data.get("model")
        if model is not None:
            refuse(pretraining_problems(pretraining, model, info.data.get("resize", 128)))
        return pretraining

    @field_validator("train")
    @classmethod
    def _training_fits(cls, train: TrainSettings, info: ValidationInfo) -> TrainSettings:
        augmented = info.data.get("augment", "none") != "none"
        refuse(train_problems(train, info.data.get("model"), augmented=augmented))
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
