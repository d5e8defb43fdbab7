"""Whether claims hold: tests on own runs, and on published counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from mmnist.errors import InputError
from mmnist.evaluation.compare import (
    Contrast,
    bootstrap_contrast,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    welch,
)
from mmnist.study.cost_findings import cost_finding
from mmnist.study.findings import (
    Finding,
    Test,
    Verdict,
    binomial_test,
    difference,
    diminishing_name,
)
from mmnist.study.methods import Method
from mmnist.study.published_findings import published_finding
from mmnist.study.results import UNJUDGED, ComparisonResult, VariantResult
from mmnist.study.schema import (
    AccuracyClaim,
    BetterClaim,
    Claim,
    CostClaim,
    DiminishingClaim,
    OverfitsLessClaim,
    RankingClaim,
)


@dataclass(frozen=True)
class Judgement:
    """A claim with its two findings."""

    claim: Claim
    own: Finding
    published: Finding


def judge(result: ComparisonResult) -> list[Judgement]:
    """Judge all claims of an experiment, with Holm's correction over all of their tests.

    Two variants of one seed each are compared by McNemar's exact test, groups of seeds by a
    bootstrap of the images with a t for the spread between seeds (`mmnist.evaluation.compare`). A
    claim of several tests holds if all of them show it, and does not hold if any shows the
    opposite.

    Raises InputError if variants that are to be compared were judged on different images.
    """
    claims = result.comparison.claims
    own = _corrected([_own(claim, result) for claim in claims])
    published = _corrected([published_finding(claim, result) for claim in claims])
    return [Judgement(*each) for each in zip(claims, own, published, strict=True)]


def _corrected(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with Holm's correction over all of their tests, each test counted once."""
    tests = {test.key: test for finding in findings for test in finding.tests}
    tested = {key: test for key, test in tests.items() if not isnan(test.p)}
    adjusted = dict(zip(tested, holm([test.p for test in tested.values()]), strict=True))
    lows = [test.p if isnan(test.p_low) else test.p_low for test in tested.values()]
    adjusted_low = dict(zip(tested, holm(lows), strict=True))
    return [_concluded(finding, adjusted, adjusted_low) for finding in findings]


def _concluded(
    finding: Finding, adjusted: dict[str, float], adjusted_low: dict[str, float]
) -> Finding:
    if not finding.tests:
        return finding
    tests = tuple(
        replace(
            test,
            adjusted=adjusted.get(test.key, nan),
            adjusted_low=nan if isnan(test.p_low) else adjusted_low[test.key],
        )
        for test in finding.tests
    )
    verdicts = {test.verdict for test in tests}
    if Verdict.FAILS in verdicts:
        verdict = Verdict.FAILS
    elif verdicts == {Verdict.HOLDS} and not finding.remark:
        verdict = Verdict.HOLDS
    else:
        verdict = Verdict.UNKNOWN
    return replace(finding, verdict=verdict, tests=tests)


def _own(claim: Claim, result: ComparisonResult) -> Finding:
    if remark := _same_run(claim, result):
        return Finding(Verdict.UNKNOWN, remark=remark)
    if isinstance(claim, CostClaim):
        return cost_finding(claim, result.variants)
    known = {name for name in claim.names if result.variants[name].runs}
    missing = [result.variants[name] for name in dict.fromkeys(claim.names) if name not in known]
    not_run = tuple(variant.label for variant in missing if not variant.unjudged)
    unjudged = [variant.label for variant in missing if variant.unjudged]
    tests = tuple(_own_tests(claim, result, known))
    remarks = [f"not run: {', '.join(not_run)}"] if not_run else []
    remarks += [f"not judged: {', '.join(unjudged)} ({UNJUDGED})"] if unjudged else []
    remark = "; ".join(remarks)
    if isinstance(claim, OverfitsLessClaim) and tests and isnan(tests[0].p):
        remark = "one seed tells nothing of the spread"
    return Finding(Verdict.UNKNOWN, tests, remark, not_run)


def _same_run(claim: Claim, result: ComparisonResult) -> str:
    """Which variants that the claim compares are one run, as changes to all may make them."""
    groups = claim.same_runs({name: each.config.name for name, each in result.variants.items()})
    return "; ".join(
        f"{' and '.join(result.variants[name].label for name in group)} are the same run here"
        for group in groups
    )


def _own_tests(claim: Claim, result: ComparisonResult, known: set[str]) -> Iterable[Test]:
    variants = result.variants
    if isinstance(claim, BetterClaim | RankingClaim):
        for better, worse in claim.pairs:
            if {better, worse} <= known:
                yield _own_pair(variants[better], variants[worse])
    elif not set(claim.names) <= known:
        return
    elif isinstance(claim, DiminishingClaim):
        yield _own_diminishing([variants[name] for name in claim.steps])
    elif isinstance(claim, OverfitsLessClaim):
        yield _own_overfitting(variants[claim.variant], variants[claim.than])
    elif isinstance(claim, AccuracyClaim):
        yield _own_accuracy(claim, variants[claim.variant])


def _own_pair(better: VariantResult, worse: VariantResult) -> Test:
    # In one order, whichever is said to be better: a bootstrap of the opposite draws differently.
    sign = 1 if better.label < worse.label else -1
    (a, b), seeds = _comparable([better, worse][::sign])
    found, method = paired_bootstrap(a, b), Method.BOOTSTRAP_OVER_SEEDS
    if seeds == (1,):
        found, method = found._replace(p=mcnemar_exact(a[0], b[0])), Method.MCNEMAR
    found = _turned(found, sign)
    test = difference(better.label, worse.label, *found, method)
    return replace(test, seeds=seeds, one_of_several=seeds != _seeds(better, worse))


def _turned(found: Contrast, sign: int) -> Contrast:
    """The contrast itself or, for a sign of -1, its opposite."""
    if sign > 0:
        return found
    low, high = found.interval
    return Contrast(0 - found.estimate, (0 - high, 0 - low), found.p)  # 0 - 0.0 is not -0.0


def _own_diminishing(steps: Sequence[VariantResult]) -> Test:
    rights, seeds = _comparable(steps)
    found = bootstrap_contrast(rights, (-1, 2, -1))
    method = Method.BOOTSTRAP if seeds == (1,) else Method.BOOTSTRAP_OVER_SEEDS
    test = Test(diminishing_name(steps), *found, method=method)
    return replace(test, seeds=seeds, one_of_several=seeds != _seeds(*steps))


def _comparable(
    variants: Sequence[VariantResult],
) -> tuple[list[NDArray[np.bool_]], tuple[int, ...]]:
    """Right answers bool [S, N] of each variant, and the numbers of seeds S, each once, in order.

    If one has a single seed, the spread between its seeds is unknown. Then one network of each is
    compared, of a seed that all have if there is one.

    Raises InputError if the variants were judged on different images.
    """
    first, *others = variants
    for other in others:
        if not np.array_equal(first.index, other.index):
            raise InputError(
                f"{first.config.name} and {other.config.name} were judged on different images, "
                "though their configurations have the same split; train one of them again"
            )
    if min(len(variant.runs) for variant in variants) > 1:
        return [variant.right for variant in variants], _seeds(*variants)
    seeds = [[run.seed for run in variant.runs] for variant in variants]
    shared = sorted(set(seeds[0]).intersection(*seeds[1:]))
    rows = [each.index(shared[0]) if shared else 0 for each in seeds]
    return [v.right[row : row + 1] for v, row in zip(variants, rows, strict=True)], (1,)


def _seeds(*variants: VariantResult) -> tuple[int, ...]:
    return tuple(sorted({len(variant.runs) for variant in variants}))


def _own_overfitting(variant: VariantResult, than: VariantResult) -> Test:
    less, more = variant.overfitting, than.overfitting
    return difference(
        than.label,
        variant.label,
        float(np.mean(more) - np.mean(less)),
        (nan, nan),
        welch(more, less),
        Method.WELCH,
        prefix="rise of the validation loss: ",
        unit="loss",
        seeds=_seeds(variant, than),
    )


def _own_accuracy(claim: AccuracyClaim, variant: VariantResult) -> Test:
    n = len(variant.index)
    exact = binomial_test(claim, variant, round(float(variant.right.mean()) * n), n)
    exact = replace(exact, seeds=_seeds(variant))
    if len(variant.runs) == 1:
        return exact
    found = bootstrap_contrast([variant.right], (1,), null=claim.threshold)
    estimate, low, high = (value - claim.threshold for value in (found.estimate, *found.interval))
    # Seeds share their images: they cannot say more about the threshold than so many images can.
    above = Contrast(estimate, (low, high), max(found.p, exact.p))
    estimate, interval, p = _turned(above, 1 if claim.side == "above" else -1)
    method = Method.BOOTSTRAP_OVER_SEEDS
    return replace(exact, estimate=estimate, interval=interval, p=p, method=method)
