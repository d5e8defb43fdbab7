"""Runs that stop again and again, and the times that they record."""

import os
import signal
from types import SimpleNamespace

import pytest
from training.interruption import assert_same_result

from mmnist.errors import Interrupted, OutOfTime
from mmnist.training import recorder
from mmnist.training.recorder import Recorder
from mmnist.training.train import train

PAST = 0.0


def test_a_run_whose_time_is_always_over_gets_on_and_comes_to_the_same_result(tiny, tmp_path):
    experiment = tiny(train={"epochs": 2, "batch_size": 128})
    whole = train(experiment, tmp_path / "whole")
    places = []
    for _ in range(20):
        try:
            run = train(experiment, tmp_path / "parts", resume=True, deadline=PAST)
            break
        except OutOfTime as error:
            places.append(str(error).removeprefix("saved at ").partition(";")[0])
    assert places == [
        *(f"epoch 1, batch {step} of 3" for step in (1, 2, 3)),
        "epoch 2 (not begun)",  # validation has no place to go on from, so it is finished
        *(f"epoch 2, batch {step} of 3" for step in (1, 2, 3)),
    ]
    assert_same_result(whole, run)


def test_the_rate_of_training_leaves_out_validations_that_were_interrupted(
    tiny, tmp_path, monkeypatch
):
    seconds = 0.0
    interruptions = iter([True, True])
    after_batch = Recorder.after_batch

    def takes_a_second(self):
        nonlocal seconds
        seconds += 1
        if not self.training and next(interruptions, False):
            os.kill(os.getpid(), signal.SIGINT)
        after_batch(self)

    monkeypatch.setattr(Recorder, "after_batch", takes_a_second)
    monkeypatch.setattr(recorder, "time", SimpleNamespace(perf_counter=lambda: seconds))
    experiment = tiny(train={"epochs": 1})
    for _ in range(2):
        with pytest.raises(Interrupted):
            train(experiment, tmp_path, resume=True)
    run = train(experiment, tmp_path, resume=True)
    batches, valid = 23, 3
    assert run.metrics["images_per_second"].tolist() == [round(360 / batches, 1)]
    assert run.metrics["seconds"].tolist() == [batches + 1 + 1 + valid]
