"""Whether this machine is fit, and what will be slow: one line for each check."""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from mmnist.config.schema import ComputeSettings
from mmnist.data.store import open_store
from mmnist.errors import MmnistError
from mmnist.machine import usable_cores
from mmnist.pipeline.device import choose_hardware

#: A full data set takes 1 GB, the runs of the paper some more.
_WANTED_DISK = 5 * 10**9


@dataclass(frozen=True)
class Check:
    """One line of the examination."""

    subject: str
    status: str
    """`ok`, `slow` (works, but could be faster) or `problem`."""
    finding: str
    """What was found and, unless ok, what to do."""


def examine(data: Path, runs: Path) -> Iterator[Check]:
    """Examine versions, device, number formats, threads, data set and disk."""
    yield Check("python", "ok", platform.python_version())
    yield Check("mmnist", "ok", version("mmnist"))
    yield Check("torch", "ok", torch.__version__)
    yield Check("fastai", "ok", version("fastai"))
    yield _guarded("torchvision", _torchvision)
    yield _device()
    yield _bf16()
    yield _threads()
    yield _guarded("data", lambda: _data(data))
    yield _guarded("disk", lambda: _disk(runs))


def _guarded(subject: str, check: Callable[[], Check]) -> Check:
    """Turn an error of a check into its finding, so that the checks after it are still made."""
    try:
        return check()
    except (MmnistError, ImportError, RuntimeError, OSError) as error:
        return Check(subject, "problem", str(error))


def _torchvision() -> Check:
    from mmnist.torchvision_import import torchvision

    try:
        torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (NotImplementedError, RuntimeError):
        finding = "built for another build of torch; the parts that mmnist uses work"
        return Check("torchvision", "ok", f"{torchvision.__version__}, {finding}")
    return Check("torchvision", "ok", torchvision.__version__)


def _device() -> Check:
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return Check("device", "ok", f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB")
    if torch.version.cuda:
        return Check(
            "device", "slow", "CPU: torch is built for CUDA but finds no device; see nvidia-smi"
        )
    return Check("device", "slow", "CPU: train digit readers, or small networks at 64 px")


def _bf16() -> Check:
    hardware = choose_hardware(ComputeSettings())
    if hardware.precision == "bf16":
        return Check("bf16", "ok", "in hardware; precision auto is bf16")
    if hardware.device.type == "cpu":
        return Check("bf16", "slow", "not in this CPU; precision auto is fp32, much slower")
    return Check("bf16", "ok", f"not in this GPU; precision auto is {hardware.precision}")


def _threads() -> Check:
    threads, cores = torch.get_num_threads(), usable_cores()
    limits = [name for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if os.environ.get(name)]
    if threads >= cores:
        return Check("threads", "ok", f"{threads} for {cores} cores")
    if limits:
        finding = f"{threads} of {cores} cores; unset {' and '.join(limits)} to use all"
        return Check("threads", "slow", finding)
    # Virtual cores of one core share its arithmetic units, so torch uses only one of them.
    return Check("threads", "ok", f"{threads} for {cores} cores, as torch chose")


def _data(path: Path) -> Check:
    store = open_store(path)
    store.verify()
    kind = "generated" if store.generated else "competition"
    counts = f"{store.count('train'):,} + {store.count('test'):,} images"
    return Check("data", "ok", f"{path}: {counts}, {kind}, {store.fingerprint[:12]}, all intact")


def _disk(runs: Path) -> Check:
    folder = next(path for path in (runs, *runs.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    if free < _WANTED_DISK:
        finding = f"{free / 1e9:.1f} GB free; {_WANTED_DISK / 1e9:.0f} GB are needed: make room"
        return Check("disk", "problem", finding)
    return Check("disk", "ok", f"{free / 1e9:.0f} GB free")
