"""Precision, recall and F1 by digit, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from mmnist.report.markdown import render_markdown
from mmnist.report.study.content import StudyContent
from mmnist.report.study.per_class import per_class_table


def _table(result, place=0):
    content = StudyContent(result, {}, ())  # needs no verdicts
    return per_class_table(content, result.comparisons[place])


def test_own_numbers_are_means_over_the_seeds(result):
    rows = [row for row in _table(result).rows if row["variant"] == "large"]
    runs = result.comparisons[0].variants["large"].runs
    each = []
    for run in runs:
        _, labels, probabilities = run.predictions("valid")
        said = probabilities.argmax(axis=1)
        each.append(precision_recall_fscore_support(labels, said, labels=range(1, 10))[:3])
    wanted = np.mean(each, axis=0)
    for name, values in zip(("precision", "recall", "f1"), wanted, strict=True):
        found = {row["digit"]: row[name] for row in rows if name in row}
        # No image is a 0.
        assert found == pytest.approx(dict(zip(range(1, 10), values, strict=True)))


def test_published_numbers_stand_beside(result):
    row = _table(result).rows[7]
    assert (row["variant"], row["digit"]) == ("small", 7)
    found = [row[f"published_{name}"] for name in ("precision", "recall", "f1")]
    assert found == [0.711, 0.722, 0.733]
    assert row["support"] == 177


def test_notes_name_seeds_small_classes_and_the_unknown_support(result):
    text = render_markdown(_table(result))
    assert "mean over 3 seeds" in text
    assert "| 8 † |" in text
    assert "| 20 |" in text
    assert "fewer than 20 images" in text
    assert "Published on 500 images in all: how many there were of each digit" in text
    assert "nan" not in text


def test_variants_without_numbers_are_left_out(result, make_result):
    assert {row["variant"] for row in _table(result).rows} == {"small", "large"}
    own = render_markdown(_table(make_result(published=None, seeds=1, name="own")))
    assert "ublished" not in own
    assert "Own: one seed." in own
    none = make_result(published=None, accuracies={"small": 0.7}, name="none")
    assert _table(none, place=1) is None


def test_different_numbers_of_seeds_are_told(make_result):
    result = make_result(accuracies={"small": 0.7}, seeds=1)
    again = make_result(accuracies={"large": 0.8}, seeds=3)
    assert result.folder == again.folder
    assert "the seeds (32 px 1, 64 px 3)" in render_markdown(_table(again))
