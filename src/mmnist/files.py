"""Writing files so that a reader never meets half of one, and their checksums."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmnist.errors import RunError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed to it if the block ends without an exception.

    Raises:
        RunError: the file cannot be written (no space, no permission, a folder of that name).
    """
    if path.is_dir():
        raise RunError(f"cannot write {path}: it is a folder")
    if path.exists() and not path.is_file():
        raise RunError(f"cannot write {path}: it is a device or a pipe, not a file")
    target = Path(os.path.realpath(path))  # a link stays, and what it names is replaced
    temporary = target.with_name(f".{target.stem}-{os.getpid()}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _give_usual_mode(temporary)
        flush(temporary)
        temporary.replace(target)
    except (FileExistsError, NotADirectoryError) as error:
        above = next((each for each in path.parents if each.is_file()), path.parent)
        raise RunError(f"cannot write {path}: {above} is a file, not a folder") from error
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _give_usual_mode(path: Path) -> None:
    """Readable as any new file is, whatever the writer of the file made of it."""
    mask = os.umask(0)
    os.umask(mask)
    with suppress(OSError):  # where the file system has no modes
        path.chmod(0o666 & ~mask)


def flush(path: Path) -> None:
    """Have a file on the disk before its name is: a power failure else leaves an empty file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write `content`, whole or not at all; raises RunError as `replacing` does.

    For libraries that write files themselves and raise errors of their own on a full disk.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all; raises RunError as `replacing` does."""
    write_bytes(path, text.encode())


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, as `sha256sum` prints it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
