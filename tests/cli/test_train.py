"""`mmnist train` as a user runs it."""

import os
import signal
import subprocess
import sys
import time

import pytest
from training.interruption import interrupted_after

from mmnist.config.loading import dump_experiment
from mmnist.runs import Run

STEPS_AN_EPOCH = 23


@pytest.fixture
def config(tiny, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_experiment(tiny(train={"epochs": 1})), encoding="utf-8")
    return path


def test_two_seeds_then_refusal_then_resume(mmnist, config, tmp_path):
    done = mmnist("train", config, "--seeds", 2, "--set", "train.learning_rate=1e-3")
    assert done.returncode == 0, done.stderr
    runs = [Run(tmp_path / "runs" / "tiny" / f"seed-{seed}") for seed in (0, 1)]
    assert all(run.finished for run in runs)
    assert runs[1].experiment.seed == 1
    assert runs[0].experiment.train.learning_rate == 1e-3
    assert "--seeds 2 --set train.learning_rate=1e-3" in runs[0].environment.command
    assert done.stdout.count("epoch  1/1") == 2

    again = mmnist("train", config, "--set", "train.learning_rate=1e-3")
    assert again.returncode == 2
    assert "already holds a run (finished)" in again.stderr

    resumed = mmnist("train", config, "--set", "train.learning_rate=1e-3", "--resume")
    assert resumed.returncode == 0
    assert "epoch" not in resumed.stdout
    assert "warning" not in resumed.stderr

    data = runs[0].environment.data.model_copy(update={"fingerprint": "0" * 64})
    runs[0].write_environment(runs[0].environment.model_copy(update={"data": data}))
    resumed = mmnist("train", config, "--set", "train.learning_rate=1e-3", "--resume")
    assert resumed.returncode == 0
    assert "seed-0 is finished, but not with the data that" in resumed.stderr.replace("\n", " ")


def test_all_planned_runs_are_checked_before_the_first_one(mmnist, config, tmp_path):
    from mmnist.config.loading import load_experiment
    from mmnist.runs import run_of

    second = load_experiment(config, ["seed=1"])
    run_of(second, tmp_path / "runs").write_config(second)
    done = mmnist("train", config, "--seeds", 2)
    assert done.returncode == 2
    assert "seed-1 already holds a run (unfinished)" in done.stderr
    assert not (tmp_path / "runs" / "tiny" / "seed-0").exists()


def write_long(tiny, folder):
    """The configuration of a training that only a signal ends."""
    path = folder / "long.yaml"
    path.write_text(dump_experiment(tiny(name="long", train={"epochs": 500})), encoding="utf-8")
    return path


def start(path, stderr):
    """Train a configuration in a process of its own, with pipes for what it says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mmnist", "train", str(path)],
        cwd=path.parent,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    return process, Run(path.parent / "runs" / path.stem / "seed-0")


def wait_for_an_epoch(run):
    deadline = time.monotonic() + 120
    while not run.metrics_file.exists() and time.monotonic() < deadline:
        time.sleep(0.2)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_leaves_a_run_that_resume_continues(mmnist, tiny, tmp_path):
    path = write_long(tiny, tmp_path)
    process, run = start(path, stderr=subprocess.PIPE)
    wait_for_an_epoch(run)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: saved at epoch" in stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    assert run.checkpoint_file.is_file()
    epochs = len(run.metrics)

    # The resumed run goes on; it is stopped again when it has come an epoch further.
    with interrupted_after(STEPS_AN_EPOCH + 1):
        resumed = mmnist("train", path, "--resume")
    assert resumed.returncode == 130
    lines = resumed.stdout.splitlines()
    assert f"resumed at epoch {epochs + 1}" in lines[1]
    assert f"epoch {epochs + 1:>2}/500" in lines[2]


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_saves_if_nobody_reads_the_output_any_more(tiny, tmp_path):
    """As of `mmnist train … 2>&1 | tee log`, where Ctrl-C ends `tee`, too."""
    process, run = start(write_long(tiny, tmp_path), stderr=subprocess.STDOUT)
    assert process.stdout.readline()
    process.stdout.close()
    wait_for_an_epoch(run)
    time.sleep(0.5)  # lines of epochs find no reader
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert run.checkpoint_file.is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "nowhere.yaml"),
        (["{config}", "--device", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'cuda'"),
        (["{config}", "--set", "train.epoch=3"], "did you mean 'epochs'"),
        (["{config}", "--resume", "--force"], "give only one of them"),
        (["{config}", "{config}"], "same name and seed: tiny/seed-0"),
        (["{config}", "--set", "data.path=missing"], "no data set at missing"),
        (["{config}", "--set", "data.path=missing"], "if it is elsewhere, add --set data.path="),
        (["{config}", "--set", "model.pretrained=missing.pth"], "there is no file missing.pth"),
        (["{config}", "--set", "data.split.fraction=0.9999"], "data.split"),
        (["{config}", "--set", "seed=4294967295", "--seeds", "2"], "seeds end at 4294967295"),
    ],
)
def test_bad_input(mmnist, config, tmp_path, arguments, message):
    done = mmnist("train", *(each.format(config=config) for each in arguments))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()
