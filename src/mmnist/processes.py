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
    """Hold Ctrl-C and SIGTERM back for a moment: no process is started by half, and a signal that
    comes meanwhile is not lost. Processes started meanwhile never see Ctrl-C, not even while they
    import: this one alone decides when they end.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Spawning starts the tracker if need be, which would lift the block.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """In a worker: end when the parent does, even if it was killed."""
    if hasattr(signal, "pthread_sigmask"):
        # The parent ends its workers by SIGTERM, an executor does when one of them has died.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
