"""Costs are written and read back, damaged files are refused, and the estimate adds up."""

import json
from dataclasses import asdict, replace

import pytest

from mmnist.errors import InputError
from mmnist.study.costs import Cost, read_costs, typical_cost, whole_rounds, write_costs

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


def test_costs_come_back_as_they_were(tmp_path):
    costs = {"b": [COST], "größe/ResNet18": [COST, replace(COST, peak_memory_mib=0.123456789)]}
    write_costs(tmp_path / "new" / "costs.json", costs)
    again = read_costs(tmp_path / "new" / "costs.json")
    assert again == costs
    assert list(again) == list(costs)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["costs.json"]


def test_no_file_is_no_costs(tmp_path):
    assert read_costs(tmp_path / "costs.json") == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"macs": None}, r"r18\.0\.macs"),
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
