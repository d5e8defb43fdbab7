"""How `mmnist reproduce` ends when runs fail, are held elsewhere, or time runs out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runs import data_record, environment, write_run

from mmnist.cli import run
from mmnist.data.store import open_store
from mmnist.errors import OutOfTime
from mmnist.study.costs import Cost
from mmnist.training import measuring, reproduce
from mmnist.training.reproduce import Outcome

STUDY = """\
name: one
title: One run
experiments:
  rate:
    question: Does it learn?
    judged_on: {judged_on}
    variants: {{only: only.yaml}}
"""
CONFIG = """\
data: {{path: {store}}}
model: {{architecture: shufflenet_v2, size: 0.5}}
resize: 32
compute: {{device: cpu, precision: fp32}}
"""


@pytest.fixture
def ends(tmp_path, easy_store, monkeypatch, capfd) -> Callable[..., tuple[int, str]]:
    """Run the study with a training that does what it is told; gives exit code and messages."""

    def ends(train, judged_on="validation", costs=None) -> tuple[int, str]:
        (tmp_path / "one.yaml").write_text(STUDY.format(judged_on=judged_on), encoding="utf-8")
        (tmp_path / "only.yaml").write_text(CONFIG.format(store=easy_store), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(measuring, "measure_missing", lambda *_, **__: costs or {})
        monkeypatch.setattr(reproduce, "run_all", lambda loaded, planned, **_: train(planned))
        code = run(["reproduce", "--file", "one.yaml"])
        return code, "".join(capfd.readouterr())

    return ends


def finish(planned) -> None:
    """Leave a finished run that has no predictions."""
    for each in planned:
        data = data_record(open_store(each.config.data.path).fingerprint)
        root = each.run.path.parents[1]
        run = write_run(each.config, root, about=environment(data=data))
        (run.path / "valid_predictions.npz").unlink()


def test_runs_that_failed_are_listed_though_there_is_no_page(ends):
    code, said = ends(lambda planned: Outcome(failed={"only/seed-0": "loss became NaN"}))
    assert code == 1
    assert "1 of 1 runs failed:\n  only/seed-0: loss became NaN" in said
    assert "nothing to report" in said
    assert not Path("runs/one/report").exists()


def test_runs_that_others_hold_are_no_failure(ends):
    code, said = ends(lambda planned: Outcome(elsewhere=["only/seed-0"]))
    assert code == 0, said
    assert "left to other processes: only/seed-0" in said


def test_the_estimate_says_on_what_it_was_measured(ends):
    cost = Cost(1, 1, 10.0, 30.0, 5.0, 16, "NVIDIA H100", "bf16", 1)
    code, said = ends(lambda planned: Outcome(elsewhere=["x"]), costs={"only": [cost]})
    assert code == 0
    assert "estimated from a few training steps of each (NVIDIA H100)\n" in said


def test_test_images_without_labels_leave_the_exit_code_as_it_is(ends):
    def out_of_time(planned) -> None:
        finish(planned)
        raise OutOfTime("everything is saved; the same command continues from here")

    code, said = ends(out_of_time, judged_on="test")
    assert code == 3, said
    assert "the same command continues from here" in said
    code, said = ends(lambda planned: Outcome(), judged_on="test")
    assert code == 0, said
    assert "nothing to report beside any submission.csv of the runs" in said


def test_a_page_that_cannot_be_written_does_not_hide_what_failed(ends):
    def fail(planned) -> Outcome:
        finish(planned)
        return Outcome(failed={"only/seed-1": "loss became NaN"})

    code, said = ends(fail)
    assert code == 1
    assert "the page could not be written: " in said
    assert "valid_predictions.npz is missing" in said
    assert "only/seed-1: loss became NaN" in said
    assert ends(lambda planned: Outcome())[0] == 2
