"""Which costs of a study are measured, and which measurements count."""

import shutil
import time

import pytest

from mmnist.config.schema import ComputeSettings, Experiment
from mmnist.errors import OutOfTime
from mmnist.pipeline.device import choose_hardware
from mmnist.study.costs import Cost, read_costs, shared_rounds, write_costs
from mmnist.study.folder import StudyFolder
from mmnist.training import measuring
from mmnist.training.cost import NotMeasured
from mmnist.training.measuring import measure_missing

HERE = ComputeSettings(device="cpu")


@pytest.fixture
def configs():
    model = {"architecture": "shufflenet_v2", "size": 0.5}
    return {
        name: Experiment.model_validate({"name": name, "model": model, "compute": HERE})
        for name in ("plain", "slow")
    }


def cost_on(device):
    return Cost(1, 1, 10.0, 30.0, 5.0, 16, device, "fp32", 1)


@pytest.fixture
def cost():
    """A measurement that this machine would make."""
    return cost_on(choose_hardware(HERE).description)


def test_costs_are_measured_once_and_kept(configs, cost, tmp_path, monkeypatch):
    measured = []

    def measure(experiments, done):
        for name in experiments:
            measured.append(name)
            if name == "slow":
                raise NotMeasured(name, "does not fit into memory")
            done(name, cost)

    monkeypatch.setattr(measuring, "measure_costs", measure)
    said = []

    def measure_to(plain, slow, **options):
        rounds = {"plain": plain, "slow": slow}
        return measure_missing(
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


def test_a_deadline_is_kept_while_another_process_measures(tmp_path):
    folder = StudyFolder(tmp_path)
    with folder.measuring_lock, pytest.raises(OutOfTime, match="the same command continues"):
        measure_missing({}, folder, rounds={}, deadline=time.monotonic() + 0.2)
    assert measure_missing({}, folder, rounds={}) == {}


def test_measurements_of_different_devices_are_not_mixed(configs, cost, tmp_path, monkeypatch):
    path = StudyFolder(tmp_path).costs_file
    elsewhere = cost_on("NVIDIA H200")

    def measured(**options):
        rounds = dict.fromkeys(configs, 2)
        said = []
        costs = measure_missing(
            configs, StudyFolder(tmp_path), rounds=rounds, say=said.append, **options
        )
        return costs, bool(said)

    monkeypatch.setattr(
        measuring, "measure_costs", lambda names, done: [done(name, cost) for name in names]
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


def test_rounds_are_told_apart_whoever_measures_them(configs, cost, tmp_path, monkeypatch):
    monkeypatch.setattr(
        measuring, "measure_costs", lambda names, done: [done(name, cost) for name in names]
    )

    def measure(pairs=(), **rounds):
        return measure_missing(
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


def test_what_cannot_be_measured_is_the_one_that_failed(configs, cost, tmp_path, monkeypatch):
    """Those on CUDA come last, wherever they stand in the file."""

    def measure(experiments, done):
        if "slow" in experiments:
            raise NotMeasured("slow", "does not fit")
        for name in experiments:
            done(name, cost)

    monkeypatch.setattr(measuring, "measure_costs", measure)
    rounds = {"plain": 1, "slow": 1}
    said = []
    costs = measure_missing(configs, StudyFolder(tmp_path), rounds=rounds, say=said.append)
    assert costs == {"plain": [cost]}
    assert "  slow: does not fit" in said
