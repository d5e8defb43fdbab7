from collections.abc import Callable
from pathlib import Path

import pytest

from mmnist.config.layers import MAX_BYTES, resolve
from mmnist.config.loading import load_experiment, load_with_origins
from mmnist.config.origin import ConfigError

Write = Callable[[str, str], Path]

BASE = """\
name: base
model: {architecture: resnet, size: 18, pretrained: imagenet}
augment: {rotate: {magnitude: 25, probability: 0.5}}
train:
  epochs: 3
  schedule: {name: step, step_size: 2}
"""


def message(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, overrides)
    return str(caught.value)


def test_mappings_are_merged_and_the_extending_file_wins(write: Write) -> None:
    write("base.yaml", BASE)
    text = "extends: base.yaml\nmodel: {size: 34}\ntrain: {batch_size: 8, schedule: {gamma: 0.5}}\n"
    experiment = load_experiment(write("child.yaml", text))
    assert (experiment.model.size, experiment.model.pretrained) == (34, "imagenet")
    assert (experiment.train.epochs, experiment.train.batch_size) == (3, 8)
    schedule = experiment.train.schedule
    assert (schedule.name, schedule.step_size, schedule.gamma) == ("step", 2, 0.5)


def test_a_scalar_replaces_a_mapping_and_the_reverse(write: Write) -> None:
    write("base.yaml", BASE)
    text = "extends: base.yaml\naugment: paper\ntrain: {schedule: cosine}\n"
    child = load_experiment(write("child.yaml", text))
    assert child.augment == "paper"
    assert (child.train.schedule.name, child.train.schedule.step_size) == ("cosine", 7)
    text = "extends: child.yaml\naugment: {zoom: {magnitude: 0.2}}\n"
    grandchild = load_experiment(write("grandchild.yaml", text))
    assert grandchild.augmentation.zoom is not None
    assert grandchild.augmentation.rotate is None


def test_a_schedule_given_as_a_word_knows_its_place(write: Write) -> None:
    text = "name: x\npretraining: {schedule: cosine}\ntrain: {schedule: constant}\n"
    root = resolve(write("child", text)).root
    for section, line in (("pretraining", 2), ("train", 3)):
        name = root.find((section, "schedule", "name"))
        assert name is not None
        assert name.origin.line == line


def test_a_schedule_given_as_a_word_can_be_refined(write: Write) -> None:
    write("base.yaml", BASE.replace("{name: step, step_size: 2}", "one_cycle"))
    text = "extends: base.yaml\ntrain: {schedule: {warmup: 0.1}}\n"
    path = write("child.yaml", text)
    schedule = load_experiment(path).train.schedule
    assert (schedule.name, schedule.warmup) == ("one_cycle", 0.1)
    schedule = load_experiment(Path("base.yaml"), ["train.schedule.warmup=0.3"]).train.schedule
    assert (schedule.name, schedule.warmup) == ("one_cycle", 0.3)


def test_null_switches_one_inherited_transform_off(write: Write) -> None:
    write("base.yaml", BASE)
    text = "extends: base.yaml\naugment: {rotate: null, tilt: {magnitude: 0.5}}\n"
    augmentation = load_experiment(write("child.yaml", text)).augmentation
    assert augmentation.rotate is None
    assert augmentation.tilt is not None


def test_paths_are_relative_to_the_file_that_extends(write: Write) -> None:
    write("base.yaml", BASE)
    write("deep/middle.yaml", "extends: ../base.yaml\nresize: 64\n")
    path = write("deep/er/child.yaml", "extends: ../middle.yaml\nseed: 4\n")
    loaded = load_with_origins(path)
    assert (loaded.experiment.resize, loaded.experiment.seed) == (64, 4)
    assert loaded.origins["train", "epochs"] == "base.yaml:5"
    assert loaded.origins["resize",] == "deep/middle.yaml:2"
    assert loaded.origins["seed",] == "deep/er/child.yaml:2"


def test_the_name_is_the_files_and_is_not_inherited(write: Write) -> None:
    write("base.yaml", BASE)
    assert load_experiment(write("child.yaml", "extends: base.yaml\n")).name == "child"
    assert load_experiment(write("v1.2.yaml", "extends: base.yaml\n")).name == "v1.2"
    assert load_experiment(write("c.yaml", "extends: base.yaml\nname: other\n")).name == "other"
    assert load_experiment(Path("base.yaml"), ["name=mine"]).name == "mine"


def test_circles_are_named_in_full(write: Write) -> None:
    path = write("a.yaml", "seed: 1\nextends: b.yaml\n")
    write("b.yaml", "extends: sub/c.yaml\n")
    write("sub/c.yaml", "\n\nextends: ../a.yaml\n")
    expected = "sub/c.yaml:3: extends: goes in a circle: a.yaml → b.yaml → sub/c.yaml → a.yaml"
    assert message(path) == expected


@pytest.mark.parametrize(
    ("extends", "parts"),
    [
        ("bse.yaml", ["child.yaml:2: extends: bse.yaml: no such file", "'base.yaml'"]),
        ("sub/base.yaml", ["child.yaml:2: extends: ", "no folder sub"]),
        (".", ["child.yaml:2: extends: ", "is a folder"]),
        ("[base.yaml]", ["child.yaml:2: extends: wanted the path of one"]),
        ("3", ["child.yaml:2: extends: wanted the path of one"]),
        ('""', ["child.yaml:2: extends: wanted the path of one"]),
        ('"a\\0b"', ["child.yaml:2: extends: wanted the path of one"]),
        ("child.yaml", ["child.yaml:2: extends: goes in a circle"]),
    ],
)
def test_unusable_extends(write: Write, extends: str, parts: list[str]) -> None:
    write("base.yaml", BASE)
    text = message(write("child.yaml", f"seed: 1\nextends: {extends}\n"))
    assert all(part in text for part in parts), text


def test_errors_of_an_extended_file_name_that_file(write: Write) -> None:
    write("base.yaml", BASE + "  epoch: 3\n")
    text = message(write("child.yaml", "extends: base.yaml\nsed: 2\n"))
    assert text.splitlines() == [
        "base.yaml:7: train.epoch: unknown key; did you mean 'epochs'?",
        "child.yaml:2: sed: unknown key; did you mean 'seed'?",
    ]


def test_overrides_win_in_their_order(write: Write) -> None:
    path = write("base.yaml", BASE)
    loaded = load_with_origins(
        path, ["train.epochs=5", "train.learning_rate=1e-5", "train.epochs=7", "data.path=on"]
    )
    train = loaded.experiment.train
    assert (train.epochs, train.learning_rate) == (7, 1e-5)
    assert loaded.experiment.data.path == "on"
    assert loaded.origins["train", "epochs"] == "--set train.epochs=7"
    assert loaded.origins["train", "schedule", "step_size"] == "base.yaml:6"
    assert loaded.origins["train", "batch_size"] == "default"


def test_an_override_can_be_a_mapping(write: Write) -> None:
    path = write("base.yaml", BASE)
    experiment = load_experiment(path, ["model={architecture: wide_resnet, size: 50}"])
    assert experiment.model.architecture == "wide_resnet"
    assert experiment.model.pretrained == "imagenet"


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("train.epochs", ["--set train.epochs: wanted key=value"]),
        ("=3", ["--set =3: wanted key=value"]),
        ("train..epochs=3", ["wanted key=value"]),
        ("train.epoch=3", ["--set train.epoch=3: train.epoch: unknown key", "'epochs'"]),
        ("epochs=3", ["--set epochs=3: epochs: unknown key", "train.epochs"]),
        ("train.epochs=many", ["train.epochs: wanted a whole number of at least 0", "'many'"]),
        ("train.epochs=", ["train.epochs: wanted a whole number", "nothing"]),
        ("train.schedule=[a", ["--set train.schedule=[a: not valid YAML", "`]`"]),
        ("train={epochs: 3, epochs: 4}", ["repeated key"]),
        ("data.path=a: b: c", ["not valid YAML", "quote"]),
        ("resize.side=3", ["resize.side: resize is the number 64 (base.yaml:7)", "no keys"]),
        ("extends=base.yaml", ["extends stands at the top of a file"]),
        ("seed=!!python/name:os.system x", ["the tag !!python/name:os.system"]),
    ],
)
def test_unusable_overrides(write: Write, override: str, parts: list[str]) -> None:
    text = message(write("base.yaml", BASE + "resize: 64\n"), override)
    assert all(part in text for part in parts), text
    assert "\n" not in text


def test_an_override_inside_a_preset_says_how_to_replace_it(write: Write) -> None:
    path = write("a.yaml", "model: {size: 18}\naugment: paper\n")
    text = message(path, "augment.rotate={magnitude: 3}", "train.epochs=-1")
    first, second = text.splitlines()
    assert "augment is the text 'paper' (a.yaml:2): it has no keys" in first
    assert "--set 'augment={rotate: …}'" in first
    assert second.startswith("--set train.epochs=-1: train.epochs: wanted")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("quickstrat.yaml", ["quickstrat.yaml: no such file", "'quickstart.yaml'"]),
        ("quickstart", ["quickstart: no such file", "'quickstart.yaml'"]),
        ("wrn50.yaml", ["wrn50.yaml: no such file", "'configs/wrn50.yaml'"]),
        ("wrn50", ["'configs/wrn50.yaml'"]),
        ("fine.yaml", ["'configs/fine.yaml'"]),  # and not mine.yaml
        ("nowhere/wrn50.yaml", ["'configs/wrn50.yaml'"]),
        ("nowhere/x.yaml", ["nowhere/x.yaml: no such file", "no folder nowhere"]),
        ("configs", ["configs: is a folder"]),
        ("zzz.yaml", ["zzz.yaml: no such file"]),
    ],
)
def test_unusable_paths(write: Write, name: str, parts: list[str]) -> None:
    write("quickstart.yaml", BASE)
    write("mine.yaml", BASE)
    write("configs/wrn50.yaml", BASE)
    write("configs/fine.yaml", BASE)
    text = message(Path(name))
    assert all(part in text for part in parts), text


def test_files_that_are_no_text(write: Write) -> None:
    path = write("x.yaml", "")
    path.write_bytes(b"seed: 1\nname: \xff\xfe\n")
    assert message(path).startswith("x.yaml:2: is not UTF-8 text")
    path.write_bytes("seed: 1\n".encode("utf-16"))
    assert message(path).startswith("x.yaml:1: is not UTF-8 text")
    path.write_bytes(b"a" * (MAX_BYTES + 1))
    assert "larger than 256 KiB" in message(path)


def test_windows_line_ends_and_byte_order_mark(write: Write) -> None:
    path = write("x.yaml", "")
    path.write_bytes(b"\xef\xbb\xbfseed: 3\r\nmodel: {size: 18}\r\nresiz: 3\r\n")
    assert resolve(path).root.plain()["seed"] == 3
    assert message(path).startswith("x.yaml:3: resiz: unknown key")


@pytest.mark.parametrize("folder", ["c8.yaml", "configs/c7.yaml"])
def test_folders_are_not_suggested(write: Write, folder: str) -> None:
    write(f"{folder}/x.txt", "")
    path = write("experiment.yaml", "extends: c7.yaml\n")
    assert message(path).endswith("extends: c7.yaml: no such file")
