import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmnist.config.loading import (
    configuration_files,
    dump_experiment,
    dump_with_origins,
    load_experiment,
    load_with_origins,
)
from mmnist.config.model import SIZES
from mmnist.config.schema import Experiment
from mmnist.errors import InputError

Write = Callable[[str, str], Path]

#: Text that YAML 1.1 or 1.2 reads as something else unless it is quoted.
TRICKY_TEXT = [
    "1e-4", "1E5", ".5", "010", "0o7", "0x1F", "1_000", "1:30", "12", "-3", "1.5", ".inf", ".NaN",
    "on", "Off", "yes", "NO", "y", "true", "False", "null", "~", "=", "<<", "2019-12-01",
    "- a", "a: b", "a #b", "#a", "&a", "*a", "!a", "%a", "@a", "`a`", "{a", "[a]", "'a'", '"a"',
    " a ", "a\tb", "a\nb", "a\r\nb\n", "\x07", "\x85", "\u2028", "\ufeff", "é", "数据", "😀",
    "C:\\data", "?", ": ", "---", "...", "a" * 300, "word " * 60,
]  # fmt: skip


def random_experiment(draw: random.Random) -> Experiment:
    """A valid experiment with about half of its keys given."""

    def some(**values: Callable[[], Any]) -> dict[str, Any]:
        return {key: value() for key, value in values.items() if draw.random() < 0.5}

    def number(low: float, high: float) -> float:
        return draw.choice(
            [draw.uniform(low, high), low + (high - low) * 10 ** draw.uniform(-9, 0)]
        )

    def transform() -> dict[str, float]:
        return {"magnitude": number(0.0, 0.99), "probability": number(0.0, 1.0)}

    architecture = draw.choice(sorted(SIZES))
    model = {"architecture": architecture, "pretrained": draw.choice(["imagenet", *TRICKY_TEXT])}
    if SIZES[architecture]:
        model["size"] = draw.choice(SIZES[architecture])
    schedule = draw.choice(
        [
            "cosine",
            {"name": "step", "step_size": draw.randint(1, 9), "gamma": number(1e-9, 1.0)},
            {"name": "one_cycle", "warmup": number(0.0, 0.99)},
        ]
    )
    transforms = {"rotate": transform, "zoom": transform, "contrast": transform}
    return Experiment.model_validate(
        {
            "name": draw.choice(["a", "1e5", "0x10", "true", "on", "2019-12-01", "12", "null"]),
            "model": model,
            "augment": draw.choice(["none", "paper", some(**transforms)]),
            "train": some(
                epochs=lambda: draw.randint(1, 10**6),
                learning_rate=lambda: number(1e-12, 1e6),
                weight_decay=lambda: number(0.0, 1.0),
                ema=lambda: number(1e-9, 0.9999999),
                gradient_clip=lambda: draw.choice([None, 1e300, 5e-324, 1.0]),
                schedule=lambda: schedule,
                unfreezing=lambda: {"mode": "gradual", "epochs": draw.randint(1, 5)},
            ),
            **some(
                seed=lambda: draw.randrange(2**32),
                data=lambda: some(path=lambda: draw.choice(TRICKY_TEXT)),
                compute=lambda: some(compile=lambda: draw.random() < 0.5),
            ),
        }
    )


@pytest.mark.parametrize("seed", range(40))
def test_a_dumped_experiment_loads_as_the_same(seed: int, write: Write) -> None:
    experiment = random_experiment(random.Random(seed))
    path = write("other-name.yaml", dump_experiment(experiment))
    loaded = load_with_origins(path)
    assert loaded.experiment == experiment
    assert load_experiment(write("again.yaml", dump_with_origins(loaded))) == experiment


@pytest.mark.parametrize("text", TRICKY_TEXT)
def test_text_stays_text(text: str, write: Write) -> None:
    model = {"size": 18, "architecture": "resnet"}
    experiment = Experiment.model_validate({"name": "x", "model": model, "data": {"path": text}})
    path = write("x.yaml", dump_experiment(experiment))
    loaded = load_with_origins(path)
    assert loaded.experiment.data.path == text
    assert load_experiment(write("y.yaml", dump_with_origins(loaded))).data.path == text
    # Other tools read YAML 1.1: to them, too, it must be text.
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["data"]["path"] == text


def test_a_dump_has_all_keys_in_the_order_of_the_schema() -> None:
    model = {"architecture": "resnet", "size": 18}
    experiment = Experiment.model_validate({"train": {}, "model": model, "name": "x"})
    text = dump_experiment(experiment)
    assert text.startswith("name: x\nseed: 0\ndata:\n  path: data/modified-mnist\n  split:\n")
    assert list(yaml.safe_load(text)) == list(Experiment.model_fields)
    train = yaml.safe_load(text)["train"]
    assert train["schedule"] == {"name": "step", "step_size": 7, "gamma": 0.1, "warmup": 0.25}
    assert train["ema"] is None


def test_origins_stand_beside_the_values(write: Write) -> None:
    write("base.yaml", "model:\n  size: 18\ntrain: {schedule: cosine}\n")
    path = write("x.yaml", "extends: base.yaml\naugment:\n  tilt:\n    magnitude: 0.5\n")
    lines = dump_with_origins(load_with_origins(path, ["seed=3"])).splitlines()
    origins = dict(line.strip().split(maxsplit=1) for line in lines if "#" in line)
    assert len({line.index("#") for line in lines if "#" in line}) == 1
    found = {line.split("#")[0].strip(): line.split("# ")[1] for line in lines if "#" in line}
    assert found["name: x"] == "x.yaml"
    assert found["seed: 3"] == "--set seed=3"
    assert found["size: 18"] == "base.yaml:2"
    assert found["name: cosine"] == "base.yaml:3"
    assert found["magnitude: 0.5"] == "x.yaml:4"
    assert found["probability: 1.0"] == "default"
    assert origins["architecture:"].endswith("# default")


def test_every_value_has_an_origin(write: Write) -> None:
    loaded = load_with_origins(write("x.yaml", "model: {size: 18}\naugment: paper\n"))
    assert loaded.origins["augment",] == "x.yaml:2"
    assert loaded.origins["model", "architecture"] == "default"
    values = {key for key in loaded.origins if key[0] == "train"}
    assert ("train", "unfreezing", "mode") in values
    assert ("train", "unfreezing") not in values


def test_folders_stand_for_the_configurations_in_them(write: Write) -> None:
    for name in ("b.yaml", "sub/a.yml", "sub/notes.txt", "single.yaml"):
        write(f"folder/{name}" if name != "single.yaml" else name, "model: {size: 18}\n")
    Path("folder/odd.yaml").mkdir()
    files = configuration_files([Path("single.yaml"), Path("folder")])
    expected = ["single.yaml", "folder/b.yaml", "folder/sub/a.yml"]
    assert [str(file) for file in files] == expected
    with pytest.raises(InputError, match=r"folder/odd\.yaml: no configuration"):
        configuration_files([Path("folder/odd.yaml")])
