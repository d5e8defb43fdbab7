"""Findings on claims, and the tests that are used on own and on published numbers alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isnan, nan
from typing import Any

from scipy.stats import binomtest

from mmnist.evaluation.metrics import wilson_interval
from mmnist.study.methods import Method
from mmnist.study.results import VariantResult
from mmnist.study.schema import AccuracyClaim

#: A difference counts if p, after Holm's correction, is below this.
LEVEL = 0.05


class Verdict(StrEnum):
    """What can be said about a claim."""

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
    method: Method
    p_low: float = nan
    """Published counts only: p for the largest possible overlap of the errors; `p` is then that for
    the smallest."""
    adjusted: float = nan
    """`p` after Holm's correction over all tests of the experiment."""
    adjusted_low: float = nan
    """`p_low` after Holm's correction."""
    unit: str = "accuracy"
    """`accuracy` (a share) or `loss`."""
    seeds: tuple[int, ...] = ()
    """Own runs only: of how many seeds each variant was taken, each number once, in order."""
    one_of_several: bool = False
    """Own runs only: whether one seed of each variant was compared though some variants have more,
    because another has no more."""
    opposite: str = ""
    """Name of the same test where a claim says the opposite; empty if no claim can."""

    @property
    def key(self) -> str:
        """The same for a test and its opposite, which are one test."""
        return min(self.name, self.opposite or self.name)

    @property
    def verdict(self) -> Verdict:
        """Whether the estimate is above 0, below 0, or cannot be told from 0."""
        if isnan(self.adjusted) or self.adjusted >= LEVEL:
            return Verdict.UNKNOWN
        return Verdict.HOLDS if self.estimate > 0 else Verdict.FAILS


@dataclass(frozen=True)
class Finding:
    """Outcome of the tests of a claim, on own runs or on published numbers."""

    verdict: Verdict
    tests: tuple[Test, ...] = ()
    remark: str = ""
    """Text that replaces the tests, or stands beside them."""
    not_run: tuple[str, ...] = ()
    """Labels of the variants that have no run, which the remark then names."""


def binomial_test(claim: AccuracyClaim, variant: VariantResult, correct: int, n: int) -> Test:
    """The exact test of a count against the claim's threshold, with Wilson's interval."""
    sign = 1 if claim.side == "above" else -1
    ends = (sign * (end - claim.threshold) for end in wilson_interval(correct, n))
    low, high = sorted(ends)
    p = float(binomtest(correct, n, claim.threshold).pvalue)
    estimate = sign * (correct / n - claim.threshold)
    ordered = (variant.label, f"{100 * claim.threshold:.10g} %")[::sign]
    return difference(*ordered, estimate, (low, high), p, Method.BINOMIAL)


def difference(minuend: str, subtrahend: str, *found: Any, prefix: str = "", **more: Any) -> Test:
    """The test of a difference, whose name says what is subtracted from what.

    `found` and `more` are the other fields of the test; `prefix` stands before its name.
    """
    test = Test(f"{prefix}{minuend} − {subtrahend}", *found, **more)
    return replace(test, opposite=f"{prefix}{subtrahend} − {minuend}")


def diminishing_name(steps: Sequence[VariantResult]) -> str:
    """Name of what a claim of diminishing returns compares."""
    first, second, third = (step.label for step in steps)
    return f"gain {first} → {second} − gain {second} → {third}"
