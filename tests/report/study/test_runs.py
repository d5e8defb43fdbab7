import pandas as pd
import pytest

from mmnist.report.study.runs import write_runs


def test_every_run_and_every_epoch_is_there(result, tmp_path):
    runs_file, curves_file = write_runs(result, tmp_path, "a note")
    runs, curves = pd.read_csv(runs_file), pd.read_csv(curves_file)
    assert len(runs) == len(result.runs) > 1
    assert set(runs["note"]) == set(curves["note"]) == {"a note"}
    for run, (_, row) in zip(result.runs, runs.iterrows(), strict=True):
        assert (row["run"], row["seed"]) == (run.name, run.seed)
        assert row["accuracy"] == pytest.approx(run.summary.valid.accuracy)
        mine = curves[(curves["run"] == run.name) & (curves["seed"] == run.seed)]
        assert mine["valid_loss"].tolist() == pytest.approx(run.metrics["valid_loss"].tolist())


def test_without_a_note_there_is_no_such_column(result, tmp_path):
    runs_file, _ = write_runs(result, tmp_path, "")
    assert "note" not in pd.read_csv(runs_file)
