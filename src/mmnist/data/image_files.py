"""Reading images to be labelled: a pickle, .npy, .npz, an image file or a folder of them."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from mmnist.data.pickles import load_array_pickle
from mmnist.data.pixels import to_uint8
from mmnist.errors import InputError
from mmnist.files import printable_name
from mmnist.task import IMAGE_SHAPE

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_NPZ_KEYS = ("x", "images")
#: Pickles of protocol 2 and later begin so; the competition's have no suffix.
_PICKLED = b"\x80"
_PICKLE_SUFFIXES = (".pkl", ".pickle", "")


def read_images(path: Path) -> np.ndarray:
    """Return images as uint8 [N, 128, 128].

    `path` is a NumPy file (.npy; .npz with one array, or with one named `x` or `images`), a pickle
    like the competition's, a PNG, JPEG, BMP or TIFF file, or a folder of such image files, which
    are taken in the natural order of their names (2.png before 10.png). Colour is turned into
    grey, and grey levels are converted as on import (`pixels.to_uint8`).

    Raises InputError, naming the file.
    """
    if path.is_dir():
        files = _files_in(path)
        images = np.empty((len(files), *IMAGE_SHAPE), np.uint8)
        for image, file in zip(images, files, strict=True):
            image[:] = _read_image(file)
        return images
    try:
        with path.open("rb") as stream:
            start = stream.read(6)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if _is_image(path):
        return _read_image(path)[np.newaxis]
    if start == b"\x93NUMPY":
        return to_uint8(_read_npy(path), str(path))
    if start.startswith(b"PK"):
        return to_uint8(_read_npz(path), str(path))
    if not start.startswith(_PICKLED) and path.suffix.lower() not in _PICKLE_SUFFIXES:
        raise InputError(
            f"{path} is none of what images are read from: .npy, .npz, a pickle like the "
            f"competition's, or an image file ({', '.join(_SUFFIXES)})"
        )
    return to_uint8(load_array_pickle(path), str(path))


def image_names(path: Path) -> list[str] | None:
    """File names of the images that `read_images` returns, in this order; None if they lie in one
    array. Bytes of a name that are not UTF-8 are written as `\\xe9`.

    Raises InputError if a folder holds no image.
    """
    if path.is_dir():
        return [printable_name(file.name) for file in _files_in(path)]
    return [printable_name(path.name)] if _is_image(path) else None


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES


def _read_npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # damaged bytes can raise anything: tokenize.TokenError …
        raise InputError(f"{path} is not an array of numbers, or is damaged: {error}") from error


def _read_npz(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            key = next((key for key in _NPZ_KEYS if key in arrays), None)
            if key is None:
                if len(arrays.files) != 1:
                    raise InputError(
                        f"{path} holds {', '.join(arrays.files[:8]) or 'nothing'}: the array of "
                        f"images must be the only one, or be named {' or '.join(_NPZ_KEYS)}"
                    )
                key = arrays.files[0]
            array = arrays[key]
    except InputError:
        raise
    except Exception as error:  # as above; an encrypted one raises RuntimeError
        raise InputError(f"{path} is not an .npz of numbers, or is damaged: {error}") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: {key} is not a NumPy array; is this the competition's zip?")
    return array


def _files_in(folder: Path) -> list[Path]:
    """The image files in a folder, in the natural order of their names."""
    visible = (file for file in folder.glob("*") if not file.name.startswith("."))
    files = sorted(filter(_is_image, visible), key=_natural)
    if not files:
        raise InputError(f"{folder} holds no image files ({', '.join(_SUFFIXES)})")
    return files


def _natural(file: Path) -> tuple[list[str | int], str]:
    """Sort key that puts 2.png before 10.png; every second part is a number."""
    parts = re.split(r"([0-9]+)", file.name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], file.name


def _alpha(image: Image.Image) -> np.ndarray:
    """Opacity of each pixel, uint8 [H, W]."""
    return np.asarray(image.convert("RGBA").getchannel("A"))


def _read_image(file: Path) -> np.ndarray:
    try:
        with Image.open(file) as image:
            if image.size != IMAGE_SHAPE:
                width, height = image.size
                raise InputError(f"{file} has {width} × {height} pixels; it must have 128 × 128")
            frames = getattr(image, "n_frames", 1)
            if frames > 1:
                raise InputError(f"{file} holds {frames} images; it must hold one")
            if image.has_transparency_data and _alpha(image).min() < 255:
                raise InputError(f"{file} is transparent in places; put it on a background")
            # Pillow would clip more than 8 bits a channel.
            deep = image.mode.startswith(("I", "F"))
            grey = np.asarray(image if deep else image.convert("L"))
    except InputError:
        raise
    except Exception as error:  # as above: TypeError, Image.DecompressionBombError …
        raise InputError(f"{file} cannot be read as an image: {error}") from error
    return to_uint8(grey[np.newaxis], str(file))[0]
