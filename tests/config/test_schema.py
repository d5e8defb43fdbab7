import ast
from pathlib import Path

import pytest
from pydantic import ValidationError

from mmnist.config import schema
from mmnist.config.keys import all_keys
from mmnist.config.model import SIZES, ModelSettings
from mmnist.config.schema import PAPER_AUGMENTATION, AugmentSettings, Experiment, SplitSettings
from mmnist.config.training import ScheduleSettings, TrainSettings, UnfreezingSettings


@pytest.mark.parametrize(
    ("architecture", "size"),
    [(name, size) for name, sizes in SIZES.items() for size in sizes or [None]],
)
def test_every_size_is_admitted(architecture: str, size: float | None) -> None:
    settings = ModelSettings.model_validate({"architecture": architecture, "size": size})
    assert settings.size == size
    assert type(settings.size) is type(size)


def test_sizes_are_those_of_the_paper_and_of_torchvision() -> None:
    assert SIZES == {
        "resnet": (18, 34, 50, 101, 152),
        "wide_resnet": (50, 101),
        "mobilenet_v2": (1.0,),
        "shufflenet_v2": (0.5, 1.0, 1.5, 2.0),
        "simple_cnn": (),
        "digit_reader": (0.5, 0.75, 1.0, 1.5),
    }


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({}, "stratified 0.9, seed 0"),
        ({"fraction": 0.85, "seed": 7, "train_images": 50}, "stratified 0.85, seed 7"),
        ({"method": "ordered", "seed": 7, "train_images": 50}, "ordered 0.9"),
    ],
)
def test_a_split_in_words_tells_what_the_validation_images_depend_on(split, words) -> None:
    assert SplitSettings.model_validate(split).words == words


@pytest.mark.parametrize("file", ["mnist.pth", "imagenet.safetensors", "./imagnet", "w"])
def test_weights_may_be_in_a_file_whose_name_resembles_a_word(file) -> None:
    settings = ModelSettings.model_validate({"size": 18, "pretrained": file})
    assert settings.pretrained == file


def test_a_whole_number_can_stand_for_a_width() -> None:
    size = ModelSettings.model_validate({"architecture": "shufflenet_v2", "size": 2}).size
    assert (size, type(size)) == (2.0, float)


def test_defaults_are_the_papers_settings() -> None:
    experiment = Experiment.model_validate({"name": "x", "model": {"size": 18}})
    train = experiment.train
    assert (train.optimiser, train.learning_rate, train.momentum) == ("adam", 1e-3, 0.9)
    assert (train.batch_size, train.epochs) == (256, 30)
    schedule = train.schedule
    assert (schedule.name, schedule.step_size, schedule.gamma) == ("step", 7, 0.1)
    assert (experiment.resize, experiment.normalisation) == (128, "unit")
    assert experiment.data.split.fraction == 0.9


def test_the_papers_augmentation() -> None:
    """fastai v1's get_transforms with p_affine = p_lighting = 0.75, and five more with 0.2."""
    given = {
        name: (settings["magnitude"], settings["probability"])
        for name, settings in PAPER_AUGMENTATION.model_dump().items()
        if settings["probability"] != 0.2
    }
    assert given == {
        "symmetric_warp": (0.2, 0.75),
        "rotate": (25.0, 0.75),
        "zoom": (0.1, 0.75),
        "brightness": (0.2, 0.75),
        "contrast": (0.2, 0.75),
    }
    experiment = Experiment.model_validate({"name": "x", "model": {"size": 18}, "augment": "paper"})
    assert experiment.augmentation == PAPER_AUGMENTATION
    none = experiment.model_copy(update={"augment": "none"})
    assert none.augmentation == AugmentSettings()


def test_settings_without_effect_are_refused_unless_they_are_defaults() -> None:
    assert ScheduleSettings(name="cosine", step_size=7, gamma=0.1, warmup=0.25)
    assert ScheduleSettings(name="one_cycle", warmup=0.5)
    with pytest.raises(ValidationError, match="only one_cycle uses it"):
        ScheduleSettings(name="step", warmup=0.5)
    assert UnfreezingSettings(mode="frozen", epochs=3)
    with pytest.raises(ValidationError, match="mode is none"):
        UnfreezingSettings(epochs=3)


def test_experiments_cannot_be_changed() -> None:
    experiment = Experiment.model_validate({"name": "x", "model": {"size": 18}})
    with pytest.raises(ValidationError, match="frozen"):
        experiment.seed = 3  # type: ignore[misc]


def test_every_key_has_an_explanation() -> None:
    for section in schema.Section.__subclasses__():
        for name, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{name}"
            assert field.description.strip().endswith("."), f"{section.__name__}.{name}"


def test_configuration_imports_nothing_heavy() -> None:
    """So that `mmnist config check` answers at once."""
    allowed = {"difflib", "collections", "dataclasses", "functools", "json", "os", "pathlib", "re"}
    allowed |= {"contextlib", "textwrap", "typing", "yaml", "pydantic", "pydantic_core", "mmnist"}
    for path in Path(schema.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] in allowed, f"{path.name} imports {name}"
                if name.startswith("mmnist"):
                    below = ("mmnist.config", "mmnist.defaults", "mmnist.errors", "mmnist.task")
                    assert name.startswith(below), path.name


READER = {"architecture": "digit_reader", "size": 1.0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {**READER, "head": "maximum"}}, "digit_reader has this head anyway"),
        ({"model": {"size": 18, "pretrained": "imagnet"}}, "did you mean 'imagenet'.* ./imagnet"),
        (
            {"model": READER, "pretraining": {"epochs": 3}},
            "has no effect: model.pretrained is none",
        ),
        (
            {"model": {**READER, "pretrained": "w.pth"}, "pretraining": {"side": 40}},
            "has no effect: model.pretrained is w.pth",
        ),
        (
            {"model": {"architecture": "resnet", "size": 18}, "train": {"presence_weight": 1.0}},
            "resnet gives one answer for the whole image: set model.head to maximum",
        ),
        (
            {"model": READER, "train": {"anywhere_weight": 1.0}},
            "adds a second way to read the image to that of model.digits: three",
        ),
        (
            {
                "model": {**READER, "digits": "three", "pretrained": "mnist"},
                "train": {"epochs": 0, "anywhere_weight": 1.0},
            },
            "has no effect: epochs is 0",
        ),
        ({"model": READER, "train": {"label_smoothing": 0.1}}, "networks that score ten classes"),
        ({"model": READER, "train": {"epochs": 0}}, "0 leaves nothing to train"),
        (
            {
                "model": {**READER, "pretrained": "mnist"},
                "train": {"epochs": 0, "early_stopping": 3},
            },
            "has no effect: epochs is 0",
        ),
        (
            {
                "model": {**READER, "pretrained": "mnist"},
                "augment": "paper",
                "train": {"epochs": 0},
            },
            "augment has no effect: epochs is 0",
        ),
        (
            {
                "model": {"architecture": "resnet", "size": 18, "pretrained": "mnist"},
                "pretraining": {"mosaic": 2},
            },
            "is for digit_reader, whose .*; with resnet leave it 1",
        ),
        (
            {
                "model": {**READER, "pretrained": "mnist"},
                "pretraining": {"mosaic": 3, "batch_size": 512},
            },
            "3 wants batches of whole mosaics, of 9 patches each, but .*batch_size is 512",
        ),
        (
            {
                "model": {**READER, "pretrained": "mnist"},
                "resize": 80,
                "pretraining": {"mosaic": 4, "side": 48},
            },
            "a multiple of 8 px, the distance of locations, but these are 30 px",
        ),
        (
            {"model": {"architecture": "resnet", "size": 18, "digits": "three"}},
            "is for digit_reader; with resnet leave it any",
        ),
        (
            {"model": {**READER, "digits": "three"}, "resize": 96},
            "must be 128 with model.digits: three",
        ),
        (
            {
                "model": {**READER, "digits": "three", "pretrained": "mnist"},
                "pretraining": {"side": 80},
            },
            "must be below 80 with model.digits: three.* those of 80 px have four or nine",
        ),
        (
            {
                "model": {**READER, "angles": 6, "pretrained": "mnist"},
                "pretraining": {"side": 128},
            },
            "must be below 80 with model.angles.* those of 128 px have four or nine",
        ),
        (
            {"model": {**READER, "angles": 6}},
            "known of single digits only: set model.pretrained to mnist",
        ),
        (
            {"model": {**READER, "pretrained": "mnist"}, "pretraining": {"angle_weight": 0.5}},
            "has no effect: model.angles is 1",
        ),
        (
            {
                "model": {**READER, "angles": 6, "pretrained": "mnist"},
                "pretraining": {"angle_weight": 0.0},
            },
            "0 teaches no angles, but model.angles is 6",
        ),
        (
            {
                "model": {"architecture": "resnet", "size": 18, "pretrained": "mnist"},
                "pretraining": {"nearest_weight": 0.5},
            },
            "is for digit_reader, whose locations.*with resnet leave it 0",
        ),
        (
            {
                "model": {**READER, "pretrained": "mnist"},
                "pretraining": {"nearest_weight": 0.5, "side": 80},
            },
            "must be below 80 with pretraining.nearest_weight.* those of 80 px have four or nine",
        ),
        (
            {
                "model": {**READER, "pretrained": "mnist"},
                "pretraining": {"epochs": 1, "candidates": 3},
            },
            "has no effect in a single epoch",
        ),
        (
            {"model": {"architecture": "resnet", "size": 18, "angles": 6}},
            "is for digit_reader; with resnet leave it 1",
        ),
        (
            {"model": {"architecture": "resnet", "size": 18, "orientations": 8}},
            "is for digit_reader; with resnet leave it 1",
        ),
        (
            {"model": {**READER, "pretrained": "imagenet"}},
            "there are no ImageNet weights for digit_reader",
        ),
        (
            {"model": {"architecture": "simple_cnn", "pretrained": "imagenet"}},
            "there are no ImageNet weights for simple_cnn",
        ),
        (
            {
                "model": {"architecture": "resnet", "size": 18, "pretrained": "mnist"},
                "pretraining": {"empty": 0.5},
            },
            "has no effect: resnet gives one of ten answers",
        ),
        (
            {"model": {"architecture": "resnet", "size": 18, "antialiased": True}},
            "is for digit_reader; with resnet leave it false",
        ),
    ],
)
def test_what_reading_locations_needs(values, message):
    with pytest.raises(ValidationError, match=message):
        Experiment.model_validate({"name": "x", **values})


def test_a_setting_of_the_schedule_of_digits_keeps_its_name():
    values = {"name": "x", "model": {**READER, "pretrained": "mnist"}}
    made = Experiment.model_validate({**values, "pretraining": {"schedule": {"warmup": 0.1}}})
    assert (made.pretraining.schedule.name, made.pretraining.schedule.warmup) == ("one_cycle", 0.1)
    default = all_keys()[("pretraining", "schedule", "name")].schema["default"]
    assert default == made.pretraining.schedule.name
    assert all_keys()[("train", "schedule", "name")].schema["default"] == "step"


def test_epochs_of_digits_and_of_images_add_up():
    alone = Experiment.model_validate({"name": "x", "model": READER, "train": {"epochs": 5}})
    assert (alone.pretraining_epochs, alone.epochs) == (0, 5)
    both = Experiment.model_validate(
        {
            "name": "x",
            "model": {**READER, "pretrained": "mnist"},
            "pretraining": {"epochs": 3},
            "train": {"epochs": 5, "presence_weight": 0.5},
        }
    )
    assert (both.pretraining_epochs, both.epochs) == (3, 8)
    digits_only = both.model_copy(update={"train": TrainSettings(epochs=0)})
    assert (digits_only.pretraining_epochs, digits_only.epochs) == (3, 3)
