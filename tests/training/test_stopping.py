"""A run is asked to stop by Ctrl-C or SIGTERM, or its time is over."""

import os
import pickle
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmnist.config.origin import ConfigError, Origin, Problem
from mmnist.errors import InputError, Interrupted, MmnistError, OutOfTime, RunError
from mmnist.training.stopping import StopRequest, stop_on_signal

PAST, FUTURE = -1.0, float("inf")


@pytest.mark.parametrize(("deadline", "requested"), [(None, False), (FUTURE, False), (PAST, True)])
def test_the_deadline_is_a_request(deadline, requested):
    assert StopRequest(deadline).requested is requested


def test_a_request_comes_when_the_clock_reaches_the_deadline():
    stop = StopRequest(time.monotonic() + 0.05)
    assert not stop.requested
    time.sleep(0.06)
    assert stop.requested


def test_out_of_time_has_an_exit_code_of_its_own_and_says_where():
    with pytest.raises(OutOfTime, match="saved at epoch 2, batch 5 of 23") as caught:
        StopRequest(PAST).end(epoch=1, step=5, steps=23)
    assert isinstance(caught.value, Interrupted)
    assert (caught.value.exit_code, caught.value.kind) == (3, "out of time")


@pytest.mark.parametrize("deadline", [None, FUTURE, PAST])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_an_interruption_whatever_the_time(deadline, number):
    with stop_on_signal(deadline) as stop:
        os.kill(os.getpid(), number)  # the first one: no exception here
        assert stop.requested
        with pytest.raises(Interrupted, match="--resume") as caught:
            stop.end(epoch=0, step=0, steps=23)
    assert type(caught.value) is Interrupted
    assert caught.value.exit_code == 130


def test_a_second_signal_acts_at_once_and_the_handlers_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_on_signal():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(
    "error",
    [
        *(kind("as it was") for kind in (MmnistError, InputError, RunError, OutOfTime)),
        ConfigError([Problem(Origin("a.yaml", 3), ("resize",), "too small")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_the_way_out_of_a_worker_process(error):
    message = str(error)
    error.args = ["rewritten, as fastai does it"]
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == message
    assert vars(again) == vars(error)


def test_outside_the_main_thread_the_time_alone_is_a_request():
    def requested(deadline):
        with stop_on_signal(deadline) as stop:
            return stop.requested

    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        assert list(pool.map(requested, (None, FUTURE, PAST))) == [False, False, True]
    assert signal.getsignal(signal.SIGINT) is before
