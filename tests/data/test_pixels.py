import numpy as np
import pytest

from mmnist.data.pixels import to_uint8
from mmnist.errors import InputError


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    """All grey levels, over more than one part of what is read at a time."""
    images = np.random.default_rng(0).integers(0, 256, (300, 128, 128), dtype=np.uint8)
    images[0, 0] = np.arange(128)
    images[299, 0] = np.arange(128, 256)
    return images


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "i2", "i8", "u8", "f2", "f4", ">f4", "f8"])
def test_whole_numbers_of_every_dtype(grey: np.ndarray, dtype: str) -> None:
    result = to_uint8(grey[:20].astype(dtype), "file")
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, grey[:20])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("divisor", [255, 256])
def test_floats_from_zero_to_one(grey: np.ndarray, dtype: str, divisor: int) -> None:
    scaled = (grey / np.float64(divisor)).astype(dtype)
    np.testing.assert_array_equal(to_uint8(scaled, "file"), grey)


def test_a_single_precision_division_is_recognised(grey: np.ndarray) -> None:
    part = grey[:5]
    np.testing.assert_array_equal(to_uint8(part.astype("f4") / np.float32(255), "file"), part)


def test_black_images_stay_black() -> None:
    assert not to_uint8(np.zeros((2, 128, 128), np.float32), "file").any()


def test_small_integers_are_grey_levels_and_not_shares() -> None:
    assert to_uint8(np.ones((1, 128, 128), np.int64), "file").max() == 1


def test_white_as_a_share_of_one() -> None:
    images = np.zeros((1, 128, 128))
    images[0, 5] = 1.0
    assert set(np.unique(to_uint8(images, "file"))) == {0, 255}


def test_progress_counts_every_image_and_out_is_filled(grey: np.ndarray) -> None:
    out = np.zeros(grey.shape, np.uint8)
    steps: list[int] = []
    assert to_uint8(grey, "file", out, steps.append) is out
    np.testing.assert_array_equal(out, grey)
    assert sum(steps) == 300
    assert len(steps) > 1


@pytest.mark.parametrize(
    ("base", "dtype", "value", "cause"),
    [
        (7, "i2", -1, "holds the value -1"),
        (7, "i2", 256, "holds the value 256"),
        (7, "f4", 255.5, "holds the value 255.5"),
        (7, "f4", -0.5, "holds the value -0.5"),
        (7, "f4", np.nan, "holds the value nan"),
        (7, "f4", np.inf, "holds the value inf"),
        (7, "f4", 16.25, "holds the value 16.25"),
        (0.2, "f8", 0.1234, "holds the value 0.1234"),
        (1 / 256, "f8", 1.0, "holds the value 0.00390625"),
    ],
)
def test_a_value_that_would_change_is_refused_and_placed(
    base: float, dtype: str, value: float, cause: str
) -> None:
    images = np.full((258, 128, 128), base, dtype)
    images[257, 3, 5] = value
    with pytest.raises(InputError) as caught:
        to_uint8(images, "train_max_x")
    assert cause in str(caught.value)
    assert str(caught.value).startswith("train_max_x ")
    assert "lose information" in str(caught.value)
    if "0.0039" not in cause:
        assert "(image 257, row 3, column 5)" in str(caught.value)


@pytest.mark.parametrize(
    ("images", "cause"),
    [
        (np.zeros((0, 128, 128), np.uint8), "[0, 128, 128]"),
        (np.zeros((128, 128), np.uint8), "[128, 128]; images of shape [N, 128, 128]"),
        (np.zeros((2, 128, 127), np.uint8), "[2, 128, 127]"),
        (np.zeros((2, 1, 128, 128), np.uint8), "[2, 1, 128, 128]"),
        (np.zeros((2, 128, 128), bool), "dtype bool"),
        (np.zeros((2, 128, 128), complex), "dtype complex"),
    ],
)
def test_other_arrays_are_refused(images: np.ndarray, cause: str) -> None:
    with pytest.raises(InputError) as caught:
        to_uint8(images, "file.npy")
    assert cause in str(caught.value)
    assert "file.npy" in str(caught.value)
