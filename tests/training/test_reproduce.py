"""The runs of a study: each once, resumed, shared between processes, predicted."""

import fcntl
import shutil
import time

import numpy as np
import pytest
import torch
from fake_runs import write_run

from mmnist.errors import InputError, Interrupted, OutOfTime, RunError
from mmnist.runs import Run
from mmnist.study import loading, plan
from mmnist.study.folder import StudyFolder
from mmnist.training import reproduce
from mmnist.training.callbacks import Schedule

STUDY = """\
name: both
title: Two widths
experiments:
  width:
    question: Does the rate matter?
    variants: {plain: plain.yaml, slow: slow.yaml}
  test:
    question: How good on the test images?
    judged_on: test
    variants: {plain: again.yaml}
"""
CONFIG = """\
data: {{path: {store}}}
model: {{architecture: shufflenet_v2, size: 0.5}}
resize: 32
train: {{epochs: 2, batch_size: 16, learning_rate: 0.01, schedule: one_cycle}}
compute: {{device: cpu, precision: fp32}}
"""


@pytest.fixture
def loaded(tmp_path, easy_store):
    for name, text in {
        "plain.yaml": CONFIG.format(store=easy_store),
        "slow.yaml": "extends: plain.yaml\ntrain: {learning_rate: 1e-5}\n",
        "again.yaml": "extends: plain.yaml\n",
        "experiments.yaml": STUDY,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return loading.load_study(tmp_path / "experiments.yaml")


def run_all(loaded, root, **options):
    planned = plan.plan_runs(loaded, StudyFolder(root))
    return reproduce.run_all(loaded, planned, say=lambda text: None, **options)


def test_every_run_is_trained_once_and_left_alone_when_finished(loaded, tmp_path, monkeypatch):
    trained = []
    real = reproduce.train
    monkeypatch.setattr(
        reproduce,
        "train",
        lambda config, *a, **k: trained.append(config.name) or real(config, *a, **k),
    )
    for _ in range(2):
        outcome = run_all(loaded, tmp_path / "runs")
        assert trained == ["plain", "slow"]
        assert (outcome.failed, outcome.elsewhere) == ({}, [])
    run = Run(tmp_path / "runs" / "plain" / "seed-0")
    index, labels, probabilities = run.predictions("test")
    assert index.tolist() == list(range(60))
    assert np.array_equal(labels, index % 10)
    assert probabilities.shape == (60, 10)
    assert run.submission_file.is_file()
    assert not Run(tmp_path / "runs" / "slow" / "seed-0").submission_file.exists()


def test_out_of_time_saves_and_goes_on_to_the_same_result(loaded, tmp_path, monkeypatch):
    run_all(loaded, tmp_path / "whole")
    looks = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: next(looks))
    stops = []
    for _ in range(50):
        try:
            run_all(loaded, tmp_path / "pieces", deadline=next(looks) + 30)
            break
        except OutOfTime as error:
            stops.append(error)
    assert len(stops) > 2
    assert {error.exit_code for error in stops} == {3}
    assert "the same command continues" in str(stops[0])
    for name in ("plain", "slow"):
        one, other = (Run(tmp_path / each / name / "seed-0") for each in ("whole", "pieces"))
        assert one.model_file.read_bytes() == other.model_file.read_bytes()
        for a, b in zip(one.predictions("valid"), other.predictions("valid"), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_run_that_another_process_holds_is_left_to_it(loaded, tmp_path):
    (tmp_path / "runs" / "plain").mkdir(parents=True)
    with (tmp_path / "runs" / "plain" / ".seed-0.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = run_all(loaded, tmp_path / "runs")
    assert outcome.elsewhere == ["plain/seed-0"]
    assert not Run(tmp_path / "runs" / "plain" / "seed-0").exists
    assert Run(tmp_path / "runs" / "slow" / "seed-0").finished


@pytest.mark.parametrize("error", [RunError, InputError])
def test_a_run_that_cannot_be_made_does_not_stop_the_others(loaded, tmp_path, monkeypatch, error):
    real = reproduce.train

    def train(config, *arguments, **options):
        if config.name == "plain":
            raise error("no such weights")
        return real(config, *arguments, **options)

    monkeypatch.setattr(reproduce, "train", train)
    outcome = run_all(loaded, tmp_path / "runs")
    assert outcome.failed == {"plain/seed-0": "no such weights"}
    assert Run(tmp_path / "runs" / "slow" / "seed-0").finished


def test_ctrl_c_stops_all(loaded, tmp_path, monkeypatch):
    def train(*arguments, **options):
        raise Interrupted("saved at epoch 1; to continue, run the same command with --resume")

    monkeypatch.setattr(reproduce, "train", train)
    with pytest.raises(Interrupted, match="the same command continues") as caught:
        run_all(loaded, tmp_path / "runs")
    assert caught.value.exit_code == 130
    assert "--resume" not in str(caught.value)


def test_a_run_of_another_experiment_is_refused_before_anything_is_trained(loaded, tmp_path):
    root = tmp_path / "runs"
    other = loaded.configs["width", "slow"].model_copy(update={"resize": 64})
    Run(root / "slow" / "seed-0").write_config(other)
    with pytest.raises(InputError, match="different: resize"):
        run_all(loaded, root)
    assert not (root / "plain" / "seed-0").exists()


def test_a_run_that_does_not_fit_into_the_memory_does_not_stop_the_others(
    loaded, tmp_path, monkeypatch
):
    real = Schedule.before_batch

    def before_batch(self):
        if self.experiment.name == "plain":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        real(self)

    monkeypatch.setattr(Schedule, "before_batch", before_batch)
    outcome = run_all(loaded, tmp_path / "runs")
    assert list(outcome.failed) == ["plain/seed-0"]
    assert "plain does not fit into the memory" in outcome.failed["plain/seed-0"]
    assert Run(tmp_path / "runs" / "slow" / "seed-0").finished


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RunError("no space left"), "no space left"),
        (RuntimeError("can't allocate memory: you tried"), "does not fit into the memory"),
    ],
)
def test_predictions_that_fail_do_not_stop_the_others(
    loaded, tmp_path, monkeypatch, error, message
):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(reproduce, "train", finish)
    monkeypatch.setattr(reproduce, "predict_probabilities", fail)
    for _ in range(2):  # trained, and found finished
        outcome = run_all(loaded, tmp_path / "runs")
        assert list(outcome.failed) == ["plain/seed-0"]
        assert message in outcome.failed["plain/seed-0"]
        assert Run(tmp_path / "runs" / "slow" / "seed-0").finished


def test_a_run_that_has_lost_its_weights_does_not_stop_the_others(loaded, tmp_path, monkeypatch):
    """Results that were brought from elsewhere have none."""
    monkeypatch.setattr(reproduce, "train", finish)
    monkeypatch.setattr(reproduce, "predict_probabilities", lambda *_: np.full((60, 10), 0.1))
    run_all(loaded, tmp_path / "runs")
    run = Run(tmp_path / "runs" / "plain" / "seed-0")
    run.model_file.unlink()
    assert run_all(loaded, tmp_path / "runs").failed == {}  # there is nothing to predict any more
    run.submission_file.unlink()
    shutil.rmtree(tmp_path / "runs" / "slow")
    outcome = run_all(loaded, tmp_path / "runs")
    assert "has lost its weights" in outcome.failed["plain/seed-0"]
    assert Run(tmp_path / "runs" / "slow" / "seed-0").finished


def test_a_deadline_that_has_passed_before_lets_a_step_be_made(loaded, tmp_path, monkeypatch):
    begun = []

    def train(config, root, **options):
        begun.append(config.name)
        finish(config, root)

    monkeypatch.setattr(reproduce, "train", train)
    monkeypatch.setattr(reproduce, "predict_probabilities", lambda *_: np.full((60, 10), 0.1))
    with pytest.raises(OutOfTime, match="runs left: 1"):
        run_all(loaded, tmp_path / "slow", deadline=0.0)
    assert begun == ["plain"]


def finish(config, root, **options):
    """In place of a training."""
    write_run(config, root).model_file.touch()
