import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mmnist.config.keys import all_keys, children
from mmnist.config.loading import load_experiment
from mmnist.config.origin import ConfigError
from mmnist.config.reference import reference
from mmnist.config.schema import Experiment

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_page_is_up_to_date() -> None:
    committed = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert committed == reference(), "run `make docs`"


def test_every_key_has_a_row() -> None:
    pattern = r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$"
    rows = Counter(re.findall(pattern, reference(), re.MULTILINE))
    # The transforms of `augment` have the same keys, and stand in one table.
    keys = Counter(key[-1] for key in all_keys() if key[:1] != ("augment",) or len(key) < 3)
    assert rows.keys() == {key[-1] for key in all_keys()}
    assert not keys - rows


def test_every_section_has_a_table() -> None:
    titles = set(re.findall(r"^#{3,} `([\w.]+)`$", reference(), re.MULTILINE))
    sections = {".".join(key) for key in all_keys() if children(key)}
    assert titles == {name for name in sections if not name.startswith("augment.")}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("seed", "a whole number of at least 0 and below 4294967296"),
        ("resize", "a whole number from 32 to 1024"),
        ("data.split.fraction", "a number above 0 and below 1"),
        ("train.ema", "a number above 0 and below 1 or null"),
        ("train.optimiser", "adam, adamw, muon or sgd"),
        ("compute.compile", "true or false"),
        ("augment.rotate.magnitude", "a number from 0 to 180"),
        ("augment.tilt.magnitude", "a number of at least 0 and below 1"),
        ("augment.tilt", "a mapping (magnitude, probability) or null"),
        ("data.path", "text that is not empty"),
    ],
)
def test_what_is_allowed_in_words(path: str, allowed: str) -> None:
    assert all_keys()[tuple(path.split("."))].allowed == allowed


def test_the_example_and_its_errors(
    write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = re.search(r"```yaml\n(.*?)```", reference(), re.DOTALL)
    errors = re.search(r"## Errors\n.*?```\n(.*?)```", reference(), re.DOTALL)
    assert example is not None
    assert errors is not None
    write("configs/base.yaml", (ROOT / "configs" / "base.yaml").read_text(encoding="utf-8"))
    experiment = load_experiment(write("my.yaml", example[1]))
    assert (experiment.model.size, experiment.train.schedule.name) == (34, "cosine")
    broken = example[1].replace("size: 34", "size: 35").replace("epochs", "epoch")
    path = write("my.yaml", broken + "compute: {compile: yes}\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(path)
    lines = [re.sub(r":\d+:", ":", line) for line in errors[1].splitlines()]
    assert [re.sub(r":\d+:", ":", line) for line in str(caught.value).splitlines()] == lines


def test_the_sections_are_those_of_an_experiment() -> None:
    assert children(()) == ["extends", *Experiment.model_fields]
