"""What is asked of the C library shows in what the system had to do."""

import os
import platform
import subprocess
import sys

import pytest

from mmnist import machine

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")

#: A step holds four tensors of up to 64 MiB each at a time.
TORCH = """
import torch
def step():
    held = [torch.empty(2**24 // (k + 1)).fill_(1.0) for k in range(4)]
"""
#: The same without torch, which takes seconds to import: it allocates so on the CPU.
LIBC = """
import ctypes
libc = ctypes.CDLL(None)
def step():
    held = [ctypes.c_void_p() for k in range(4)]
    for k, place in enumerate(held):
        size = ctypes.c_size_t(2**26 // (k + 1))
        libc.posix_memalign(ctypes.byref(place), ctypes.c_size_t(64), size)
        libc.memset(place, 1, size)
    for place in held:
        libc.free(place)
"""
#: Page faults of the first ten steps, in which the heap finds its layout, and of a later step, the
#: best of three, as it may look for room once more; and MiB that a reset gave back.
SCRIPT = """
import resource, sys
from mmnist.machine import keep_freed_memory, peak_memory_mib, reset_peak_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def steps(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first, later = steps(10), min(steps(1) for _ in range(3))
kept = peak_memory_mib()
reset_peak_memory()
print(first, later, kept - peak_memory_mib())
"""


def faults(mode, step=LIBC, **variables):
    untold = {k: v for k, v in os.environ.items() if "MALLOC" not in k and k != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-c", step + SCRIPT, mode],
        env=untold | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in done.stdout.split()]


@glibc
def test_freed_memory_is_used_again_without_asking_the_system():
    _, left, _ = faults("leave", TORCH)
    first, kept, _ = faults("keep", TORCH)
    assert first > 0
    assert kept < left / 10


@glibc
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
        ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=131072"),
    ],
)
def test_what_the_user_told_the_c_library_stands(variable, value):
    _, kept, _ = faults("keep", **{variable: value})
    _, left, _ = faults("leave", **{variable: value})
    assert kept > left / 2


@glibc
def test_other_words_to_the_c_library_change_nothing():
    _, left, _ = faults("leave")
    _, kept, _ = faults("keep", MALLOC_ARENA_MAX="2", GLIBC_TUNABLES="glibc.malloc.arena_max=2")
    assert kept < left / 10


@glibc
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset the peak")
def test_what_was_freed_does_not_count_after_a_reset():
    *_, released = faults("keep")
    assert released > 64


def test_the_processor_is_named_as_by_the_system():
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    else:
        command = ["sh", "-c", "lscpu | sed -n 's/^Model name: *//p'"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not (name := done.stdout.strip()) or name == "-":
        pytest.skip("the system has another way to tell, or none")
    assert machine.cpu_name() == name
