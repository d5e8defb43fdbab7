import json
from dataclasses import replace

import numpy as np
import pytest
from fake_runs import certain, data_record, environment, epoch_row, write_run

from mmnist.errors import InputError
from mmnist.evaluation.metrics import compute_metrics
from mmnist.runs import Run
from mmnist.study.costs import Cost, write_costs
from mmnist.study.folder import StudyFolder
from mmnist.study.loading import load_study
from mmnist.study.results import read_results

LABELS = np.arange(40) % 10


def probabilities(right):
    """Float32 [N, 10] that say the label of the first `right` images, and 0 or 1 of the others."""
    said = np.where(np.arange(len(LABELS)) < right, LABELS, (LABELS == 0).astype(int))
    return certain(said)


@pytest.fixture
def loaded(study_file):
    return load_study(study_file())


@pytest.fixture
def finish(loaded, tmp_path):
    """Write a finished run of a variant of `resize`."""

    def write(variant, seed=0, right=30, *, fingerprint="a" * 64, **options):
        config = loaded.configs["resize", variant].model_copy(update={"seed": seed})
        return write_run(
            config,
            tmp_path / "runs",
            rows=[epoch_row(i, valid_loss=loss) for i, loss in enumerate([0.9, 0.5, 0.6])],
            labels=LABELS,
            probabilities=probabilities(right),
            about=environment(data=data_record(fingerprint)),
            **options,
        )

    return write


def test_finished_runs_by_variant_and_seed(loaded, finish, tmp_path):
    for seed, right in enumerate([30, 32, 34]):
        finish("small", seed, right)
    finish("large", right=40)
    finish("large", 1, finished=False)
    result = read_results(loaded, StudyFolder(tmp_path / "runs"))
    resize, again = result.comparisons
    small, large = resize.variants["small"], resize.variants["large"]
    assert small.right.shape == (3, 40)
    assert small.right[:, :30].all()
    expected = [
        compute_metrics(LABELS, each.argmax(1)) for each in map(probabilities, (30, 32, 34))
    ]
    assert [each.accuracy for each in small.metrics] == [each.accuracy for each in expected]
    assert small.spread.mean == pytest.approx(np.mean([each.accuracy for each in expected]))
    assert small.overfitting == pytest.approx([0.1] * 3)
    assert len(large.runs) == 1  # the unfinished one is left out
    assert again.variants["only"].runs == small.runs
    assert len(result.runs) == 4
    assert (small.published.correct, large.published.correct) == (20, 38)


def test_variants_without_runs_are_there_but_empty(loaded, finish, tmp_path):
    finish("small")
    resize, _ = read_results(loaded, StudyFolder(tmp_path / "runs")).comparisons
    assert resize.ran == [resize.variants["small"]]
    large = resize.variants["large"]
    assert large.runs == ()
    assert large.spread is None
    assert len(large.right) == 0


def test_costs_go_to_their_variants(loaded, tmp_path):
    cost = Cost(1, 1, 10.0, 30.0, 5.0, 16, "CPU", "fp32", 1)
    measured = [cost, replace(cost, train_images_per_second=30.0)]
    write_costs(StudyFolder(tmp_path / "runs").costs_file, {"small": measured})
    resize, again = read_results(loaded, StudyFolder(tmp_path / "runs")).comparisons
    typical = replace(cost, train_images_per_second=20.0)
    assert resize.variants["small"].cost == again.variants["only"].cost == typical
    assert resize.variants["large"].cost is None


@pytest.mark.parametrize("second", [("small", 1), ("large", 0)])
def test_runs_on_different_data_are_refused_and_both_named(loaded, finish, tmp_path, second):
    first = finish("small", fingerprint="a" * 64)
    other = finish(*second, fingerprint="b" * 64)
    with pytest.raises(InputError) as caught:
        read_results(loaded, StudyFolder(tmp_path / "runs"))
    for words in (str(first.path), str(other.path), "a" * 12, "b" * 12, "experiment resize"):
        assert words in str(caught.value)


def test_seeds_judged_on_different_images_are_refused(loaded, finish, tmp_path):
    first = finish("small")
    other = finish("small", 1, index=np.arange(40) + 1)
    with pytest.raises(InputError, match="judged on different images") as caught:
        read_results(loaded, StudyFolder(tmp_path / "runs"))
    assert str(first.path) in str(caught.value)
    assert str(other.path) in str(caught.value)


def test_runs_of_another_recipe_are_not_seeds(loaded, finish, tmp_path):
    finish("small")
    other = finish("small", 1)
    changed = other.experiment.model_copy(update={"resize": 64})
    Run(other.path).write_config(changed)
    with pytest.raises(InputError, match="different: resize") as caught:
        read_results(loaded, StudyFolder(tmp_path / "runs"))
    assert str(other.path) in str(caught.value)


@pytest.mark.parametrize(
    ("file", "key"),
    [("summary.json", "valid"), ("summary.json", "epochs"), ("environment.json", "data")],
)
def test_a_missing_key_is_named(loaded, finish, tmp_path, file, key):
    path = finish("small").path / file
    content = json.loads(path.read_text("utf-8"))
    del content[key]
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(InputError, match=rf"small/seed-0/{file} is damaged: '{key}' is missing"):
        read_results(loaded, StudyFolder(tmp_path / "runs"))


def test_predictions_of_fewer_images_than_were_validated_are_refused(loaded, finish, tmp_path):
    run = finish("small")
    run.write_predictions("valid", *(array[:10] for array in run.predictions("valid")))
    with pytest.raises(InputError, match="validated on 40 images, but has predictions of 10"):
        read_results(loaded, StudyFolder(tmp_path / "runs"))


def test_damaged_predictions_are_named(loaded, finish, tmp_path):
    run = finish("small")
    path = run.path / "valid_predictions.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"valid_predictions.npz is damaged"):
        read_results(loaded, StudyFolder(tmp_path / "runs"))
    path.unlink()
    with pytest.raises(InputError, match="is incomplete; delete the folder and run it again"):
        read_results(loaded, StudyFolder(tmp_path / "runs"))


def test_damaged_metrics_are_refused_before_anything_is_made_of_them(loaded, finish, tmp_path):
    run = finish("small")
    run.metrics_file.write_text("".join(run.metrics_file.read_text().splitlines(True)[:-1]))
    with pytest.raises(InputError, match=r"metrics\.csv is damaged: it has 2 of 3 epochs"):
        read_results(loaded, StudyFolder(tmp_path / "runs"))
