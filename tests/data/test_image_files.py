import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmnist.data.image_files import image_names, read_images
from mmnist.errors import InputError

GREY = np.random.default_rng(0).integers(0, 256, (3, 128, 128), dtype=np.uint8)


def check(path: Path) -> None:
    result = read_images(path)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, GREY)


@pytest.mark.parametrize("array", [GREY, GREY.astype("f4"), GREY / 255, np.asfortranarray(GREY)])
@pytest.mark.parametrize("form", ["test_max_x", "x.pkl", "x.npy", "one.npz", "x.npz", "images.npz"])
def test_files_of_one_array(tmp_path: Path, form: str, array: np.ndarray) -> None:
    path = tmp_path / form
    if form.endswith(".npy"):
        np.save(path, array)
    elif form.endswith(".npz"):
        other = {} if form == "one.npz" else {"y": np.arange(3)}
        np.savez_compressed(path, **{path.stem: array}, **other)
    else:
        path.write_bytes(pickle.dumps(array))
    check(path)


@pytest.mark.parametrize("suffix", ["png", "PNG", "bmp", "tif", "tiff"])
def test_a_folder_in_the_natural_order_of_names(tmp_path: Path, suffix: str) -> None:
    for name, image in zip(("Image 2", "image 10", "image 010"), GREY[[0, 2, 1]], strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.{suffix}")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / f"._image 2.{suffix}").write_bytes(b"of a Mac")
    check(tmp_path)
    names = [f"{name}.{suffix}" for name in ("Image 2", "image 010", "image 10")]
    assert image_names(tmp_path) == names


@pytest.mark.parametrize("suffix", ["png", "TIF"])
def test_a_single_image(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine.{suffix}"
    Image.fromarray(GREY[1]).save(path)
    np.testing.assert_array_equal(read_images(path), GREY[1:2])
    assert image_names(path) == [path.name]


def test_images_of_an_array_have_no_names(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", GREY)
    assert image_names(tmp_path / "x.npy") is None


def test_names_that_are_not_utf_8_can_be_written(tmp_path: Path) -> None:
    try:
        Image.fromarray(GREY[0]).save(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.png"))
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    assert image_names(tmp_path) == ["caf\\xe9.png"]
    np.testing.assert_array_equal(read_images(tmp_path), GREY[:1])


def test_an_opaque_image_may_have_transparency(tmp_path: Path) -> None:
    opaque = np.stack([GREY[0], np.full_like(GREY[0], 255)], axis=-1)
    Image.fromarray(opaque).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_images(tmp_path / "x.png"), GREY[:1])


def test_jpeg(tmp_path: Path) -> None:
    for index in range(3):
        image = np.full((128, 128), 100 + index, np.uint8)
        Image.fromarray(image).save(tmp_path / f"{index}.jpg", quality=100)
    assert read_images(tmp_path).mean(axis=(1, 2)).tolist() == [100, 101, 102]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16", "I"])
def test_modes_that_hold_the_same_grey_levels(tmp_path: Path, mode: str) -> None:
    for index, grey in enumerate(GREY):
        deep = mode.startswith("I")
        image = Image.fromarray(grey.astype({"I;16": np.uint16, "I": np.int32}.get(mode, np.uint8)))
        (image if deep else image.convert(mode)).save(tmp_path / f"{index}.tif")
        with Image.open(tmp_path / f"{index}.tif") as saved:
            assert saved.mode == mode
    check(tmp_path)


def test_colour_becomes_luma(tmp_path: Path) -> None:
    """ITU-R 601-2, as Pillow documents it: 0.299 R + 0.587 G + 0.114 B."""
    colour = np.zeros((128, 128, 3), np.uint8)
    colour[:] = (200, 100, 50)
    Image.fromarray(colour).save(tmp_path / "a.png")
    expected = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert abs(read_images(tmp_path) - expected).max() <= 1


def test_all_pixels_of_a_bilevel_image_are_black_or_white(tmp_path: Path) -> None:
    Image.fromarray(GREY[0] > 127).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_images(tmp_path)[0], np.where(GREY[0] > 127, 255, 0))


def deep(path: Path) -> None:
    Image.fromarray(np.full((128, 128), 256, np.uint16)).save(path / "a.png")


def several(path: Path) -> None:
    frames = [Image.fromarray(image) for image in GREY]
    frames[0].save(path / "a.tif", save_all=True, append_images=frames[1:])


def truncated_image(path: Path) -> None:
    Image.fromarray(GREY[0]).save(path / "a.png")
    content = (path / "a.png").read_bytes()
    (path / "a.png").write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("make", "file", "cause"),
    [
        (lambda p: None, "", "holds no image files (.png"),
        (lambda p: (p / "a.txt").write_text("x"), "", "holds no image files"),
        (lambda p: Image.new("L", (128, 127)).save(p / "a.png"), "a.png", "128 × 127 pixels"),
        (lambda p: Image.new("L", (28, 28)).save(p / "a.png"), "a.png", "it must have 128 × 128"),
        (lambda p: (p / "a.png").write_text("x"), "a.png", "cannot be read as an image"),
        (lambda p: (p / "a.png").write_bytes(b""), "a.png", "cannot be read as an image"),
        (lambda p: (p / "a.png").mkdir(), "a.png", "cannot be read as an image"),
        (truncated_image, "a.png", "cannot be read as an image"),
        (deep, "a.png", "holds the value 256"),
        (several, "a.tif", "holds 3 images; it must hold one"),
    ],
)
def test_bad_folders(tmp_path: Path, make: Callable[[Path], object], file: str, cause: str) -> None:
    make(tmp_path)
    with pytest.raises(InputError) as caught:
        read_images(tmp_path)
    assert str(tmp_path / file) in str(caught.value)
    assert cause in str(caught.value)


SEE_THROUGH = np.stack([np.zeros_like(GREY[0]), GREY[0]], axis=-1)
"""An image whose digits are in its transparency."""


class Evil:
    def __reduce__(self) -> tuple:
        return (open, ("canary", "w"))


def save(**arrays: object) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


def cut(length: int, save: Callable[[Path], object]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        save(path)
        path.write_bytes(path.read_bytes()[:-length])

    return make


def changed(old: bytes, new: bytes, save: Callable[[Path], object]) -> Callable[[Path], None]:
    """A file in which the first bytes `old` are `new`."""

    def make(path: Path) -> None:
        save(path)
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    return make


def encrypted(path: Path) -> None:
    """An archive whose directory says that its content is encrypted."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"secret")
    changed(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1", Path.touch)(path)


def save_image(path: Path) -> None:
    Image.fromarray(GREY[0]).save(path)


@pytest.mark.parametrize(
    ("name", "make", "cause"),
    [
        ("x", lambda p: None, "cannot be read: No such file"),
        ("x", lambda p: p.write_bytes(b""), "is empty"),
        ("x", lambda p: p.write_text("Id,Label"), "is not a pickle"),
        ("x.csv", lambda p: p.write_text("Id,Label"), "is none of what images are read from: .npy"),
        ("x.gif", lambda p: Image.fromarray(GREY[0]).save(p), "is none of what images are read"),
        ("x.png", lambda p: Image.fromarray(SEE_THROUGH).save(p), "is transparent in places"),
        ("x", lambda p: p.write_bytes(pickle.dumps(Evil())), ".open from"),
        ("x", lambda p: p.write_bytes(pickle.dumps(GREY[:, :64])), "[3, 64, 128]"),
        ("x.png", lambda p: p.write_bytes(b"x"), "x.png cannot be read as an image"),
        (
            "x.npy",
            lambda p: np.save(p, np.array([Evil()]), allow_pickle=True),
            "not an array of numb",
        ),
        ("x.npy", lambda p: np.save(p, GREY[0]), "[128, 128]"),
        ("x.npy", lambda p: np.save(p, GREY + 0.5), "the value"),
        ("x.npy", lambda p: np.save(p, GREY > 3), "dtype bool"),
        ("x.npy", cut(1, lambda p: np.save(p, GREY)), "damaged"),
        ("x.npy", lambda p: p.write_bytes(b"\x93NUMPY"), "damaged"),
        ("x.npy", changed(b"}", b" ", lambda p: np.save(p, GREY)), "damaged"),
        ("x.npz", save(a=GREY, b=GREY), "holds a, b: the array of images must be the only one"),
        ("x.npz", save(), "holds nothing"),
        ("x.npz", save(x=np.array([Evil()])), "damaged"),
        ("x.npz", cut(100, save(x=GREY)), "damaged"),
        ("x.npz", changed(b"}", b" ", save(x=GREY)), "damaged"),
        ("x.npz", encrypted, "encrypted"),
        ("x.tif", changed(b"\x00\x01\x04\0", b"\x00\x02\x04\0", save_image), "as an image"),
        ("x.npz", save(y=GREY[:, 0]), "[3, 128]"),
    ],
)
def test_bad_files(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    make: Callable[[Path], object],
    cause: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_images(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert cause in str(caught.value)
    assert not (tmp_path / "canary").exists()


def test_the_zip_of_the_competition_is_not_a_file_of_arrays(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("test_max_x", pickle.dumps(GREY))
    with pytest.raises(InputError, match=r"test_max_x is not a NumPy array"):
        read_images(tmp_path / "all.zip")


def test_real_images() -> None:
    file = Path(__file__).resolve().parents[3] / "shared" / "real_samples" / "images.npz"
    if not file.is_file():
        pytest.skip("the real samples are not here")
    images = read_images(file)
    assert images.shape == (20, 128, 128)
    assert (images.max(axis=(1, 2)) == 255).all()  # stroke cores
