"""The tables of verdicts and of single tests."""

from collections.abc import Collection, Iterator, Sequence
from math import isnan
from typing import Any

from mmnist.report.study.content import StudyContent
from mmnist.report.study.wording import (
    estimate,
    estimate_interval,
    has_range,
    is_range,
    joined,
    own_finding,
    own_images,
    p_value,
    published_finding,
    published_images,
    seed_numbers,
)
from mmnist.report.table import Column, Table, integer
from mmnist.study.findings import Finding, Test
from mmnist.study.results import ComparisonResult
from mmnist.study.verdicts import Judgement

_CLAIMS = (
    Column("experiment", ("experiment",), left=True),
    Column("claim", ("claim",), left=True, width=4),
    Column("where", ("where",), left=True, width=1.8),
    Column("published", ("published_verdict",), left=True, bold=True),
    Column("what the published numbers show", ("published",), left=True, width=3.8),
    Column("own runs", ("own_verdict",), left=True, bold=True),
    Column("what the own runs show", ("own",), left=True, width=3.8),
)


_RANGE = "A range of p: for the largest and the smallest overlap of the errors that is possible."


def claim_table(content: StudyContent) -> Table:
    """Every claim with its two verdicts, and the numbers that decide them."""
    rows = [
        {
            "experiment": comparison.name,
            "claim": judgement.claim.claim,
            "where": judgement.claim.where,
            **_published(content, comparison, judgement),
            **_own(content, comparison, judgement),
        }
        for comparison, judgement in content.claims
    ]
    notes = tuple(_claim_notes([judgement for _, judgement in content.claims]))
    return Table(
        "Verdicts on the claims", _CLAIMS, tuple(rows), notes, content.notes, group="experiment"
    )


def _claim_notes(judgements: Sequence[Judgement]) -> Iterator[str]:
    findings = [finding for each in judgements for finding in (each.published, each.own)]
    if units := {test.unit for finding in findings for test in finding.tests}:
        yield from _unit_notes(units)
        yield "Intervals are 95 % intervals; p is after Holm's correction within the experiment."
    if any(has_range(each.published, each.claim) for each in judgements):
        yield _RANGE


def _unit_notes(units: Collection[str]) -> Iterator[str]:
    if "accuracy" in units:
        yield "Differences of accuracy are in percentage points."
    if "loss" in units:
        yield "Differences of loss are in the unit of the loss."


def _own(
    content: StudyContent, comparison: ComparisonResult, judgement: Judgement
) -> dict[str, str]:
    if not content.has_own:
        return {}
    finding = judgement.own
    return {
        "own_verdict": finding.verdict.value,
        "own": own_finding(finding, judgement.claim, comparison),
    }


def _published(
    content: StudyContent, comparison: ComparisonResult, judgement: Judgement
) -> dict[str, str]:
    if not content.has_published:
        return {}
    finding = judgement.published
    return {
        "published_verdict": finding.verdict.value,
        "published": published_finding(finding, judgement.claim, comparison),
    }


_TESTS = (
    Column("experiment", ("experiment",), left=True),
    Column("claim", ("claim",), left=True, width=3.5),
    Column("numbers", ("numbers",), left=True),
    Column("tested", ("what",), left=True, width=3.5),
    Column("difference", ("estimate", "unit"), estimate),
    Column("95 % interval", ("low", "high", "unit"), estimate_interval),
    Column("p", ("p", "p_low"), p_value),
    Column("p, Holm", ("p_holm", "p_holm_low"), p_value),
    Column("images", ("images",), integer),
    Column("seeds", ("seeds",)),
    Column("method", ("method",), left=True, width=3),
)


def single_tests_table(content: StudyContent) -> Table:
    """Every single test of every claim, on published numbers and on own runs."""
    rows = [
        {"experiment": comparison.name, "claim": judgement.claim.claim, **row}
        for comparison, judgement in content.claims
        for row in _test_rows(comparison, judgement)
    ]
    notes = tuple(_test_notes(rows))
    return Table("Every test", _TESTS, tuple(rows), notes, content.notes, group="experiment")


def single_tests_of(content: StudyContent, comparison: ComparisonResult) -> Table | None:
    """The tests of one experiment, each once whichever claims share it; None without any."""
    rows = {
        (row["numbers"], row["what"]): row
        for judgement in content.judgements[comparison.name]
        for row in _test_rows(comparison, judgement)
    }
    if not rows:
        return None
    ordered = sorted(rows.values(), key=lambda row: row["numbers"] != "published")
    notes = tuple(_test_notes(ordered))
    table = Table("Tests", _TESTS, tuple(ordered), notes, content.notes)
    return table.without("experiment", "claim")


def _test_rows(comparison: ComparisonResult, judgement: Judgement) -> list[dict[str, Any]]:
    claim = judgement.claim
    images = published_images(claim, comparison)
    rows = _finding_rows("published", judgement.published, images)
    return rows + _finding_rows("own runs", judgement.own, own_images(claim, comparison))


def _finding_rows(numbers: str, finding: Finding, images: int | None) -> list[dict[str, Any]]:
    return [{"numbers": numbers, **_test_row(test), "images": images} for test in finding.tests]


_ONE_OF_SEVERAL = ", of one seed each (one variant has no more)"


def _test_row(test: Test) -> dict[str, Any]:
    numbers = {
        "estimate": test.estimate,
        "low": test.interval[0],
        "high": test.interval[1],
        "p": test.p,
        "p_low": test.p_low,
        "p_holm": test.adjusted,
        "p_holm_low": test.adjusted_low,
    }
    known: dict[str, Any] = {
        key: None if isnan(value) else float(value) for key, value in numbers.items()
    }
    if test.seeds:
        known["seeds"] = seed_numbers(test.seeds)
    method = test.method + (_ONE_OF_SEVERAL if test.one_of_several else "")
    return {"what": test.name, "unit": test.unit, **known, "method": method}


def _test_notes(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield from _unit_notes({row["unit"] for row in rows})
    if any(is_range(row["p"], row["p_low"]) for row in rows if row["p"] is not None):
        yield _RANGE
    if any(row["p"] is None for row in rows):
        named = joined(dict.fromkeys(row["what"] for row in rows if row["p"] is None))
        yield f"No p, as one seed tells nothing of the spread: {named}."
