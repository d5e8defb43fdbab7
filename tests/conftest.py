"""What many tests share: an easy data set, a tiny experiment on it, the command line."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

# Tests run beside other processes: torch's threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a shell starts in the background ignores Ctrl-C, and so does all that it starts in turn.
with suppress(ValueError):  # not in the main thread
    signal.signal(signal.SIGINT, signal.default_int_handler)

TRAIN, TEST = 400, 60


def easy_images(labels: np.ndarray, seed: int) -> np.ndarray:
    """Noise with one bright square, whose place tells the label: uint8 [N, 128, 128]."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 80, (len(labels), 128, 128), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[row * 40 + 4 : row * 40 + 36, column * 30 + 4 : column * 30 + 28] = 255
    return images


def write_easy_store(path: Path, seed: int = 0) -> Path:
    """A small data set with the marks of a generated one, all ten classes equally often."""
    from mmnist.data.store import StoreWriter

    with StoreWriter(path) as writer:
        for part, count in (("train", TRAIN), ("test", TEST)):
            labels = np.arange(count) % 10
            images = easy_images(labels, seed)
            for name, values in (("images", images), ("labels", labels)):
                array = writer.create(f"{part}_{name}", values.shape, np.uint8)
                array[:] = values
                array.flush()
        writer.finish({"kind": "generated", "test": "easy", "seed": seed})
    return path


@pytest.fixture(scope="session")
def easy_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a data set that a small network learns in seconds."""
    return write_easy_store(tmp_path_factory.mktemp("data") / "easy")


def with_changes(values: dict, changes: dict) -> dict:
    """`values` with `changes`; of a section, only the keys that are named."""
    merged = dict(values)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    return merged


@pytest.fixture(scope="session")
def tiny(easy_store: Path) -> Callable:
    """Make the tiny experiment, with sections of it changed: `tiny(train={"epochs": 2})`."""
    from mmnist.config.schema import Experiment

    def make(**changes: object) -> Experiment:
        values: dict = {
            "name": "tiny",
            "data": {"path": str(easy_store)},
            "model": {"architecture": "shufflenet_v2", "size": 0.5},
            "resize": 32,
            "train": {
                "epochs": 4,
                "batch_size": 16,
                "learning_rate": 0.01,
                "schedule": {"name": "one_cycle"},
            },
            "compute": {"device": "cpu", "precision": "fp32"},
        }
        return Experiment.model_validate(with_changes(values, changes))

    return make


@pytest.fixture(scope="session")
def tiny_run(tiny: Callable, tmp_path_factory: pytest.TempPathFactory):
    """The finished run of the tiny experiment; tests read it and leave it as it is."""
    from mmnist.training.train import train

    return train(tiny(), tmp_path_factory.mktemp("tiny") / "runs")


@pytest.fixture
def mmnist(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as a user would, in an empty folder."""

    def run(*arguments: object, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
        return subprocess.run(
            [sys.executable, "-m", "mmnist", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return run
