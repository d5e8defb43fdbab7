"""scripts/reproduce_on_gpu.sh, tried on the CPU: pieces, the archive, a fresh machine."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "reproduce_on_gpu.sh"
STUDY = """\
name: tiny
title: A tiny study
experiments:
  one:
    question: Does it run?
    judged_on: test
    variants: {only: only.yaml}
    claims:
      - {claim: It reads most, kind: accuracy, variant: only, side: above, threshold: 0.9}
"""
CONFIG = """\
model: {architecture: shufflenet_v2, size: 0.5}
resize: 32
train: {epochs: 40, batch_size: 16}
compute: {precision: fp32}
"""


def checkout(path):
    (path / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, path / "scripts")
    (path / "tiny.yaml").write_text(STUDY, encoding="utf-8")
    (path / "only.yaml").write_text(CONFIG, encoding="utf-8")
    return path


def run(path, *arguments, minutes):
    return subprocess.run(
        ["bash", path / "scripts" / SCRIPT.name, path.parent / "out", *arguments],
        env={
            **os.environ,
            "MMNIST": f"{sys.executable} -m mmnist",
            "DEVICE": "cpu",
            "DIGITS": "sample",
            "STUDY": "tiny.yaml",
            "TRAIN": "300",
            "TEST": "60",
            "MINUTES": str(minutes),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


@pytest.mark.slow
def test_pieces_make_one_result_and_a_fresh_machine_keeps_it(tmp_path):
    here = checkout(tmp_path / "here")
    piece = run(here, "--one-piece", minutes=0.01)
    assert piece.returncode == 3, piece.stderr  # more to do
    done = run(here, minutes=0.3)  # as many pieces as it takes
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "out" / "results.tar.gz") as archive:
        names = archive.getnames()
    folder = "runs/tiny/only/seed-0"
    for name in ("summary.json", "metrics.csv", "config.yaml", "submission.csv"):
        assert f"{folder}/{name}" in names
    assert "runs/tiny/report/README.md" in names
    assert "runs/tiny/report/figures/accuracy.png" in names
    assert not [name for name in names if name.endswith((".safetensors", ".pt"))]

    fresh = checkout(tmp_path / "fresh")
    again = run(fresh, minutes=5)
    assert again.returncode == 0, again.stderr
    assert "run 1 of 1" not in again.stdout  # finished runs are not trained again
    assert not (fresh / folder / "model.safetensors").exists()


STUB = """\
echo "$@" >> calls
mkdir -p runs/new/seed-0 && touch runs/new/seed-0/config.yaml
"""


def run_stub(path, tmp_path, **settings):
    """Run the script from `path` with a command that only writes down what it is told."""
    here = checkout(tmp_path / "here") if not (tmp_path / "here").exists() else tmp_path / "here"
    (here / "stub.sh").write_text(STUB, encoding="utf-8")
    done = subprocess.run(
        ["bash", here / "scripts" / SCRIPT.name, tmp_path / "out", "--one-piece"],
        cwd=path,
        env={**os.environ, "MMNIST": "bash stub.sh", **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (here / "calls").read_text(encoding="utf-8")


def test_an_earlier_archive_is_added_to_what_is_here_and_not_lost(tmp_path):
    old = tmp_path / "old" / "runs"
    for name in ("both", "old"):
        (old / name).mkdir(parents=True)
        (old / name / "config.yaml").write_text("old", encoding="utf-8")
    (tmp_path / "out").mkdir()
    with tarfile.open(tmp_path / "out" / "results.tar.gz", "w:gz") as archive:
        archive.add(old, "runs")
    here = tmp_path / "here" / "runs" / "both"
    here.mkdir(parents=True)
    (here / "config.yaml").write_text("here", encoding="utf-8")
    checkout(tmp_path / "here")
    run_stub(tmp_path, tmp_path)
    assert (here / "config.yaml").read_text(encoding="utf-8") == "here"
    with tarfile.open(tmp_path / "out" / "results.tar.gz") as archive:
        names = {name for name in archive.getnames() if name.endswith("config.yaml")}
    assert names == {f"runs/{name}/config.yaml" for name in ("both", "old", "new/seed-0")}


def test_paths_are_those_of_the_caller(tmp_path):
    caller = tmp_path / "caller"
    (caller / "my digits").mkdir(parents=True)
    (caller / "mnist").mkdir()
    (caller / "mine.yaml").touch()
    calls = run_stub(caller, tmp_path, DIGITS="my digits", STUDY="mine.yaml")
    assert f"--digits {caller}/my digits " in calls
    assert f"--file {caller}/mine.yaml " in calls
    calls = run_stub(caller, tmp_path, DIGITS="mnist", STUDY="tiny.yaml").splitlines()[-2:]
    assert "--digits mnist " in calls[0]
    assert "--file tiny.yaml " in calls[1]


def test_its_folder_is_asked_for():
    done = subprocess.run(["bash", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "usage: scripts/reproduce_on_gpu.sh FOLDER" in done.stderr
    wrong = ["bash", SCRIPT, "out", "--pieces"]
    done = subprocess.run(wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown option: --pieces" in done.stderr
