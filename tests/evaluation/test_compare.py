"""Comparisons, against published examples, closed forms, SciPy and brute force."""

import runpy
from math import comb, isnan, sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mmnist.evaluation.compare import (
    bootstrap_contrast,
    holm,
    mcnemar_exact,
    mcnemar_range,
    paired_bootstrap,
    quotient_interval,
    seed_spread,
    welch,
)

ROOT = Path(__file__).resolve().parents[2]


def _table(both, only_a, only_b, neither):
    """Right answers of two networks with these counts of images."""
    counts = [both, only_a, only_b, neither]
    a = np.repeat([True, True, False, False], counts)
    b = np.repeat([True, False, True, False], counts)
    return a, b


def _random(seeds, n=400, share=0.8, seed=0):
    return np.random.default_rng(seed).random((seeds, n)) < share


def _one_right_each(shares, n):
    """bool [S, n]: each image is right for exactly one of the seeds, so images are all alike."""
    ends = np.round(np.cumsum(shares) * n).astype(int)
    assert ends[-1] == n
    owner = np.repeat(np.arange(len(shares)), np.diff(ends, prepend=0))
    return np.arange(len(shares))[:, None] == owner


# Several seeds


def test_quotients_have_the_t_interval_of_scipys_test_of_their_logarithms():
    above, below = [4.0, 4.4, 3.9, 5.0], [1.0, 1.1, 1.0, 1.0]
    mean, (low, high) = quotient_interval(above, below)
    logs = np.log(np.array(above) / below)
    expected = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert mean == pytest.approx(stats.gmean(np.array(above) / below))
    assert (np.log(low), np.log(high)) == pytest.approx(tuple(expected))
    inverse, (least, most) = quotient_interval(below, above)
    assert (1 / inverse, 1 / most, 1 / least) == pytest.approx((mean, low, high))


def test_equal_quotients_have_an_interval_of_no_width_and_one_has_none():
    mean, ends = quotient_interval([2, 4], [1, 2])
    assert (mean, *ends) == pytest.approx((2, 2, 2))
    mean, ends = quotient_interval([3], [2])
    assert mean == pytest.approx(1.5)
    assert np.isnan(ends).all()


@pytest.mark.parametrize(("above", "below"), [([], []), ([1], [1, 2]), ([1, 0], [1, 1])])
def test_quotients_need_pairs_of_numbers_above_zero(above, below):
    with pytest.raises(ValueError, match=r"above 0 on each side|numbers"):
        quotient_interval(above, below)


def test_seed_spread_is_the_textbook_t_interval():
    spread = seed_spread([0.90, 0.92, 0.97])
    assert spread.seeds == 3
    assert spread.mean == pytest.approx(0.93)
    deviation = sqrt((0.03**2 + 0.01**2 + 0.04**2) / 2)
    assert spread.deviation == pytest.approx(deviation)
    half = 4.302653 * deviation / sqrt(3)  # t table: two degrees of freedom, 97.5 %
    assert spread.interval == pytest.approx((0.93 - half, 1.0))  # 1.02 is cut
    assert 0.93 + half > 1


def test_seed_spread_at_another_confidence():
    low, high = seed_spread([0.4, 0.5, 0.6, 0.7, 0.8], confidence=0.9).interval
    assert (high - low) / 2 == pytest.approx(2.131847 * sqrt(0.025 / 5))
    assert (high + low) / 2 == pytest.approx(0.6)


def test_one_seed_has_no_spread():
    spread = seed_spread([0.9])
    assert spread[:2] == (1, 0.9)
    assert all(isnan(value) for value in (spread.deviation, *spread.interval))


def test_equal_seeds_have_an_interval_of_no_width(recwarn):
    # The mean of three times 0.1 is not 0.1 but for rounding.
    assert seed_spread([0.1, 0.1, 0.1]) == (3, 0.1, 0.0, (0.1, 0.1))
    assert not recwarn.list


@pytest.mark.parametrize("accuracies", [[], [0.5, 1.1], [-0.1], [0.5, float("nan")], [[0.5]]])
def test_impossible_accuracies_are_refused(accuracies):
    with pytest.raises(ValueError, match="accurac"):
        seed_spread(accuracies)


# Two networks


def test_mcnemar_gives_the_published_examples():
    # Agresti (1990), Categorical Data Analysis, p. 350: approval of the prime minister.
    p = mcnemar_exact(*_table(794, 150, 86, 570))
    assert p == pytest.approx(3.716e-5, rel=1e-3)
    # Fay (2010), The R Journal 2(1), Exact McNemar's test: 9 against 2.
    assert mcnemar_exact(*_table(21, 9, 2, 12)) == pytest.approx(0.06543, abs=5e-6)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (3, 3), (0, 12), (40, 61), (7, 2)])
def test_mcnemar_is_the_binomial_test_of_the_discordant_images(only_a, only_b):
    p = mcnemar_exact(*_table(50, only_a, only_b, 4))
    assert p == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)
    assert p == mcnemar_exact(*_table(50, only_b, only_a, 4))


def test_mcnemar_without_a_discordant_image():
    assert mcnemar_exact(*_table(5, 0, 0, 2)) == 1


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([True], [True, False], r"not \[1, 2\]"),
        ([], [], "float64"),
        (np.zeros(0, bool), np.zeros(0, bool), "no image"),
        ([1, 0], [0, 1], "right_a must be bool"),
        ([True], [[True]], "right_b must be bool"),
    ],
)
def test_mcnemar_refuses_other_arrays(a, b, message):
    with pytest.raises(ValueError, match=message):
        mcnemar_exact(np.array(a), np.array(b))


def test_range_of_mcnemar_is_that_of_all_overlaps():
    def exact(b, c):
        tail = sum(comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
        return min(1.0, 2 * tail)

    for n in (1, 2, 7, 16):
        for correct_a in range(n + 1):
            for correct_b in range(n + 1):
                # Every number of images that both have right.
                both = range(max(0, correct_a + correct_b - n), min(correct_a, correct_b) + 1)
                every = [exact(correct_a - k, correct_b - k) for k in both]
                expected = (min(every), max(every))
                assert mcnemar_range(correct_a, correct_b, n) == pytest.approx(expected, abs=1e-12)


def test_paper_cannot_tell_its_two_best_architectures_apart():
    # Figure 3: WideResNet50 495 of 505, ResNet101 494. No overlap of their errors could tell.
    assert mcnemar_range(495, 494, 505) == (1.0, 1.0)


@pytest.mark.parametrize(("a", "b", "n"), [(0, 0, 0), (6, 5, 5), (5, 6, 5), (-1, 2, 5)])
def test_range_refuses_impossible_counts(a, b, n):
    with pytest.raises(ValueError, match=r"cannot be right|at least one image"):
        mcnemar_range(a, b, n)


# Recipes


def test_one_seed_each_is_scipys_paired_bootstrap():
    a, b = _random(1, share=0.85), _random(1, share=0.75, seed=1)
    ours = paired_bootstrap(a, b)
    theirs = stats.bootstrap(
        (a[0].astype(float), b[0].astype(float)),
        lambda x, y, axis=-1: x.mean(axis=axis) - y.mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=5000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert ours.estimate == pytest.approx(a.mean() - b.mean())
    assert ours.interval == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_width_for_one_seed_is_the_closed_form():
    groups = [_random(1, 2000, share, seed) for seed, share in enumerate((0.6, 0.7, 0.75))]
    low, high = bootstrap_contrast(groups, (-1, 2, -1), resamples=20_000).interval
    per_image = 2.0 * groups[1][0] - groups[0][0] - groups[2][0]
    assert high - low == pytest.approx(2 * 1.959964 * per_image.std() / sqrt(2000), rel=0.03)


def test_p_and_interval_agree():
    a, b = _random(3, share=0.82), _random(2, share=0.78, seed=1)
    for confidence in (0.5, 0.9, 0.99):
        low, high = paired_bootstrap(a, b, confidence=confidence).interval
        for end in (low, high):
            p = paired_bootstrap(a, b, null=end).p
            assert p == pytest.approx(1 - confidence, rel=0.05)


def test_images_that_are_all_alike_leave_a_t_interval_of_the_seeds():
    group = _one_right_each([0.30, 0.33, 0.37], 300_000)
    contrast = bootstrap_contrast([group], [0.5], resamples=100_000)
    accuracies = group.mean(axis=1)
    expected = stats.ttest_1samp(accuracies / 2, 0).confidence_interval()
    assert contrast.interval == pytest.approx((expected.low, expected.high), abs=0.002)
    p = bootstrap_contrast([group], [1], null=0.36, resamples=100_000).p
    assert p == pytest.approx(stats.ttest_1samp(accuracies, 0.36).pvalue, abs=0.01)


def test_images_that_are_all_alike_leave_welchs_test_of_the_seeds():
    a, b = _one_right_each([0.30, 0.33, 0.37], 300_000), _one_right_each([0.47, 0.53], 300_000)
    contrast = paired_bootstrap(a, b, resamples=100_000)
    expected = stats.ttest_ind(a.mean(axis=1), b.mean(axis=1), equal_var=False)
    interval = expected.confidence_interval()
    assert contrast.interval == pytest.approx((interval.low, interval.high), abs=0.01)
    assert contrast.p == pytest.approx(expected.pvalue, abs=0.003)


def test_spread_of_seeds_by_chance_alone_is_not_counted_twice():
    group = _random(5, 1000, seed=4)
    accuracies = group.mean(axis=1)
    by_chance = group.mean() * (1 - group.mean()) / 1000
    assert 0 < accuracies.var(ddof=1) < by_chance
    low, high = bootstrap_contrast([group], [1], resamples=50_000).interval
    expected = 2 * 1.959964 * group.mean(axis=0).std() / sqrt(1000)
    assert high - low == pytest.approx(expected, rel=0.03)


def test_seeds_that_differ_widen_the_interval():
    skills = np.array([0.7, 0.8, 0.9])
    draws = np.random.default_rng(0).random((3, 1000))
    low, high = bootstrap_contrast([draws < skills[:, None]], [1]).interval
    alike_low, alike_high = bootstrap_contrast([draws < 0.8], [1]).interval
    assert high - low > 3 * (alike_high - alike_low)
    # A t interval with two degrees of freedom leaves 0 to 1; accuracies cannot.
    assert high == 1
    assert low > 0.5


@pytest.mark.parametrize("seeds", [2, 3])
def test_level_holds_where_a_plain_bootstrap_finds_too_much(seeds):
    script = runpy.run_path(str(ROOT / "scripts" / "bootstrap_level.py"))
    ours, plain = script["false_positives"](seeds, 5000, 0.4, 0.03, 150)
    assert ours < 0.08
    assert plain > 0.12


@pytest.mark.parametrize(("images", "accuracy", "deviation"), [(500, 0.96, 0.002), (1000, 0.9, 0)])
def test_level_holds_where_seeds_hardly_differ(images, accuracy, deviation):
    script = runpy.run_path(str(ROOT / "scripts" / "bootstrap_level.py"))
    ours, _ = script["false_positives"](3, images, accuracy, deviation, 150)
    assert 0 < ours < 0.08


def test_real_difference_is_found():
    a, b = _random(3, 2000, 0.9), _random(3, 2000, 0.8, seed=1)
    contrast = paired_bootstrap(a, b)
    assert contrast.p < 0.01
    assert 0.05 < contrast.interval[0] < contrast.estimate < contrast.interval[1] < 0.15
    other = paired_bootstrap(b, a)
    assert other.estimate == pytest.approx(-contrast.estimate)
    assert other.interval == pytest.approx((-contrast.interval[1], -contrast.interval[0]), abs=0.01)


def test_diminishing_returns_are_positive():
    groups = [_random(2, 3000, share, seed) for seed, share in enumerate((0.6, 0.85, 0.9))]
    contrast = bootstrap_contrast(groups, (-1, 2, -1))
    shares = [group.mean() for group in groups]
    assert contrast.estimate == pytest.approx(2 * shares[1] - shares[0] - shares[2])
    assert contrast.interval[0] > 0


@pytest.mark.parametrize("seeds", [1, 3])
def test_groups_without_any_variance(seeds, recwarn):
    right = np.repeat(_random(1), seeds, axis=0)
    groups = [right, right, right]
    estimate, (low, high), p = bootstrap_contrast(groups, (-1, 2, -1))
    assert (estimate, p) == (0, 1)
    assert -0.1 < low < 0 < high < 0.1, "so many images do not show a difference of exactly 0"
    sure = np.ones((seeds, 30), bool)
    estimate, (low, high), p = paired_bootstrap(sure, ~sure, resamples=999)
    assert (estimate, high, p) == (1, 1, pytest.approx(2 / 1000))
    assert 0.75 < low < 1
    assert paired_bootstrap(sure, ~sure, null=1.0).p == 1
    assert not recwarn.list


def test_few_images_that_differ_leave_the_true_difference_in_the_interval():
    """Of 100 images, one network has 1 % more right and none more wrong."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        b = rng.random((1, 100)) < 0.9
        a = b | (rng.random((1, 100)) < 0.1)  # of those that b misses
        low, high = paired_bootstrap(a, b, resamples=2000).interval
        covered += low <= 0.01 <= high
    assert covered >= 0.93 * 200


def test_as_many_gained_as_lost_tells_nothing():
    """Resamples with as many of both, a third of them, count on either side."""
    a, b = (right[None] for right in _table(0, 1, 1, 8))
    assert paired_bootstrap(a, b).p == 1


def test_few_images_that_differ_from_the_null_tell_no_more_than_a_sign_test():
    right = np.arange(400)[None] >= 3
    assert bootstrap_contrast([right], [1], null=1.0).p == 2 * 0.5**3


def test_seed_of_the_resampling_decides():
    a, b = _random(3), _random(3, seed=1)
    assert paired_bootstrap(a, b) == paired_bootstrap(a, b, seed=0)
    assert paired_bootstrap(a, b) != paired_bootstrap(a, b, seed=1)


def test_blocks_of_resamples_make_no_difference(monkeypatch):
    a, b = _random(3), _random(3, seed=1)
    whole = paired_bootstrap(a, b, resamples=1001)
    monkeypatch.setattr("mmnist.evaluation.compare._BLOCK", 500)
    assert paired_bootstrap(a, b, resamples=1001) == whole


@pytest.mark.parametrize(
    ("groups", "weights", "message"),
    [
        ([], [], "0 groups"),
        ([_random(2)], [1, -1], "1 groups, but 2 weights"),
        ([_random(2), _random(2, 399)], [1, -1], r"not \[399, 400\]"),
        ([_random(2)[0]], [1], r"group 0 must be bool \[S, N\], not bool \[400\]"),
        ([_random(2), _random(2) * 1], [1, -1], r"group 1 must be bool .*int64"),
        ([np.zeros((3, 0), bool)], [1], "no image"),
        ([np.zeros((0, 3), bool)], [1], "no seed"),
        ([_random(2)], [float("nan")], "weights must be finite"),
    ],
)
def test_groups_of_other_shapes_are_refused(groups, weights, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_contrast(groups, weights)


def test_no_resamples_are_refused():
    with pytest.raises(ValueError, match="0 resamples"):
        bootstrap_contrast([_random(2)], [1], resamples=0)


# Several tests, and numbers measured once for each seed


def test_holm_by_hand():
    # 4 · 0.005, 3 · 0.01, 2 · 0.03, and 0.04 not below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


@pytest.mark.parametrize("p_values", [[0.5, 1.1], [-0.1], [float("nan"), 0.2], [[0.1]]])
def test_holm_refuses_what_is_no_p_value(p_values):
    with pytest.raises(ValueError, match="p values"):
        holm(p_values)


def test_welch_is_the_textbook_formula():
    a, b = [27.5, 21.0, 19.0, 23.6], [27.1, 22.0, 20.8, 23.4, 23.4, 23.5]
    va, vb = np.var(a, ddof=1) / 4, np.var(b, ddof=1) / 6
    t = (np.mean(a) - np.mean(b)) / sqrt(va + vb)
    freedom = (va + vb) ** 2 / (va**2 / 3 + vb**2 / 5)
    assert welch(a, b) == pytest.approx(2 * stats.t.sf(abs(t), freedom))
    assert welch(a, b) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)


def test_welch_where_sides_do_not_vary(recwarn):
    assert welch([3, 3], [3, 3, 3]) == 1
    assert welch([3, 3], [4, 4]) == 0
    one_sided = welch([0.1, 0.1, 0.1], [0.2, 0.3, 0.4])
    assert one_sided == pytest.approx(stats.ttest_1samp([0.2, 0.3, 0.4], 0.1).pvalue)
    assert not recwarn.list


def test_welch_needs_two_values_a_side():
    assert isnan(welch([1.0], [1.0, 2.0]))
    assert isnan(welch([1.0, 2.0], []))


@pytest.mark.parametrize("values", [[1.0, float("inf")], [[1.0, 2.0]]])
def test_welch_refuses_other_values(values):
    with pytest.raises(ValueError, match="values_b must be finite"):
        welch([1.0, 2.0], values)
