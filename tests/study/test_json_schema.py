import json
from pathlib import Path

import pytest

from mmnist.config.yaml_source import parse_yaml
from mmnist.study.json_schema import study_schema_text

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
STUDIES = sorted(CONFIGS.rglob("experiments.yaml"))


def test_the_committed_schema_is_up_to_date():
    committed = (CONFIGS / "study.schema.json").read_text(encoding="utf-8")
    assert committed == study_schema_text(), "run `make docs`"


@pytest.fixture
def validator():
    jsonschema = pytest.importorskip("jsonschema", reason="an optional check of the schema")
    schema = json.loads(study_schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.parent.name)
def test_shipped_studies_fit_and_name_it(path, validator):
    text = path.read_text(encoding="utf-8")
    assert list(validator.iter_errors(parse_yaml(text, path.name).root.plain())) == []
    first, _, place = text.partition("\n")[0].partition("$schema=")
    assert first == "# yaml-language-server: "
    assert (path.parent / place).resolve() == CONFIGS / "study.schema.json"


@pytest.mark.parametrize(
    "change",
    [("kind: better", "kind: best"), ("question:", "questions:"), ("name: small", "name: a b")],
)
def test_what_is_wrong_does_not_fit(change, validator):
    text = (CONFIGS / "small" / "experiments.yaml").read_text(encoding="utf-8")
    assert change[0] in text
    wrong = parse_yaml(text.replace(*change, 1), "small").root.plain()
    assert list(validator.iter_errors(wrong))
