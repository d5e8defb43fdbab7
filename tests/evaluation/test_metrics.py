"""Metrics, against scikit-learn's report, closed forms and published numbers."""

import json
from math import sqrt

import numpy as np
import pytest
from sklearn.metrics import classification_report, confusion_matrix

from mmnist.evaluation.metrics import SMALL_CLASS, Metrics, compute_metrics, wilson_interval
from mmnist.records import MetricsRecord


def _noisy(n=2000, share=0.3, seed=0, classes=10):
    """Labels with unequal frequencies and predictions of which about `share` are drawn anew."""
    rng = np.random.default_rng(seed)
    labels = np.minimum(rng.geometric(0.3, n) - 1, classes - 1)
    wrong = rng.random(n) < share
    return labels, np.where(wrong, rng.integers(0, classes, n), labels)


def _closed_form(correct, n, z=1.959963984540054):
    share = correct / n
    centre = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


@pytest.mark.parametrize(
    ("correct", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (480, 505), (4901, 5007), (7, 13)]
)
def test_wilson_interval_is_the_closed_form(correct, n):
    low, high = wilson_interval(correct, n)
    expected = _closed_form(correct, n)
    assert (low, high) == pytest.approx(expected, abs=1e-12)
    assert 0 <= low <= correct / n <= high <= 1


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_wilson_interval_gives_the_published_examples(correct, n, low, high):
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3 (score, no correction).
    assert wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)


def test_paper_cannot_tell_its_two_best_architectures_apart():
    # Figure 3: WideResNet50 has 495 of 505 right, ResNet101 494: each within the other's interval.
    low, high = wilson_interval(495, 505)
    assert (low, high) == pytest.approx((0.9639, 0.9892), abs=1e-4)
    assert low < 494 / 505 < high


def test_wider_confidence_gives_a_wider_interval():
    (low_95, high_95), (low_99, high_99) = wilson_interval(90, 100), wilson_interval(90, 100, 0.99)
    assert low_99 < low_95 < high_95 < high_99


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (5, 4), (-1, 4)])
def test_wilson_interval_refuses_impossible_counts(correct, n):
    with pytest.raises(ValueError):  # noqa: PT011 - SciPy words two of the three
        wilson_interval(correct, n)


def test_metrics_are_those_of_scikit_learns_report():
    labels, predictions = _noisy()
    metrics = compute_metrics(labels, predictions)
    report = classification_report(labels, predictions, output_dict=True, zero_division=0)
    for digit in range(10):
        row = report[str(digit)]
        assert metrics.precision[digit] == pytest.approx(row["precision"])
        assert metrics.recall[digit] == pytest.approx(row["recall"])
        assert metrics.f1[digit] == pytest.approx(row["f1-score"])
        assert metrics.support[digit] == row["support"]
    for ours, name in [(metrics.macro, "macro avg"), (metrics.weighted, "weighted avg")]:
        expected = [report[name][key] for key in ("precision", "recall", "f1-score")]
        assert list(ours) == pytest.approx(expected)
    assert metrics.accuracy == pytest.approx(report["accuracy"])
    assert (metrics.confusion == confusion_matrix(labels, predictions)).all()


def test_counts_agree_with_each_other():
    labels, predictions = _noisy(seed=1)
    metrics = compute_metrics(labels, predictions)
    assert metrics.n == metrics.confusion.sum() == len(labels)
    assert metrics.correct == np.trace(metrics.confusion) == (labels == predictions).sum()
    assert (metrics.confusion.sum(axis=1) == metrics.support).all()
    assert metrics.interval == pytest.approx(_closed_form(metrics.correct, metrics.n))


def test_rows_of_the_confusion_matrix_are_labels():
    metrics = compute_metrics(np.array([3, 3, 3]), np.array([3, 8, 8]))
    assert metrics.confusion[3, 8] == 2
    assert metrics.confusion[8, 3] == 0


def test_class_without_an_image_is_left_out_of_the_macro_mean():
    # Digit 9 has no image but is predicted once: it counts against the class that lost the image.
    labels, predictions = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 9])
    metrics = compute_metrics(labels, predictions)
    assert metrics.support.tolist() == [2, 2, 0, 0, 0, 0, 0, 0, 0, 0]
    assert metrics.macro.recall == pytest.approx((1 + 0.5) / 2)
    assert metrics.macro.precision == pytest.approx((1 + 1) / 2)
    assert metrics.recall[9] == metrics.precision[9] == metrics.f1[9] == 0
    report = classification_report(
        labels, predictions, labels=[0, 1], output_dict=True, zero_division=0
    )
    assert metrics.macro.f1 == pytest.approx(report["macro avg"]["f1-score"])


def test_class_with_images_that_is_never_predicted_counts_as_nought():
    metrics = compute_metrics(np.array([0, 0, 1]), np.array([0, 0, 0]))
    assert metrics.precision[1] == metrics.f1[1] == 0
    assert metrics.macro.recall == pytest.approx(0.5)


def test_small_classes():
    labels = np.repeat([0, 1, 2], [SMALL_CLASS - 1, SMALL_CLASS, 500])
    metrics = compute_metrics(labels, labels)
    assert metrics.small.tolist() == [True, False, False] + [True] * 7


def test_metrics_survive_json():
    metrics = compute_metrics(*_noisy(seed=2))
    values = json.dumps(metrics.to_dict() | {"loss": 0.25})
    again = Metrics.from_record(MetricsRecord.model_validate_json(values))
    assert again.to_dict() == metrics.to_dict()
    assert again.confusion.dtype == again.support.dtype == np.int64
    assert again.macro == metrics.macro
    assert set(MetricsRecord.model_fields) == set(Metrics.__dataclass_fields__) | {"loss"}


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([], [], "labels must be integers"),
        (np.array([], int), np.array([], int), "no image"),
        ([1, 2], [1], "2 labels, but 1 predictions"),
        ([1, 10], [1, 1], "labels must be 0 to 9"),
        ([1, 1], [1, -1], "predictions must be 0 to 9"),
        ([1.0], [1], "labels must be integers"),
        ([[1]], [[1]], "labels must be integers"),
    ],
)
def test_bad_arrays_are_refused(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        compute_metrics(np.array(labels), np.array(predictions))
