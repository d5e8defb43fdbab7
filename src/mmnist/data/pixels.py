"""Grey levels as files have them → grey levels 0-255 as uint8, if nothing is lost by it."""

from collections.abc import Callable, Iterator

import numpy as np

from mmnist.errors import InputError
from mmnist.task import IMAGE_SHAPE

_CHUNK = 256  # images


def check_images(images: np.ndarray, name: str) -> None:
    """Raise InputError, naming the file `name`, unless these are numbers [N, 128, 128], N ≥ 1."""
    if images.ndim != 3 or images.shape[1:] != IMAGE_SHAPE or not len(images):
        raise InputError(
            f"{name} holds an array of shape {list(images.shape)}; images of shape "
            f"{['N', *IMAGE_SHAPE]} with N at least 1 are needed".replace("'", "")
        )
    if images.dtype.kind not in "iuf":
        raise InputError(f"{name} holds values of dtype {images.dtype}; grey levels are needed")


def to_uint8(
    images: np.ndarray,
    name: str,
    out: np.ndarray | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> np.ndarray:
    """Return images as uint8 [N, 128, 128], in `out` if it is given.

    `images` [N, 128, 128] holds uint8; any integers or floats that are whole numbers 0-255; or
    floats 0-1 that are whole numbers divided by 255 or by 256. It is read in chunks and may be
    memory-mapped. `advance` is called with the number of images just converted.

    Raises InputError, naming the file `name`, for another shape, or if the conversion would change
    a grey level, naming that value.
    """
    check_images(images, name)
    scale = 1 if images.dtype == np.uint8 else _scale(images, name)
    if out is None:
        out = np.empty(images.shape, np.uint8)
    for start, chunk in _chunks(images):
        exact = chunk if scale == 1 else np.rint(chunk * np.float64(scale))
        out[start : start + len(chunk)] = exact.astype(np.uint8)
        advance(len(chunk))
    return out


def _scale(images: np.ndarray, name: str) -> int:
    """Return the factor that turns the values into grey levels: 1, 255 or 256."""
    largest = 0.0
    for start, chunk in _chunks(images):
        _refuse_where(~((chunk >= 0) & (chunk <= 255)), chunk, start, name, "not a grey level")
        largest = max(largest, float(chunk.max()))
    if images.dtype.kind != "f" or largest == 0:
        return 1
    if largest > 1:
        for start, chunk in _chunks(images):
            _refuse_where(_fractions(chunk, 1), chunk, start, name, "not a whole number")
        return 1
    for scale in (255, 256) if largest < 1 else (255,):
        if not any(_fractions(chunk, scale).any() for _, chunk in _chunks(images)):
            return scale
    for start, chunk in _chunks(images):
        why = "not a whole number divided by 255 or 256"
        _refuse_where(_fractions(chunk, 255), chunk, start, name, why)
    raise AssertionError("a value that is refused was found above")


def _fractions(chunk: np.ndarray, scale: int) -> np.ndarray:
    """Return where value * scale is not a whole number, within the rounding of the dtype."""
    # Rounding to the dtype moves a grey level below 256 by up to 256 * eps / 2.
    tolerance = max(1e-3, 128 * float(np.finfo(chunk.dtype).eps)) if scale > 1 else 0
    grey = chunk * np.float64(scale)
    return np.abs(grey - np.rint(grey)) > tolerance


def _refuse_where(wrong: np.ndarray, chunk: np.ndarray, start: int, name: str, why: str) -> None:
    """Raise InputError for the first wrong value, if there is any."""
    if not wrong.any():
        return
    image, row, column = (int(n) for n in np.unravel_index(wrong.argmax(), wrong.shape))
    raise InputError(
        f"{name} holds the value {chunk[image, row, column]} (image {start + image}, row {row}, "
        f"column {column}), which is {why}: 8 bits would lose information; grey levels must be "
        "whole numbers 0-255, or these divided by 255 or 256"
    )


def _chunks(images: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(images), _CHUNK):
        yield start, images[start : start + _CHUNK]
