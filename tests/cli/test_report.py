"""`mmnist report`: what goes to standard output, what beside it, which files are written."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_runs import certain, data_record, environment, epoch_row, write_run

from mmnist.cli import run as run_cli
from mmnist.config.schema import Experiment
from mmnist.terminal import console

FIGURES = ["accuracy.png", "confusion.png", "loss.png", "time.png"]


def _write_run(name, seed=0, wrong=3, root=Path("runs"), fingerprint="f00d", **options):
    """A run of two epochs in which `wrong` of 55 validation images are wrong."""
    labels = np.repeat(np.arange(10), np.arange(1, 11))
    predictions = labels.copy()
    predictions[-wrong:] = 0
    return write_run(
        Experiment(name=name, seed=seed, model={"architecture": "simple_cnn"}),
        root,
        rows=[epoch_row(0), epoch_row(1)],
        labels=labels,
        probabilities=certain(predictions),
        about=environment(data=data_record(fingerprint)),
        **options,
    )


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def _files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_narrow_terminal_cuts_no_number(capsys, monkeypatch):
    _write_run("a")
    monkeypatch.setattr(console, "width", 30)
    assert run_cli(["report", "a"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "9 10 † 1.000 0.700 0.824" in lines
    assert "9 3 · · · · · · · · 7" in lines


@pytest.mark.parametrize("argument", ["a", "runs/a", "runs/a/seed-0"])
def test_text_report_of_one_run(capsys, argument):
    _write_run("a")
    assert run_cli(["report", argument]) == 0
    out, err = capsys.readouterr()
    assert "94.55 %" in out
    assert "52 of 55 right" in out
    assert "† too small to judge" in out
    assert _files("runs/a/seed-0/report") == FIGURES
    for name in FIGURES:
        assert f"runs/a/seed-0/report/{name}" in err
        assert name not in out


def test_csv_on_standard_output_is_nothing_but_csv(capsys):
    _write_run("a", 0)
    _write_run("a", 1, wrong=5)
    _write_run("b", fingerprint="beef")
    assert run_cli(["report", "a", "b", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    table = pd.read_csv(io.StringIO(out))
    assert len(table) == 3 * 13 + 1
    assert "validated on different images" in err
    assert _files("runs/report") == FIGURES


@pytest.mark.parametrize(
    ("format", "name", "start"),
    [
        ("text", "report.txt", "a/seed-0"),
        ("csv", "report.csv", "run,seed"),
        ("md", "report.md", "Accuracy on"),
        ("latex", "report.tex", "% needs"),
    ],
)
def test_output_holds_table_and_figures(capsys, format, name, start):
    _write_run("a")
    assert run_cli(["report", "a", "--format", format, "--output", "new/folder"]) == 0
    assert _files("new/folder") == sorted([*FIGURES, name])
    saved = Path("new/folder", name).read_text(encoding="utf-8")
    out, err = capsys.readouterr()
    assert saved.startswith(start)
    assert out.startswith(start)
    assert f"new/folder/{name}" in err
    if format != "text":
        assert out == saved
    assert not Path("runs/a/seed-0/report").exists()


def test_runs_are_looked_up_in_another_folder(capsys):
    _write_run("a", root=Path("other"))
    assert run_cli(["report", "a", "--runs", "other"]) == 0
    assert "a/seed-0" in capsys.readouterr().out
    assert _files("other/a/seed-0/report") == FIGURES


@pytest.mark.parametrize("file", ["metrics.csv", "summary.json"])
def test_a_seed_that_has_no_epoch_yet_is_left_out(capsys, file):
    """Both are written at the end of an epoch, the metrics first."""
    _write_run("a")
    (_write_run("a", seed=1, finished=False).path / file).unlink()
    assert run_cli(["report", "a", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert set(pd.read_csv(io.StringIO(out))["seed"]) == {0}
    assert "a/seed-1 is left out: it has no finished epoch yet" in " ".join(err.split())


def test_a_finished_seed_that_has_lost_its_metrics_is_not_left_out(capsys):
    _write_run("a")
    _write_run("a", seed=1).metrics_file.unlink()
    assert run_cli(["report", "a"]) == 2
    assert "a/seed-1 is incomplete; delete the folder" in " ".join(capsys.readouterr().err.split())


def _no_epoch():
    _write_run("a", finished=False).metrics_file.unlink()


def _cut_metrics():
    run = _write_run("a")
    run.metrics_file.write_text("".join(run.metrics_file.read_text().splitlines(True)[:-1]))


def _damaged_summary():
    (_write_run("a").path / "summary.json").write_text("{")


def _no_summary():
    (_write_run("a").path / "summary.json").unlink()


def _damaged_metrics():
    _write_run("a").metrics_file.write_text("")


def _foreign_folder():
    Path("a").mkdir()
    Path("a/notes.txt").touch()


def _file_as_output():
    _write_run("a")
    Path("out").touch()


@pytest.mark.parametrize(
    ("prepare", "arguments", "message"),
    [
        (None, ["a"], "a: no run here"),
        (_foreign_folder, ["a"], "a: no run here"),
        (_no_epoch, ["a"], "no epoch is finished yet"),
        (_no_summary, ["a"], "summary.json"),
        (_damaged_summary, ["a"], "summary.json"),
        (_damaged_metrics, ["a"], "metrics.csv"),
        (_cut_metrics, ["a"], "metrics.csv is damaged: it has 1 of 2 epochs"),
        (_file_as_output, ["a", "--output", "out"], "give a folder"),
        (None, ["a", "--format", "html"], "'text', 'csv', 'md', 'latex'"),
        (None, [], "RUN"),
        (None, ["--study", "a", "--format", "csv"], "--format csv is for runs"),
    ],
)
def test_bad_input_is_explained(capsys, prepare, arguments, message):
    if prepare is not None:
        prepare()
    assert run_cli(["report", *arguments]) == 2
    out, err = capsys.readouterr()
    assert message in " ".join(err.split())
    assert "Traceback" not in err
    assert out == ""


def test_as_a_command():
    _write_run("a")
    command = [sys.executable, "-m", "mmnist", "report", "a", "--format", "md"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Accuracy on the validation images:\n\n| run | network |")
    assert "94.55 %" in done.stdout
