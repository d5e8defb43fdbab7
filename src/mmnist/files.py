"""Writing files so that a reader never sees half of one; names and checksums of files."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmnist.errors import InputError, RunError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, renamed to it if the block raises no exception.

    Raises:
        RunError: the file cannot be written (no space, no permission, a folder of that name).
    """
    target = Path(os.path.realpath(path))  # a link stays, and its target is replaced
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{target.suffix}")
    try:
        if path.is_dir():
            raise RunError(f"cannot write {path}: it is a folder")
        if path.exists() and not path.is_file():
            raise RunError(f"cannot write {path}: it is a device or a pipe, not a file")
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
    """Give a file the usual permissions of a new one, whatever its writer chose."""
    mask = os.umask(0)
    os.umask(mask)
    with suppress(OSError):  # where the file system has no modes
        path.chmod(0o666 & ~mask)


def flush(path: Path) -> None:
    """Force a file to disk before it is renamed; a power failure could else leave it empty."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write `content`, whole or not at all; raises RunError as `replacing` does.

    For use instead of libraries' own writing, which raises errors of its own on a full disk.
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


def expanded(path: Path | str) -> Path:
    """The path with `~` or `~user` at its beginning replaced by the home folder.

    Raises InputError if there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: the home folder of this user is not known") from error


def printable_name(name: str) -> str:
    """A name of a file that can be written as UTF-8: bytes that are not become `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
