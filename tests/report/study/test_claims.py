"""The tables of verdicts and of single tests."""

import pytest
from report.study.invented import NUMBERS, STUDY
from scipy.stats import binomtest

from mmnist.report.markdown import render_markdown
from mmnist.report.study.claims import claim_table, single_tests_of, single_tests_table
from mmnist.report.study.content import build_content
from mmnist.report.table import render_csv


def test_every_claim_has_two_verdicts(content):
    rows = {row["claim"]: row for row in claim_table(content).rows}
    assert list(rows) == [
        claim["claim"] for each in STUDY["experiments"].values() for claim in each["claims"]
    ]
    helps = rows["Larger images help"]
    assert (helps["published_verdict"], helps["own_verdict"]) == ("holds", "holds")
    assert helps["published"] == "+10.00 points, p < 0.0001 (500 images)"
    order = rows["In this order"]
    assert (order["published_verdict"], order["own_verdict"]) == ("cannot be told",) * 2
    assert order["own"].endswith("not run: 128 px")


def test_no_published_numbers_no_published_verdicts(make_result):
    table = claim_table(build_content(make_result(published=None)))
    assert "published" not in render_markdown(table)
    assert "own_verdict" in render_csv(table)


def test_tests_carry_raw_numbers_and_what_they_rest_on(content):
    rows = [row for row in single_tests_table(content).rows if row["claim"] == "Larger images help"]
    published, own = rows
    assert published["numbers"] == "published"
    assert published["estimate"] == pytest.approx(0.1)
    assert published["p_low"] == pytest.approx(binomtest(0, 50).pvalue)
    assert published["p"] == pytest.approx(binomtest(50, 150).pvalue)
    assert (published["images"], published["low"]) == (500, None)
    assert (own["images"], own["seeds"]) == (1000, "3")
    assert own["low"] < own["estimate"] < own["high"]
    assert own["p_holm"] == pytest.approx(2 * own["p"])  # two tests in the experiment


def test_a_test_that_two_claims_share_stands_once_in_its_section(content):
    shared = "64 px − 32 px"
    everywhere = [row["what"] for row in single_tests_table(content).rows]
    assert everywhere.count(shared) == 3  # published, and own for two claims
    section = single_tests_of(content, content.result.comparisons[0])
    assert [row["numbers"] for row in section.rows if row["what"] == shared] == [
        "published",
        "own runs",
    ]
    assert "claim" not in render_markdown(section)


def test_one_seed_says_why_there_is_no_p(make_result):
    content = build_content(make_result(seeds=1))
    text = render_markdown(single_tests_of(content, content.result.comparisons[0]))
    assert "No p, as one seed tells nothing of the spread: rise of the validation loss" in text
    assert "nan" not in text


def test_one_seed_of_several_is_said_beside_the_method(make_result):
    make_result(accuracies={"large": 0.85}, seeds=1)
    content = build_content(make_result(accuracies={"small": 0.75}))
    (row,) = single_tests_of(content, content.result.comparisons[0]).rows[1:2]
    assert row["method"] == "McNemar, exact, of one seed each (one variant has no more)"
    assert row["seeds"] == "1"


@pytest.mark.parametrize(("right", "ranges"), [(420, True), (450, False), (401, False)])
def test_a_range_of_p_is_explained_where_one_is_shown(make_result, right, ranges):
    """Of 500 images; 450 against 400 has p < 0.0001 and 401 has p = 1, whatever the overlap."""
    accuracy = NUMBERS["accuracy.csv"].replace("0.9,500,450", f"{right / 500},500,{right}")
    content = build_content(make_result(published={"accuracy.csv": accuracy}, accuracies={}))
    assert (" p from " in claim_table(content).rows[0]["published"]) == ranges
    for table in (claim_table(content), single_tests_table(content)):
        assert ("A range of p" in render_markdown(table)) == ranges


_RISE = {"claim": "so", "kind": "overfits_less", "variant": "large", "than": "small"}
_COST = STUDY["experiments"]["resize"]["claims"][-1]


@pytest.mark.parametrize(
    ("claims", "notes"),
    [
        ([_RISE], "Differences of loss are in the unit of the loss. Intervals are 95 % intervals;"),
        ([_COST], ""),
        (STUDY["experiments"]["resize"]["claims"],
         "Differences of accuracy are in percentage points. Differences of loss are in the unit"),
    ],
    ids=["loss", "cost", "both"],
)  # fmt: skip
def test_units_are_explained_where_there_are_such_numbers(make_result, claims, notes):
    resize = {**STUDY["experiments"]["resize"], "claims": claims}
    study = {**STUDY, "experiments": {"resize": resize}}
    content = build_content(make_result(study, published=None))
    found = " ".join(claim_table(content).notes)
    assert found.startswith(notes)
    assert bool(found) == bool(notes)


def test_a_rise_of_loss_rests_on_the_validation_images_whatever_judges_accuracy(make_result):
    final = {**STUDY["experiments"]["resize"], "judged_on": "test", "claims": [_RISE]}
    content = build_content(make_result({**STUDY, "experiments": {"final": final}}, published=None))
    (row,) = claim_table(content).rows
    assert row["own"].endswith("(1,000 images, 3 seeds)")  # not the 800 of the test
    (test,) = single_tests_table(content).rows
    assert test["images"] == 1000


def test_a_claimed_cost_states_a_number_but_no_measurement_of_it_is_published(content):
    (row,) = [row for row in claim_table(content).rows if "four times" in row["claim"]]
    assert row["published"] == "no published measurement"


def test_an_experiment_without_claims_has_no_tests(make_result):
    resize = {k: v for k, v in STUDY["experiments"]["resize"].items() if k != "claims"}
    content = build_content(make_result({**STUDY, "experiments": {"resize": resize}}))
    assert single_tests_of(content, content.result.comparisons[0]) is None
