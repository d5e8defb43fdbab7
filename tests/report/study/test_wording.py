"""Numbers and findings in words."""

from dataclasses import replace
from math import nan

import pytest

from mmnist.report.study.wording import (
    best_variant,
    count,
    estimate,
    estimate_interval,
    has_range,
    is_range,
    own_finding,
    p_value,
    published_finding,
    seed_count,
)
from mmnist.study.findings import Finding, Test, Verdict
from mmnist.study.methods import Method


@pytest.mark.parametrize(
    ("p", "low", "text"),
    [
        (0.0234, None, "0.023"),
        (1.0, None, "1"),
        (0.00012, None, "0.00012"),
        (0.00009, None, "< 0.0001"),
        (0.0499, None, "0.0499"),  # 0.05 would look like too large
        (0.05001, None, "0.05001"),
        (0.02, 1e-12, "< 0.0001 to 0.02"),
        (1e-6, 1e-12, "< 0.0001"),
        (0.4, 0.4, "0.4"),
    ],
)
def test_p(p, low, text):
    assert p_value(p, low) == text
    assert is_range(p, low) == (" to " in text)


def test_differences_are_points_of_percent_or_loss():
    assert estimate(0.0123) == "+1.23 points"
    assert estimate(-0.0123) == "−1.23 points"
    assert estimate(-0.04, "loss") == "−0.0400"
    assert estimate_interval(-0.006, 0.019) == "−0.60 to +1.90"
    assert estimate_interval(-0.006, 0.019, "loss") == "−0.0060 to +0.0190"


def test_counts():
    assert [count(1, "seed"), count(5007, "image")] == ["1 seed", "5,007 images"]
    assert [seed_count([1]), seed_count([3]), seed_count([1, 3])] == [
        "1 seed",
        "3 seeds",
        "1 to 3 seeds",
    ]


def _decided(*pairs, verdict, remark=""):
    tests = [
        Test(
            name, value, (value - 0.01, value + 0.01), p / 2, Method.MCNEMAR, adjusted=p, seeds=(3,)
        )
        for name, value, p in pairs
    ]
    return Finding(verdict, tuple(tests), remark)


@pytest.fixture
def claims(result):
    comparison = result.comparisons[0]
    better, ranking, *_ = comparison.comparison.claims
    return comparison, better, ranking


def test_a_single_difference_needs_no_name(claims):
    comparison, better, _ = claims
    finding = _decided(("64 px − 32 px", 0.012, 0.002), verdict=Verdict.HOLDS)
    text = "+1.20 points (+0.20 to +2.20), p = 0.002 (1,000 images, 3 seeds)"
    assert own_finding(finding, better, comparison) == text


def test_the_weakest_test_decides_that_a_claim_holds(claims):
    comparison, _, ranking = claims
    finding = _decided(("a − b", 0.05, 0.001), ("b − c", 0.02, 0.04), verdict=Verdict.HOLDS)
    text = own_finding(finding, ranking, comparison)
    assert text.startswith("2 of 2 tests show it; the weakest: b − c = +2.00 points")
    assert "p = 0.04" in text


def test_the_clearest_opposite_decides_that_it_does_not(claims):
    comparison, _, ranking = claims
    finding = _decided(
        ("a − b", -0.05, 0.001), ("b − c", -0.02, 0.04), ("c − d", 0.1, 1e-5), verdict=Verdict.FAILS
    )
    text = own_finding(finding, ranking, comparison)
    assert text.startswith("the opposite is shown for a − b = −5.00 points")


def test_what_is_undecided_is_named(claims):
    comparison, _, ranking = claims
    finding = _decided(("a − b", 0.05, 0.001), ("b − c", 0.01, 0.4), verdict=Verdict.UNKNOWN)
    text = own_finding(finding, ranking, comparison)
    assert text.startswith("1 of 2 tests show it; not b − c = +1.00 points")


def test_a_remark_stands_beside_the_tests_or_alone(claims):
    comparison, _, ranking = claims
    finding = _decided(("a − b", 0.05, 0.001), verdict=Verdict.UNKNOWN, remark="not run: c")
    text = own_finding(finding, ranking, comparison)
    assert text.startswith("a − b = +5.00 points")
    assert text.endswith("(1,000 images, 3 seeds); not run: c")
    assert own_finding(Finding(Verdict.UNKNOWN, remark="x"), ranking, comparison) == "x"


def test_published_counts_give_a_range_of_p_and_their_images(claims):
    comparison, better, _ = claims
    known = Test("n", 0.1, (nan, nan), 0.04, Method.MCNEMAR_OF_COUNTS, adjusted=0.04)
    for low, text, ranges in (
        (1e-8, "+10.00 points, p from below 0.0001 to 0.04 (500 images)", True),
        (0.04, "+10.00 points, p = 0.04 (500 images)", False),
        (nan, "+10.00 points, p = 0.04 (500 images)", False),
    ):
        finding = Finding(Verdict.HOLDS, (replace(known, p_low=low, adjusted_low=low),))
        assert published_finding(finding, better, comparison) == text
        assert has_range(finding, better) == ranges
    assert not has_range(Finding(Verdict.UNKNOWN, remark="no published numbers"), better)


def test_the_best_variant_has_the_highest_mean(result):
    variants = result.comparisons[0].variants
    assert best_variant(variants.values()).name == "large"
    assert best_variant([variants["never"]]) is None
