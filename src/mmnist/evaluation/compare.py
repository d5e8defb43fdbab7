"""Which of several trained networks, or of several recipes with several seeds each, is better.

A recipe is what is trained: a configuration without its seed. The evidence is which images each
network got right, on the same images for all. Independent of torch.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

#: Resampled counts held at a time: 16 MB.
_BLOCK = 2_000_000

#: Images that differ from all others can be so many that even a sign test finds nothing (p > 0.05).
_FEW = 5

#: Contrasts that differ by less than this are equal up to rounding.
_ROUNDING = 1e-12


class SeedSpread(NamedTuple):
    """Accuracy of several seeds of one recipe, from 0 to 1."""

    seeds: int
    mean: float
    deviation: float
    """Sample standard deviation (n - 1); nan for one seed."""
    interval: tuple[float, float]
    """t interval of the mean, clipped to 0 to 1; (nan, nan) for one seed."""


class PRange(NamedTuple):
    """The smallest and the largest p value compatible with what is known."""

    low: float
    high: float


class Contrast(NamedTuple):
    """A weighted sum of accuracies of recipes, with its interval and two-sided p value."""

    estimate: float
    interval: tuple[float, float]
    p: float


def seed_spread(accuracies: Sequence[float], confidence: float = 0.95) -> SeedSpread:
    """Mean, standard deviation and t interval of the accuracies of several seeds.

    The interval is about seeds only: on other images of the same kind, all seeds together may do
    better or worse, which `bootstrap_contrast` takes into account. Exactly equal seeds have an
    interval of zero width. Raises ValueError for no accuracy, or one outside 0 to 1.
    """
    values = _numbers(accuracies, "accuracies")
    if not len(values):
        raise ValueError("no accuracy to average")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"accuracies must be from 0 to 1, not {values.tolist()}")
    if len(values) == 1:
        return SeedSpread(1, float(values[0]), np.nan, (np.nan, np.nan))
    if np.ptp(values) == 0:
        same = float(values[0])
        return SeedSpread(len(values), same, 0.0, (same, same))
    ends = stats.t.interval(
        confidence, len(values) - 1, loc=values.mean(), scale=stats.sem(values, ddof=1)
    )
    low, high = np.clip(ends, 0, 1).tolist()
    return SeedSpread(len(values), float(values.mean()), float(values.std(ddof=1)), (low, high))


def quotient_interval(
    above: Sequence[float], below: Sequence[float], confidence: float = 0.95
) -> tuple[float, tuple[float, float]]:
    """Geometric mean of the quotients above/below of paired measurements, with a t interval.

    The interval is computed on logarithms, so that a quotient and its inverse are judged alike;
    (nan, nan) for one pair. Raises ValueError for no pair, different lengths, or a value that is
    not above 0.
    """
    a, b = _numbers(above, "above"), _numbers(below, "below")
    if len(a) != len(b) or not len(a) or not ((a > 0).all() and (b > 0).all()):
        raise ValueError("quotients need as many numbers above 0 on each side, at least one")
    logs = np.log(a) - np.log(b)
    mean = float(logs.mean())
    if len(logs) == 1:
        return float(np.exp(mean)), (np.nan, np.nan)
    margin = float(stats.sem(logs) * stats.t.ppf((1 + confidence) / 2, len(logs) - 1))
    return float(np.exp(mean)), (float(np.exp(mean - margin)), float(np.exp(mean + margin)))


def mcnemar_exact(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> float:
    """Two-sided p of McNemar's exact test that two networks are right equally often.

    right_a, right_b: bool [N], which of the same N images each network got right. Only images that
    one got right and the other wrong count; p is 1 without any. The test is about these networks,
    not about other seeds of their recipes. Raises ValueError for other shapes or dtypes, different
    N, or N = 0.
    """
    a, b = (_bools(right, name, 1) for right, name in ((right_a, "right_a"), (right_b, "right_b")))
    _same_images([a, b])
    return _mcnemar(int((a & ~b).sum()), int((~a & b).sum()))


def mcnemar_range(correct_a: int, correct_b: int, n: int) -> PRange:
    """Limits of the p of McNemar's exact test, from two counts of right answers among the same n.

    Published work seldom says which images each network got wrong. The p is lowest if the errors
    overlap as far as they can (the worse network is wrong wherever the better one is) and highest
    if they overlap as little as they can. Raises ValueError unless 0 ≤ counts ≤ n and n ≥ 1.
    """
    if n < 1:
        raise ValueError("a test needs at least one image")
    for correct in (correct_a, correct_b):
        if not 0 <= correct <= n:
            raise ValueError(f"{correct} of {n} images cannot be right")
    better, worse = max(correct_a, correct_b), min(correct_a, correct_b)
    most = min(n - better, worse)  # images that only the worse network can have right
    return PRange(_mcnemar(better - worse, 0), _mcnemar(better - worse + most, most))


def bootstrap_contrast(
    groups: Sequence[NDArray[np.bool_]],
    weights: Sequence[float],
    *,
    null: float = 0.0,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Contrast:
    """Σ weight · mean accuracy over recipes: percentile interval, two-sided p that it is `null`.

    groups: a bool [S, N] for each recipe, which of the same N images each of its S seeds got
    right; S may differ. weights: one for each group. (1, -1) is the difference of two recipes,
    (-1, 2, -1) positive if returns diminish, (1,) with a null one recipe against a known accuracy.

    Images are resampled with replacement, the same for all groups. Seeds are too few for that:
    three, resampled from themselves, vary by a third too little and have no tails. So the mean over
    seeds is shifted by its standard error times a Student's t. The variance between seeds is that
    of a two-way random-effects analysis of variance (Searle, Casella & McCulloch 1992, Variance
    Components, ch. 4), never below 0: the spread that seeds of equal skill show by chance is left
    out, since resampling the images already includes it (Owen 2007, The pigeonhole bootstrap, on
    counting it three times). Degrees of freedom: Satterthwaite (1946). scripts/bootstrap_level.py
    measures how often this finds a difference where there is none.

    If all images but a few say the same, resampling them would tell the contrast almost exactly.
    The interval is then that of the images and two more, one at each extreme, as Bonett & Price
    (2012, Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data) do for two networks.

    A group of one seed adds no spread between seeds: the answer is then about that network, not
    about its recipe. p is at least 2 / (resamples + 1), and at least that of a sign test in
    which all images that differ are on one side. Raises ValueError for other shapes or dtypes, no
    group, weights of another number, different N, S = 0 or N = 0.
    """
    groups = [_bools(group, f"group {place}", 2) for place, group in enumerate(groups)]
    factors = _numbers(weights, "weights")
    if not groups or len(groups) != len(factors):
        raise ValueError(f"{len(groups)} groups, but {len(factors)} weights")
    _same_images(groups)
    if resamples < 1:
        raise ValueError(f"{resamples} resamples are too few")
    rng = np.random.default_rng(seed)
    estimate = float(sum(w * group.mean() for w, group in zip(factors, groups, strict=True)))
    per_image = sum(w * group.mean(axis=0) for w, group in zip(factors, groups, strict=True))
    by_image = _image_deviations(per_image, resamples, rng)
    by_seed = _seed_deviations(groups, factors, resamples, rng)
    # Student's t is unbounded, accuracies are not.
    extremes = np.minimum(factors, 0).sum(), np.maximum(factors, 0).sum()
    draws = (estimate + by_image + by_seed).clip(*extremes)
    if len(per_image) - np.unique(per_image, return_counts=True)[1].max() <= _FEW:
        by_image = _image_deviations(np.append(per_image, extremes), resamples, rng)
    tail = (1 - confidence) / 2
    ends = np.quantile(estimate + by_image + by_seed, [tail, 1 - tail])
    low, high = ends.clip(*extremes).tolist()
    below, above = (draws <= null + _ROUNDING).sum(), (draws >= null - _ROUNDING).sum()
    p = 2 * (1 + int(min(below, above))) / (resamples + 1)
    # If few images differ, a bootstrap gives a lower p than even a sign test with all on one side.
    differing = int(np.count_nonzero(np.abs(per_image - null) > _ROUNDING))
    p = max(p, 2.0 ** (1 - min(differing, 100)))
    return Contrast(estimate, (low, high), min(p, 1.0))


def paired_bootstrap(
    right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], **options: Any
) -> Contrast:
    """Accuracy of recipe a minus that of recipe b: `bootstrap_contrast` with weights (1, -1).

    right_a, right_b: bool [S, N], which of the same N images each of S seeds got right. Options
    and errors are those of `bootstrap_contrast`.
    """
    return bootstrap_contrast([right_a, right_b], (1, -1), **options)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p values, in the order given; none for none.

    Raises ValueError for a p outside 0 to 1, or nan.
    """
    values = _numbers(p_values, "p values")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p values must be from 0 to 1, not {values.tolist()}")
    return multipletests(values, method="holm")[1].tolist() if len(values) else []


def welch(values_a: Sequence[float], values_b: Sequence[float]) -> float:
    """Two-sided p of Welch's t test that two recipes have the same mean of a number known per seed.

    nan with fewer than two values on a side. If neither side varies, p is 1 if the values are equal
    and 0 if not. Raises ValueError unless each side is a flat sequence of finite numbers.
    """
    a, b = _numbers(values_a, "values_a"), _numbers(values_b, "values_b")
    if min(len(a), len(b)) < 2:
        return float("nan")
    if np.ptp(a) == 0 == np.ptp(b):
        return float(a[0] == b[0])
    # From means and deviations: given the values, SciPy warns if one side does not vary.
    sides = (part for side in (a, b) for part in (side.mean(), side.std(ddof=1), len(side)))
    return float(stats.ttest_ind_from_stats(*sides, equal_var=False).pvalue)


def _image_deviations(
    per_image: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """[resamples]: mean of N draws with replacement from the N values, minus the values' mean.

    As seeds are few, few values are distinct: drawing how often each of them occurs is the same as
    drawing images, and a hundred times as fast.
    """
    values, images = np.unique(per_image, return_counts=True)
    n = len(per_image)
    block = max(1, _BLOCK // len(values))
    draws = [
        rng.multinomial(n, images / n, size=min(block, resamples - start)) @ values
        for start in range(0, resamples, block)
    ]
    return (np.concatenate(draws) - images @ values) / n


def _seed_deviations(
    groups: Sequence[NDArray[np.bool_]],
    weights: NDArray[np.float64],
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64] | float:
    """[resamples]: a t-distributed error of the contrast from the choice of seeds; 0 if none."""
    several = [(w, group) for w, group in zip(weights, groups, strict=True) if len(group) > 1]
    variances = np.array([w**2 * _seed_variance(group) / len(group) for w, group in several])
    freedom = np.array([len(group) - 1 for _, group in several])
    total = variances.sum()
    if total == 0:
        return 0.0
    satterthwaite = total**2 / (variances**2 / freedom).sum()
    return np.sqrt(total) * rng.standard_t(satterthwaite, resamples)


def _seed_variance(group: NDArray[np.bool_]) -> float:
    """Variance between seeds of the accuracy on all possible images; group: bool [S, N], S > 1.

    The variance on these N images, minus the share due to which images each seed got right.
    """
    between = group.mean(axis=1).var(ddof=1)
    within = group.var(axis=0, ddof=1).mean() - between
    return max(0.0, between - within / max(1, group.shape[1] - 1))


def _mcnemar(only_a: int, only_b: int) -> float:
    return float(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue)


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite numbers in a row, not {numbers.tolist()}")
    return numbers


def _bools(values: NDArray[np.bool_], name: str, dimensions: int) -> NDArray[np.bool_]:
    values = np.asarray(values)
    if values.ndim != dimensions or values.dtype != np.bool_:
        shape = {1: "[N]", 2: "[S, N]"}[dimensions]
        raise ValueError(f"{name} must be bool {shape}, not {values.dtype} {list(values.shape)}")
    if not values.size:
        raise ValueError(f"{name} has no image or no seed: {list(values.shape)}")
    return values


def _same_images(groups: Sequence[NDArray[np.bool_]]) -> None:
    counts = sorted({group.shape[-1] for group in groups})
    if len(counts) > 1:
        raise ValueError(f"the same images for all are needed, not {counts} of them")
