"""Which settings of one section of a configuration do not fit those of another.

Each problem is the key that does not fit, within its section, and the reason.
"""

from collections.abc import Iterator

from mmnist.config.model import ModelSettings
from mmnist.config.section import Unfit
from mmnist.config.training import SQUARE, PretrainingSettings, TrainSettings

#: Pixels between the locations of a digit reader.
GRID = 8

#: What a training without epochs of whole images learns from.
_ONLY_PATCHES = "epochs is 0, so there are only single digits to learn from"


def pretraining_problems(
    pretraining: PretrainingSettings, model: ModelSettings, resize: int
) -> Iterator[Unfit]:
    """What of `pretraining` does not fit the network, or the size of images."""
    if model.pretrained != "mnist":
        # The defaults are accepted, so that a configuration can be written out with all its keys.
        if pretraining != PretrainingSettings():
            yield (
                (),
                f"has no effect: model.pretrained is {model.pretrained}, and only mnist uses it",
            )
        return
    yield from _empty_problems(pretraining, model)
    yield from _angle_problems(pretraining, model)
    yield from _side_problems(pretraining, model)
    yield from _mosaic_problems(pretraining, model, resize)
    if pretraining.nearest_weight and model.architecture != "digit_reader":
        yield (
            ("nearest_weight",),
            "is for digit_reader, whose locations are nearer to each other than digits; "
            f"with {model.architecture} leave it 0",
        )


def _empty_problems(pretraining: PretrainingSettings, model: ModelSettings) -> Iterator[Unfit]:
    if not model.reads_maximum and "empty" in pretraining.changed:
        yield (
            ("empty",),
            f"has no effect: {model.architecture} gives one of ten answers for each patch, so all "
            "patches have a digit; leave it out",
        )


def _angle_problems(pretraining: PretrainingSettings, model: ModelSettings) -> Iterator[Unfit]:
    if model.angles == 1 and "angle_weight" in pretraining.changed:
        yield ("angle_weight",), "has no effect: model.angles is 1, so none are told apart"
    if model.angles > 1 and not pretraining.angle_weight:
        yield (
            ("angle_weight",),
            f"0 teaches no angles, but model.angles is {model.angles}: raise it, or leave out "
            "model.angles",
        )


def _side_problems(pretraining: PretrainingSettings, model: ModelSettings) -> Iterator[Unfit]:
    if pretraining.side < 2 * SQUARE:
        return
    for key, asked in (
        ("model.digits: three", model.digits == "three"),
        ("model.angles", model.angles > 1),
        ("pretraining.nearest_weight", pretraining.nearest_weight > 0),
    ):
        if asked:
            yield (
                ("side",),
                f"must be below {2 * SQUARE} with {key}, which takes patches to have one digit "
                f"or none; those of {pretraining.side} px have four or nine",
            )


def _mosaic_problems(
    pretraining: PretrainingSettings, model: ModelSettings, resize: int
) -> Iterator[Unfit]:
    n, side = pretraining.mosaic, pretraining.side_at(resize)
    if n == 1:
        return
    if model.architecture != "digit_reader":
        yield (
            ("mosaic",),
            "is for digit_reader, whose locations each belong to one patch; with "
            f"{model.architecture} leave it 1",
        )
    elif pretraining.batch_size % n**2:
        yield (
            ("mosaic",),
            f"{n} wants batches of whole mosaics, of {n**2} patches each, but "
            f"pretraining.batch_size is {pretraining.batch_size}",
        )
    elif side % GRID:
        yield (
            ("mosaic",),
            f"wants patches that are a multiple of {GRID} px, the distance of locations, but "
            f"these are {side} px: change pretraining.side, or leave it 1",
        )


def train_problems(
    train: TrainSettings, model: ModelSettings | None, *, augmented: bool
) -> Iterator[Unfit]:
    """What of `train` does not fit the network, if there is a valid one, or augmentation."""
    if model is not None:
        yield from _loss_problems(train, model)
        yield from _unfreezing_problems(train, model)
        if not train.epochs and model.pretrained != "mnist":
            yield (
                ("epochs",),
                f"0 leaves nothing to train: model.pretrained is {model.pretrained}, and only "
                "mnist brings epochs of its own",
            )
            return
    if train.epochs:
        return
    for key in ("learning_rate", "schedule", "early_stopping", "unfreezing", "anywhere_weight"):
        if key in train.changed:
            yield (key,), f"has no effect: {_ONLY_PATCHES}"
    if augmented:
        yield (), f"augment has no effect: {_ONLY_PATCHES}, which are not augmented"


def _loss_problems(train: TrainSettings, model: ModelSettings) -> Iterator[Unfit]:
    if train.presence_weight and not model.reads_maximum:
        yield (
            ("presence_weight",),
            f"{model.architecture} gives one answer for the whole image: set model.head to "
            "maximum, take digit_reader, or leave it 0",
        )
    if train.anywhere_weight and model.digits != "three":
        yield (
            ("anywhere_weight",),
            "adds a second way to read the image to that of model.digits: three; leave it 0",
        )
    if train.label_smoothing and model.reads_maximum:
        yield (
            ("label_smoothing",),
            "is for networks that score ten classes: a network that reads each location gives the "
            "probability of the largest digit; leave it 0",
        )


def _unfreezing_problems(train: TrainSettings, model: ModelSettings) -> Iterator[Unfit]:
    if train.unfreezing.mode != "none" and model.pretrained == "none":
        yield (
            ("unfreezing", "mode"),
            f"{train.unfreezing.mode} wants pretrained weights, but model.pretrained is none: a "
            "frozen network with random weights cannot learn; set model.pretrained, or drop "
            "train.unfreezing",
        )
