"""What was run, and what is missing."""

import pandas as pd
from fake_runs import data_record, environment
from report.study.conftest import without_predictions

from mmnist.report.study.content import build_content
from mmnist.report.study.runs import write_runs
from mmnist.report.study.setting import describe_setting, missing_runs


def _setting(result):
    return dict(describe_setting(build_content(result)))


def test_machine_versions_data_and_seeds(result):
    setting = _setting(result)
    assert setting["Device"] == "NVIDIA H200, bf16, 16 CPU threads"
    assert setting["Versions"] == "Python 3.12.3, mmnist 0.1.0, torch 2.13.0"
    assert setting["Code"] == "commit 0123abc, changed since"
    generated = "generated, generator version 3, labels natural, seed 0, digits mnist"
    assert setting["Data"].startswith(generated)
    assert setting["Data"].endswith("fingerprint 1a2b3c4d5e6f")
    assert setting["Images"].startswith("9,000 for training and 1,000 for validation")
    assert setting["Runs"] == "6 finished, of 2 of 3 configurations; seeds 0, 1, 2"


def test_a_copy_of_mmnist_has_no_commit(make_result):
    assert "Code" not in _setting(make_result(about=environment(commit=None)))


def test_different_machines_are_counted(make_result):
    result = make_result()
    run = result.runs[0]
    run.write_environment(
        environment(device="CPU, 2 threads", threads=2, data=data_record(generated=False))
    )
    device = _setting(result)["Device"]
    assert device == "CPU, 2 threads, bf16 (1 run); NVIDIA H200, bf16, 16 CPU threads (5 runs)"


def test_runs_that_were_resumed_elsewhere_say_so(make_result, tmp_path):
    result = make_result()
    run = result.runs[0]
    run.note_resumption(environment(device="CPU", threads=2, commit="4567def"))
    run.note_resumption(environment(threads=8, commit="89abcde"))
    setting = _setting(result)
    assert setting["Device"].startswith(
        "NVIDIA H200, bf16, 16 CPU threads, then CPU, bf16, 2 CPU threads, then "
        "NVIDIA H200, bf16, 8 CPU threads (1 run); NVIDIA"
    )
    assert setting["Code"].startswith("commit 0123abc, changed since, then commit 4567def, then ")
    (row, *_) = pd.read_csv(write_runs(result, tmp_path, "")[0]).to_dict("records")
    assert (row["threads"], row["commit"]) == (8, "89abcde")


def test_different_seeds_are_named(make_result):
    make_result(accuracies={"small": 0.7}, seeds=1)
    runs = _setting(make_result(accuracies={"large": 0.8}, seeds=2))["Runs"]
    assert runs == "3 finished, of 2 of 3 configurations; seed 0: small; seeds 0, 1: large"


def test_missing_and_unfinished_runs(make_result):
    result = make_result(accuracies={"small": 0.7})
    assert missing_runs(result) == [
        ("large (resize: large, final: best)", "not run"),
        ("never (resize: never)", "not run"),
    ]
    begun = make_result(accuracies={"small": 0.7}, unfinished="large")
    assert missing_runs(begun)[0] == (
        "large/seed-0 (resize: large, final: best)",
        "unfinished: 1 of 6 epochs",
    )


def test_runs_that_are_not_judged_are_finished_but_named(make_result):
    result = without_predictions(make_result(), "large")
    reason = "trained; its test images are not predicted, or have no labels"
    assert missing_runs(result) == [
        ("never (resize: never)", "not run"),
        *[(f"large/seed-{seed} (final: best)", reason) for seed in range(3)],
    ]
    assert _setting(result)["Runs"].startswith("6 finished, of 2 of 3 configurations")
