"""What a training says without a terminal: plain lines, with rates and time left that add up."""

import re

import pytest

from mmnist.training import progress
from mmnist.training.progress import Reporter

ROW = {
    "train_loss": 0.5,
    "train_accuracy": 0.81234,
    "valid_loss": 0.25,
    "valid_accuracy": 0.9,
    "images_per_second": 1234.5,
}


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_an_epoch_is_one_line_in_log_and_output(tmp_path, capsys, clock):
    with Reporter(tmp_path / "train.log", epochs=3, batches=2) as reporter:
        reporter.epoch_begins(0, 0)
        clock[0] += 100
        reporter.epoch_done(ROW, is_best=True)
    expected = (
        "epoch  1/3  train loss 0.5000 acc 81.23%  valid loss 0.2500 acc 90.00%  "
        "1,234 img/s  0:03:20 left  best\n"
    )
    assert capsys.readouterr().out == expected
    assert (tmp_path / "train.log").read_text(encoding="utf-8") == expected


def test_a_long_epoch_says_how_far_it_is_once_a_minute(tmp_path, capsys, clock):
    with Reporter(tmp_path / "train.log", epochs=2, batches=10) as reporter:
        reporter.epoch_begins(0, 0)
        for _ in range(10):
            clock[0] += 25
            reporter.batch_done(50)
    lines = capsys.readouterr().out.splitlines()
    assert [re.search(r"batch (\d+)/10", line).group(1) for line in lines] == ["3", "6", "9"]
    # 50 images in 25 s; after 3 of 20 batches, 17 × 25 s are left.
    assert "2 img/s" in lines[0]
    assert "0:07:05 left" in lines[0]


def test_a_resumed_epoch_counts_from_where_it_was(tmp_path, capsys, clock):
    with Reporter(tmp_path / "train.log", epochs=1, batches=10) as reporter:
        reporter.epoch_begins(0, 6)
        clock[0] += 61
        reporter.batch_done(61)
    line = capsys.readouterr().out
    assert "batch 7/10  1 img/s  0:03:03 left" in line
