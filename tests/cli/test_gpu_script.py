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


def test_its_folder_is_asked_for():
    done = subprocess.run(["bash", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "usage: scripts/reproduce_on_gpu.sh FOLDER" in done.stderr
    wrong = ["bash", SCRIPT, "out", "--pieces"]
    done = subprocess.run(wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown option: --pieces" in done.stderr
