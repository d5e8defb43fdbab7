"""The scripts that make pictures, with fewer images than they would like."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

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
