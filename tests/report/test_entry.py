"""A run in a report: its label, where its images come from, folders that cannot be used."""

import json

import pytest

from mmnist.errors import InputError
from mmnist.report.entry import read_entries
from mmnist.runs import Run


def test_one_run_is_named_with_its_seed(make_run):
    assert [entry.label for entry in read_entries([make_run("x", 3)])] == ["x/seed-3"]


def test_runs_are_named_as_shortly_as_tells_them_apart(make_run, tmp_path):
    runs = [make_run("a"), make_run("b", 0), make_run("b", 1)]
    labels = [entry.label for entry in read_entries(runs)]
    assert labels == ["a", "b/seed-0", "b/seed-1"]
    twin = make_run("a", root=tmp_path / "elsewhere")
    labels = [entry.label for entry in read_entries([runs[0], twin])]
    assert labels == [str(runs[0].path), str(twin.path)]


@pytest.mark.parametrize(("generated", "origin"), [(True, "generated"), (False, "competition")])
def test_origin_of_the_images(make_run, generated, origin):
    assert read_entries([make_run(generated=generated)])[0].origin == origin


@pytest.mark.parametrize(
    ("finished", "message"),
    [
        (False, r"no epoch is finished yet.*--resume --runs"),
        (True, r"seed-0 is incomplete; delete"),
    ],
)
def test_run_without_metrics_is_refused(make_run, finished, message):
    run = make_run(finished=finished)
    run.metrics_file.unlink()
    with pytest.raises(InputError, match=message):
        read_entries([Run(run.path)])


@pytest.mark.parametrize(
    "text",
    [
        b"\x93\x00\xff\xfe" * 50,
        b"garbage",
        b"garbage\n" * 9,
        b"epoch,train_loss,train_accuracy,valid_loss,valid_accuracy\n",
        b"epoch,train_loss,train_accuracy,valid_loss,valid_accuracy\n0,a,b,c,d\n",
        b"",
    ],
)
def test_damaged_metrics_are_refused_as_such(make_run, text):
    run = make_run()
    run.metrics_file.write_bytes(text)
    with pytest.raises(InputError, match=r"metrics\.csv is damaged"):
        read_entries([Run(run.path)])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("valid", None, "damaged: valid: "),
        ("valid", {"n": 3}, "'valid.correct' is missing"),
        ("best_epoch", None, "damaged: best_epoch: "),
        ("best_epoch", "x", "damaged: best_epoch: "),
    ],
)
def test_damaged_summary_is_refused(make_run, key, value, message):
    run = make_run()
    (run.path / "summary.json").write_text(json.dumps({**run.summary.model_dump(), key: value}))
    with pytest.raises(InputError, match=message) as caught:
        read_entries([Run(run.path)])
    assert "summary.json" in str(caught.value)


def test_summary_without_best_epoch_is_refused(make_run):
    run = make_run()
    summary = run.summary.model_dump(exclude={"best_epoch"})
    (run.path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(InputError, match="'best_epoch' is missing"):
        read_entries([Run(run.path)])


def test_metrics_without_a_curve_are_refused(make_run):
    run = make_run()
    run.write_metrics(run.metrics.drop(columns=["valid_loss", "epoch"]).to_dict("records"))
    with pytest.raises(InputError, match=r"metrics\.csv is damaged: no column epoch, valid_loss"):
        read_entries([Run(run.path)])
