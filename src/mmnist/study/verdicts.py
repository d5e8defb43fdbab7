"""Does a claim hold? Tests on one's own runs, and on the counts that were published."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from math import isnan, nan

import numpy as np
import pandas as pd

from mmnist.evaluation.compare import (
    bootstrap_contrast,
    holm,
    mcnemar_exact,
    mcnemar_range,
    paired_bootstrap,
    welch,
)
from mmnist.study.published import Counts
from mmnist.study.results import ComparisonResult, VariantResult
from mmnist.study.schema import (
    AccuracyClaim,
    BetterClaim,
    Claim,
    CostClaim,
    DiminishingClaim,
    OverfitsLessClaim,
    RankingClaim,
)

#: A difference counts if p, after Holm's correction, is below this.
LEVEL = 0.05


class Verdict(StrEnum):
    """What can be said of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNKNOWN = "cannot be told"


@dataclass(frozen=True)
class Test:
    """One test of a claim; the claim says that `estimate` is above 0."""

    __test__ = False  # not for pytest

    name: str
    """What is compared, in words: `ResNet101 − ResNet18`."""
    estimate: float
    interval: tuple[float, float]
    """95 % interval of the estimate; nan where there is none."""
    p: float
    """Two-sided p; nan where nothing can be tested."""
    method: str
    p_low: float = nan
    """Published counts only: p for the largest possible overlap of the errors; `p` is then that for
    the smallest."""
    adjusted: float = nan
    """`p` after Holm's correction over all tests of the experiment."""
    adjusted_low: float = nan
    """`p_low` after Holm's correction."""
    unit: str = "accuracy"
    """`accuracy` (a share) or `loss`."""

    @property
    def verdict(self) -> Verdict:
        """Whether the estimate is above 0, below 0, or cannot be told from 0."""
        if isnan(self.adjusted) or self.adjusted >= LEVEL:
            return Verdict.UNKNOWN
        return Verdict.HOLDS if self.estimate > 0 else Verdict.FAILS


@dataclass(frozen=True)
class Finding:
    """What the tests of a claim came to, on one's own runs or on published numbers."""

    verdict: Verdict
    tests: tuple[Test, ...] = ()
    remark: str = ""
    """What stands in place of tests, or beside them."""


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
    claim of several tests holds if each of them does, and does not hold if the opposite of any is
    shown.
    """
    claims = result.comparison.claims
    own = _corrected([_own(claim, result) for claim in claims])
    published = _corrected([_published(claim, result) for claim in claims])
    return [Judgement(*each) for each in zip(claims, own, published, strict=True)]


def _corrected(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with Holm's correction over all of their tests, each test counted once."""
    tests = {test.name: test for finding in findings for test in finding.tests}
    tested = {name: test for name, test in tests.items() if not isnan(test.p)}
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
            adjusted=adjusted.get(test.name, nan),
            adjusted_low=nan if isnan(test.p_low) else adjusted_low[test.name],
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
    if isinstance(claim, CostClaim):
        return _cost(claim, result)
    missing = [result.variants[n].label for n in claim.names if not result.variants[n].runs]
    known = set(claim.names) - {n for n in claim.names if not result.variants[n].runs}
    tests = tuple(_own_tests(claim, result, known))
    remark = f"not run: {', '.join(dict.fromkeys(missing))}" if missing else ""
    if isinstance(claim, OverfitsLessClaim) and tests and isnan(tests[0].p):
        remark = "one seed tells nothing of the spread"
    return Finding(Verdict.UNKNOWN, tests, remark)


def _own_tests(claim: Claim, result: ComparisonResult, known: set[str]) -> Iterable[Test]:
    variants = result.variants
    if isinstance(claim, BetterClaim | RankingClaim):
        for better, worse in claim.pairs:
            if {better, worse} <= known:
                yield _own_pair(variants[better], variants[worse])
    elif not set(claim.names) <= known:
        return
    elif isinstance(claim, DiminishingClaim):
        steps = [variants[name] for name in claim.steps]
        found = bootstrap_contrast([step.right for step in steps], (-1, 2, -1))
        yield Test(_diminishing_name(steps), *found, method=_bootstrap_name(steps))
    elif isinstance(claim, OverfitsLessClaim):
        yield _own_overfitting(variants[claim.variant], variants[claim.than])
    elif isinstance(claim, AccuracyClaim):
        yield _own_accuracy(claim, variants[claim.variant])


def _own_pair(better: VariantResult, worse: VariantResult) -> Test:
    found = paired_bootstrap(better.right, worse.right)
    name = f"{better.label} − {worse.label}"
    if len(better.runs) == len(worse.runs) == 1:
        p = mcnemar_exact(better.right[0], worse.right[0])
        return Test(name, found.estimate, found.interval, p, "McNemar, exact")
    return Test(name, *found, method=_bootstrap_name([better, worse]))


def _own_overfitting(variant: VariantResult, than: VariantResult) -> Test:
    less, more = variant.overfitting, than.overfitting
    return Test(
        f"rise of the validation loss: {than.label} − {variant.label}",
        float(np.mean(more) - np.mean(less)),
        (nan, nan),
        welch(more, less),
        "Welch's t over seeds",
        unit="loss",
    )


def _own_accuracy(claim: AccuracyClaim, variant: VariantResult) -> Test:
    sign = 1 if claim.side == "above" else -1
    found = bootstrap_contrast([variant.right], (sign,), null=sign * claim.threshold)
    low, high = (end - sign * claim.threshold for end in found.interval)
    estimate = found.estimate - sign * claim.threshold
    method = _bootstrap_name([variant])
    return Test(_accuracy_name(claim, variant), estimate, (low, high), found.p, method)


def _bootstrap_name(variants: Sequence[VariantResult]) -> str:
    """How `bootstrap_contrast` judged them: a single seed on a side tells nothing of the spread."""
    if min(len(variant.runs) for variant in variants) > 1:
        return "bootstrap of images, t over seeds"
    several = max(len(variant.runs) for variant in variants) > 1
    return "bootstrap of images" + (
        ", t over seeds, of which one variant has one" if several else ""
    )


def _accuracy_name(claim: AccuracyClaim, variant: VariantResult) -> str:
    threshold = f"{100 * claim.threshold:g} %"
    if claim.side == "above":
        return f"{variant.label} − {threshold}"
    return f"{threshold} − {variant.label}"


def _diminishing_name(steps: Sequence[VariantResult]) -> str:
    first, second, third = (step.label for step in steps)
    return f"gain {first} → {second} − gain {second} → {third}"


def _cost(claim: CostClaim, result: ComparisonResult) -> Finding:
    cost, over = (result.variants[name].cost for name in (claim.variant, claim.over))
    if cost is None or over is None:
        return Finding(Verdict.UNKNOWN, remark="not measured")
    if claim.measure == "time":
        quotient = over.train_images_per_second / cost.train_images_per_second
    else:
        if over.batch_size != cost.batch_size:
            return Finding(Verdict.UNKNOWN, remark="measured with different batch sizes")
        quotient = cost.peak_memory_mib / over.peak_memory_mib
    within = abs(quotient / claim.factor - 1) <= claim.tolerance
    remark = (
        f"measured: {quotient:.2f} times (claimed {claim.factor:g}, within "
        f"{100 * claim.tolerance:g} % counts as the same)"
    )
    return Finding(Verdict.HOLDS if within else Verdict.FAILS, remark=remark)


def _published(claim: Claim, result: ComparisonResult) -> Finding:
    variants = result.variants
    counts = {name: variants[name].published for name in claim.names}
    if isinstance(claim, CostClaim):
        return Finding(Verdict.UNKNOWN, remark="stated without a number")
    if isinstance(claim, OverfitsLessClaim):
        return Finding(Verdict.UNKNOWN, remark=_published_overfitting(claim, variants))
    if isinstance(claim, AccuracyClaim):
        return Finding(Verdict.UNKNOWN, remark="no number of images given")
    if any(value is None for value in counts.values()):
        return Finding(Verdict.UNKNOWN, remark="no published numbers")
    if len({value.n for value in counts.values()}) > 1:
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
    return Test(
        f"{variants[better].label} − {variants[worse].label}",
        a.accuracy - b.accuracy,
        (nan, nan),
        high,
        "McNemar, exact, over all possible overlaps of the errors",
        p_low=low,
    )


def _published_overfitting(claim: OverfitsLessClaim, variants: Mapping[str, VariantResult]) -> str:
    """What the published curves show; a single run cannot be tested."""
    rises = [
        f"{variant.label} {_rise(variant.published_curves):+.4f}"
        for variant in (variants[claim.variant], variants[claim.than])
        if variant.published_curves is not None
    ]
    if not rises:
        return "no published curve"
    return (
        f"rise of the published validation loss from its lowest to the last epoch: "
        f"{', '.join(rises)}; single runs, which tell nothing of the spread"
    )


def _rise(curves: pd.DataFrame) -> float:
    loss = curves["valid_loss"]
    return float(loss.iloc[-1] - loss.min())


def _published_diminishing(steps: Sequence[VariantResult]) -> Test:
    """A z test of the difference of two gains as if errors were independent, which is cautious:
    networks that err on the same images differ less by chance.
    """
    from scipy.stats import norm

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
    name = _diminishing_name(steps)
    return Test(name, estimate, (low, high), p, "z, errors taken as independent")
