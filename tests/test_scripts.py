"""The scripts that make pictures, with fewer images than they would like."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import ndimage

from mmnist.data.digits import load_digits

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def side_by_side(easy_store, tmp_path):
    """Make the picture of so many real images; gives its size in px."""
    main = runpy.run_path(str(SCRIPTS / "side_by_side.py"))["main"]

    def make(count):
        x, y = np.zeros((count, 128, 128), np.uint8), np.zeros(count, int)
        np.savez(tmp_path / "real.npz", x=x, y=y)
        main(tmp_path / "real.npz", easy_store, tmp_path / "picture.png")
        return Image.open(tmp_path / "picture.png").size

    return make


def test_all_real_images_are_shown_whatever_their_number(side_by_side):
    width, two_rows = side_by_side(8)
    assert side_by_side(3) == (width, two_rows)
    assert side_by_side(11)[1] > 1.9 * two_rows


@pytest.mark.parametrize(("count", "message"), [(0, "holds no image"), (401, "400 training")])
def test_numbers_of_images_that_make_no_picture(side_by_side, count, message):
    with pytest.raises(SystemExit, match=message):
        side_by_side(count)


@pytest.mark.parametrize("count", [60, 1000, 2000])
def test_readings_are_held_against_as_many_images_as_there_are(count):
    script = runpy.run_path(str(SCRIPTS / "readings.py"))
    pools = script["load_digits"]("sample")
    pool = script["GlyphPool"].of(pools.test_images, pools.test_labels)
    textures = SimpleNamespace(images=np.zeros((1, 256, 256), np.uint8), weights=[1.0])
    truth = np.concatenate(
        [
            script["chunk_layout"](
                textures, pool, seed=3, part="test", index=index, mode="natural"
            ).digits
            for index in range(-(-count // 250))
        ]
    )[:count]
    source = {"seed": 3, "labels": "natural", "generator_version": 2}
    store = SimpleNamespace(
        manifest=SimpleNamespace(source=source),
        digits=lambda part: truth,
        count=lambda part: count,
        path="here",
    )
    digits, middles = script["layout"](store, "sample")
    np.testing.assert_array_equal(digits, truth[:1000])
    assert middles.shape == (min(count, 1000), 3, 2)
    truth = truth[::-1]
    with pytest.raises(SystemExit, match="here was not made from the digits of sample"):
        script["layout"](store, "sample")


@pytest.mark.parametrize("count", [1, 7, 12])
def test_few_readings_are_drawn_too(count):
    draw = runpy.run_path(str(SCRIPTS / "readings.py"))["draw"]
    found = pd.DataFrame({"Id": [0], "digit": [7], "x": [40.0], "y": [60.0]})
    figure = draw(np.zeros((count, 128, 128), np.uint8), found)
    assert sum(bool(axes.images) for axes in figure.axes) == count


def test_misread_digits_are_cut_out_where_they_were_read():
    misread = runpy.run_path(str(SCRIPTS / "misread.py"))["misread"]
    images = np.random.default_rng(0).integers(0, 256, (3, 128, 128), np.uint8)
    digits = np.array([[4, 9, 1], [3, 3, 3], [0, 1, 2]])
    rows = [
        (0, 9, 30.0, 40.0, 0.9),  # the 9
        (0, 9, 61.2, 99.8, 0.6),  # the 4, less certain than the 9
        (0, 1, 100.0, 20.0, 0.9),
        *[(1, digit, 64.0, 64.0, 0.9) for digit in (3, 8, 5)],  # two are wrong
        *[(2, digit, 64.0, 64.0, 0.9) for digit in (0, 1)],  # one was not found
    ]
    found = pd.DataFrame(rows, columns=["Id", "digit", "x", "y", "probability"])
    (piece,), captions = misread(images, digits, found)
    assert captions == ["4 read as 9"]
    np.testing.assert_array_equal(piece, images[0, 80:120, 41:81])


@pytest.fixture(scope="module")
def tracing():
    """scripts/trace_digits.py, and 300 digits as it takes them."""
    script = SimpleNamespace(**runpy.run_path(str(SCRIPTS / "trace_digits.py")))
    return script, load_digits("sample").train_images[::13]


def drawn_on(ground, glyph, *, degrees, scale, twice=False):
    """uint8 [60, 60]: a digit enlarged and turned clockwise by SciPy, a bit off the middle."""
    wide = np.pad(glyph / 255.0, 16)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    back = np.array([[cos, -sin], [sin, cos]])  # of rows and columns
    middle, off = np.full(2, 29.5), np.array([1.5, -2])
    if twice:
        wide = ndimage.affine_transform(wide, [1 / scale] * 2, middle - middle / scale, order=1)
    else:
        back /= scale
    turned = ndimage.affine_transform(wide, back, middle - back @ (middle + off), order=1)
    return np.minimum(ground + 255 * turned, 255).astype(np.uint8)


@pytest.mark.parametrize(("ground", "degrees", "scale"), [(30, -38, 1.2), (140, 21, 1.03)])
def test_a_digit_is_traced_to_its_original(tracing, ground, degrees, scale):
    script, glyphs = tracing
    piece = script.cut(drawn_on(ground, glyphs[123], degrees=degrees, scale=scale), 31, 28)
    fit = script.trace(piece, torch.from_numpy(glyphs).float() / 255)
    assert fit.found
    assert fit.original[0] == 123
    angle, log_scale, *_ = fit.pose[0]
    assert float(angle.rad2deg()) == pytest.approx(degrees, abs=2)
    assert float(log_scale.exp()) == pytest.approx(scale, rel=0.03)


def test_a_digit_that_is_not_among_them_has_no_original(tracing):
    script, glyphs = tracing
    piece = script.cut(drawn_on(30, glyphs[123], degrees=10, scale=1.1), 31, 28)
    others = torch.from_numpy(np.delete(glyphs, 123, axis=0)).float() / 255
    assert not script.trace(piece, others).found


@pytest.mark.parametrize("is_twice", [False, True])
def test_how_often_a_digit_was_interpolated(tracing, is_twice):
    script, glyphs = tracing
    image = drawn_on(30, glyphs[123], degrees=10, scale=1.1, twice=is_twice)
    pose = torch.tensor([np.radians(10), np.log(1.1), 0.0, 0.0, 0.0], dtype=torch.float32)
    glyph = torch.from_numpy(glyphs[123]).float() / 255
    once, twice = script.interpolated(script.cut(image, 31, 28), glyph, pose)
    assert (twice < once) == is_twice
    assert min(once, twice) < 0.5 * max(once, twice)


@pytest.mark.parametrize(
    "arguments",
    [
        "trace_digits.py nowhere sample {images}",
        "readings.py nowhere sample x.png",
        "misread.py x.png nowhere",
        "side_by_side.py nowhere data/modified-mnist x.png",
        "side_by_side.py {images} data/modified-mnist x.png",
        "side_by_side.py {real} nowhere x.png",
    ],
)
def test_what_is_not_there_is_said_in_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    images = np.zeros((1, 128, 128), np.uint8)
    np.save("images.npy", images)
    np.savez("real.npz", x=images, y=[0])
    script, *rest = arguments.format(images="images.npy", real="real.npz").split()
    monkeypatch.setattr("sys.argv", [script, *rest])
    with pytest.raises(SystemExit, match=r"^(nowhere|no data set at nowhere|images\.npy).*$"):
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
