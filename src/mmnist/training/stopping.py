"""Ctrl-C and SIGTERM end a run between two steps, so that it can go on from there."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from mmnist.errors import Interrupted
from mmnist.terminal import live_console


class StopRequest:
    """Whether the run was asked to stop."""

    requested = False

    def end(self, epoch: int, step: int, steps: int) -> NoReturn:
        """Leave the training.

        Raises:
            Interrupted: always.
        """
        place = f"epoch {epoch + 1}" + (f", batch {step} of {steps}" if step else " (not begun)")
        raise Interrupted(f"saved at {place}; add --resume to the same command to go on")


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C or SIGTERM into a request; a second one acts at once."""
    stop = StopRequest()

    def request(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True
        live_console().print("stopping after this step (again to stop at once) …")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
