"""Whether a variant costs a claimed multiple of another, judged by repeated measurements."""

from collections.abc import Mapping, Sequence

from mmnist.evaluation.compare import quotient_interval
from mmnist.study.costs import Cost, shared_rounds
from mmnist.study.findings import Finding, Verdict
from mmnist.study.results import VariantResult
from mmnist.study.schema import CostClaim


def cost_finding(claim: CostClaim, variants: Mapping[str, VariantResult]) -> Finding:
    """Compare the quotient of two measured costs with the claimed one.

    Both are measured once per round, so anything that slows the machine for a while slows both, and
    each round gives one quotient. The claim holds if the 95 % interval of the quotient lies within
    the tolerance, and does not hold if it lies outside. A single round says nothing about the
    spread.
    """
    above, below = (variants[name].costs for name in (claim.variant, claim.over))
    rounds = shared_rounds(above, below)
    if reason := _incomparable(claim, rounds):
        return Finding(Verdict.UNKNOWN, remark=reason)
    quotient, (low, high) = quotient_interval(
        [_amount(claim, cost) for cost, _ in rounds], [_amount(claim, cost) for _, cost in rounds]
    )
    allowed = f"claimed {claim.factor:g}, within {100 * claim.tolerance:g} % counts as the same"
    if len(rounds) == 1:
        remark = f"measured once, which tells no spread: {quotient:.2f} times ({allowed})"
        return Finding(Verdict.UNKNOWN, remark=remark)
    remark = (
        f"measured: {quotient:.2f} times ({low:.2f} to {high:.2f}, {len(rounds)} rounds; {allowed})"
    )
    least, most = (claim.factor * (1 + side * claim.tolerance) for side in (-1, 1))
    if least <= low and high <= most:
        return Finding(Verdict.HOLDS, remark=remark)
    if high < least or low > most:
        return Finding(Verdict.FAILS, remark=remark)
    return Finding(Verdict.UNKNOWN, remark=remark)


def _incomparable(claim: CostClaim, rounds: Sequence[tuple[Cost, Cost]]) -> str:
    """Why the measurements cannot be compared; empty if they can."""
    if not rounds:
        return "not measured"
    if len({cost.device for each in rounds for cost in each}) > 1:
        return "measured on different devices"
    if claim.measure == "memory":
        if any(a.batch_size != b.batch_size for a, b in rounds):
            return "measured with different batch sizes"
        if not all(cost.peak_memory_mib for each in rounds for cost in each):
            return "too little memory to be measured"
    return ""


def _amount(claim: CostClaim, cost: Cost) -> float:
    """Time per training image in seconds, or peak memory in MiB."""
    return 1 / cost.train_images_per_second if claim.measure == "time" else cost.peak_memory_mib
