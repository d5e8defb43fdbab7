"""The most confident errors of the best variant."""

import numpy as np
import pytest
from fake_runs import data_record, environment
from PIL import Image

from mmnist.data.store import open_store
from mmnist.report.study.content import build_content
from mmnist.report.study.misclassified import (
    Stores,
    draw_misclassified,
    most_confident_errors,
)

IMAGES = 300


@pytest.fixture
def on_store(make_result, easy_store):
    """A study whose runs were judged on every other image of a data set that is there."""
    store = open_store(easy_store)
    index = np.arange(100, 100 + IMAGES)

    def make(fingerprint=store.fingerprint, path=easy_store, **options):
        return make_result(
            about=environment(data=data_record(fingerprint)),
            changes=(f"data.path={path}",),
            index=index,
            labels=store.labels("train")[index],
            **options,
        )

    return make


def _draw(result, path):
    content = build_content(result)
    return draw_misclassified(content, content.result.comparisons[0], Stores(), path)


def test_errors_of_all_seeds_together_by_confidence(on_store):
    variant = on_store().comparisons[0].variants["large"]
    index, captions = most_confident_errors(variant)
    together = np.mean([run.predictions("valid")[2] for run in variant.runs], axis=0)
    _, labels, _ = variant.runs[0].predictions("valid")
    assert len(index) == len(captions) == 24
    confidences = []
    for image, caption in zip(index, captions, strict=True):
        row = int(np.flatnonzero(variant.index == image)[0])
        assert together[row].argmax() != labels[row]
        confidences.append(together[row].max())
        said = together[row].argmax()
        assert caption == f"{labels[row]}, said {said} ({confidences[-1]:.2f})"
    assert confidences == sorted(confidences, reverse=True)
    left_out = (together.argmax(axis=1) != labels) & ~np.isin(variant.index, index)
    assert together[left_out].max() <= confidences[-1]


def test_the_images_of_the_best_variant_are_drawn(on_store, easy_store, tmp_path):
    result = on_store()
    path = tmp_path / "errors.png"
    assert _draw(result, path) is None
    index, _ = most_confident_errors(result.comparisons[0].variants["large"])
    wanted = open_store(easy_store).images("train")[index[0]]
    with Image.open(path) as picture:
        drawn = np.asarray(picture)
    # The first image, each pixel twice as large, stands 8 px from the corner.
    np.testing.assert_array_equal(drawn[8:264:2, 8:264:2], wanted)
    foot = drawn[-25:]  # the caveat
    assert (foot < 128).any()
    assert [entry.name for entry in tmp_path.glob("*errors*")] == ["errors.png"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"path": "nowhere"}, "not on this machine"),
        ({"fingerprint": "f" * 64}, "has changed since the runs"),
        ({"accuracies": {"large": 1.0}, "seeds": 1}, "made no error"),
    ],
)
def test_reasons_why_there_is_no_picture(on_store, tmp_path, change, reason):
    path = tmp_path / "errors.png"
    if "accuracies" in change:  # the seed takes 0.004 off
        change["accuracies"] = {"large": 1.004}
    assert reason in _draw(on_store(**change), path)
    assert not path.exists()
