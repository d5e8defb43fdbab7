"""Costs are written and read back, damaged files are refused, and the estimate adds up."""

import json
from dataclasses import asdict, replace

import pytest

from mmnist.errors import InputError
from mmnist.study.costs import (
    Cost,
    read_costs,
    shared_rounds,
    typical_cost,
    whole_rounds,
    write_costs,
)

COST = Cost(
    parameters=11_181_642,
    macs=148_050_944,
    train_images_per_second=50.0,
    valid_images_per_second=200.0,
    peak_memory_mib=265.0,
    batch_size=32,
    device="CPU, 2 threads",
    precision="bf16",
    threads=2,
)


def test_estimate_of_a_run():
    # An epoch: 1000 images at 50/s and 400 at 200/s.
    assert COST.seconds(epochs=3, train_images=1000, valid_images=400) == pytest.approx(3 * 22)


def test_a_typical_cost_has_the_medians():
    costs = [
        replace(COST, train_images_per_second=rate, peak_memory_mib=memory)
        for rate, memory in ((50.0, 300.0), (10.0, 100.0), (60.0, 200.0))
    ]
    assert typical_cost(costs) == replace(COST, peak_memory_mib=200.0)
    assert typical_cost(costs[:1]) == costs[0]


def test_rounds_in_which_one_of_a_pair_is_missing_do_not_count():
    rates = {"a": 5, "b": 3, "c": 4, "alone": 2, "new": 1}
    costs = {name: [COST] * rounds for name, rounds in rates.items()}
    pairs = [{"a", "b"}, {"b", "c"}, {"new", "missing"}]
    kept = {name: len(each) for name, each in whole_rounds(costs, pairs).items()}
    assert kept == {"a": 3, "b": 3, "c": 3, "alone": 2}
    assert {name: len(each) for name, each in costs.items()} == rates, "left as they were"


def in_rounds(*names):
    return [replace(COST, round=name) for name in names]


def test_measurements_of_the_same_round_are_paired_wherever_they_stand():
    pairs = shared_rounds(in_rounds("1", "2", "4"), in_rounds("2", "3", "4", "5"))
    assert [(a.round, b.round) for a, b in pairs] == [("2", "2"), ("4", "4")]
    # Files of older versions do not name their rounds.
    old = [replace(COST, peak_memory_mib=float(n)) for n in range(3)]
    pairs = shared_rounds([*old, *in_rounds("4")], [*old[1:], *in_rounds("3")])
    assert [(a.peak_memory_mib, b.peak_memory_mib) for a, b in pairs] == [(0, 1), (1, 2)]


def test_rounds_of_one_of_a_pair_do_not_count_though_there_are_as_many():
    costs = {"a": in_rounds("1", "2", "3"), "b": in_rounds("1", "3", "4"), "c": in_rounds("5")}
    kept = whole_rounds(costs, [{"a", "b"}])
    assert {name: [cost.round for cost in each] for name, each in kept.items()} == {
        "a": ["1", "3"],
        "b": ["1", "3"],
        "c": ["5"],
    }


def test_costs_of_older_versions_are_read(tmp_path):
    values = asdict(COST)
    del values["round"]
    (tmp_path / "costs.json").write_text(json.dumps({"r18": [values]}), encoding="utf-8")
    assert read_costs(tmp_path / "costs.json") == {"r18": [COST]}


def test_costs_come_back_as_they_were(tmp_path):
    costs = {
        "b": in_rounds("2026-11-27T08:00:00+01:00"),
        "größe/ResNet18": [COST, replace(COST, peak_memory_mib=0.123456789)],
    }
    write_costs(tmp_path / "new" / "costs.json", costs)
    again = read_costs(tmp_path / "new" / "costs.json")
    assert again == costs
    (old,) = read_costs(tmp_path / "new" / "costs.json")["b"]
    assert old.round == "2026-11-27T08:00:00+01:00"
    assert list(again) == list(costs)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["costs.json"]


def test_no_file_is_no_costs(tmp_path):
    assert read_costs(tmp_path / "costs.json") == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"macs": None}, r"'r18\.0\.macs"),
        ({"parameters": "many"}, r"r18\.0\.parameters"),
        ({"train_images_per_second": 0.0}, r"r18\.0\.train_images_per_second.*greater than 0"),
        ({"peak_memory_mib": -1.0}, r"r18\.0\.peak_memory_mib"),
        ({"train_images_per_second": float("inf")}, r"r18\.0\.train_images_per_second"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, changes, message):
    values = {key: value for key, value in {**asdict(COST), **changes}.items() if value is not None}
    (tmp_path / "costs.json").write_text(json.dumps({"r18": [values]}), encoding="utf-8")
    with pytest.raises(InputError, match=rf"costs\.json is damaged: {message}.*delete it"):
        read_costs(tmp_path / "costs.json")


@pytest.mark.parametrize(
    "content", [b"", b'{"r18": {', b"[1, 2]", b"\xff\xfe", b'{"r18": 3}', b'{"r18": []}']
)
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "costs.json").write_bytes(content)
    with pytest.raises(InputError, match=r"costs\.json is damaged: .*delete it"):
        read_costs(tmp_path / "costs.json")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_costs(tmp_path)
