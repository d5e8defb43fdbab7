"""environment.json and summary.json: old ones are read, damaged ones named."""

import json

import pytest
from fake_runs import digits_record, environment, write_run

from mmnist.config.schema import Experiment
from mmnist.errors import InputError
from mmnist.records import FINISHED
from mmnist.runs import Run


@pytest.fixture
def run(tmp_path) -> Run:
    config = Experiment(name="a", model={"architecture": "simple_cnn"})
    return write_run(config, tmp_path, about=environment(pretraining=digits_record()))


def change(path, key, value=None) -> None:
    """Give a key, dotted below a section, a value; None: remove it."""
    content = json.loads(path.read_text("utf-8"))
    *sections, last = key.split(".")
    section = content
    for name in sections:
        section = section[name]
    section.pop(last)
    if value is not None:
        section[last] = value
    path.write_text(json.dumps(content), "utf-8")


@pytest.mark.parametrize(
    "key", ["device", "threads", "data", "data.fingerprint", "pretraining.digits_sha256"]
)
def test_a_key_that_the_environment_lacks_is_named(run, key):
    path = run.path / "environment.json"
    change(path, key)
    with pytest.raises(InputError) as caught:
        _ = run.environment
    assert str(caught.value) == f"{path} is damaged: '{key}' is missing"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("epochs", "3", "epochs: Input should be a valid integer"),
        ("status", "done", "status: Input should be 'training' or 'finished'"),
        ("valid.recall", [0.5] * 9, "valid.recall: List should have at least 10 items"),
        ("valid.confusion", [[0] * 10], "valid.confusion: List should have at least 10 items"),
        ("valid.macro", {"f1": 1.0}, "'valid.macro.precision' is missing"),
        ("valid.loss", float("nan"), "valid.loss: Input should be a finite number"),
    ],
)
def test_a_value_that_a_summary_cannot_have_is_named(run, key, value, words):
    path = run.path / "summary.json"
    change(path, key, value)
    with pytest.raises(InputError) as caught:
        _ = run.summary
    assert str(caught.value).startswith(f"{path} is damaged: {words}")


def test_older_runs_do_not_state_the_version_of_patches(run):
    change(run.path / "environment.json", "pretraining.patches_version")
    assert run.digits.patches_version == 1


def test_digits_of_a_run_that_records_none_are_refused(run):
    run.write_environment(environment())
    assert run.environment.pretraining is None
    with pytest.raises(InputError, match=r"environment\.json is damaged: 'pretraining' is missing"):
        _ = run.digits


def test_files_are_written_as_they_were_read_with_keys_that_are_not_known(run):
    for name in ("summary.json", "environment.json"):
        path = run.path / name
        content = {**json.loads(path.read_text("utf-8")), "later": {"x": [1, None]}}
        path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    before = [path.read_bytes() for path in sorted(run.path.glob("*.json"))]
    run.write_environment(run.environment)
    run.write_summary(run.summary.model_copy(update={"status": FINISHED}))
    assert [path.read_bytes() for path in sorted(run.path.glob("*.json"))] == before


def test_a_resumption_is_added_without_data_and_digits(run):
    begun = run.environment
    run.note_resumption(environment(threads=8, pretraining=digits_record()))
    content = json.loads((run.path / "environment.json").read_text("utf-8"))
    (added,) = content["resumed"]
    assert added["threads"] == 8
    assert {"data", "pretraining", "resumed"}.isdisjoint(added)
    assert run.environment.data == begun.data
    assert [each.threads for each in run.environments] == [16, 8]
