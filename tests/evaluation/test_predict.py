"""Predictions and the files they are written to."""

import numpy as np
import pandas as pd
import pytest
import torch

from mmnist.data.store import open_store
from mmnist.errors import InputError
from mmnist.evaluation import predict
from mmnist.evaluation.predict import (
    mean_probabilities,
    predict_probabilities,
    shifted_views,
    view_count,
    write_probabilities,
    write_submission,
)


def test_predictions_of_the_validation_images_are_those_of_training(tiny_run):
    index, _, expected = tiny_run.predictions("valid")
    images = open_store(tiny_run.experiment.data.path).images("train")[index]
    np.testing.assert_allclose(predict_probabilities(tiny_run, images, "cpu"), expected, atol=1e-5)


def test_only_the_computation_is_in_inference_mode(tiny_run, monkeypatch):
    """Preparing a batch and the network are; what the caller does between two batches is not."""
    inside, between = [], []

    def noting(function):
        def noted(*arguments):
            inside.append(torch.is_inference_mode_enabled())
            return function(*arguments)

        return noted

    def load(*arguments):
        model = load_best_model(*arguments)
        model.forward = noting(model.forward)
        return model

    load_best_model = predict.load_best_model
    monkeypatch.setattr(predict, "load_best_model", load)
    monkeypatch.setattr(predict.Preprocess, "__call__", noting(predict.Preprocess.__call__))
    images = open_store(tiny_run.experiment.data.path).images("test")[:33]  # batches of 16
    predict_probabilities(
        tiny_run, images, "cpu", lambda _: between.append(torch.is_inference_mode_enabled())
    )
    assert inside == [True] * 6
    assert between == [False] * 3


def test_average_over_runs_and_views(monkeypatch):
    seen = []

    def probabilities(run, images, device, progress):
        seen.append((run, device, progress, images[0].tolist()))
        return np.float32([run])

    monkeypatch.setattr(predict, "predict_probabilities", probabilities)
    image = np.arange(4, dtype=np.uint8).reshape(1, 2, 2)
    mean = mean_probabilities([[0.2, 0.8], [0.6, 0.4]], image, 0, "cpu", print)
    np.testing.assert_allclose(mean, [[0.4, 0.6]], atol=1e-7)
    assert seen == [(run, "cpu", print, [[0, 1], [2, 3]]) for run in ([0.2, 0.8], [0.6, 0.4])]
    seen.clear()
    mean_probabilities([[1.0]], image, shift=1)
    assert [view for *_, view in seen] == [view[0].tolist() for view in shifted_views(image, 1)]


def test_submission_is_kaggles(tmp_path):
    write_submission(tmp_path / "s.csv", np.array([7, 0, 9]))
    assert (tmp_path / "s.csv").read_bytes() == b"Id,Label\n0,7\n1,0\n2,9\n"


def test_labels_of_image_files_have_their_names(tmp_path):
    write_submission(tmp_path / "s.csv", np.array([7, 0]), ["a.png", "b, c.png"])
    assert (tmp_path / "s.csv").read_bytes() == b'Id,Label,File\n0,7,a.png\n1,0,"b, c.png"\n'


@pytest.mark.parametrize("wrong", [[], [10], [-1], [0.5]])
def test_what_is_no_digit_is_never_written(tmp_path, wrong):
    with pytest.raises(ValueError, match="digits from 0 to 9"):
        write_submission(tmp_path / "s.csv", np.array(wrong))
    assert not (tmp_path / "s.csv").exists()


def test_probabilities(tmp_path):
    probabilities = np.random.default_rng(0).random((3, 10), dtype=np.float32)
    write_probabilities(tmp_path / "p.npy", probabilities)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), probabilities)
    write_probabilities(tmp_path / "p.csv", probabilities)
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table) == ["Id", *(f"p{digit}" for digit in range(10))]
    np.testing.assert_allclose(table.iloc[:, 1:], probabilities, atol=1e-6)
    write_probabilities(tmp_path / "named.csv", probabilities, ["a", "b", "c"])
    named = pd.read_csv(tmp_path / "named.csv")
    assert list(named) == [*table, "File"]
    assert named["File"].tolist() == ["a", "b", "c"]
    with pytest.raises(InputError, match=r"must end in \.csv or \.npy"):
        write_probabilities(tmp_path / "p.txt", probabilities)


def test_views_are_moved_and_repeat_the_border():
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    same, right, left, down, up = shifted_views(image, 1)
    assert np.array_equal(same, image)
    assert np.array_equal(right[0, :, 1:], image[0, :, :-1])
    assert np.array_equal(right[0, :, 0], image[0, :, 0])
    assert np.array_equal(left[0, :, :-1], image[0, :, 1:])
    assert np.array_equal(down[0, 1:], image[0, :-1])
    assert np.array_equal(up[0, :-1], image[0, 1:])
    assert np.array_equal(up[0, -1], image[0, -1])
    assert len(list(shifted_views(image, 0))) == view_count(0) == 1
    assert view_count(1) == 5
