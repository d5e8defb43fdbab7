"""What `mmnist predict` is to write is checked before anything is computed."""

import os
import shutil

import pytest

from mmnist.cli import run as mmnist
from mmnist.evaluation import predict
from mmnist.records import TRAINING
from mmnist.runs import Run


@pytest.fixture
def run(tiny_run, tmp_path, monkeypatch) -> Run:
    """A finished run `tiny` and a copy `other`, in the folder that is worked in."""
    monkeypatch.chdir(tmp_path)
    for name in ("tiny", "other"):
        shutil.copytree(tiny_run.path, tmp_path / "runs" / name / "seed-0")
    return Run(tmp_path / "runs" / "tiny" / "seed-0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny", "other"], "several experiments are averaged: name the CSV with --output"),
        (["tiny", "-o", "."], ". is a folder; name a file, such as labels.csv"),
        (["tiny", "-o", "runs"], "runs is a folder; name a file, such as runs/labels.csv"),
        (["tiny", "-o", "file/x.csv"], "cannot write file/x.csv: file is a file"),
        (["tiny", "-i", "file", "-o", "./file"], "file holds the images to label, and would be"),
        (["tiny", "--probabilities", "runs/tiny/seed-0/submission.csv"], "must be different files"),
    ],
)
def test_files_that_cannot_be_written(run, monkeypatch, capfd, arguments, message):
    def computed(*_, **__):
        pytest.fail("was computed before the files were looked at")

    monkeypatch.setattr(predict, "mean_probabilities", computed)
    (run.path.parents[2] / "file").touch()
    assert mmnist(["predict", *arguments]) == 2
    assert message in capfd.readouterr().err


def test_a_folder_without_permission_is_seen_before(run, monkeypatch, capfd):
    monkeypatch.setattr(predict, "mean_probabilities", lambda *_, **__: pytest.fail("computed"))
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may do all
    assert mmnist(["predict", "tiny", "-o", "new/x.csv"]) == 1
    assert "cannot write new/x.csv: . is read-only" in capfd.readouterr().err


def test_seeds_whose_data_have_moved_are_averaged(run, tmp_path, capfd):
    second = Run(shutil.copytree(run.path, run.path.with_name("seed-1")))
    moved = tmp_path / "moved"
    shutil.copytree(run.experiment.data.path, moved)
    data = run.experiment.data.model_copy(update={"path": str(moved)})
    second.write_config(run.experiment.model_copy(update={"data": data, "seed": 1}))
    assert mmnist(["predict", "tiny"]) == 0
    assert "warning" not in capfd.readouterr().err


def test_an_unfinished_run_is_warned_of_and_brackets_are_shown(run, tmp_path, capfd):
    folder = tmp_path / "runs [old]" / "x" / "seed-0"
    shutil.copytree(run.path, folder)
    copy = Run(folder)
    data = copy.environment.data.model_copy(update={"fingerprint": "0" * 64})
    copy.write_environment(copy.environment.model_copy(update={"data": data}))
    copy.write_summary(copy.summary.model_copy(update={"status": TRAINING}))
    assert mmnist(["predict", "runs [old]/x", "-o", "x.csv"]) == 0
    said = capfd.readouterr().err
    assert "warning: runs [old]/x/seed-0 is not finished: its best epoch so far" in said
    assert "warning: runs [old]/x/seed-0 was not trained on the data" in said
    assert mmnist(["predict", "tiny"]) == 0
    assert "warning" not in capfd.readouterr().err
