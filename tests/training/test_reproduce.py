"""The runs of a study: each once, resumed, shared between processes, predicted."""

import fcntl
import shutil
import time

import numpy as np
import pytest
import torch

from mmnist.errors import InputError, Interrupted, OutOfTime, RunError
from mmnist.pipeline.device import choose_hardware
from mmnist.runs import FINISHED, Run, run_of
from mmnist.study import loading, plan
from mmnist.study.costs import Cost, read_costs, shared_rounds, write_costs
from mmnist.study.folder import StudyFolder
from mmnist.training import reproduce
from mmnist.training.callbacks import Schedule
from mmnist.training.cost import NotMeasured

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


def cost_on(device):
    return Cost(1, 1, 10.0, 30.0, 5.0, 16, device, "fp32", 1)


@pytest.fixture
def cost(loaded):
    """A measurement that this machine would make."""
    compute = loaded.configs["width", "plain"].compute
    return cost_on(choose_hardware(compute).description)


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


def test_costs_are_measured_once_and_kept(loaded, cost, tmp_path, monkeypatch):
    measured = []

    def measure(experiments, done):
        for name in experiments:
            measured.append(name)
            if name == "slow":
                raise NotMeasured(name, "does not fit into memory")
            done(name, cost)

    monkeypatch.setattr(reproduce, "measure_costs", measure)
    configs = {name: config for (_, name), config in loaded.configs.items()}
    said = []

    def measure_to(plain, slow, **options):
        rounds = {"plain": plain, "slow": slow}
        return reproduce.measure_missing(
            configs, StudyFolder(tmp_path), rounds=rounds, say=said.append, **options
        )

    costs = measure_to(1, 1)
    assert costs == {"plain": [cost]}
    assert any("slow: does not fit" in line for line in said)
    assert measure_to(1, 0) == costs
    assert measured == ["plain", "slow"]
    costs = measure_to(3, 2)
    assert measured[2:] == ["slow", "plain", "plain"], "what does not fit is tried once a call"
    assert costs == {"plain": [cost] * 3}
    costs = measure_to(3, 2, pairs=[{"plain", "slow"}])
    assert measured[5:] == ["plain", "slow", "plain", "plain"], "alone is not kept"
    assert costs == {"plain": [cost] * 3}
    assert read_costs(StudyFolder(tmp_path).costs_file) == costs
    shutil.rmtree(StudyFolder(tmp_path).saved)
    with pytest.raises(OutOfTime):
        measure_to(1, 1, deadline=time.monotonic())


def test_a_deadline_is_kept_while_another_process_measures(loaded, tmp_path):
    folder = StudyFolder(tmp_path)
    with folder.measuring_lock, pytest.raises(OutOfTime, match="the same command continues"):
        reproduce.measure_missing({}, folder, rounds={}, deadline=time.monotonic() + 0.2)
    assert reproduce.measure_missing({}, folder, rounds={}) == {}


def test_measurements_of_different_devices_are_not_mixed(loaded, cost, tmp_path, monkeypatch):
    configs = {name: config for (_, name), config in loaded.configs.items()}
    path = StudyFolder(tmp_path).costs_file
    elsewhere = cost_on("NVIDIA H200")

    def measured(**options):
        rounds = dict.fromkeys(configs, 2)
        said = []
        costs = reproduce.measure_missing(
            configs, StudyFolder(tmp_path), rounds=rounds, say=said.append, **options
        )
        return costs, bool(said)

    monkeypatch.setattr(
        reproduce, "measure_costs", lambda names, done: [done(name, cost) for name in names]
    )
    here = {name: [cost, cost] for name in configs}
    # The study was measured in part on a GPU, perhaps by --dry-run.
    write_costs(path, {"plain": [elsewhere, cost], "slow": [elsewhere]})
    assert measured(renew=False) == (here, True)
    assert read_costs(path) == here
    # It was measured on a GPU, and nothing is left to be trained.
    there = {name: [elsewhere, elsewhere] for name in configs}
    write_costs(path, there)
    assert measured(renew=False) == (there, False)
    assert measured(renew=True) == (here, True)


def test_rounds_are_told_apart_whoever_measures_them(loaded, cost, tmp_path, monkeypatch):
    configs = {name: config for (_, name), config in loaded.configs.items()}
    monkeypatch.setattr(
        reproduce, "measure_costs", lambda names, done: [done(name, cost) for name in names]
    )

    def measure(pairs=(), **rounds):
        return reproduce.measure_missing(
            configs, StudyFolder(tmp_path), rounds=rounds, pairs=pairs, say=lambda text: None
        )

    costs = measure(plain=2, slow=2)
    assert [each.round for each in costs["plain"]] == [each.round for each in costs["slow"]]
    assert len({each.round for each in costs["plain"]}) == 2
    measure(plain=3)  # one after the other, as with --only
    costs = measure(slow=3)
    assert len(shared_rounds(costs["plain"], costs["slow"])) == 2
    costs = measure([{"plain", "slow"}], plain=3, slow=3)
    assert len(shared_rounds(costs["plain"], costs["slow"])) == 3
    assert read_costs(StudyFolder(tmp_path).costs_file) == costs


def test_what_cannot_be_measured_is_the_one_that_failed(loaded, cost, tmp_path, monkeypatch):
    """Those on CUDA come last, wherever they stand in the file."""
    configs = {name: config for (_, name), config in loaded.configs.items()}

    def measure(experiments, done):
        if "slow" in experiments:
            raise NotMeasured("slow", "does not fit")
        for name in experiments:
            done(name, cost)

    monkeypatch.setattr(reproduce, "measure_costs", measure)
    rounds = {"plain": 1, "slow": 1}
    said = []
    costs = reproduce.measure_missing(
        configs, StudyFolder(tmp_path), rounds=rounds, say=said.append
    )
    assert costs == {"plain": [cost]}
    assert "  slow: does not fit" in said


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
    run = run_of(config, root)
    run.write_config(config)
    run.model_file.touch()
    run.write_summary({"status": FINISHED})
