import contextlib
import hashlib
import io
import json
import os
import pickle
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mmnist.data import competition
from mmnist.data.competition import import_competition
from mmnist.data.store import open_store
from mmnist.errors import InputError, RunError

TRAIN, TEST = 12, 5


def images(count: int, dtype: str = "u1") -> np.ndarray:
    grey = np.random.default_rng(count).integers(0, 256, (count, 128, 128), dtype=np.uint8)
    return grey.astype(dtype)


def label_of(label_id: int) -> int:
    return label_id * 7 % 10


def csv_text(ids: list[int] | range = range(TRAIN)) -> str:
    return "Id,Label\n" + "".join(f"{i},{label_of(i)}\n" for i in ids)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "train_max_x").write_bytes(pickle.dumps(images(TRAIN)))
    (folder / "test_max_x").write_bytes(pickle.dumps(images(TEST)))
    (folder / "train_max_y.csv").write_text(csv_text())
    return folder


def check_imported(path: Path) -> None:
    store = open_store(path)
    store.verify()
    np.testing.assert_array_equal(store.images("train"), images(TRAIN))
    np.testing.assert_array_equal(store.images("test"), images(TEST))
    assert store.labels("train").tolist() == [label_of(i) for i in range(TRAIN)]
    assert store.labels("test") is None
    assert store.digits("train") is None
    assert not store.generated


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def contents(source: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in source.iterdir()}


def test_a_folder(source: Path, tmp_path: Path) -> None:
    import_competition(source, tmp_path / "store")
    check_imported(tmp_path / "store")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["source", "store"]


def test_the_manifest_has_the_checksums_of_the_files(source: Path, tmp_path: Path) -> None:
    store = import_competition(source, tmp_path / "store")
    assert store.manifest.source == {
        "kind": "competition",
        "files": {
            name: hashlib.sha256(content).hexdigest() for name, content in contents(source).items()
        },
    }
    assert str(tmp_path) not in (tmp_path / "store" / "manifest.json").read_text()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", "f8"])
def test_other_protocols_and_dtypes_give_the_same_store(
    source: Path, tmp_path: Path, protocol: int, dtype: str
) -> None:
    for name, count in (("train_max_x", TRAIN), ("test_max_x", TEST)):
        (source / name).write_bytes(pickle.dumps(images(count, dtype), protocol))
    import_competition(source, tmp_path / "store")
    check_imported(tmp_path / "store")


def test_grey_levels_from_zero_to_one(source: Path, tmp_path: Path) -> None:
    (source / "train_max_x").write_bytes(pickle.dumps(images(TRAIN, "f4") / np.float32(255)))
    import_competition(source, tmp_path / "store")
    check_imported(tmp_path / "store")


def test_labels_are_put_in_order_of_id(source: Path, tmp_path: Path) -> None:
    (source / "train_max_y.csv").write_text(csv_text([*range(TRAIN)][::-1]))
    import_competition(source, tmp_path / "store")
    check_imported(tmp_path / "store")


def test_a_csv_of_windows_with_another_column(source: Path, tmp_path: Path) -> None:
    rows = [f"{label_of(i)}, {i} ,x" for i in range(TRAIN)]
    text = "\r\n".join(["Label,Id,Note", *rows])
    (source / "train_max_y.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    import_competition(source, tmp_path / "store")
    check_imported(tmp_path / "store")


def test_files_in_a_sub_folder_and_zipped_one_by_one(source: Path, tmp_path: Path) -> None:
    inner = source / "modified-mnist"
    inner.mkdir()
    (source / "test_max_x").rename(inner / "test_max_x")
    content = zipped({"train_max_x": (source / "train_max_x").read_bytes()})
    (source / "train_max_x").unlink()
    (inner / "train_max_x.zip").write_bytes(content)
    import_competition(source, tmp_path / "store")
    check_imported(tmp_path / "store")


def test_a_zip_that_is_not_named_so(source: Path, tmp_path: Path) -> None:
    content = zipped({"train_max_x": (source / "train_max_x").read_bytes()})
    (source / "train_max_x").write_bytes(content)
    import_competition(source, tmp_path / "store")
    check_imported(tmp_path / "store")


@pytest.mark.parametrize(
    "form", ["flat", "stored", "bzip2", "folder", "zips", "traversal", "mac", "nested"]
)
def test_a_zip(source: Path, tmp_path: Path, form: str) -> None:
    members = contents(source)
    if form == "folder":
        members = {f"modified-mnist/data/{name}": content for name, content in members.items()}
    if form == "zips":
        members = {f"{name}.zip": zipped({name: data}) for name, data in members.items()}
    if form == "traversal":
        members = {f"../../{name}": content for name, content in members.items()}
    if form == "nested":  # folders of the files' names, with entries of their own
        members = {f"{name}/{name}": data for name, data in members.items()} | {
            f"{name}/": b"" for name in members
        }
    if form == "mac":
        members |= {f"__MACOSX/._{name}": b"x" for name in members} | {"README.txt": b"hello"}
    method = {"stored": zipfile.ZIP_STORED, "bzip2": zipfile.ZIP_BZIP2}.get(form)
    archive = tmp_path / "modified-mnist.zip"
    archive.write_bytes(zipped(members, zipfile.ZIP_DEFLATED if method is None else method))
    before = sorted(tmp_path.rglob("*"))
    import_competition(archive, tmp_path / "new" / "store")
    check_imported(tmp_path / "new" / "store")
    after = [path for path in sorted(tmp_path.rglob("*")) if tmp_path / "new" not in path.parents]
    assert after == sorted([*before, tmp_path / "new"])
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["store"]


def test_progress_tells_each_step_and_counts_to_its_end(source: Path, tmp_path: Path) -> None:
    done: dict[str, int] = {}
    totals: dict[str, int] = {}

    @contextlib.contextmanager
    def bar(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        key = f"{description}, {unit}"
        totals[key], done[key] = total, 0

        def advance(count: int) -> None:
            done[key] += count

        yield advance

    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped(contents(source)))
    import_competition(archive, tmp_path / "store", progress=bar)
    assert totals["Converting train_max_x, images"] == done["Converting train_max_x, images"] == 12
    assert totals["Converting test_max_x, images"] == done["Converting test_max_x, images"] == 5
    assert "Unpacking test_max_x, MB" in totals


def test_a_store_is_replaced_only_on_demand(source: Path, tmp_path: Path) -> None:
    import_competition(source, tmp_path / "store")
    with pytest.raises(InputError, match="--force"):
        import_competition(source, tmp_path / "store")
    import_competition(source, tmp_path / "store", overwrite=True)
    check_imported(tmp_path / "store")


# --- bad input: what is done to the folder, the file that is named, the cause -----------------


def rewrite(name: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(pickle.dumps(array))


def rewrite_csv(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "train_max_y.csv").write_text(text)


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size - 1000)


def replaced(old: str, new: str) -> Callable[[Path], None]:
    assert old in csv_text()
    return rewrite_csv(csv_text().replace(old, new))


def with_fraction(count: int) -> np.ndarray:
    array = images(count, "f4")
    array[2, 3, 4] = 0.5
    return array


BAD: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no train_max_x": (lambda f: (f / "train_max_x").unlink(), "train_max_x", "is missing in"),
    "no labels": (lambda f: (f / "train_max_y.csv").unlink(), "train_max_y.csv", "is missing in"),
    "no test_max_x": (lambda f: (f / "test_max_x").unlink(), "test_max_x", "is missing in"),
    "truncated train": (cut("train_max_x"), "train_max_x", "is truncated"),
    "truncated test": (cut("test_max_x"), "test_max_x", "is truncated"),
    "empty train": (lambda f: (f / "train_max_x").write_bytes(b""), "train_max_x", "is empty"),
    "html": (lambda f: (f / "test_max_x").write_text("<html>"), "test_max_x", "is not a pickle"),
    "code": (
        lambda f: (f / "test_max_x").write_bytes(b"cos\nsystem\n(S'touch x'\ntR."),
        "test_max_x",
        "refused to load os.system",
    ),
    "a dict": (
        lambda f: (f / "train_max_x").write_bytes(pickle.dumps({"x": 1})),
        "train_max_x",
        "refused to load the operation EMPTY_DICT",
    ),
    "flat images": (
        rewrite("train_max_x", images(TRAIN).reshape(TRAIN, -1)),
        "train_max_x",
        "[12, 16384]",
    ),
    "small test images": (rewrite("test_max_x", images(5)[:, :28, :28]), "test_max_x", "[5, 28"),
    "no images": (rewrite("test_max_x", images(5)[:0]), "test_max_x", "N at least 1"),
    "fractions": (rewrite("test_max_x", with_fraction(5)), "test_max_x", "the value 0.5 (image 2"),
    "negative": (rewrite("train_max_x", -images(12, "i2")), "train_max_x", "not a grey level"),
    "boolean": (rewrite("train_max_x", images(12) > 9), "train_max_x", "dtype bool"),
    "more labels": (
        rewrite_csv(csv_text(range(TRAIN + 1))),
        "train_max_y.csv, line 14",
        "no image for Id 12; train_max_x holds 12 images",
    ),
    "fewer labels": (
        rewrite_csv(csv_text(range(TRAIN - 1))),
        "train_max_y.csv",
        "11 labels, but train_max_x has 12 images; the first Id that is missing is 11",
    ),
    "no label at all": (rewrite_csv("Id,Label\n"), "train_max_y.csv", "has 0 labels"),
    "no header": (rewrite_csv("0,1\n1,2\n"), "train_max_y.csv", "no column Id"),
    "no Label column": (replaced("Id,Label", "Id,label"), "train_max_y.csv", "no column Label"),
    "no Id column": (replaced("Id,Label", "id,Label"), "train_max_y.csv", "no column Id"),
    "an empty CSV": (rewrite_csv(""), "train_max_y.csv", "no column Id"),
    "a repeated Id": (replaced("\n5,", "\n4,"), "line 7", "Id 4 occurs a second time"),
    "a missing Id": (replaced("\n5,5", ""), "train_max_y.csv", "that is missing is 5"),
    "a negative Id": (replaced("\n5,", "\n-5,"), "line 7", "no image for Id -5"),
    "Ids from 1": (
        rewrite_csv("Id,Label\n" + "".join(f"{i + 1},1\n" for i in range(TRAIN))),
        "line 13",
        "no image for Id 12",
    ),
    "a label of 10": (replaced("\n7,9", "\n7,10"), "line 9", "Label 10 is not within 0-9"),
    "a label of -1": (replaced("\n7,9", "\n7,-1"), "line 9", "Label -1 is not within 0-9"),
    "a fraction": (replaced("\n7,9", "\n7,9.0"), "line 9: Label", "'9.0', which is not an integer"),
    "a word": (replaced("\n7,9", "\n7,nine"), "line 9: Label", "'nine', which is not an integer"),
    "no value": (replaced("\n7,9", "\n7,"), "line 9: Label", "'', which is not an integer"),
    "a short row": (replaced("\n7,9", "\n7"), "line 9: Label", "'', which is not an integer"),
    "a third value": (replaced("\n5,5", "\n5,5,9"), "line 7", "more values than the 2 columns"),
    "other digits": (replaced("\n7,9", "\n7,٩"), "line 9: Label", "not an integer"),
    "not text": (
        lambda f: (f / "train_max_y.csv").write_bytes(b"Id,Label\n\xff,1\n"),
        "train_max_y.csv",
        "cannot be read as a CSV file",
    ),
    "a zip in a zip in a zip": (
        lambda f: (f / "test_max_x").write_bytes(
            zipped({"test_max_x.zip": zipped({"test_max_x.zip": b"x"})})
        ),
        "test_max_x",
        "is missing",
    ),
    "twice in sub-folders": (
        lambda f: [
            (f / "test_max_x").rename(f / "a"),
            (f / "1").mkdir(),
            (f / "2").mkdir(),
            (f / "1" / "test_max_x").write_bytes(b"x"),
            (f / "2" / "test_max_x").write_bytes(b"x"),
        ],
        "test_max_x occurs twice",
        "give one folder",
    ),
}


ONLY_FOLDERS = ("twice in sub-folders", "a zip in a zip in a zip")


@pytest.mark.parametrize(
    ("form", "name"),
    [("folder", name) for name in BAD] + [("zip", n) for n in BAD if n not in ONLY_FOLDERS],
)
def test_bad_files_are_named_with_the_cause(
    source: Path, tmp_path: Path, form: str, name: str
) -> None:
    spoil, file, cause = BAD[name]
    spoil(source)
    given = source
    if form == "zip":
        given = tmp_path / "all.zip"
        given.write_bytes(zipped(contents(source)))
        cause = cause.replace("is missing in", "is missing")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError) as caught:
        import_competition(given, tmp_path / "store")
    assert file.partition(",")[0] in str(caught.value)
    assert file.rpartition(", ")[2] in str(caught.value)
    assert cause in str(caught.value)
    assert str(given) in str(caught.value)
    assert ".zip-" not in str(caught.value)  # the folder that it was unpacked in
    assert sorted(tmp_path.iterdir()) == before


def test_a_store_survives_an_import_that_fails(source: Path, tmp_path: Path) -> None:
    import_competition(source, tmp_path / "store")
    rewrite("test_max_x", with_fraction(5))(source)
    with pytest.raises(InputError, match=r"0\.5"):
        import_competition(source, tmp_path / "store", overwrite=True)
    check_imported(tmp_path / "store")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["source", "store"]


def test_ctrl_c_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    @contextlib.contextmanager
    def bar(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        def advance(count: int) -> None:
            if description == "Converting test_max_x":
                raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        import_competition(source, tmp_path / "store", progress=bar)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]


def encrypted(content: bytes) -> bytes:
    """Set the flag of encryption in the headers of every member."""
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            content = (
                content[: start + offset]
                + bytes([content[start + offset] | 1])
                + content[start + offset + 1 :]
            )
            start = content.find(signature, start + 1)
    return content


def spoilt_zips(members: dict[str, bytes]) -> dict[str, tuple[bytes, str]]:
    whole = zipped(members, zipfile.ZIP_STORED)
    middle = whole.index(members["train_max_x"]) + 5000
    x = zipped({"test_max_x": members["test_max_x"]})
    return {
        "cut off": (whole[:-100], "neither a folder nor a complete zip"),
        "a pickle": (members["train_max_x"], "neither a folder nor a complete zip"),
        "nothing": (b"", "neither a folder nor a complete zip"),
        "another zip": (zipped({"letter.txt": b"x"}), "train_max_x in "),
        "twice": (
            zipped(members | {"old/train_max_x": b"x"}),
            "occurs 2 times",
        ),
        "a damaged member": (
            whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "cannot be unpacked: Bad CRC-32",
        ),
        "encrypted": (encrypted(zipped(members)), "cannot be unpacked: "),
        "three zips deep": (
            zipped(members | {"test_max_x.zip": zipped({"test_max_x.zip": x})}),
            "occurs 2 times",
        ),
        "an inner zip of something else": (
            zipped(
                {k: v for k, v in members.items() if k != "test_max_x"}
                | {"test_max_x.zip": zipped({"letter.txt": b"x"})}
            ),
            "test_max_x in ",
        ),
        "an inner zip that is none": (
            zipped(
                {k: v for k, v in members.items() if k != "test_max_x"}
                | {"test_max_x.zip": b"nothing"}
            ),
            "cannot be unpacked: File is not a zip file",
        ),
    }


@pytest.mark.parametrize(
    "name", spoilt_zips({n: pickle.dumps(images(1)) for n in competition.FILES})
)
def test_bad_zips(source: Path, tmp_path: Path, name: str) -> None:
    content, cause = spoilt_zips(contents(source))[name]
    archive = tmp_path / "all.zip"
    archive.write_bytes(content)
    with pytest.raises(InputError) as caught:
        import_competition(archive, tmp_path / "store")
    assert cause in str(caught.value)
    assert str(archive) in str(caught.value)
    assert ".zip-" not in str(caught.value)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["all.zip", "source"]


def test_nothing_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        import_competition(tmp_path / "nowhere", tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_too_little_disk_space_to_unpack(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "all.zip"
    archive.write_bytes(zipped(contents(source)))
    usage = type(competition.shutil.disk_usage(tmp_path))(10, 9, 1)
    monkeypatch.setattr(competition.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        RunError, match=r"not enough disk space to unpack train_max_x in .*all\.zip"
    ):
        import_competition(archive, tmp_path / "store")


def test_equal_files_give_equal_bytes_from_folder_and_zip(source: Path, tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    archive.write_bytes(zipped(contents(source)))
    one = import_competition(source, tmp_path / "one")
    two = import_competition(archive, tmp_path / "two")
    for file in one.path.iterdir():
        assert file.read_bytes() == (two.path / file.name).read_bytes()
    assert json.loads((one.path / "manifest.json").read_text())["label_counts"]["train"] == [
        sum(label_of(i) == label for i in range(TRAIN)) for label in range(10)
    ]


def test_sigterm_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    archive.write_bytes(zipped(contents(source)))
    before = sorted(tmp_path.iterdir())
    steps = []

    @contextlib.contextmanager
    def progress(description: str, _total: int, _unit: str) -> Iterator[Callable[[int], None]]:
        steps.append(description)
        if description.startswith("Converting"):
            signal.raise_signal(signal.SIGTERM)
        yield lambda _: None

    arrived = []
    handler = signal.signal(signal.SIGTERM, lambda *_: arrived.append("the test itself"))
    try:
        with pytest.raises(SystemExit) as caught:
            import_competition(archive, tmp_path / "store", progress=progress)
        assert not arrived
        signal.raise_signal(signal.SIGTERM)
        assert arrived  # the handler from before is back
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert caught.value.code == 143
    assert steps[-1] == "Converting train_max_x"
    assert sorted(tmp_path.iterdir()) == before
