"""Reading one NumPy array from a pickle of unknown origin, without running anything in it.

A pickle is a program for a small stack machine that may import and call whatever it names. Here
that machine knows only the operations that an array of numbers needs, and the five names in such
a pickle stand for functions of this module: NumPy's own constructors, which trust their input,
are never called, and nothing is imported.

It builds on the Python implementation of the unpickler, not the one in C: the latter bypasses
`find_class` for objects of the extension registry, and allocates whatever size the file states.
"""

import math
import mmap
import pickle
import pickletools
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmnist.errors import InputError, RunError

#: What pickling an array of numbers emits, protocol 2 to 5, Python 2 (BINSTRING) included.
_OPERATIONS = (  # noqa: SIM905 - as a list it takes a line each
    "PROTO FRAME STOP GLOBAL STACK_GLOBAL REDUCE BUILD MARK EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 SHORT_BINSTRING BINSTRING "
    "SHORT_BINUNICODE BINUNICODE BINUNICODE8 SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8 "
    "BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET"
).split()
_CODES = {operation.name: ord(operation.code) for operation in pickletools.opcodes}
_MAX_AXES = 32  # as in NumPy 1
_NAMES = {code: name for name, code in _CODES.items()}


def load_array_pickle(path: Path, name: str | None = None) -> np.ndarray:
    """Return the one array of numbers that a pickle holds.

    Reads protocols 2 to 5 as written by NumPy 1 and 2. The result is a plain, read-only ndarray of
    booleans, integers or floats; with protocols 3 to 5 it is mapped from the file and takes no
    memory. Whatever follows the array in the file is ignored.

    Raises InputError, in which `name` (by default the path) stands for the file: if the pickle
    holds anything else, naming what was found, or if the file is truncated or damaged. RunError if
    the array does not fit into memory.
    """
    name = name or str(path)
    try:
        with path.open("rb") as stream:
            start = stream.peek(1)[:1]
            if start:
                content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from error
    if not start:
        raise InputError(f"{name} is empty")
    try:
        return _ArrayUnpickler(content).load_array()
    except _RefusedError as refused:
        if isinstance(refused, _UnknownOperationError) and start != pickle.PROTO:
            raise InputError(
                f"{name} is not a pickle of protocol 2 to 5 with one plain NumPy array of numbers "
                f"(as a pickle, it would have {refused})"
            ) from None
        raise InputError(
            f"refused to load {_printable(refused)} from {name}: a pickle can run any code, so "
            "only one plain NumPy array of numbers (pickle protocol 2 to 5) is accepted"
        ) from None
    except (EOFError, struct.error) as error:
        raise InputError(f"{name} is truncated: the pickle ends in the middle") from error
    except MemoryError as error:
        raise RunError(f"not enough memory to read {name}") from error
    except Exception as error:  # "other exceptions may also be raised" (library, pickle)
        kind = "is damaged" if start == pickle.PROTO else "is not a pickle of protocol 2 to 5"
        raise InputError(f"{name} {kind} ({type(error).__name__}: {_printable(error)})") from error


def _printable(error: Exception) -> str:
    """Return the message, shortened and without any control characters from the file."""
    text = str(error)
    return (text[:200] + ("..." if len(text) > 200 else "")).encode("unicode_escape").decode()


class _RefusedError(Exception):
    """Something that a pickled array of numbers does not contain; the message names it."""


class _UnknownOperationError(_RefusedError):
    """An operation that a pickled array of numbers does not have; or the file is no pickle."""


class _Admitted:
    """What a name in the pickle stands for; it can be called, but not changed (BUILD)."""

    __slots__ = ("_function", "name")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError(f"a change of {self.name}")


def _text(value: Any) -> str:
    """The text that belongs here; in pickles from Python 2 it comes as bytes."""
    if isinstance(value, bytes):
        return value.decode("latin1")
    if not isinstance(value, str):  # tuples of tuples could print as terabytes
        raise _RefusedError(f"a {type(value).__name__} in place of text")
    return value


class _Dtype:
    """Stands for a numpy.dtype while it is unpickled."""

    __slots__ = ("value",)

    def __init__(self, code: Any, _align: Any, _copy: Any) -> None:
        name = _text(code)
        if not re.fullmatch("b1|[iu][1248]|f[248]", name):
            raise _RefusedError(f"values of dtype {name!r}")
        self.value = np.dtype(name)

    def __setstate__(self, state: Any) -> None:
        # (version, byte order, subdtype, names, fields, size, alignment, flags[, metadata])
        if not isinstance(state, tuple) or state[2:] != (None, None, None, -1, -1, 0):
            raise _RefusedError("a dtype with fields or metadata")
        order: Any = _text(state[1])
        self.value = self.value.newbyteorder(order)


class _Array:
    """Stands for a numpy.ndarray while it is unpickled; `value` is set once it has content."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, content = state
        self.value = _assemble(content, dtype, shape, "F" if fortran else "C")


def _assemble(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(content, (bytes, memoryview)):
        raise _RefusedError("an array whose content is not numbers")
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MAX_AXES
        or not all(type(length) is int and length >= 0 for length in shape)
    ):
        raise _RefusedError("an array whose shape is not a tuple of lengths")
    if math.prod(shape) * dtype.value.itemsize != len(content):
        raise _RefusedError(f"{dtype.value} {list(shape)} out of {len(content)} bytes")
    return np.frombuffer(content, dtype.value).reshape(shape, order=order)


def _reconstruct(subtype: Any, _shape: Any, _code: Any) -> _Array:
    """`numpy.core.multiarray._reconstruct`: an empty array whose content comes with BUILD."""
    if not isinstance(subtype, _Admitted) or subtype.name != "numpy.ndarray":
        raise _RefusedError("an array of another type than numpy.ndarray")
    return _Array()


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> _Array:
    """`numpy.core.numeric._frombuffer` (protocol 5); `axes` belongs to order K."""
    array = _Array()
    if order == "K":
        array.value = _assemble(content, dtype, shape, "C").transpose(axes)
    else:
        array.value = _assemble(content, dtype, shape, order)
    return array


def _ndarray(*_args: Any) -> None:
    raise _RefusedError("a call of numpy.ndarray")


class _Dispatch(dict[int, Callable[[Any], None]]):
    """The operations by code; one that is not there is refused by name."""

    def __missing__(self, code: int) -> None:
        if code not in _NAMES:
            raise ValueError(f"0x{code:02x} is no operation")
        raise _UnknownOperationError(f"the operation {_NAMES[code]}")


class _ArrayUnpickler(pickle._Unpickler):
    # What `load` sets, which typeshed does not know.
    read: Callable[[int], bytes]
    append: Callable[[Any], None]

    dispatch = _Dispatch(
        {_CODES[name]: pickle._Unpickler.dispatch[_CODES[name]] for name in _OPERATIONS}
    )

    def __init__(self, content: mmap.mmap) -> None:
        super().__init__(content, encoding="bytes")  # of strings from Python 2
        self._content = content
        self._encodable = len(content)

    def load_array(self) -> np.ndarray:
        result = self.load()
        if not isinstance(result, _Array) or result.value is None:
            kind = type(result).__name__.strip("_")
            raise _RefusedError(f"a {kind} in place of an array")
        return result.value

    def find_class(self, module: str, name: str) -> _Admitted:
        functions: dict[str, Callable[..., Any]] = {
            "numpy.core.multiarray._reconstruct": _reconstruct,
            "numpy._core.multiarray._reconstruct": _reconstruct,
            "numpy.core.numeric._frombuffer": _frombuffer,
            "numpy._core.numeric._frombuffer": _frombuffer,
            "numpy.ndarray": _ndarray,
            "numpy.dtype": _Dtype,
            "_codecs.encode": self._encode,
        }
        full = f"{module}.{name}"
        if full not in functions:
            raise _RefusedError(full)
        return _Admitted(full, functions[full])

    def _encode(self, text: str, encoding: str) -> bytes:
        """`_codecs.encode`, which stands for bytes in protocol 2."""
        if encoding != "latin1":
            raise _RefusedError(f"text encoded as {_text(encoding)!r}")
        # Encoding one long text over and over would fill the memory from a small file.
        self._encodable -= len(text)
        if self._encodable < 0:
            raise _RefusedError("more bytes than the file has")
        return text.encode("latin1")

    def _load_frame(self) -> None:
        self.read(8)  # Frames are for reading ahead; the file is mapped.

    def _load_bytes(self, size_format: str) -> None:
        """Put a view of the mapped file on the stack instead of a copy."""
        (size,) = struct.unpack(size_format, self.read(struct.calcsize(size_format)))
        start = self._content.tell()
        if start + size > len(self._content):
            raise EOFError
        self._content.seek(start + size)
        self.append(memoryview(self._content)[start : start + size])

    dispatch[_CODES["FRAME"]] = _load_frame
    dispatch[_CODES["BINBYTES"]] = lambda self: self._load_bytes("<I")
    dispatch[_CODES["BINBYTES8"]] = lambda self: self._load_bytes("<Q")
    dispatch[_CODES["BYTEARRAY8"]] = lambda self: self._load_bytes("<Q")
