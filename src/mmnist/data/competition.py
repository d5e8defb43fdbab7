"""The competition's files → a prepared data set.

The competition gives `train_max_x` and `test_max_x`, pickles of one array of images each, and
`train_max_y.csv` with the columns Id and Label; the Id is the index of the image.
"""

import contextlib
import csv
import lzma
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from rich.filesize import decimal

from mmnist.data.pickles import load_array_pickle
from mmnist.data.pixels import check_images, to_uint8
from mmnist.data.store import Store, StoreWriter
from mmnist.data.termination import exit_on_sigterm
from mmnist.errors import InputError, RunError
from mmnist.files import sha256_of
from mmnist.task import CLASSES

FILES = ("train_max_x", "train_max_y.csv", "test_max_x")

#: Shows the progress of a step: (description, total, unit) → a context that yields a function which
#: takes the number of items done since its last call. `mmnist.terminal.progress_bar` is one.
Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class SourceFile:
    """One of the competition's files, unpacked."""

    path: Path
    """Where it can be read."""
    name: str
    """Its name in messages: its path, with the zip that it was in."""


@exit_on_sigterm()
def import_competition(
    source: Path, output: Path, *, overwrite: bool = False, progress: Progress | None = None
) -> Store:
    """Write the competition's files into a store at `output` and return it.

    `source` is a folder with train_max_x, train_max_y.csv and test_max_x, directly or in a
    sub-folder, or a zip of it; each file may also be zipped separately, as on Kaggle. Any number
    of images is accepted. Images become uint8 where that loses nothing (`pixels.to_uint8`), labels
    are ordered by Id.

    Raises InputError, naming file and cause, for a file that is missing or cannot be used, and
    RunError if there is too little disk space. Then, and after Ctrl-C or SIGTERM, nothing is left
    behind, and a store that was to be overwritten is untouched.
    """
    progress = progress or _silent
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(StoreWriter(output, overwrite=overwrite))
        scratch = stack.enter_context(
            tempfile.TemporaryDirectory(dir=writer.path.parent, prefix=f".{writer.path.name}.zip-")
        )
        files = find_files(source, Path(scratch), progress)
        images = {part: _images(files[f"{part}_max_x"]) for part in ("train", "test")}
        labels = read_labels(files["train_max_y.csv"], len(images["train"]))
        writer.create("train_labels", labels.shape, np.uint8)[:] = labels
        outputs = {
            part: writer.create(f"{part}_images", array.shape, np.uint8)
            for part, array in images.items()
        }
        for part, array in images.items():
            file = files[f"{part}_max_x"]
            with progress(f"Converting {file.path.name}", len(array), "images") as advance:
                to_uint8(array, file.name, outputs[part], advance)
        return writer.finish(
            {"kind": "competition", "files": {name: sha256_of(files[name].path) for name in FILES}}
        )


def _images(file: SourceFile) -> np.ndarray:
    images = load_array_pickle(file.path, file.name)
    check_images(images, file.name)
    return images


@contextlib.contextmanager
def _silent(_description: str, _total: int, _unit: str) -> Iterator[Callable[[int], None]]:
    yield lambda _: None


def read_labels(file: SourceFile, count: int) -> np.ndarray:
    """Return the labels in order of Id, int64 [count], from a CSV with the columns Id and Label.

    Raises InputError unless each Id from 0 to count - 1 occurs exactly once, with a label 0-9.
    """
    labels = np.full(count, -1, np.int64)
    rows = 0
    for line, label_id, label in _rows(file):
        if not 0 <= label < CLASSES:
            raise InputError(f"{file.name}, line {line}: Label {label} is not within 0-9")
        if not 0 <= label_id < count:
            raise InputError(
                f"{file.name}, line {line}: there is no image for Id {label_id}; train_max_x holds "
                f"{count} images, Ids 0 to {count - 1}"
            )
        if labels[label_id] >= 0:
            raise InputError(f"{file.name}, line {line}: Id {label_id} occurs a second time")
        labels[label_id] = label
        rows += 1
    if rows < count:
        raise InputError(
            f"{file.name} has {rows} labels, but train_max_x has {count} images; the first Id that "
            f"is missing is {labels.argmin()}"
        )
    return labels


def _rows(file: SourceFile) -> Iterator[tuple[int, int, int]]:
    """Yield line number, Id and Label of each row."""
    try:
        with file.path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names = reader.fieldnames or []
            for column in ("Id", "Label"):
                if column not in names:
                    raise InputError(
                        f"{file.name} has no column {column}; it must start with the line Id,Label"
                    )
            for row in reader:
                place = f"{file.name}, line {reader.line_num}"
                if None in row:
                    raise InputError(
                        f"{place}: more values than the {len(names)} columns that the first line "
                        "names"
                    )
                image_id = _integer(row["Id"], f"{place}: Id")
                yield reader.line_num, image_id, _integer(row["Label"], f"{place}: Label")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file.name} cannot be read as a CSV file: {error}") from error


def _integer(text: str | None, place: str) -> int:
    if text is None or not re.fullmatch(r"\s*-?[0-9]{1,18}\s*", text):
        raise InputError(f"{place} is {(text or '')[:40]!r}, which is not an integer")
    return int(text)


def find_files(source: Path, scratch: Path, progress: Progress) -> dict[str, SourceFile]:
    """Return the competition's files by name; what is zipped is unpacked into `scratch`."""
    if source.is_dir():
        return {name: _in_folder(source, name, scratch, progress) for name in FILES}
    if not source.exists():
        raise InputError(f"{source} does not exist; give the folder or the zip from Kaggle")
    if not zipfile.is_zipfile(source):
        raise InputError(
            f"{source} is neither a folder nor a complete zip file; give the folder or the zip "
            "from Kaggle (a zip whose download was cut off cannot be opened)"
        )
    return {name: _in_zip(source, name, scratch, progress) for name in FILES}


def _in_folder(folder: Path, name: str, scratch: Path, progress: Progress) -> SourceFile:
    for pattern in (name, f"{name}.zip", f"*/{name}", f"*/{name}.zip"):
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if len(found) > 1:
            raise InputError(f"{name} occurs twice: {found[0]} and {found[1]}; give one folder")
        if found and _starts_as_zip(found[0]):
            return _in_zip(found[0], name, scratch, progress)
        if found:
            return SourceFile(found[0], str(found[0]))
    raise InputError(
        f"{name} is missing in {folder}; the competition's files are {', '.join(FILES)}"
    )


def _starts_as_zip(path: Path) -> bool:
    """Return whether a file is a zip; browsers do not always name it as one."""
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"PK\x03\x04"
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _in_zip(
    archive: Path, name: str, scratch: Path, progress: Progress, outer: str | None = None
) -> SourceFile:
    """Unpack one file, itself zipped or not, under its own name: no path in the zip is followed.

    `outer` is the name of the file in messages, if `archive` was itself unpacked from a zip.
    """
    label = outer or f"{name} in {archive}"
    wanted = (name,) if outer else (name, f"{name}.zip")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            found = [
                info
                for info in members
                if not info.is_dir() and PurePosixPath(info.filename).name in wanted
            ]
            if len(found) != 1:
                count = f"occurs {len(found)} times" if found else "is missing"
                raise InputError(f"{label} {count}; the competition's files are {', '.join(FILES)}")
            target = scratch / PurePosixPath(found[0].filename).name
            _unpack(opened, found[0], target, label, progress)
    except _DAMAGED_ZIP as error:
        raise InputError(f"{label} cannot be unpacked: {error}") from error
    except OSError as error:
        raise RunError(f"{label} cannot be unpacked: {error}") from error
    if target.name == name:
        return SourceFile(target, label)
    unpacked = _in_zip(target, name, scratch, progress, label)
    target.unlink()
    return unpacked


#: What zipfile raises besides OSError; RuntimeError: encrypted, NotImplementedError: an unknown
#: method of compression.
_DAMAGED_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)


def _unpack(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, label: str, progress: Progress
) -> None:
    free = shutil.disk_usage(target.parent).free
    if info.file_size > free:
        raise RunError(
            f"not enough disk space to unpack {label}: {decimal(info.file_size)} needed, "
            f"{decimal(free)} free next to the output"
        )
    with (
        archive.open(info) as packed,
        target.open("wb") as unpacked,
        progress(f"Unpacking {target.name}", max(1, info.file_size >> 20), "MB") as advance,
    ):
        while block := packed.read(1 << 20):
            unpacked.write(block)
            advance(1)
