import hashlib
import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from mmnist.data import store as store_module
from mmnist.data.store import Store, StoreWriter, open_store
from mmnist.errors import InputError, RunError

SOURCE = {"kind": "generated", "seed": 0}


def arrays_of(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", 7), ("test", 3)):
        digits = random.integers(0, 10, (count, 3), dtype=np.uint8)
        arrays[f"{part}_images"] = random.integers(0, 256, (count, 128, 128), dtype=np.uint8)
        arrays[f"{part}_labels"] = digits.max(axis=1)
        arrays[f"{part}_digits"] = digits
    return arrays


def write(
    path: Path | str, arrays: dict[str, np.ndarray], source: dict = SOURCE, overwrite: bool = False
) -> Store:
    with StoreWriter(path, overwrite=overwrite) as writer:
        for name, array in arrays.items():
            writer.create(name, array.shape, array.dtype)[:] = array
        return writer.finish(source)


def write_half(path: Path, error: type[BaseException], overwrite: bool = False) -> None:
    with StoreWriter(path, overwrite=overwrite) as writer:
        writer.create("train_images", (1, 128, 128), np.uint8)
        raise error


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    arrays = arrays_of()
    write(tmp_path / "new" / "store", arrays)
    store = open_store(tmp_path / "new" / "store")
    for part, count in (("train", 7), ("test", 3)):
        assert store.count(part) == count
        np.testing.assert_array_equal(store.images(part), arrays[f"{part}_images"])
        np.testing.assert_array_equal(store.labels(part), arrays[f"{part}_labels"])
        np.testing.assert_array_equal(store.digits(part), arrays[f"{part}_digits"])
        counts = store.manifest.label_counts[part]
        assert counts == tuple((arrays[f"{part}_labels"] == k).sum() for k in range(10))
        assert store.labels(part).dtype == np.int64
    assert store.generated
    store.verify()


def test_images_are_mapped_and_cannot_be_written(tmp_path: Path) -> None:
    images = write(tmp_path / "store", arrays_of()).images("train")
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0, 0, 0] = 1


def test_labels_and_digits_that_are_not_there_are_none(tmp_path: Path) -> None:
    arrays = arrays_of()
    for name in ("train_digits", "test_digits", "test_labels"):
        del arrays[name]
    store = write(tmp_path / "store", arrays, {"kind": "competition"})
    assert store.labels("test") is None
    assert store.digits("train") is None
    assert list(store.manifest.label_counts) == ["train"]
    assert not store.generated


def test_equal_data_give_equal_bytes_and_fingerprint(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, arrays_of()) for name in "ab")
    assert names_in(first.path) == names_in(second.path)
    for name in names_in(first.path):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()
    assert first.fingerprint == second.fingerprint == open_store(first.path).fingerprint


@pytest.mark.parametrize("name", list(arrays_of()))
def test_fingerprint_depends_on_every_array(tmp_path: Path, name: str) -> None:
    changed = arrays_of()
    changed[name].flat[-1] ^= 1
    before, after = write(tmp_path / "a", arrays_of()), write(tmp_path / "b", changed)
    assert before.fingerprint != after.fingerprint


def test_fingerprint_does_not_depend_on_the_source(tmp_path: Path) -> None:
    other = write(tmp_path / "b", arrays_of(), {"kind": "competition", "files": {}})
    assert write(tmp_path / "a", arrays_of()).fingerprint == other.fingerprint


def test_manifest_has_the_checksum_of_each_file_as_sha256sum_prints_it(tmp_path: Path) -> None:
    store = write(tmp_path / "store", arrays_of())
    for record in store.manifest.arrays.values():
        content = (store.path / record.file).read_bytes()
        assert record.sha256 == hashlib.sha256(content).hexdigest()


def test_verify_names_the_file_that_changed(tmp_path: Path) -> None:
    store = write(tmp_path / "store", arrays_of())
    file = store.path / "test_images.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    open_store(store.path)  # too cheap a check to see it
    with pytest.raises(InputError, match=r"test_images\.npy has changed"):
        store.verify()


def test_no_store_says_how_to_get_one(tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    with pytest.raises(InputError) as caught:
        open_store(path)
    assert f"mmnist data make --output {path}" in str(caught.value)
    assert f"--output {path}`" in str(caught.value).partition("mmnist data import")[2]


def damage(store: Path, how: str) -> None:
    images, manifest = store / "train_images.npy", store / "manifest.json"
    content = json.loads(manifest.read_text())
    if how == "truncated":
        os.truncate(images, images.stat().st_size - 1)
    elif how == "cut to nothing":
        os.truncate(images, 0)
    elif how == "too long":
        images.write_bytes(images.read_bytes() + b"x")
    elif how == "missing":
        images.unlink()
    elif how == "other shape":
        np.save(images, np.zeros((6, 128, 128), np.uint8))
    elif how == "other dtype":
        np.save(images, np.zeros((7, 128, 128), np.int8))
    elif how == "objects":
        np.save(images, np.array([None]), allow_pickle=True)
    elif how == "not json":
        manifest.write_text("{")
    elif how == "a list":
        manifest.write_text("[1]")
    elif how == "newer":
        manifest.write_text(json.dumps(content | {"format_version": 2, "more": 1}))
    elif how == "no array":
        del content["arrays"]["train_labels"]
        manifest.write_text(json.dumps(content))
    elif how == "path":
        content["arrays"]["train_images"]["file"] = "../train_images.npy"
        manifest.write_text(json.dumps(content))
    elif how == "no shape":
        content["arrays"]["train_images"]["shape"] = []
        manifest.write_text(json.dumps(content))
    elif how == "lengths":
        content["arrays"]["train_labels"]["shape"] = [6]
        manifest.write_text(json.dumps(content))
    elif how == "kind":
        content["source"]["kind"] = "found"
        manifest.write_text(json.dumps(content))
    elif how == "unknown":
        content["arrays"]["thumbnails"] = content["arrays"]["train_images"]
        manifest.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("how", "file", "cause"),
    [
        ("truncated", "train_images.npy", "truncated"),
        ("cut to nothing", "train_images.npy", "truncated or damaged"),
        ("too long", "train_images.npy", "more bytes"),
        ("missing", "train_images.npy", "is missing"),
        ("other shape", "train_images.npy", "uint8 [6, 128, 128], but the manifest says"),
        ("other dtype", "train_images.npy", "int8 [7, 128, 128], but the manifest says uint8"),
        ("objects", "train_images.npy", "damaged"),
        ("not json", "manifest.json", "JSONDecodeError"),
        ("a list", "manifest.json", "cannot be used"),
        ("newer", "manifest.json", "format 2, but this version of mmnist reads format 1"),
        ("no array", "manifest.json", "train_labels missing"),
        ("path", "manifest.json", "must be train_images.npy, not ../train_images.npy"),
        ("no shape", "manifest.json", "train_images must be uint8"),
        ("lengths", "manifest.json", "differ in length: [6, 7]"),
        ("kind", "manifest.json", "kind must be 'generated' or 'competition'"),
        ("unknown", "manifest.json", "must be thumbnails.npy"),
    ],
)
def test_a_damaged_store_is_refused(tmp_path: Path, how: str, file: str, cause: str) -> None:
    path = write(tmp_path / "store", arrays_of()).path
    damage(path, how)
    with pytest.raises(InputError) as caught:
        open_store(path)
    assert file in str(caught.value)
    assert cause in str(caught.value)
    assert "again" in str(caught.value)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stays_behind_after_an_exception(tmp_path: Path, error: type) -> None:
    with pytest.raises(error):
        write_half(tmp_path / "new" / "folder" / "store", error)
    assert names_in(tmp_path) == []


def test_leaving_without_finish_writes_nothing(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store") as writer:
        writer.create("train_images", (1, 128, 128), np.uint8)
    assert names_in(tmp_path) == []


def test_the_place_is_empty_until_the_store_is_whole(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store") as writer:
        for name, array in arrays_of().items():
            writer.create(name, array.shape, array.dtype)[:] = array
            assert not (tmp_path / "store").exists()
        writer.finish(SOURCE)
        assert names_in(tmp_path) == ["store"]


def test_another_process_may_fill_an_array(tmp_path: Path) -> None:
    arrays = arrays_of()
    with StoreWriter(tmp_path / "store") as writer:
        for name, array in arrays.items():
            writer.create(name, array.shape, array.dtype)
            np.load(writer.file_of(name), mmap_mode="r+")[:] = array
        store = writer.finish(SOURCE)
    assert store.fingerprint == write(tmp_path / "other", arrays).fingerprint


def test_a_store_is_replaced_only_on_demand(tmp_path: Path) -> None:
    old = write(tmp_path / "store", arrays_of(0))
    with pytest.raises(InputError, match="already holds a data set; --force"):
        write(tmp_path / "store", arrays_of(1))
    assert open_store(old.path).fingerprint == old.fingerprint
    new = write(tmp_path / "store", arrays_of(1), overwrite=True)
    assert open_store(old.path).fingerprint == new.fingerprint != old.fingerprint
    assert names_in(tmp_path) == ["store"]


def test_a_store_survives_a_failed_replacement(tmp_path: Path) -> None:
    old = write(tmp_path / "store", arrays_of(0))
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "store", KeyboardInterrupt, overwrite=True)
    old.verify()
    assert names_in(tmp_path) == ["store"]


@pytest.mark.parametrize(
    ("moved", "after", "kept"),
    [(".old-", False, 0), (".old-", True, 0), (".partial-", False, 0), (".partial-", True, 1)],
)
def test_there_is_a_store_after_an_interrupt_while_folders_are_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: str, after: bool, kept: int
) -> None:
    """A signal comes before or after one of the two renames (its handler runs within the call)."""
    write(tmp_path / "store", arrays_of(0))
    rename, interrupts = Path.rename, [KeyboardInterrupt]

    def interrupted(self: Path, target: Path) -> Path:
        here = interrupts and any(moved in path.name for path in (self, target))
        if here and not after:
            raise interrupts.pop()
        result = rename(self, target)
        if here:
            raise interrupts.pop()
        return result

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "store", arrays_of(1), overwrite=True)
    assert names_in(tmp_path) == ["store"]
    store = open_store(tmp_path / "store")
    store.verify()
    np.testing.assert_array_equal(store.images("test"), arrays_of(kept)["test_images"])


def test_an_interrupt_while_the_old_store_is_removed_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "store", arrays_of(0))
    rmtree, interrupts = shutil.rmtree, [KeyboardInterrupt]

    def interrupted(path: Path, **options: bool) -> None:
        if interrupts and ".old-" in path.name:
            raise interrupts.pop()
        rmtree(path, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "store", arrays_of(1), overwrite=True)
    assert not interrupts
    assert names_in(tmp_path) == ["store"]


def test_files_of_a_file_manager_are_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "store"
    for overwrite in (False, True):
        path.mkdir(exist_ok=True)
        (path / ".DS_Store").touch()
        write(path, arrays_of(), overwrite=overwrite).verify()
    assert names_in(tmp_path) == ["store"]


def test_a_path_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = write(tmp_path / "store", arrays_of())
    assert open_store("~/store").path == store.path
    assert write("~/other", arrays_of()).path == tmp_path / "other"
    with pytest.raises(InputError, match="the home folder of this user is not known"):
        open_store("~nobody-of-this-name/store")


def test_a_damaged_store_can_be_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "store", arrays_of()).path
    damage(path, "not json")
    write(path, arrays_of(1), overwrite=True).verify()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "content", [["letter.txt"], ["manifest.json"], ["manifest.json", "train_images.npy", "mine"]]
)
def test_a_folder_with_other_things_is_never_replaced(
    tmp_path: Path, content: list[str], overwrite: bool
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in content:
        (home / name).write_text("dear")
    with pytest.raises(InputError, match="not overwritten"):
        write(home, arrays_of(), overwrite=overwrite)
    assert names_in(home) == sorted(content)
    assert names_in(tmp_path) == ["home"]


@pytest.mark.parametrize("kind", ["a mount point", "the folder that you are in"])
def test_an_empty_folder_that_cannot_be_replaced_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "a mount point":
        monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == tmp_path)
    else:
        monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"is {kind}: name a new folder in it"):
        write(tmp_path, arrays_of(0))
    assert names_in(tmp_path) == []
    write(tmp_path / "new", arrays_of(0)).verify()


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    write(tmp_path / "store", arrays_of()).verify()
    assert names_in(tmp_path) == ["store"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        write(tmp_path / "file", arrays_of(), overwrite=True)
    with pytest.raises(InputError, match="cannot write a data set"):
        write(tmp_path / "file" / "store", arrays_of())


def test_a_link_to_another_place_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "store")
    write(tmp_path / "link", arrays_of())
    write(tmp_path / "link", arrays_of(), overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert names_in(tmp_path / "disk") == ["store"]
    open_store(tmp_path / "link").verify()


def test_too_little_disk_space_is_seen_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")(free=3 * 128 * 128)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _: usage)
    with StoreWriter(tmp_path / "store") as writer:
        writer.create("train_images", (2, 128, 128), np.uint8)
        with pytest.raises(RunError, match="not enough disk space"):
            writer.create("test_images", (2, 128, 128), np.uint8)
    assert names_in(tmp_path) == []


def test_an_absurd_number_of_images_is_no_more_than_a_message(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not enough disk space"), StoreWriter(tmp_path / "s") as w:
        w.create("train_images", (10**15, 128, 128), np.uint8)


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("valid_images", (1, 128, 128), "uint8"),
        ("train_images", (1, 64, 64), "uint8"),
        ("train_images", (0, 128, 128), "uint8"),
        ("train_images", (1, 128, 128), "float32"),
        ("train_digits", (1, 2), "uint8"),
    ],
)
def test_arrays_that_do_not_belong_in_a_store(
    tmp_path: Path, name: str, shape: tuple[int, ...], dtype: str
) -> None:
    with pytest.raises(ValueError, match=name), StoreWriter(tmp_path / "store") as writer:
        writer.create(name, shape, dtype)


def test_a_label_above_nine_cannot_be_written(tmp_path: Path) -> None:
    arrays = arrays_of()
    arrays["train_labels"][2] = 10
    with pytest.raises(ValueError, match="above 9"):
        write(tmp_path / "store", arrays)
    assert names_in(tmp_path) == []
