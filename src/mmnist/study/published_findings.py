"""What published counts of right answers alone say about a claim."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import nan

import numpy as np
from scipy.stats import norm

from mmnist.evaluation.compare import mcnemar_range
from mmnist.study.findings import (
    Finding,
    Test,
    Verdict,
    binomial_test,
    difference,
    diminishing_name,
)
from mmnist.study.methods import Method
from mmnist.study.published import Counts
from mmnist.study.results import ComparisonResult, VariantResult, rise_of_loss
from mmnist.study.schema import (
    AccuracyClaim,
    Claim,
    CostClaim,
    DiminishingClaim,
    OverfitsLessClaim,
)


def published_finding(claim: Claim, result: ComparisonResult) -> Finding:
    """The tests of a claim on published numbers, not yet corrected for multiple testing."""
    variants = result.variants
    counts = {name: variants[name].published for name in claim.names}
    if isinstance(claim, CostClaim):
        return Finding(Verdict.UNKNOWN, remark="no published measurement")
    if isinstance(claim, OverfitsLessClaim):
        return Finding(Verdict.UNKNOWN, remark=_published_overfitting(claim, variants))
    if result.comparison.judged_on == "test" and any(counts.values()):
        return Finding(Verdict.UNKNOWN, remark="published for validation images only")
    if isinstance(claim, AccuracyClaim):
        count = counts[claim.variant]
        if count is None:
            return Finding(Verdict.UNKNOWN, remark="stated without the number of images")
        test = binomial_test(claim, variants[claim.variant], count.correct, count.n)
        return Finding(Verdict.UNKNOWN, (test,))
    if without := [variants[name].label for name, value in counts.items() if value is None]:
        every = len(without) == len(counts)
        remark = "no published numbers" + ("" if every else f" of {', '.join(without)}")
        return Finding(Verdict.UNKNOWN, remark=remark)
    if len({value.n for value in counts.values() if value is not None}) > 1:
        return Finding(Verdict.UNKNOWN, remark="published on different images")
    if isinstance(claim, DiminishingClaim):
        steps = [variants[name] for name in claim.steps]
        return Finding(Verdict.UNKNOWN, (_published_diminishing(steps),))
    pair: Callable[[str, str], Test] = partial(_published_pair, variants)
    return Finding(Verdict.UNKNOWN, tuple(pair(*names) for names in claim.pairs))


def _published_pair(variants: Mapping[str, VariantResult], better: str, worse: str) -> Test:
    a, b = variants[better].published, variants[worse].published
    assert a is not None
    assert b is not None
    low, high = mcnemar_range(a.correct, b.correct, a.n)
    return difference(
        variants[better].label,
        variants[worse].label,
        a.accuracy - b.accuracy,
        (nan, nan),
        high,
        Method.MCNEMAR_OF_COUNTS,
        p_low=low,
    )


def _published_overfitting(claim: OverfitsLessClaim, variants: Mapping[str, VariantResult]) -> str:
    """What the published curves show; a single run cannot be tested."""
    rises = [
        f"{variant.label} {rise_of_loss(variant.published_curves):+.4f}"
        for variant in (variants[claim.variant], variants[claim.than])
        if variant.published_curves is not None
    ]
    if not rises:
        return "no published curve"
    return (
        f"rise of the published validation loss from its lowest to the last epoch: "
        f"{', '.join(rises)}; single runs, which tell nothing of the spread"
    )


def _published_diminishing(steps: Sequence[VariantResult]) -> Test:
    """A z test of the difference of two gains, with errors taken as independent.

    Networks that err on the same images differ less by chance, so this is conservative as long as
    the middle one shares its errors with the others at least as much as they do with each other.
    """
    counts: list[Counts] = [step.published for step in steps]  # type: ignore[misc]
    shares = [each.accuracy for each in counts]
    weights = (-1, 2, -1)
    estimate = float(np.dot(weights, shares))
    variance = sum(
        weight**2 * share * (1 - share) / each.n
        for weight, share, each in zip(weights, shares, counts, strict=True)
    )
    deviation = variance**0.5
    p = float(2 * norm.sf(abs(estimate) / deviation)) if deviation else 1.0
    low, high = (float(end) for end in norm.interval(0.95, estimate, deviation or 1e-12))
    return Test(diminishing_name(steps), estimate, (low, high), p, Method.Z_OF_COUNTS)
