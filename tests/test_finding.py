"""Runs are found by what people type."""

import pytest
from fake_runs import begin_runs, experiment

from mmnist.errors import InputError
from mmnist.finding import find_run, find_runs
from mmnist.runs import run_of


@pytest.fixture
def root(tmp_path):
    return begin_runs(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "titles"),
    [
        (["a"], ["a/seed-0", "a/seed-2", "a/seed-10"]),
        (["{root}/a"], ["a/seed-0", "a/seed-2", "a/seed-10"]),
        (["{root}/a/seed-10"], ["a/seed-10"]),
        (["a/seed-2", "b"], ["a/seed-2", "b/seed-0"]),
        (["b", "a/seed-0", "b"], ["b/seed-0", "a/seed-0"]),
    ],
)
def test_runs_are_found_in_order_and_once(root, arguments, titles):
    found = find_runs([each.format(root=root) for each in arguments], root)
    assert [run.title for run in found] == titles


def test_unknown_runs_list_those_there_are(root, tmp_path):
    with pytest.raises(InputError, match=r"c: no run here; runs in .*: a, b$"):
        find_runs(["a", "c"], root)
    with pytest.raises(InputError, match="there are no runs in"):
        find_runs(["a"], tmp_path / "empty")


def test_runs_of_studies_are_listed_with_their_study(root):
    one = experiment("wide")
    run_of(one, root / "paper").write_config(one)
    assert [run.title for run in find_runs(["paper/wide"], root)] == ["wide/seed-0"]
    wanted = r"runs in .*: a, b, paper/wide; for a whole study: mmnist report --study paper$"
    with pytest.raises(InputError, match=wanted):
        find_runs(["paper"], root)


def test_a_single_run_is_wanted(root):
    assert find_run("b", root).title == "b/seed-0"
    with pytest.raises(
        InputError, match=r"a stands for several runs; take one: .*seed-0, .*seed-2"
    ):
        find_run("a", root)
