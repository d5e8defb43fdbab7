"""The table of accuracies, against the runs and SciPy."""

from statistics import mean, stdev

import pytest
from scipy.stats import binomtest, t

from mmnist.report.markdown import render_markdown
from mmnist.report.study.accuracy import accuracy_table
from mmnist.report.study.content import StudyContent


def _rows(result):
    content = StudyContent(result, {}, ())  # needs no verdicts
    table = accuracy_table(content, *content.result.comparisons)
    return table, {(row["experiment"], row["variant"]): row for row in table.rows}


def test_published_accuracy_has_its_wilson_interval(result):
    _, rows = _rows(result)
    row = rows["resize", "large"]
    interval = binomtest(450, 500).proportion_ci(method="wilson")
    assert (row["published"], row["published_images"]) == (0.9, 500)
    assert (row["published_low"], row["published_high"]) == pytest.approx(tuple(interval))


def test_seeds_have_mean_deviation_and_t_interval(result):
    _, rows = _rows(result)
    row = rows["resize", "small"]
    runs = result.comparisons[0].variants["small"].runs
    accuracies = [run.summary.valid.accuracy for run in runs]
    assert len(set(accuracies)) == 3
    assert row["mean"] == pytest.approx(mean(accuracies))
    assert row["deviation"] == pytest.approx(stdev(accuracies))
    half = t.ppf(0.975, 2) * stdev(accuracies) / 3**0.5
    assert row["high"] - row["mean"] == pytest.approx(half)
    assert (row["seeds"], row["images"], row["judged_on"]) == (3, 1000, "validation")
    assert (row["best_epochs"], row["epochs"], row["train_images"]) == ("6, 6, 6", 6, 9000)


def test_epochs_are_those_that_were_trained(make_result):
    result = make_result()
    run = result.comparisons[0].variants["small"].runs[1]
    early = run.summary.model_copy(update={"epochs": 4, "best_epoch": 2})  # early stopping
    run.write_summary(early)
    _, rows = _rows(result)
    assert (rows["resize", "small"]["best_epochs"], rows["resize", "small"]["epochs"]) == (
        "6, 3, 6",
        "6, 4, 6",
    )


def test_a_single_seed_has_no_deviation_but_wilson(make_result):
    table, rows = _rows(make_result(seeds=1))
    row = rows["resize", "small"]
    assert row["deviation"] is None
    assert (row["low"], row["high"]) == pytest.approx(
        tuple(binomtest(746, 1000).proportion_ci(method="wilson"))
    )
    text = render_markdown(table)
    assert "| 74.60 % | 71.81–77.20 % | 1 | 1,000 validation | 6 of 6 |" in text
    assert "not about other seeds" in text
    assert "t interval" not in text


def test_test_images_are_named_as_such(result):
    table, rows = _rows(result)
    assert rows["final", "best"]["judged_on"] == "test"
    text = render_markdown(table)
    assert "| 800 test |" in text
    assert "judged on test" in text


def test_what_was_not_run_says_so(result):
    table, rows = _rows(result)
    assert rows["resize", "never"].keys() == {"experiment", "variant", "label", "judged_on"}
    (line,) = [line for line in render_markdown(table).splitlines() if "128 px" in line]
    assert "no result" in line


def test_without_published_numbers_there_is_no_column_for_them(make_result):
    table, _ = _rows(make_result(published=None))
    assert "published" not in render_markdown(table).lower()


def test_the_most_frequent_label_is_the_baseline(content):
    comparison = content.result.comparisons[0]
    labels = comparison.ran[0].labels
    share = max((labels == label).mean() for label in range(10))
    notes = " ".join(accuracy_table(content, comparison).notes)
    assert f"would be right on {100 * share:.2f} % of the {len(labels):,} " in notes
