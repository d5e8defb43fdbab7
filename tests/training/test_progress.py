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
    "seconds": 100.0,
}


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_an_epoch_is_one_line_in_log_and_output(tmp_path, capsys, clock):
    with Reporter(tmp_path / "train.log", work=[7, 7, 7]) as reporter:
        reporter.epoch_begins(0, 0, 2)
        reporter.epoch_done(ROW, is_best=True)
    expected = (
        "epoch  1/3  train loss 0.5000 acc 81.23%  valid loss 0.2500 acc 90.00%  "
        "1,234 img/s  0:03:20 left  best\n"
    )
    assert capsys.readouterr().out == expected
    assert (tmp_path / "train.log").read_text(encoding="utf-8") == expected


def test_a_long_epoch_says_how_far_it_is_once_a_minute(tmp_path, capsys, clock):
    with Reporter(tmp_path / "train.log", work=[1, 1]) as reporter:
        reporter.epoch_begins(0, 0, 10)
        for _ in range(10):
            clock[0] += 25
            reporter.batch_done(50)
    lines = capsys.readouterr().out.splitlines()
    assert [re.search(r"batch (\d+)/10", line).group(1) for line in lines] == ["3", "6", "9"]
    # 50 images in 25 s; after 3 of 20 batches, 17 × 25 s are left.
    assert "2 img/s" in lines[0]
    assert "0:07:05 left" in lines[0]


def test_a_resumed_epoch_counts_from_where_it_was(tmp_path, capsys, clock):
    with Reporter(tmp_path / "train.log", work=[5]) as reporter:
        reporter.epoch_begins(0, 6, 10)
        clock[0] += 61
        reporter.batch_done(61)
    line = capsys.readouterr().out
    assert "batch 7/10  1 img/s  0:03:03 left" in line


@pytest.mark.parametrize("first", [0, 9, 10])
def test_an_epoch_that_was_resumed_counts_with_all_its_time(tmp_path, capsys, first, clock):
    with Reporter(tmp_path / "train.log", work=[1, 1, 1]) as reporter:
        reporter.epoch_begins(0, first, 10)
        for _ in range(10 - first):
            clock[0] += 1
            reporter.batch_done(50)
        clock[0] += 20  # validation
        reporter.epoch_done(ROW, is_best=True)
    assert "0:03:20 left" in capsys.readouterr().out


def test_time_left_counts_what_the_other_epochs_have_to_compute(tmp_path, capsys, clock):
    with Reporter(tmp_path / "train.log", work=[1, 4, 4]) as reporter:
        reporter.epoch_begins(0, 0, 2)
        for _ in range(2):
            clock[0] += 61
            reporter.batch_done(61)
        reporter.epoch_done({**ROW, "seconds": 122.0, "trained_on": "digits"}, is_best=False)
    first, second, done = capsys.readouterr().out.splitlines()
    # Half of a ninth took 61 s; 8.5 ninths are left, then 8.
    assert "0:17:17 left" in first
    assert "0:16:16 left" in second
    assert done.startswith("epoch  1/3  digits  train loss 0.5000")
    assert "0:16:16 left" in done
