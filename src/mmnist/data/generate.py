"""A generated data set: scenes drawn by several processes straight into the store."""

import contextlib
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmnist.data.backgrounds import (
    TEXTURE_SIDE,
    Textures,
    draw_texture,
    texture_variants,
    texture_weights,
)
from mmnist.data.digits import DigitPools, TestDigits
from mmnist.data.glyphs import GlyphPool
from mmnist.data.manifest import LAYOUT, Part
from mmnist.data.scenes import CHUNK_SIZE, LabelMode, draw_chunk
from mmnist.data.store import Store, StoreWriter
from mmnist.data.termination import exit_on_sigterm
from mmnist.errors import InputError, RunError
from mmnist.processes import end_with_parent, interrupts_held_back

GENERATOR_VERSION = 3
"""Raised whenever the same seed would no longer give the same bytes."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Job:
    """What every chunk is drawn from; small, since the large arrays lie in `.npy` files."""

    textures: Path
    glyphs: dict[Part, Path]
    """Digit images ordered by class."""
    starts: dict[Part, NDArray[np.int64]]
    """Where each class starts."""
    outputs: dict[Part, tuple[Path, Path, Path]]
    """Images, labels and digits; the files exist and are written in place."""
    seed: int
    mode: LabelMode


@dataclass(frozen=True)
class Chunk:
    """One chunk of a part; only its first `count` scenes are kept."""

    part: Part
    index: int
    count: int


@exit_on_sigterm()
def make_dataset(
    path: Path,
    *,
    train: int,
    test: int,
    seed: int,
    digits: DigitPools,
    labels: LabelMode,
    workers: int,
    test_digits: TestDigits = "new",
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Store:
    """Draw `train` and `test` images into a new store at `path`.

    The bytes depend on `seed`, `digits`, `labels`, `test_digits` and `GENERATOR_VERSION` alone, not
    on `workers`; a smaller data set is the beginning of a larger one. Training scenes show training
    digits only, test scenes test digits only, or all with `test_digits` `all`. `progress` is called
    with the number of images just finished.

    Raises `InputError` for an impossible number or an existing `path`, `RunError` if a worker dies.
    Then, and after Ctrl-C or SIGTERM, nothing is left behind.
    """
    for name, value, least in (
        ("train", train, 1),
        ("test", test, 1),
        ("workers", workers, 1),
        ("seed", seed, 0),
    ):
        if value < least:
            raise InputError(f"{name} is {value}; it must be at least {least}")
    counts: dict[Part, int] = {"train": train, "test": test}
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(StoreWriter(path, overwrite=overwrite))
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(
                dir=writer.path.parent, prefix=f".{writer.path.name}.parts-"
            )
        )
        outputs = {part: _create_outputs(writer, part, n) for part, n in counts.items()}
        # Disk space is reserved now, so there is room for these, too.
        chunks = [chunk for part, n in counts.items() for chunk in _chunks(part, n)]
        job = _prepare(Path(folder), digits, test_digits, outputs, seed, labels)
        with _pool(workers) as run:
            for _ in run(_draw_texture, job, range(len(texture_variants()))):
                pass
            for done in run(_draw_chunk, job, chunks):
                if progress:
                    progress(done)
        return writer.finish(
            {
                "kind": "generated",
                "generator_version": GENERATOR_VERSION,
                "seed": seed,
                "labels": labels,
                "digits": digits.name,
                "test_digits": test_digits,
                "digits_sha256": digits.fingerprint,
            }
        )


def _chunks(part: Part, n: int) -> list[Chunk]:
    return [
        Chunk(part, index, min(CHUNK_SIZE, n - index * CHUNK_SIZE))
        for index in range(-(-n // CHUNK_SIZE))
    ]


def _create_outputs(writer: StoreWriter, part: Part, n: int) -> tuple[Path, Path, Path]:
    for kind, (shape, dtype) in LAYOUT.items():
        writer.create(f"{part}_{kind}", (n, *shape), dtype)
    images, labels, digits = (writer.file_of(f"{part}_{kind}") for kind in LAYOUT)
    return images, labels, digits


def _prepare(
    folder: Path,
    digits: DigitPools,
    test_digits: TestDigits,
    outputs: dict[Part, tuple[Path, Path, Path]],
    seed: int,
    mode: LabelMode,
) -> Job:
    """Write the digits, and room for the textures, to `folder`, for all processes to map."""
    pools: dict[Part, GlyphPool] = {
        "train": GlyphPool.of(digits.train_images, digits.train_labels),
        "test": GlyphPool.of(*digits.of_test_scenes(test_digits)),
    }
    glyphs: dict[Part, Path] = {part: folder / f"{part}.npy" for part in pools}
    textures = folder / "textures.npy"
    shape = (len(texture_variants()), TEXTURE_SIDE, TEXTURE_SIDE)
    try:
        for part, pool in pools.items():
            np.save(glyphs[part], pool.images)
        np.save(textures, np.zeros(shape, np.uint8))  # written out: mapped files may be sparse
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror or error}") from error
    return Job(
        textures=textures,
        glyphs=glyphs,
        starts={part: pool.starts for part, pool in pools.items()},
        outputs=outputs,
        seed=seed,
        mode=mode,
    )


def _draw_texture(job: Job, index: int) -> None:
    np.load(job.textures, mmap_mode="r+")[index] = draw_texture(job.seed, index)


def _draw_chunk(job: Job, chunk: Chunk) -> int:
    """Draw `chunk` into the store and return the number of its images."""
    part = chunk.part
    scenes = draw_chunk(
        Textures(np.load(job.textures, mmap_mode="r"), texture_weights()),
        GlyphPool(np.load(job.glyphs[part], mmap_mode="r"), job.starts[part]),
        seed=job.seed,
        part=part,
        index=chunk.index,
        mode=job.mode,
    )
    start = chunk.index * CHUNK_SIZE
    arrays = (scenes.images, scenes.labels, scenes.digits)
    for file, array in zip(job.outputs[part], arrays, strict=True):
        output = np.load(file, mmap_mode="r+")
        output[start : start + chunk.count] = array[: chunk.count]
    return chunk.count


# run(function, job, items) yields function(job, item) for each item, in any order.
Run = Callable[[Callable[[Job, T], R], Job, Iterable[T]], Iterator[R]]


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[Run[Any, Any]]:
    """Yield a `Run`, which works in this process for one worker, otherwise in that many others.

    Raises `RunError` if a worker dies. On any exception, pending work is dropped, and the workers
    have ended when the context is left.
    """
    if workers == 1:
        yield lambda function, job, items: (function(job, item) for item in items)
        return
    # Spawned, not forked: the caller may have threads, and forking those can deadlock.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)

    def run(function: Callable[[Job, T], R], job: Job, items: Iterable[T]) -> Iterator[R]:
        with interrupts_held_back():
            futures = [executor.submit(function, job, item) for item in items]
        return (future.result() for future in as_completed(futures))

    try:
        yield run
    except BrokenProcessPool as error:
        raise RunError(
            "a worker process ended unexpectedly (out of memory?); try fewer workers"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)
