"""What stands above all numbers, and what is refused."""

import pytest
from fake_runs import environment
from report.study.conftest import without_predictions
from report.study.invented import STUDY

from mmnist.errors import InputError
from mmnist.report.study.content import build_content, interval_of


def _caveats(result):
    return [str(caveat) for caveat in build_content(result).caveats]


def test_the_whole_study_on_the_competitions_data_needs_no_caveat(make_result):
    assert _caveats(make_result()) == []


def test_each_reason_for_caution_is_a_sentence(make_result):
    study = {**STUDY, "smaller": "a tenth of the images"}
    changes = ("train.epochs=2", "data.split.train_images=50", "compute.device=cpu")
    changes += ("compute.precision=fp32", "data.path=moved")
    found = make_result(study, changes=changes, about=environment())
    assert _caveats(found) == [
        "A smaller copy. a tenth of the images.",
        "Changed in all configurations: train.epochs=2, data.split.train_images=50.",
        "Generated data, not the competition's.",
    ]


def test_no_finished_run_is_refused_with_the_command(make_result):
    empty = make_result(accuracies={}, unfinished="small", costs={}, published=None)
    with pytest.raises(InputError, match=r"no run of pair in .* train them with: mmnist reproduce"):
        build_content(empty)


def test_finished_runs_that_are_not_judged_are_not_said_to_have_no_labels(make_result):
    """Their test images may only not be predicted yet: then there is no submission either."""
    final = {**STUDY, "experiments": {"final": STUDY["experiments"]["final"]}}
    result = make_result(final, accuracies={"large": 0.85}, published=None)
    result = without_predictions(result, "large")
    finished = r"are finished, but judged on test images, which are not predicted or have no labels"
    with pytest.raises(InputError, match=rf"{finished}.*; predict them with: mmnist reproduce$"):
        build_content(result)
    for run in result.runs:
        run.submission_file.touch()
    with pytest.raises(InputError, match=rf"{finished}.*submission\.csv of the runs$"):
        build_content(result)


def test_the_command_names_the_saved_study(make_result):
    empty = make_result(accuracies={}, costs={}, published=None)
    saved = empty.folder.file
    saved.parent.mkdir(parents=True)
    saved.write_text("")
    with pytest.raises(InputError) as caught:
        build_content(empty)
    wanted = f"mmnist reproduce --file {saved} --runs {empty.folder.path.parent}"
    assert str(caught.value).endswith(wanted)


def test_published_numbers_alone_are_judged_and_said_to_be_alone(make_result):
    content = build_content(make_result(accuracies={}, costs={}))
    assert not content.has_own
    assert str(content.caveats[0]).startswith("Published numbers alone.")
    assert build_content(make_result(accuracies={}, name="costs")).has_own


def test_interval_is_of_t_for_seeds_and_of_wilson_for_one(make_result):
    many = make_result(name="many", seeds=2).comparisons[0].variants
    one = make_result(name="one", seeds=1).comparisons[0].variants
    assert interval_of(many["small"]) == many["small"].spread.interval
    assert interval_of(one["small"]) == one["small"].metrics[0].interval
    assert interval_of(one["never"]) is None
