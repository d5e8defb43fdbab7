"""Digits and their places, from scores of locations."""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from mmnist.config.schema import Experiment
from mmnist.errors import InputError
from mmnist.evaluation import predict
from mmnist.evaluation.predict import read_digits
from mmnist.evaluation.readings import COLUMNS, find_digits, write_readings
from mmnist.models.maximum import MaximumNetwork


def scores(*digits, images=2, grid=16):
    """Certain of no digit, but for (image, digit, row, column, score) above it."""
    made = torch.zeros(images, 11, grid, grid)
    for image, digit, row, column, score in digits:
        made[image, 1 + digit, row, column] = score
    made[:, 0] += 8
    return made


def test_each_digit_is_found_where_it_is():
    found = find_digits(scores((0, 7, 3, 5, 12), (0, 2, 10, 12, 20), (1, 0, 0, 15, 11)), 8)
    assert list(found) == COLUMNS
    assert found[["Id", "digit"]].to_numpy().tolist() == [[0, 2], [0, 7], [1, 0]]
    np.testing.assert_allclose(found["x"], [96, 40, 120], atol=0.5)
    np.testing.assert_allclose(found["y"], [80, 24, 0], atol=0.5)
    expected = [1 / (1 + np.exp(8 - s) + 9 * np.exp(-s)) for s in (20, 12, 11)]
    np.testing.assert_allclose(found["probability"], expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_digit_seen_at_several_locations_is_one_in_their_middle(dtype):
    """In bf16 all four have the same score."""
    around = [(0, 4, 6, 6, 12), (0, 4, 6, 7, 11.99), (0, 4, 7, 6, 11.98), (0, 4, 7, 7, 11.97)]
    found = find_digits(scores(*around).to(dtype), 8)
    assert found["digit"].tolist() == [4]
    assert found["x"].item() == pytest.approx(52, abs=0.5)
    assert found["y"].item() == pytest.approx(52, abs=0.5)


def test_nothing_is_found_where_there_is_nothing():
    assert find_digits(scores((0, 4, 6, 6, 7.5)), 8).empty


@pytest.mark.parametrize("digits", ["any", "three"])
def test_the_angle_is_the_mean_of_the_ranges(digits):
    """Of three of 30 degrees, the last two with 3 : 1."""
    made = torch.full((1, 31, 16, 16), -9.0)
    made[:, 0] = 8
    made[0, 1 + 3 * 7 + 1, 4, 6] = 20 + np.log(3)
    made[0, 1 + 3 * 7 + 2, 4, 6] = 20
    found = find_digits(made, 8, digits, angles=3)
    assert list(found) == [*COLUMNS, "angle"]
    assert found["digit"].iloc[0] == 7
    assert found["x"].iloc[0] == pytest.approx(48, abs=0.5)
    assert found["angle"].iloc[0] == pytest.approx(7.5, abs=0.01)


def test_touching_digits_are_two():
    found = find_digits(scores((0, 4, 6, 6, 15), (0, 5, 6, 9, 14)), 8)
    assert found["digit"].tolist() == [4, 5]


def test_written_and_read_back(tmp_path):
    found = find_digits(scores((0, 7, 3, 5, 12)), 8)
    write_readings(tmp_path / "new" / "readings.csv", found)
    again = pd.read_csv(tmp_path / "new" / "readings.csv")
    assert list(again) == COLUMNS
    assert again["digit"].tolist() == [7]
    assert again["x"].tolist() == [40.0]


def test_readings_of_image_files_have_their_names(tmp_path):
    found = find_digits(scores((1, 7, 3, 5, 12)), 8)
    write_readings(tmp_path / "r.csv", found, ["a.png", "b.png"])
    again = pd.read_csv(tmp_path / "r.csv")
    assert list(again) == [*COLUMNS, "File"]
    assert again["File"].tolist() == ["b.png"]


def test_other_networks_do_not_tell_where(tiny_run):
    with pytest.raises(InputError, match="does not tell where digits are"):
        read_digits(tiny_run, np.zeros((1, 128, 8), np.uint8))


def test_places_nearby_are_one_digit_whatever_the_stride():
    # 32 pixels apart: two digits, in locations of 16 pixels as in those of 8.
    wide = find_digits(scores((0, 4, 2, 2, 15), (0, 5, 2, 4, 14), grid=8), 16)
    assert wide["digit"].tolist() == [4, 5]
    # 16 pixels apart: they cannot be two.
    assert find_digits(scores((0, 4, 2, 2, 15), (0, 5, 2, 4, 14)), 8)["digit"].tolist() == [4]


class SevenWhereBright(nn.Module):
    """In place of the layers of a reader; on its grid of 8 px."""

    def forward(self, images):
        made = torch.zeros(len(images), 11, *(side // 8 for side in images.shape[2:]))
        made[:, 0], made[:, 1 + 7] = 8, 20 * functional.avg_pool2d(images, 8)[:, 0]
        return made


def test_positions_are_those_in_the_images_whatever_the_network_sees(monkeypatch):
    experiment = Experiment.model_validate(
        {
            "name": "reader",
            "model": {"architecture": "digit_reader", "size": 0.5},
            "resize": 64,
            "normalisation": "unit",
            "train": {"batch_size": 2},
            "compute": {"device": "cpu", "precision": "fp32"},
        }
    )
    network = MaximumNetwork(OrderedDict(only=SevenWhereBright()))
    monkeypatch.setattr(predict, "load_best_model", lambda *_: network)
    images = np.zeros((3, 128, 128), np.uint8)
    for image, row in zip(images, (16, 48, 96), strict=True):
        image[row : row + 16, 80:96] = 255  # one location of the grid, 16 px here
    found = read_digits(SimpleNamespace(experiment=experiment), images, "cpu")
    assert found[["Id", "digit"]].to_numpy().tolist() == [[0, 7], [1, 7], [2, 7]]
    np.testing.assert_allclose(found["x"], 80.5, atol=0.1)
    np.testing.assert_allclose(found["y"], [16.5, 48.5, 96.5], atol=0.1)


def test_three_digits_are_found_where_there_are_three():
    """The most certain one of four that are more likely than not, and one that is not."""
    four = [(0, 7, 3, 3, 12), (0, 2, 10, 12, 20), (0, 5, 3, 12, 9), (0, 1, 12, 3, 10)]
    two = [(1, 0, 2, 2, 11), (1, 4, 9, 9, 12), (1, 6, 4, 9, 5)]
    found = find_digits(scores(*four, *two), 8, "three")
    assert found["Id"].tolist() == [0, 0, 0, 1, 1, 1]
    assert sorted(found["digit"][:3]) == [1, 2, 7]
    assert sorted(found["digit"][3:]) == [0, 4, 6]
    six = found[found["digit"] == 6].iloc[0]
    assert (six["x"], six["y"]) == pytest.approx((72, 32), abs=0.5)
    # One digit of ten; 25 locations are near, and 24 of them tell nothing.
    assert six["probability"] == pytest.approx((np.exp(5) + 24) / (np.exp(5) + 24 + 9 * 25))


def test_certain_neighbours_are_one_digit():
    made = torch.zeros(1, 11, 16, 16)
    made[:, 0] = 100
    made[0, 0, 5, 5:7] = 0
    made[0, 4, 5, 5], made[0, 4, 5, 6] = 250, 260
    assert find_digits(made, 8)["digit"].tolist() == [3]


def test_a_resized_image_has_its_pixels_in_between():
    (found,) = find_digits(scores((0, 4, 2, 2, 15), images=1, grid=8), 16).itertuples()
    assert found.x == pytest.approx(32.5, abs=0.1)  # pixel 16 of 64 is pixels 32 and 33 of 128
