"""What this machine has, and how much of it this process takes."""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path


def usable_cores() -> int:
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def reset_peak_memory() -> None:
    """Let `peak_memory_mib` count from now on (proc_pid_clear_refs(5)).

    Only Linux can do that. Elsewhere the peak stays that of the whole life of the process.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mib() -> float:
    """Most memory of this process that was resident at a time, in MiB, since the last reset.

    Right after a reset it is what is resident now.
    """
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
            return int(found[1]) / 2**10
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
