"""Bad configurations: what is given, and what the message must contain."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmnist.config.loading import load_experiment
from mmnist.config.origin import ConfigError

MODEL = "model: {architecture: resnet, size: 18}\n"

# The text after MODEL (so its first line is line 2), and parts of the message.
BAD_VALUES = [
    ("train: {epochs: on}", ["x.yaml:2: train.epochs: wanted a whole number", "the text 'on'"]),
    ("train: {epochs: '30'}", ["x.yaml:2: train.epochs", "leave the quotes out"]),
    ("train: {epochs: 3.0}", ["x.yaml:2: train.epochs", "a whole number", "the number 3.0"]),
    ("train: {epochs: true}", ["x.yaml:2: train.epochs", "a whole number", "got true"]),
    ("train:\n  epochs: -1", ["x.yaml:3: train.epochs", "at least 0", "the number -1"]),
    ("train: {batch_size: 1}", ["x.yaml:2: train.batch_size", "at least 2"]),
    ("train: {learning_rate: 0}", ["x.yaml:2: train.learning_rate", "above 0"]),
    ("train: {learning_rate: 1e-3x}", ["train.learning_rate: wanted a number", "'1e-3x'"]),
    ("train: {learning_rate: .inf}", ["wanted a finite number above 0, got the number inf"]),
    ("train: {momentum: .nan}", ["x.yaml:2: train.momentum", "below 1", "nan"]),
    ("train: {gradient_clip: .inf}", ["x.yaml:2: train.gradient_clip", "inf"]),
    ("train: {ema: 1}", ["x.yaml:2: train.ema", "above 0 and below 1 or null"]),
    ("train: {early_stopping: no}", ["x.yaml:2: train.early_stopping", "or null", "'no'"]),
    (
        "train: {optimiser: adma}",
        ["train.optimiser: wanted adam, adamw, muon or sgd", "mean 'adam'?"],
    ),
    ("train: {schedule: onecycle}", ["train.schedule.name", "mean 'one_cycle'?"]),
    ("train: {schedule: [step]}", ["x.yaml:2: train.schedule: wanted", "got a list"]),
    ("train:", ["x.yaml:2: train: wanted a mapping", "got nothing (null)"]),
    ("train: 3", ["x.yaml:2: train: wanted a mapping", "the number 3"]),
    ("compute: {compile: yes}", ["x.yaml:2: compute.compile", "true or false", "write true"]),
    ("compute: {channels_last: off}", ["x.yaml:2: compute.channels_last", "write false"]),
    ("compute: {compile: 1}", ["compute.compile: wanted true or false, got the number 1"]),
    ("compute: {precision: 16}", ["wanted auto, fp32, bf16 or fp16, got the number 16$"]),
    (
        "augment: false",
        ["x.yaml:2: augment: wanted none, paper", "got false; did you mean 'none'?"],
    ),
    ("train: {schedule: 1}", ["train.schedule: wanted", "got the number 1$"]),
    (r'data: {path: "\UFFFFFFFF"}', ["x.yaml: not valid YAML: an escape", "no character"]),
    ("compute: {device: cuda:1}", ["compute.device: wanted auto, cpu or cuda", "mean 'cuda'?"]),
    ("compute: {workers: 65}", ["compute.workers: wanted a whole number from 0 to 64"]),
    ("resize: 20", ["x.yaml:2: resize: wanted a whole number from 32 to 1024"]),
    ("normalisation: Unit", ["normalisation: wanted unit, imagenet or none", "mean 'unit'?"]),
    ("seed: -1", ["x.yaml:2: seed", "at least 0"]),
    ("seed: 4294967296", ["x.yaml:2: seed", "below 4294967296"]),
    ("compute: {compile: 'true'}", ["compute.compile: wanted true or false", "leave the quotes"]),
    ("name: 2019", ["x.yaml:2: name", "the number 2019", "put quotes around it"]),
    ("name: a/b", ["x.yaml:2: name: wanted at most 100 letters, digits", "'a/b'"]),
    ("name: ../up", ["x.yaml:2: name", "'../up'"]),
    ("data: {path: ''}", ["x.yaml:2: data.path: wanted text that is not empty"]),
    ("data: {path: 5}", ["x.yaml:2: data.path", "the number 5", "put quotes around it"]),
    (
        "data: {split: ordered}",
        ["x.yaml:2: data.split: wanted a mapping (method, fraction, seed"],
    ),
    ("data: {split: {fraction: 1}}", ["x.yaml:2: data.split.fraction", "below 1", "number 1"]),
    ("augment: papr", ["x.yaml:2: augment: wanted none, paper or a mapping", "mean 'paper'?"]),
    ("augment:", ["x.yaml:2: augment: wanted none, paper or a mapping", "nothing"]),
    ("augment: {rotate: 25}", ["x.yaml:2: augment.rotate: wanted a mapping (magnitude, prob"]),
    (
        "augment: {rotate: {magnitude: 200}}",
        ["x.yaml:2: augment.rotate.magnitude: wanted a number from 0 to 180", "number 200"],
    ),
    (
        "augment: {tilt: {magnitude: 1}}",
        ["augment.tilt.magnitude: wanted", "below 1, got the number 1"],
    ),
    ("augment: {tilt: {probability: 1}}", ["x.yaml:2: augment.tilt.magnitude: is missing"]),
    (
        "augment: {tilt: {magnitude: .nan}}",
        ["tilt.magnitude: wanted a finite number", "nan"],
    ),
    ("augment:\n  zoom:\n    magnitude: 1\n    probability: 2", ["x.yaml:5: augment.zoom.prob"]),
    ("train: {schedule: {name: cosine, gamma: 0.5}}", ["train.schedule.gamma: has no effect"]),
    (
        "data: {split: {method: ordered, seed: 1}}",
        ["data.split.seed: has no effect", "ordered", "leave it 0"],
    ),
    ("train: {schedule: {warmup: 0.5}}", ["train.schedule.warmup: has no effect", "one_cycle"]),
    ("train: {unfreezing: {epochs: 2}}", ["train.unfreezing.epochs: has no effect", "gradual"]),
    (
        "train:\n  unfreezing:\n    mode: gradual",
        ["x.yaml:4: train.unfreezing.mode: gradual wants pretrained", "set model.pretrained"],
    ),
]

SEVERAL = """\
model: {architecture: resnet, size: 18, pretrained: mnist}
pretraining: {nearest_weight: 1.0, mosaic: 2, empty: 0.5}
train: {presence_weight: 1, anywhere_weight: 1}
"""


def test_all_that_does_not_fit_is_said_at_once(message: Callable[[str], str]) -> None:
    found = message(SEVERAL).splitlines()
    places = [line.split(": ")[:2] for line in found]
    assert places == [
        ["x.yaml:2", "pretraining.nearest_weight"],
        ["x.yaml:2", "pretraining.mosaic"],
        ["x.yaml:2", "pretraining.empty"],
        ["x.yaml:3", "train.presence_weight"],
        ["x.yaml:3", "train.anywhere_weight"],
    ]


UNKNOWN_KEYS = [
    ("sed: 3", "x.yaml:2: sed: unknown key; did you mean 'seed'?"),
    (
        "train: {optimizer: adam}",
        "x.yaml:2: train.optimizer: unknown key; did you mean 'optimiser'?",
    ),
    ("train: {lr: 1}", "x.yaml:2: train.lr: unknown key; did you mean 'learning_rate'?"),
    ("batch_size: 3", "x.yaml:2: batch_size: unknown key; belongs under train (train.batch_size)"),
    ("lr: 3", "x.yaml:2: lr: unknown key; belongs under train (train.learning_rate)"),
    ("batchsize: 3", "x.yaml:2: batchsize: unknown key; did you mean 'train.batch_size'?"),
    (
        "epochs: 3",
        "x.yaml:2: epochs: unknown key; belongs under train (train.epochs) or train.unfreezing "
        "(train.unfreezing.epochs)",
    ),
    ("train: {resize: 3}", "x.yaml:2: train.resize: unknown key; belongs under the top (resize)"),
    (
        "train.epochs: 3",
        "x.yaml:2: train.epochs: unknown key; keys do not hold dots in a file: write epochs below "
        "train",
    ),
    ("train: {extends: a}", "x.yaml:2: train.extends: unknown key; extends stands at the top of a"),
    ("data: {zzz: 1}", "x.yaml:2: data.zzz: unknown key; allowed: path, split"),
    ("augment: {transforms: 1}", "x.yaml:2: augment.transforms: unknown key; allowed: jitter, per"),
    ("augment: {preset: paper}", "x.yaml:2: augment.preset: unknown key; allowed: jitter, perspe"),
    ('"a\\tb": 1', "x.yaml:2: 'a\\tb': unknown key; allowed: name, seed, data, model"),
]


@pytest.fixture
def message(write: Callable[[str, str], Path]) -> Callable[[str], str]:
    def message(text: str) -> str:
        with pytest.raises(ConfigError) as caught:
            load_experiment(write("x.yaml", text))
        return str(caught.value)

    return message


@pytest.mark.parametrize(("text", "parts"), BAD_VALUES)
def test_bad_values(message: Callable[[str], str], text: str, parts: list[str]) -> None:
    found = message(MODEL + text + "\n")
    assert all(part in f"{found}$" for part in parts), found
    assert "\n" not in found
    assert not any(word in found for word in ("preset", "transforms", "Input", "pydantic"))


@pytest.mark.parametrize(("text", "expected"), UNKNOWN_KEYS)
def test_unknown_keys(message: Callable[[str], str], text: str, expected: str) -> None:
    found = message(MODEL + text + "\n")
    assert found.startswith(expected), found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "seed: 1",
            "x.yaml: model: is missing; wanted a mapping "
            "(architecture, size, head, digits, angles, "
            "orientations, antialiased, pretrained)",
        ),
        ("model: {}", "x.yaml:1: model.size: is missing; allowed for resnet: 18, 34, 50, 101, 152"),
        (
            "model:\n  architecture: shufflenet_v2",
            "x.yaml:2: model.size: is missing; allowed for shufflenet_v2: 0.5, 1.0, 1.5, 2.0",
        ),
        (
            "model:\n  architecture: wide_resnet\n  size: 18",
            "x.yaml:3: model.size: 18 is not a size of wide_resnet; allowed for wide_resnet: 50, "
            "101 (model.architecture is given in x.yaml:2)",
        ),
        ("model: {size: '18'}", "x.yaml:1: model.size: wanted 0.5, 0.75, 1.0, 1.5, 2.0, 18, 34"),
        ("model: {size: true}", "x.yaml:1: model.size: wanted 0.5, 0.75, 1.0, 1.5, 2.0, 18, 34"),
        (
            "model: {architecture: digit_reader, size: 0.5, orientations: true}",
            "x.yaml:1: model.orientations: wanted 1 or 8, got true",
        ),
        (
            "model: {architecture: simple_cnn, size: 2}",
            "x.yaml:1: model.size: simple_cnn comes in one size: leave size out, or null",
        ),
        (
            "model: {architecture: resnet18}",
            "x.yaml:1: model.architecture: wanted resnet, wide_resnet, mobilenet_v2, "
            "shufflenet_v2, simple_cnn or digit_reader, got the text 'resnet18'; "
            "did you mean 'resnet'?",
        ),
    ],
)
def test_models(message: Callable[[str], str], text: str, expected: str) -> None:
    assert message(text).startswith(expected)


def test_all_errors_are_shown_in_the_order_of_the_file(message: Callable[[str], str]) -> None:
    found = message(
        "seed: x\nseed: 3\nmodel: {size: 19}\n<<: {}\ntrain:\n  epochs: -1\n  lr: 1\n"
        "  unfreezing: {mode: all}\naugment: {rotate: {magnitude: 181}, skew: 1}\n"
    )
    assert [line.split(": ")[:2] for line in found.splitlines()] == [
        ["x.yaml:1", "seed"],
        ["x.yaml:2", "seed"],
        ["x.yaml:3", "model.size"],
        ["x.yaml:4", "merge keys (<<) are not supported; use `extends`, or repeat the keys"],
        ["x.yaml:6", "train.epochs"],
        ["x.yaml:7", "train.lr"],
        ["x.yaml:8", "train.unfreezing.mode"],
        ["x.yaml:9", "augment.rotate.magnitude"],
        ["x.yaml:9", "augment.skew"],
    ]


def test_a_value_that_cannot_be_read_is_one_error(message: Callable[[str], str]) -> None:
    found = message(MODEL + "seed: !!python/name:os.system x\n")
    assert (
        found == "x.yaml:2: seed: the tag !!python/name:os.system does not fit here; leave it out"
    )


def test_a_size_that_no_longer_fits_says_where_both_came_from(
    message: Callable[[str], str], write: Callable[[str, str], Path]
) -> None:
    write("base.yaml", "seed: 1\n" + MODEL)
    assert message("extends: base.yaml\nmodel:\n  architecture: mobilenet_v2\n") == (
        "base.yaml:2: model.size: 18 is not a size of mobilenet_v2; allowed for mobilenet_v2: 1.0 "
        "(model.architecture is given in x.yaml:3)"
    )


def test_a_setting_of_the_replaced_schedule_says_where_both_came_from(
    message: Callable[[str], str], write: Callable[[str, str], Path]
) -> None:
    write("base.yaml", MODEL + "train:\n  schedule:\n    step_size: 3\n")
    found = message("extends: base.yaml\ntrain: {schedule: {name: cosine}}\n")
    assert found.startswith("base.yaml:4: train.schedule.step_size: has no effect")
    assert found.endswith("(train.schedule.name is given in x.yaml:2)")


def test_a_file_name_that_cannot_be_a_run_name(write: Callable[[str, str], Path]) -> None:
    path = write("my run.yaml", MODEL)
    with pytest.raises(ConfigError, match=r"my run\.yaml: name: .* add a `name`"):
        load_experiment(path)
    with pytest.raises(ConfigError, match=r"--set name=a b: name: .* got the text 'a b'\Z"):
        load_experiment(path, ["name=a b"])
    assert load_experiment(path, ["name=my-run"]).name == "my-run"


@pytest.mark.parametrize(
    "given",
    ["seed: 2026-01-01", "seed: 1.2.3", "train: {epochs: 'true'}", "compute: {compile: '1'}"],
)
def test_no_quotes_are_blamed_for_what_is_no_such_value(
    message: Callable[[str], str], given: str
) -> None:
    found = message(MODEL + given)
    assert "wanted" in found
    assert "quotes" not in found
