import json
from pathlib import Path
from typing import Any

import pytest

from mmnist.config.json_schema import file_schema, file_schema_text
from mmnist.config.schema import Experiment
from mmnist.config.yaml_source import parse_yaml

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def test_the_committed_schema_is_up_to_date() -> None:
    committed = (CONFIGS / "schema.json").read_text(encoding="utf-8")
    assert committed == file_schema_text(), "run `make docs`"
    assert json.loads(committed) == file_schema()


def test_a_file_may_extend_and_leave_anything_out() -> None:
    schema = file_schema()
    assert list(schema["properties"]) == ["extends", *Experiment.model_fields]
    assert '"required"' not in file_schema_text()
    assert schema["additionalProperties"] is False
    assert all(part["additionalProperties"] is False for part in schema["$defs"].values())


def test_every_key_is_explained() -> None:
    schema = file_schema()
    for part in [schema, *schema["$defs"].values()]:
        for name, key in part["properties"].items():
            reference = schema["$defs"].get(key.get("$ref", "").rsplit("/", 1)[-1], {})
            assert key.get("description") or reference.get("description"), name
            assert "\n" not in key.get("description", "")


@pytest.fixture
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="an optional check of the schema")
    jsonschema.Draft202012Validator.check_schema(file_schema())
    return jsonschema.Draft202012Validator(file_schema())


@pytest.mark.parametrize(
    "path",
    sorted(path for path in CONFIGS.rglob("*.yaml") if path.name != "experiments.yaml"),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_shipped_configurations_fit(path: Path, validator: Any) -> None:
    values = parse_yaml(path.read_text(encoding="utf-8"), path.name).root.plain()
    assert list(validator.iter_errors(values)) == []


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("train: {schedule: cosine}", True),
        ("train: {schedule: {name: cosine}}", True),
        ("train: {schedule: cosin}", False),
        ("model: {size: 1.0}", True),
        ("model: {size: 18}", True),
        ("model: {size: null}", True),
        ("model: {size: 19}", False),
        ("augment: paper", True),
        ("augment: {rotate: {magnitude: 25}}", True),
        ("augment: {rotate: {probability: 0.5}}", True),
        ("augment: {rotate: null}", True),
        ("augment: {rotate: {magnitude: 181}}", False),
        ("augment: {tilt: {magnitude: 1}}", False),
        ("augment: papr", False),
        ("tran: {}", False),
        ("compute: {compile: 'yes'}", False),
        ("seed: -1", False),
    ],
)
def test_what_the_schema_admits(text: str, fits: bool, validator: Any) -> None:
    assert validator.is_valid(parse_yaml(text, "x").root.plain()) is fits
