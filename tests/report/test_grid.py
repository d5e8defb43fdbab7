import numpy as np
import pytest
from PIL import Image

from mmnist.errors import RunError
from mmnist.report.grid import labelled_grid


def tiles(n):
    """Images [n, 128, 128] of one grey level each, that tells them apart."""
    levels = np.linspace(20, 220, n).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None], (n, 128, 128)).copy()


def draw(tmp_path, *args):
    path = tmp_path / "grid.png"
    labelled_grid(*args, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("L"))


def extent(page, level):
    """First and last row and column of the pixels of a grey level."""
    rows, columns = np.nonzero(page == level)
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_images_stand_row_by_row_undistorted(tmp_path):
    images = tiles(5)
    page = draw(tmp_path, images, [""] * 5, 3)
    boxes = [extent(page, image[0, 0]) for image in images]
    for top, bottom, left, right in boxes:
        assert bottom - top == right - left
        assert (bottom - top + 1) % 128 == 0
    assert boxes[0][0] == boxes[1][0] == boxes[2][0] < boxes[3][0] == boxes[4][0]
    assert boxes[0][3] < boxes[1][2] < boxes[1][3] < boxes[2][2]
    assert boxes[3][2] == boxes[0][2]


def test_each_caption_is_under_its_image(tmp_path):
    images = tiles(2)
    page = draw(tmp_path, images, ["", "7 (7 3 0)"], 2)
    boxes = [extent(page, image[0, 0]) for image in images]
    under = [page[bottom + 1 :, left : right + 1] for _, bottom, left, right in boxes]
    assert (under[0] == 255).all()
    assert (under[1] < 100).sum() > 20


def test_pixels_are_kept(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (1, 128, 128), dtype=np.uint8)
    page = draw(tmp_path, image, ["a"], 4)
    enlarged = np.kron(image[0], np.ones((2, 2), np.uint8))
    assert any(
        (page[y : y + 256, x : x + 256] == enlarged).all() for y in range(12) for x in range(12)
    )


def test_a_long_caption_stays_within_its_column(tmp_path):
    page = draw(tmp_path, tiles(2), ["long " * 30, ""], 2)
    _, bottom, left, right = extent(page, tiles(2)[1, 0, 0])
    assert (page[bottom + 1 :, left : right + 1] == 255).all()


def test_the_folder_is_made_and_nothing_else_stays(tmp_path):
    path = tmp_path / "sub" / "new" / "grid.png"
    labelled_grid(tiles(1), ["a"], 1, path)
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*grid\.png"):
        labelled_grid(tiles(1), ["a"], 1, tmp_path / "file" / "grid.png")


@pytest.mark.parametrize(("n", "captions", "columns"), [(2, 1, 1), (0, 0, 1), (1, 1, 0)])
def test_what_does_not_fit_together(tmp_path, n, captions, columns):
    with pytest.raises(ValueError, match="images"):
        labelled_grid(tiles(max(n, 1))[:n], [""] * captions, columns, tmp_path / "grid.png")
