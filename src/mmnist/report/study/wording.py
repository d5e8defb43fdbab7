"""Numbers and findings in words."""

from collections.abc import Iterable, Sequence
from math import isnan

from mmnist.study.findings import LEVEL, Finding, Test, Verdict
from mmnist.study.results import ComparisonResult, VariantResult
from mmnist.study.schema import BetterClaim, Claim, OverfitsLessClaim, RankingClaim

#: A smaller p is shown as `< 0.0001`.
_SMALLEST_P = 1e-4


def count(number: int, noun: str) -> str:
    """`1 seed`, `5,007 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def joined(items: Iterable[object]) -> str:
    """`1, 2, 3`."""
    return ", ".join(map(str, items))


def estimate(value: float, unit: str = "accuracy") -> str:
    """A difference of accuracies in percentage points, or of losses unchanged."""
    return f"{_signed(100 * value, 2)} points" if unit == "accuracy" else _signed(value, 4)


def estimate_interval(low: float, high: float, unit: str = "accuracy") -> str:
    """`+0.60 to +1.90`, in the unit of `estimate`."""
    scale, digits = (100, 2) if unit == "accuracy" else (1, 4)
    return f"{_signed(scale * low, digits)} to {_signed(scale * high, digits)}"


def p_value(p: float, low: float | None = None) -> str:
    """`0.023`, `< 0.0001`; with `low`, the range that p may lie in: `0.0078 to 0.66`."""
    if low is None or not is_range(p, low):
        return _p_text(p)
    return f"{_p_text(low)} to {_p_text(p)}"


def is_range(p: float, low: float | None) -> bool:
    """Whether p may lie in a range, from `low` to `p`, that is more than one number when shown.

    A `low` of None or nan says that p is known.
    """
    return low is not None and not isnan(low) and _p_text(low) != _p_text(p)


def own_images(claim: Claim, result: ComparisonResult) -> int | None:
    """Number of images that the claim's variants were judged on; None without a run.

    A loss is always that of validation images.
    """
    ran = [result.variants[name] for name in claim.names if result.variants[name].runs]
    if not ran:
        return None
    on_loss = isinstance(claim, OverfitsLessClaim)
    return ran[0].runs[0].summary.valid_images if on_loss else len(ran[0].index)


def published_images(claim: Claim, result: ComparisonResult) -> int | None:
    """Number of images that the published numbers of the claim's variants rest on."""
    counts = [result.variants[name].published for name in claim.names]
    return next((value.n for value in counts if value is not None), None)


def own_finding(finding: Finding, claim: Claim, result: ComparisonResult) -> str:
    """The decisive number of own runs, with the images and seeds that it rests on."""
    return _finding(finding, claim, own_images(claim, result))


def published_finding(finding: Finding, claim: Claim, result: ComparisonResult) -> str:
    """The decisive published number, with the images that it rests on."""
    return _finding(finding, claim, published_images(claim, result))


def has_range(finding: Finding, claim: Claim) -> bool:
    """Whether the decisive number of a finding has a range of p."""
    if not finding.tests:
        return False
    test, _ = _decisive(finding, claim)
    return is_range(test.adjusted, test.adjusted_low)


def seed_numbers(numbers: Sequence[int]) -> str:
    """`3`, or `1 to 3` where variants have different numbers of seeds."""
    return joined(numbers) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def seed_count(numbers: Sequence[int]) -> str:
    """`3 seeds`, or `1 to 3 seeds` where variants have different numbers of them."""
    return f"{seed_numbers(numbers)} seed{'' if tuple(numbers) == (1,) else 's'}"


def best_variant(variants: Iterable[VariantResult]) -> VariantResult | None:
    """The variant with the highest mean accuracy, the first of equal ones; None without a run."""
    ran = [variant for variant in variants if variant.spread is not None]
    return max(ran, key=lambda variant: variant.spread.mean, default=None)  # type: ignore[union-attr]


def _finding(finding: Finding, claim: Claim, images: int | None) -> str:
    parts = []
    if finding.tests:
        test, lead = _decisive(finding, claim)
        basis = [] if images is None else [count(images, "image")]
        basis += [seed_count(test.seeds)] if test.seeds else []
        parts.append(f"{lead}{_number(test)}" + (f" ({joined(basis)})" if basis else ""))
    if finding.remark:
        parts.append(finding.remark)
    return "; ".join(parts)


def _decisive(finding: Finding, claim: Claim) -> tuple[Test, str]:
    """The test that decides the verdict, and the words before its number."""
    tests = finding.tests
    if len(tests) == 1:
        plain = isinstance(claim, BetterClaim | RankingClaim) and not finding.remark
        return tests[0], "" if plain else f"{tests[0].name} = "
    if finding.verdict is Verdict.FAILS:
        against = [test for test in tests if test.verdict is Verdict.FAILS]
        test = min(against, key=_p)
        return test, f"the opposite is shown for {test.name} = "
    shown = [test for test in tests if test.verdict is Verdict.HOLDS]
    undecided = [test for test in tests if test.verdict is Verdict.UNKNOWN]
    test = max(undecided or shown, key=_p)
    if not undecided:
        return test, f"{len(tests)} of {len(tests)} tests show it; the weakest: {test.name} = "
    return test, f"{len(shown)} of {len(tests)} tests show it; not {test.name} = "


def _p(test: Test) -> float:
    return 2.0 if isnan(test.adjusted) else test.adjusted


def _number(test: Test) -> str:
    text = estimate(test.estimate, test.unit)
    if not isnan(test.interval[0]):
        text += f" ({estimate_interval(*test.interval, test.unit)})"
    if isnan(test.adjusted):
        return text
    return f"{text}, p {_p_relation(test.adjusted, test.adjusted_low)}"


def _p_relation(p: float, low: float) -> str:
    """`= 0.023`, `< 0.0001` or `from below 0.0001 to 0.04`."""
    if is_range(p, low):
        return f"from {_p_text(low, below='below')} to {_p_text(p)}"
    return _p_text(p) if p < _SMALLEST_P else f"= {_p_text(p)}"


def _p_text(p: float, below: str = "<") -> str:
    if p < _SMALLEST_P:
        return f"{below} 0.0001"
    digits = 2
    # Rounding must not hide on which side of the level p lies.
    while digits < 6 and float(f"{p:.{digits}g}") == LEVEL:
        digits += 1
    return f"{p:.{digits}g}"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")
