"""Worker processes: started without losing a signal, ended with their parent."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back during the block, so that no process is left half started.

    A signal that arrives meanwhile is not lost. Processes started meanwhile never see Ctrl-C, not
    even while they import: this process alone decides when they end.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Spawning starts the tracker if it is not running, which would unblock the signals.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Called in a worker: end when the parent does, even if the parent was killed."""
    if hasattr(signal, "pthread_sigmask"):
        # The parent ends its workers by SIGTERM, as an executor does when one of them has died.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def wait() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None  # as this is a worker
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
