"""Ctrl-C, SIGTERM and a time limit end a run between two steps, so that it can continue there.

Ctrl-C and SIGTERM end a validation too, which then starts again; a time limit lets it finish, or
short limits would never get past it.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from mmnist.errors import Interrupted, OutOfTime
from mmnist.terminal import say_in_signal_handler


class StopRequest:
    """Whether the run is to stop: it was asked to, or its time is over."""

    def __init__(self, deadline: float | None = None):
        """`deadline`: a value of `time.monotonic()`; None: no limit."""
        self.asked = False
        """Whether Ctrl-C or SIGTERM asked for it."""
        self._deadline = deadline

    @property
    def requested(self) -> bool:
        """Whether to stop, for whichever reason."""
        return self.asked or (self._deadline is not None and time.monotonic() >= self._deadline)

    def end(self, epoch: int, step: int, steps: int) -> NoReturn:
        """Leave the training.

        Raises:
            Interrupted: always; if only the time is over, the subclass OutOfTime.
        """
        place = f"epoch {epoch + 1}" + (f", batch {step} of {steps}" if step else " (not begun)")
        if self.asked:
            raise Interrupted(
                f"saved at {place}; to continue, run the same command with --resume (and without "
                "--force)"
            )
        raise OutOfTime(f"saved at {place}; the same command continues from there")


@contextmanager
def stop_on_signal(deadline: float | None = None) -> Iterator[StopRequest]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop; a second one acts at once.

    The deadline is a request too, once `time.monotonic()` reaches it; outside the main thread,
    where Python sets no signal handlers, it is the only one.
    """
    stop = StopRequest(deadline)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        say_in_signal_handler("stopping after this step (Ctrl-C again to stop at once) …")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
