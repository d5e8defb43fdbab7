import copyreg
import os
import pickle
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmnist.data.pickles import load_array_pickle
from mmnist.errors import InputError

ARRAYS = {
    "images": np.random.default_rng(0).integers(0, 256, (3, 128, 128), dtype=np.uint8),
    "float32": np.linspace(0, 1, 24, dtype="<f4").reshape(2, 3, 4),
    "big-endian": np.linspace(0, 1, 24, dtype=">f8").reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(24, dtype=np.int64).reshape(2, 3, 4)),
    "permuted": np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
    "strided": np.arange(40, dtype=np.int16)[::2],
    "boolean": np.array([[True, False]]),
    "scalar": np.array(3, np.uint8),
}


def load(content: bytes, folder: Path) -> np.ndarray:
    file = folder / "train_max_x"
    file.write_bytes(content)
    return load_array_pickle(file)


def refusal(content: bytes, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(content, folder)
    assert str(folder / "train_max_x") in str(caught.value)
    return str(caught.value)


# --- genuine pickles ------------------------------------------------------------------------


def old_numpy(content: bytes) -> bytes:
    """Spell the modules as NumPy 1 does."""
    if content[1] < 4:  # names are lines
        return content.replace(b"cnumpy._core.", b"cnumpy.core.")
    for name in (b"numpy._core.multiarray", b"numpy._core.numeric"):
        old = name.replace(b"_core", b"core")
        if bytes([len(name)]) + name in content:
            content = content.replace(bytes([len(name)]) + name, bytes([len(old)]) + old)
            (frame,) = struct.unpack("<Q", content[3:11])
            content = content[:3] + struct.pack("<Q", frame - 1) + content[11:]
    return content


@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
@pytest.mark.parametrize("spelling", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_all_protocols_and_both_spellings(
    tmp_path: Path, name: str, protocol: int, spelling: str
) -> None:
    array = ARRAYS[name]
    content = pickle.dumps(array, protocol=protocol)
    if spelling == "numpy.core":
        content = old_numpy(content)
    np.testing.assert_array_equal(pickle.loads(content), array)
    assert f"{spelling}.".encode() in content
    result = load(content, tmp_path)
    assert type(result) is np.ndarray
    assert result.dtype == array.dtype
    assert result.shape == array.shape
    np.testing.assert_array_equal(result, array)
    assert not result.flags.writeable


def test_an_array_of_python_2(tmp_path: Path) -> None:
    """As Python 2.7 with NumPy 1.16 writes np.arange(4, dtype=np.uint8).reshape(2, 2)."""
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b"
        b"\x87Rq\x03(K\x01K\x02K\x02\x86cnumpy\ndtype\nq\x04U\x02u1K\x00K\x01\x87Rq\x05(K\x03U\x01|"
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x00\x01\x02\xfftb."
    )
    np.testing.assert_array_equal(load(content, tmp_path), [[0, 1], [2, 255]])


def test_an_array_as_pandas_writes_it(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pandas.to_pickle(ARRAYS["images"], tmp_path / "train_max_x")
    result = load_array_pickle(tmp_path / "train_max_x")
    np.testing.assert_array_equal(result, ARRAYS["images"])


def test_what_follows_the_array_is_not_looked_at(tmp_path: Path) -> None:
    array = ARRAYS["images"]
    result = load(pickle.dumps(array) + b"cos\nsystem\n", tmp_path)
    np.testing.assert_array_equal(result, array)


def test_the_messages_use_the_name_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"cos\nsystem\n.")
    with pytest.raises(InputError, match=r"os\.system from train_max_x in a\.zip"):
        load_array_pickle(tmp_path / "x", "train_max_x in a.zip")


# --- hostile pickles: each would create the canary file --------------------------------------


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable, *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple:
        return self.call


CANARY = "canary"
CREATE = f"open('{CANARY}', 'w').close()"


class Subclass(np.ndarray):
    pass


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def stack_global(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def hostile() -> dict[str, tuple[bytes, str]]:
    """Each attack, and what the message must name."""
    array = ARRAYS["float32"]
    system = b"cos\nsystem\n"
    touch = text(f"touch {CANARY}") + b"\x85R"
    reconstruct = b"cnumpy.core.multiarray\n_reconstruct\n"
    attacks = {
        "getattr through a dotted name": (
            b"\x80\x04" + stack_global("numpy", "core.os.system") + touch + b".",
            "numpy.core.os.system",
        ),
        "a dotted name below an admitted one": (
            b"\x80\x04" + stack_global("numpy", "dtype.__init__") + touch + b".",
            "numpy.dtype.__init__",
        ),
        "the module of an admitted name": (
            b"\x80\x04" + stack_global("numpy.core.multiarray", "scalar") + b")R.",
            "numpy.core.multiarray.scalar",
        ),
        "INST": (b"(S'touch canary'\nios\nsystem\n.", "the operation"),
        "OBJ": (b"\x80\x02(" + system + text("touch canary") + b"o.", "os.system"),
        "NEWOBJ": (b"\x80\x02cnumpy\nndarray\nK\x01\x85\x81.", "the operation NEWOBJ"),
        "a call of ndarray": (b"\x80\x02cnumpy\nndarray\nK\x01\x85R.", "a call of numpy.ndarray"),
        "reconstruct another type": (
            b"\x80\x02" + reconstruct + b"cnumpy\ndtype\nK\x00\x85C\x01b\x87R.",
            "an array of another type than numpy.ndarray",
        ),
        "reconstruct a function": (
            b"\x80\x02" + reconstruct + reconstruct + b"K\x00\x85C\x01b\x87R.",
            "an array of another type than numpy.ndarray",
        ),
        "BUILD on a function": (
            b"\x80\x02" + reconstruct + b"N}" + b"\x86b.",
            "the operation EMPTY_DICT",
        ),
        "BUILD on a function with a tuple": (
            b"\x80\x02" + reconstruct + b"NN\x86b.",
            "a change of numpy.core.multiarray._reconstruct",
        ),
        "another encoding": (
            b"\x80\x02c_codecs\nencode\n" + text("x") + text("rot13") + b"\x86R.",
            "text encoded as 'rot13'",
        ),
        "persistent id": (b"Pcanary\n.", "the operation PERSID"),
        "binary persistent id": (b"\x80\x02" + text("x") + b"Q.", "the operation BINPERSID"),
        "extension 1": (b"\x80\x02\x82\xf0" + touch + b".", "the operation EXT1"),
        "extension 2": (b"\x80\x02\x83\xf0\x00" + touch + b".", "the operation EXT2"),
        "extension 4": (b"\x80\x02\x84\xf0\x00\x00\x00" + touch + b".", "the operation EXT4"),
        "out-of-band buffer": (b"\x80\x05\x97.", "the operation NEXT_BUFFER"),
        "terminal escapes": (b"c\x1b[2J\nx\n.", "\\x1b[2J.x from"),
        "a class of Python": (pickle.dumps(Path("x")), "Path"),
        "an array of objects": (
            pickle.dumps(np.array([Call(eval, CREATE)])),
            "values of dtype 'O8'",
        ),
        "an array of None": (pickle.dumps(np.array([None])), "values of dtype 'O8'"),
        "records": (pickle.dumps(np.zeros(2, "u1,u1")), "values of dtype 'V2'"),
        "dates": (pickle.dumps(np.zeros(2, "M8[s]")), "values of dtype 'M8'"),
        "text": (pickle.dumps(np.array(["a"])), "values of dtype 'U1'"),
        "complex numbers": (pickle.dumps(np.zeros(2, complex)), "values of dtype 'c16'"),
        "a subclass": (
            pickle.dumps(array.view(np.matrix) if array.ndim == 2 else array[0].view(np.matrix)),
            "numpy.matrix",
        ),
        "a masked array": (pickle.dumps(np.ma.array([1])), "numpy.ma"),
        "a NumPy scalar": (pickle.dumps(np.float64(1)), "scalar"),
        "metadata": (
            pickle.dumps(np.zeros(2, np.dtype("u1", metadata={"a": Call(eval, CREATE)}))),
            "",
        ),
    }
    for protocol in range(6):
        attacks |= {
            f"os.system, protocol {protocol}": (
                pickle.dumps(Call(os.system, f"touch {CANARY}"), protocol),
                f"{os.system.__module__}.system",
            ),
            f"eval, protocol {protocol}": (pickle.dumps(Call(eval, CREATE), protocol), ".eval"),
            f"exec in a tuple, protocol {protocol}": (
                pickle.dumps((Call(exec, CREATE), array), protocol),
                ".exec" if protocol > 1 else "",
            ),
            f"getattr, protocol {protocol}": (
                pickle.dumps(Call(getattr, Call(__import__, "os"), "system"), protocol),
                ".getattr",
            ),
        }
    return attacks


ATTACKS = hostile()


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_a_pickle_names_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    content, met = ATTACKS[name]
    message = refusal(content, tmp_path)
    assert message.startswith("refused to load ") or "is not a pickle of protocol 2" in message
    assert met in message
    assert "one plain NumPy array of numbers" in message
    assert "\x1b" not in message
    assert not (tmp_path / CANARY).exists()


@pytest.mark.parametrize("name", ["os.system, protocol 2", "eval, protocol 4", "OBJ", "INST"])
def test_the_attacks_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The canary of the test above can sing: Python's own unpickler runs these."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(ATTACKS[name][0])
    assert (tmp_path / CANARY).exists()


def test_an_extension_that_python_knows_already_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unpickler in C takes it from a cache, past find_class."""
    monkeypatch.chdir(tmp_path)
    content = ATTACKS["extension 1"][0]
    copyreg.add_extension("os", "system", 0xF0)
    try:
        pickle.loads(content)
        assert (tmp_path / CANARY).exists()
        (tmp_path / CANARY).unlink()
        assert "EXT1" in refusal(content, tmp_path)
        assert not (tmp_path / CANARY).exists()
    finally:
        copyreg.remove_extension("os", "system", 0xF0)
        copyreg.clear_extension_cache()


def test_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is imported runs, even if what is named in it is never called."""
    (tmp_path / "trap.py").write_text(CREATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert "trap.thing" in refusal(b"\x80\x02ctrap\nthing\n.", tmp_path)
    assert not (tmp_path / CANARY).exists()


def array_pickle(shape: bytes, dtype: bytes, state: bytes, data: bytes) -> bytes:
    """A protocol-4 pickle of an array, put together by hand."""
    return (
        b"\x80\x04"
        + stack_global("numpy.core.multiarray", "_reconstruct")
        + stack_global("numpy", "ndarray")
        + b"K\x00\x85C\x01b\x87R(K\x01"
        + shape
        + stack_global("numpy", "dtype")
        + dtype
        + b"\x89\x88\x87R(K\x03"
        + state
        + b"tb\x89"
        + data
        + b"tb."
    )


PLAIN = text("|") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00"
DATA = b"C\x04abcd"


def test_the_array_put_together_by_hand_is_a_good_one(tmp_path: Path) -> None:
    content = array_pickle(b"K\x04\x85", text("u1"), PLAIN, DATA)
    np.testing.assert_array_equal(load(content, tmp_path), np.frombuffer(b"abcd", np.uint8))
    np.testing.assert_array_equal(pickle.loads(content), np.frombuffer(b"abcd", np.uint8))


@pytest.mark.parametrize(
    ("shape", "dtype", "state", "data", "cause"),
    [
        (b"K\x05\x85", text("u1"), PLAIN, DATA, "uint8 [5] out of 4 bytes"),
        (b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85", text("u1"), PLAIN, DATA, "out of 4 bytes"),
        (b"J\xff\xff\xff\xff\x85", text("u1"), PLAIN, DATA, "not a tuple of lengths"),
        (b"K\x04", text("u1"), PLAIN, DATA, "not a tuple of lengths"),
        (b"\x88\x85", text("u1"), PLAIN, b"C\x01a", "not a tuple of lengths"),
        (b"(" + b"K\x01" * 40 + b"t", text("u1"), PLAIN, b"C\x01a", "not a tuple of lengths"),
        (b"K\x04\x85", text("O"), PLAIN, DATA, "values of dtype 'O'"),
        (b"K\x04\x85", text("u1,O"), PLAIN, DATA, "values of dtype 'u1,O'"),
        (b"K\x04\x85", text("(2,)u1"), PLAIN, DATA, "values of dtype"),
        (b"K\x04\x85", b"N", PLAIN, DATA, "a NoneType in place of text"),
        (b"K\x04\x85", text("u1"), text("|") + b"N" + text("a") * 2 + PLAIN[-12:], DATA, "fields"),
        (b"K\x04\x85", text("u1"), PLAIN + b"N", DATA, "fields or metadata"),
        (b"K\x04\x85", text("u1"), PLAIN[:-1] + b"\x3f", DATA, "fields or metadata"),
        (b"K\x04\x85", text("u1"), text("evil") + PLAIN[6:], DATA, "is damaged"),
        (b"K\x04\x85", text("u1"), PLAIN, b"N", "content is not numbers"),
        (b"K\x04\x85", text("u1"), PLAIN, b"(t", "content is not numbers"),
        (b"K\x01\x85", text("u1"), PLAIN, text("a"), "content is not numbers"),
    ],
)
def test_constructors_do_not_trust_their_input(
    tmp_path: Path, shape: bytes, dtype: bytes, state: bytes, data: bytes, cause: str
) -> None:
    assert cause in refusal(array_pickle(shape, dtype, state, data), tmp_path)


def test_an_encoding_over_and_over_cannot_fill_the_memory(tmp_path: Path) -> None:
    call = b"h\x00h\x01h\x02\x86R"
    content = (
        b"\x80\x02c_codecs\nencode\nq\x00"
        + text("x" * 10_000)
        + b"q\x01"
        + text("latin1")
        + b"q\x02"
        + call * 1000
        + b"."
    )
    assert "more bytes than the file has" in refusal(content, tmp_path)


def test_one_text_of_python_2_in_many_arrays_takes_its_memory_once(tmp_path: Path) -> None:
    size = 1_000_000
    length = struct.pack("<I", size)
    arguments = b"cnumpy\nndarray\nK\x00\x85U\x01b\x87q\x02"
    dtype = b"cnumpy\ndtype\nU\x02u1\x89\x88\x87R"
    state = b"(K\x01J" + length + b"\x85" + dtype + b"\x89T" + length + b"a" * size + b"tq\x03"
    start = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01" + arguments + state
    tracemalloc.start()
    try:
        result = load(start + b"h\x01h\x02Rh\x03b" * 100 + b".", tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.shape == (size,)
    assert peak < 10 * size


def test_tuples_of_tuples_are_not_printed(tmp_path: Path) -> None:
    """Each holds the one before twice, so the last one prints as 2 ** 60 numbers."""
    nested = b"K\x01q\x00" + b"h\x00h\x00\x86q\x00" * 60
    for place in (
        b"cnumpy\ndtype\nh\x00\x89\x88\x87R.",
        b"cnumpy\ndtype\nU\x02u1\x89\x88\x87R(K\x03h\x00NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.",
        b"c_codecs\nencode\nX\x01\x00\x00\x00ah\x00\x86R.",
    ):
        assert "a tuple in place of text" in refusal(b"\x80\x02" + nested + place, tmp_path)


@pytest.mark.parametrize(
    ("content", "met"),
    [
        (pickle.dumps((1, 2)), "a tuple in place of an array"),
        (pickle.dumps("text"), "a str in place of an array"),
        (pickle.dumps(None), "a NoneType in place of an array"),
        (pickle.dumps([ARRAYS["float32"]]), "the operation EMPTY_LIST"),
        (pickle.dumps({"x": 1}), "the operation EMPTY_DICT"),
        (pickle.dumps((ARRAYS["float32"],)), "a tuple in place of an array"),
        (pickle.dumps(np.dtype("u1")), "a Dtype in place of an array"),
        (
            b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R.",
            "a Array in place of an array",
        ),
    ],
)
def test_what_is_not_an_array_is_named(tmp_path: Path, content: bytes, met: str) -> None:
    assert f"refused to load {met}" in refusal(content, tmp_path)


# --- damaged files ----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps(np.arange(300, dtype=np.uint16), protocol=protocol)
    for length in [*range(1, 60), *range(60, len(content), 37), len(content) - 1]:
        refusal(content[:length], tmp_path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_download_that_was_cut_off_is_called_truncated(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps(ARRAYS["images"], protocol=protocol)
    assert "is truncated" in refusal(content[:30_000], tmp_path)


@pytest.mark.parametrize("protocol", [2, 5])
def test_flipped_bytes_never_give_more_than_a_message(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps(np.arange(8, dtype=np.uint8), protocol=protocol)
    for position in range(len(content)):
        for value in (0xFF, content[position] ^ 1, ord("R")):
            changed = content[:position] + bytes([value]) + content[position + 1 :]
            try:
                result = load(changed, tmp_path)
            except InputError:
                continue
            assert type(result) is np.ndarray
            assert result.nbytes <= len(content)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",  # BINBYTES8
        b"\x80\x04\x8e" + struct.pack("<Q", 2**64 - 1) + b"x.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",  # BYTEARRAY8
        b"\x80\x03B" + struct.pack("<I", 2**32 - 1) + b"x.",  # BINBYTES
        b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"x.",  # BINUNICODE
        b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",  # BINUNICODE8
        b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"x.",  # BINSTRING
    ],
)
def test_a_size_that_the_file_does_not_have_is_not_allocated(
    tmp_path: Path, content: bytes
) -> None:
    assert "is truncated" in refusal(content, tmp_path)


def test_a_large_index_of_the_memo_takes_no_memory(tmp_path: Path) -> None:
    array = pickle.dumps(np.arange(3, dtype=np.uint8), protocol=2)
    content = array[:2] + b"Nr" + struct.pack("<I", 2**31) + b"0" + array[2:]
    assert "the operation POP" in refusal(content, tmp_path)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is not a pickle of protocol 2 to 5"),
        (b"\x93NUMPY\x01\x00v\x00", "is not a pickle of protocol 2 to 5"),
        (b"\x80\x09.", "is damaged"),
        (b"\x80\x02R.", "is damaged"),
        (b"\x80\x02.", "is damaged"),
        (b"\x80\x02h\x05.", "is damaged"),
        (b"\x80\x02b.", "is damaged"),
        (pickle.dumps(np.arange(3), protocol=0), "is not a pickle of protocol 2 to 5"),
        (pickle.dumps(np.arange(3), protocol=1), "is not a pickle of protocol 2 to 5"),
        (b"Id,Label\n0,1\n", "is not a pickle of protocol 2 to 5"),
    ],
)
def test_other_files_are_named_as_what_they_are(tmp_path: Path, content: bytes, cause: str) -> None:
    assert cause in refusal(content, tmp_path)


def test_a_missing_file_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            load_array_pickle(path)
