"""A prepared data set on disk: memory-mapped arrays and a manifest that describes them.

A store is a folder with one .npy file per array and a manifest.json. It is written into a
temporary folder next to its final place and renamed when it is complete, so that a store either
exists completely or not at all.
"""

import contextlib
import hashlib
import json
import math
import os
import secrets
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.lib.format import open_memmap
from pydantic import JsonValue
from rich.filesize import decimal

from mmnist.data.digits import digits_stated
from mmnist.data.manifest import (
    FILES,
    FORMAT_VERSION,
    MANIFEST,
    PARTS,
    ArrayRecord,
    Manifest,
    Part,
    check_layout,
    read_manifest,
)
from mmnist.errors import InputError, RunError
from mmnist.files import expanded, flush, sha256_of, write_text
from mmnist.task import CLASSES


class NoDataError(InputError):
    """There is no data set in a folder."""


@dataclass(frozen=True)
class Store:
    """A prepared data set; open one with `open_store`."""

    path: Path
    manifest: Manifest

    def images(self, part: Part) -> np.memmap:
        """Return the images, read-only and memory-mapped, uint8 [N, 128, 128]."""
        return open_memmap(self._file(f"{part}_images"), mode="r")

    @overload
    def labels(self, part: Literal["train"]) -> np.ndarray: ...
    @overload
    def labels(self, part: Part) -> np.ndarray | None: ...
    def labels(self, part: Part) -> np.ndarray | None:
        """Return the labels 0-9, int64 [N]; None where the test images have none."""
        labels = self._array_or_none(f"{part}_labels")
        return None if labels is None else labels.astype(np.int64)

    def digits(self, part: Part) -> np.ndarray | None:
        """Return the three digits of each image, uint8 [N, 3]; None where they are not known."""
        return self._array_or_none(f"{part}_digits")

    def count(self, part: Part) -> int:
        """Return the number of images."""
        return self.manifest.arrays[f"{part}_images"].shape[0]

    @property
    def generated(self) -> bool:
        """Whether the images were made by the generator and are not the competition's."""
        return self.manifest.source["kind"] == "generated"

    @property
    def tests_on_training_digits(self) -> bool:
        """Whether the test images were made to show the training images' digits, too."""
        return self.manifest.source.get("test_digits") == "all"

    def may_show_digits_of(self, learned: str | None) -> bool:
        """Whether test images may show handwritten digits that a network has learned from.

        `learned` is the fingerprint of these digits, None where it is not known. False if they are
        the digits of this data set and its test images show only those kept for them.
        """
        return learned != digits_stated(self.manifest.source) or self.tests_on_training_digits

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over names and checksums of the arrays: equal data, equal fingerprint."""
        arrays = self.manifest.arrays
        lines = "".join(f"{arrays[name].sha256}  {name}\n" for name in sorted(arrays))
        return hashlib.sha256(lines.encode()).hexdigest()

    def verify(self) -> None:
        """Read every array and compare its SHA-256 with the manifest.

        Raises InputError naming the first file that differs.
        """
        for name, record in self.manifest.arrays.items():
            if sha256_of(self._file(name)) != record.sha256:
                raise InputError(
                    f"{self._file(name)} has changed since the data set was written (its SHA-256 "
                    "is not the one in the manifest): make or import the data set again"
                )

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.npy"

    def _array_or_none(self, name: str) -> np.ndarray | None:
        if name not in self.manifest.arrays:
            return None
        return np.load(self._file(name), allow_pickle=False)


def open_store(path: Path | str) -> Store:
    """Open a prepared data set.

    Checks what is cheap to check: the manifest, and that each file is there with the dtype, shape
    and size that the manifest states (`Store.verify` reads the contents).

    Raises:
        NoDataError: there is no data set.
        InputError: it is damaged.
    """
    path = expanded(path)
    if not (path / MANIFEST).is_file():
        output = f"--output {shlex.quote(str(path))}"
        raise NoDataError(
            f"no data set at {path}: make one with `mmnist data make {output}`, or import the "
            f"competition's files with `mmnist data import FOLDER_OR_ZIP {output}`"
        )
    store = Store(path, read_manifest(path / MANIFEST))
    for record in store.manifest.arrays.values():
        _check_file(path / record.file, record)
    return store


def _check_file(file: Path, record: ArrayRecord) -> None:
    try:
        array = open_memmap(file, mode="r")
        whole = file.stat().st_size == array.offset + array.nbytes
    except FileNotFoundError:
        cause = "is missing"
    except Exception as error:  # damaged bytes can raise anything: tokenize.TokenError …
        cause = f"is truncated or damaged ({error})"
    else:
        found, stated = (array.dtype.name, array.shape), (record.dtype, record.shape)
        if found == stated and whole:
            return
        cause = f"holds {_described(*found)}, but the manifest says {_described(*stated)}"
        if found == stated:
            cause = "has more bytes than its array needs"
    raise InputError(f"{file} {cause}: make or import the data set again")


def _described(dtype: str, shape: tuple[int, ...]) -> str:
    return f"{dtype} {list(shape)}"


#: What file managers leave in folders that they show.
_OF_DESKTOPS = {".DS_Store", "Thumbs.db", "desktop.ini"}


class StoreWriter:
    """Writes a store as a whole or not at all.

    Use it as a context manager: `create` the arrays, fill them, `finish`. Leaving the block
    without `finish`, for whatever reason, removes everything that was written, and keeps a store
    that was to be overwritten.
    """

    def __init__(self, path: Path | str, *, overwrite: bool = False) -> None:
        # A link is followed, so that a store may lie on another disk.
        self.path = expanded(path).resolve()
        self._overwrite = overwrite
        token = secrets.token_hex(4)
        self._folder = self.path.with_name(f".{self.path.name}.partial-{token}")
        self._old = self.path.with_name(f".{self.path.name}.old-{token}")
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._bytes = 0

    def __enter__(self) -> Self:
        """Make the temporary folder.

        Raises InputError if there is something at the path that may not be replaced, RunError if
        nothing can be written there.
        """
        try:
            self._refuse_to_replace()
            self._made = [folder for folder in self.path.parents if not folder.exists()]
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir()
        except OSError as error:
            message = f"cannot write a data set to {self.path}: {error.strerror or error}"
            a_file = isinstance(error, FileExistsError | NotADirectoryError)
            raise (InputError if a_file else RunError)(message) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove what was not finished, or was replaced."""
        if self._old.exists() and not self.path.exists():  # interrupted between the two renames
            self._old.rename(self.path)
        for folder in (self._folder, self._old):
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty
            for folder in self._made:
                folder.rmdir()

    def file_of(self, name: str) -> Path:
        """Return the file of an array while it is written, for other processes to open."""
        return self._folder / f"{name}.npy"

    def create(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.memmap:
        """Create an array of zeros and return it, memory-mapped and writable.

        Create all arrays before filling the first: their disk space is reserved here. Raises
        RunError if there is too little of it.
        """
        dtype = np.dtype(dtype)
        check_layout(name, shape, dtype.name)
        if not self._shapes:
            self._free = shutil.disk_usage(self._folder).free
        self._bytes += math.prod(shape) * dtype.itemsize
        if self._bytes > self._free:
            raise RunError(
                f"not enough disk space for {self.path}: at least {decimal(self._bytes)} needed, "
                f"{decimal(self._free)} free; make room or choose another --output"
            )
        array = open_memmap(self.file_of(name), mode="w+", dtype=dtype, shape=shape)
        self._shapes[name] = shape
        self._reserve(name, array.offset + array.nbytes)
        return array

    def _reserve(self, name: str, size: int) -> None:
        """Reserve disk space: on a full disk, a write to mapped memory would kill the process."""
        if not hasattr(os, "posix_fallocate"):  # macOS
            return
        try:
            with self.file_of(name).open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise RunError(f"cannot reserve disk space for {self.path}: {error}") from error

    def finish(self, source: Mapping[str, JsonValue]) -> Store:
        """Write the manifest, move the store to its place and return it.

        `source` says where the images come from: `kind`, which is `generated` or `competition`, and
        the details of that kind. Equal arrays and an equal source give the same bytes.
        """
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            source=dict(source),
            arrays={name: self._record(name) for name in sorted(self._shapes)},
            label_counts={
                part: _label_counts(self.file_of(f"{part}_labels"))
                for part in PARTS
                if f"{part}_labels" in self._shapes
            },
        )
        text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
        write_text(self._folder / MANIFEST, text)
        for name in self._shapes:
            flush(self.file_of(name))
        self._move_into_place()
        return Store(self.path, manifest)

    def _record(self, name: str) -> ArrayRecord:
        file = self.file_of(name)
        array = open_memmap(file, mode="r")
        return ArrayRecord(
            file=file.name, dtype=array.dtype.name, shape=array.shape, sha256=sha256_of(file)
        )

    def _refuse_to_replace(self) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise InputError(f"{self.path} is a file; a data set is a folder")
        names = {entry.name for entry in self.path.iterdir()} - _OF_DESKTOPS
        if names:
            self._refuse_to_delete(names)
        # A data set is put in its place as a whole, which cannot replace these.
        for kind, found in (
            ("a mount point", os.path.ismount(self.path)),
            ("the folder that you are in", self.path == Path.cwd()),
        ):
            if found:
                raise InputError(f"{self.path} is {kind}: name a new folder in it")

    def _refuse_to_delete(self, names: set[str]) -> None:
        # Only files of a store are ever deleted, so that no mistyped path can empty a folder.
        if not names <= FILES or "train_images.npy" not in names:
            other = sorted(names - FILES)[:3]
            raise InputError(
                f"{self.path} is a folder with other things in it ({', '.join(other or names)}), "
                "not only a data set: it is not overwritten; choose another --output"
            )
        if not self._overwrite:
            raise InputError(
                f"{self.path} already holds a data set; --force replaces it, --output writes "
                "elsewhere"
            )

    def _move_into_place(self) -> None:
        if self.path.exists():
            self._refuse_to_replace()
            self.path.rename(self._old)
        self._folder.rename(self.path)
        shutil.rmtree(self._old, ignore_errors=True)  # if this is interrupted, `__exit__` goes on


def _label_counts(file: Path) -> tuple[int, ...]:
    counts = np.bincount(np.load(file), minlength=CLASSES)
    if len(counts) != CLASSES:
        raise ValueError(f"a label in {file.name} is above {CLASSES - 1}")
    return tuple(int(count) for count in counts)
