"""Verdicts on results whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from mmnist.config.schema import Experiment
from mmnist.errors import InputError
from mmnist.study.costs import Cost
from mmnist.study.findings import Verdict
from mmnist.study.methods import Method
from mmnist.study.published import Counts
from mmnist.study.results import ComparisonResult, VariantResult
from mmnist.study.schema import Comparison
from mmnist.study.verdicts import judge

N = 1000


class Curve:
    """In place of a run: it has a validation loss by epoch."""

    def __init__(self, losses, seed):
        import pandas as pd

        self.seed = seed
        self.metrics = pd.DataFrame({"valid_loss": losses})


def cost(speed, memory=100.0, batch_size=32, device="CPU"):
    return Cost(1, 1, speed, speed, memory, batch_size, device, "fp32", 1)


def variant(name, right=None, counts=None, losses=(), costs=()):
    """`right`: bool [S, N], or a number of right answers that all stand first."""
    if isinstance(right, int):
        right = (np.arange(N) < right)[None]
    right = np.zeros((0, N), bool) if right is None else np.asarray(right)
    labels = np.full(right.shape[1], 3)
    curves = losses or [[1.0]] * len(right)
    return VariantResult(
        name=name,
        label=name,
        config=Experiment(name=name, model={"architecture": "simple_cnn"}),
        runs=tuple(Curve(each, seed) for seed, each in enumerate(curves)),
        index=np.arange(right.shape[1]),
        labels=labels,
        predictions=np.where(right, 3, 4),
        published=Counts(*counts) if counts else None,
        published_per_class=None,
        published_curves=None,
        costs=tuple(costs),
    )


def judged(claims, *variants, judged_on="validation"):
    comparison = Comparison.model_validate(
        {
            "question": "?",
            "judged_on": judged_on,
            "variants": {each.name: f"{each.name}.yaml" for each in variants},
            "claims": [{"claim": "it is so", **claim} for claim in claims],
        }
    )
    result = ComparisonResult("test", comparison, {each.name: each for each in variants})
    return judge(result)


BETTER = {"kind": "better", "better": "a", "than": "b"}


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [(900, 850, Verdict.HOLDS), (850, 900, Verdict.FAILS), (901, 900, Verdict.UNKNOWN)],
)
def test_two_runs_are_compared_by_mcnemar(a, b, verdict):
    (judgement,) = judged([BETTER], variant("a", a), variant("b", b))
    (test,) = judgement.own.tests
    assert judgement.own.verdict == verdict
    assert test.p == pytest.approx(binomtest(0, abs(a - b)).pvalue)
    assert test.estimate == pytest.approx((a - b) / N)
    assert test.method is Method.MCNEMAR
    assert not test.one_of_several


def seeds(rng, *accuracies):
    return np.array([rng.random(N) < accuracy for accuracy in accuracies])


def test_groups_of_seeds_are_compared_over_seeds_too():
    rng = np.random.default_rng(0)
    even = variant("a", seeds(rng, 0.9, 0.9, 0.9)), variant("b", seeds(rng, 0.8, 0.8, 0.8))
    assert judged([BETTER], *even)[0].own.verdict == Verdict.HOLDS
    # The same means, but seeds that differ more than the groups do.
    spread = variant("a", seeds(rng, 0.99, 0.9, 0.81)), variant("b", seeds(rng, 0.95, 0.8, 0.65))
    assert judged([BETTER], *spread)[0].own.verdict == Verdict.UNKNOWN


def test_holm_counts_every_test_of_the_experiment_once():
    a, b, c = variant("a", 912), variant("b", 905), variant("c", 800)
    ranking = {"kind": "ranking", "order": ["a", "b", "c"]}
    alone = judged([BETTER], a, b)[0].own
    assert alone.verdict == Verdict.HOLDS  # 7 to 0: p = 0.016
    again = judged([BETTER, BETTER], a, b)
    assert again[1].own.tests[0].adjusted == alone.tests[0].p
    larger = judged(
        [BETTER, ranking, {"kind": "accuracy", "variant": "c", "side": "below", "threshold": 0.8},
         {"kind": "accuracy", "variant": "b", "side": "below", "threshold": 0.905}],
        a, b, c,
    )  # fmt: skip
    (test,) = larger[0].own.tests
    assert test.adjusted == pytest.approx(3 * test.p)  # four tests, one of them smaller
    assert larger[0].own.verdict == Verdict.HOLDS
    assert larger[1].own.verdict == Verdict.HOLDS


def test_a_claim_and_its_opposite_are_one_test():
    a, b = variant("a", 907, counts=(907, N)), variant("b", 901, counts=(901, N))  # p = 0.03
    opposite = {"kind": "better", "better": "b", "than": "a"}
    sides = [
        {"kind": "accuracy", "variant": "a", "side": side, "threshold": 0.9}
        for side in ("above", "below")
    ]
    rise = [{"kind": "overfits_less", "variant": x, "than": y} for x, y in ("ab", "ba")]
    for claims in ([BETTER, opposite], sides):
        together = judged(claims, a, b)
        for judgement in together:
            for finding in (judgement.own, judgement.published):
                (test,) = finding.tests
                assert test.adjusted == test.p
    assert [each.own.verdict for each in judged([BETTER, opposite], a, b)] == [
        Verdict.HOLDS,
        Verdict.FAILS,
    ]
    losses = [[1.0, 1.2], [1.0, 1.3]]
    right = np.ones((2, N), bool)
    less = variant("a", right, losses=[[1.0, 1.0], [1.0, 1.01]]), variant("b", right, losses=losses)
    first, second = (each.own.tests[0] for each in judged(rise, *less))
    assert first.adjusted == first.p == second.adjusted


@pytest.mark.parametrize(
    "claims",
    [
        [BETTER, {"kind": "better", "better": "b", "than": "a"}],
        [
            {"kind": "accuracy", "variant": "a", "side": side, "threshold": 0.89}
            for side in ("above", "below")
        ],
    ],
    ids=["better", "accuracy"],
)
def test_of_several_seeds_too_a_claim_and_its_opposite_have_the_same_numbers(claims):
    rng = np.random.default_rng(2)
    a, b = variant("a", seeds(rng, 0.9, 0.905, 0.91)), variant("b", seeds(rng, 0.88, 0.89, 0.9))
    found, opposite = (each.own.tests[0] for each in judged(claims, a, b))
    assert found.method is Method.BOOTSTRAP_OVER_SEEDS
    assert 0 < found.p == opposite.p < 1
    assert found.estimate == -opposite.estimate > 0
    assert found.interval == (-opposite.interval[1], -opposite.interval[0])


def test_the_seeds_of_a_test_are_those_that_it_compared():
    rng = np.random.default_rng(0)
    a, b = (variant(name, seeds(rng, *[0.9] * 3)) for name in "ab")
    ranking = {"kind": "ranking", "order": ["a", "b", "c"]}
    own = judged([ranking], a, b, variant("c", seeds(rng, 0.8)))[0].own
    assert [test.seeds for test in own.tests] == [(3,), (1,)]
    assert [test.one_of_several for test in own.tests] == [False, True]
    steps = {"kind": "diminishing", "steps": ["a", "b", "c"]}
    (test,) = judged([steps], a, b, variant("c", seeds(rng, 0.8)))[0].own.tests
    assert test.seeds == (1,)
    assert (test.method, test.one_of_several) == (Method.BOOTSTRAP, True)
    (test,) = judged([BETTER], a, variant("b", seeds(rng, 0.8, 0.8)))[0].own.tests
    assert test.seeds == (2, 3)
    assert not test.one_of_several


def test_published_validation_images_do_not_decide_what_is_judged_on_test_images():
    a, b = variant("a", counts=(450, 500)), variant("b", counts=(400, 500))
    above = {"kind": "accuracy", "variant": "a", "side": "above", "threshold": 0.5}
    assert judged([BETTER], a, b)[0].published.verdict == Verdict.HOLDS
    for claim in (BETTER, above):
        published = judged([claim], a, b, judged_on="test")[0].published
        assert published.verdict == Verdict.UNKNOWN
        assert published.remark == "published for validation images only"
        assert not published.tests


def test_a_ranking_fails_if_one_step_is_reversed():
    order = {"kind": "ranking", "order": ["a", "b", "c"]}
    (judgement,) = judged([order], variant("a", 900), variant("b", 800), variant("c", 850))
    assert judgement.own.verdict == Verdict.FAILS
    (judgement,) = judged([order], variant("a", 900), variant("b", 800), variant("c", 800))
    assert judgement.own.verdict == Verdict.UNKNOWN


def test_diminishing_returns():
    claim = {"kind": "diminishing", "steps": ["a", "b", "c"]}
    (judgement,) = judged([claim], variant("a", 700), variant("b", 900), variant("c", 910))
    assert judgement.own.verdict == Verdict.HOLDS
    assert judgement.own.tests[0].estimate == pytest.approx(0.19)
    (judgement,) = judged([claim], variant("a", 700), variant("b", 710), variant("c", 900))
    assert judgement.own.verdict == Verdict.FAILS


def test_an_accuracy_against_a_number():
    claim = {"kind": "accuracy", "variant": "a", "side": "below", "threshold": 0.3}
    assert judged([claim], variant("a", 270))[0].own.verdict == Verdict.HOLDS
    assert judged([claim], variant("a", 299))[0].own.verdict == Verdict.UNKNOWN
    assert judged([claim], variant("a", 350))[0].own.verdict == Verdict.FAILS
    above = {**claim, "side": "above"}
    assert judged([above], variant("a", 350))[0].own.verdict == Verdict.HOLDS
    (test,) = judged([above], variant("a", 350))[0].own.tests
    assert test.estimate == pytest.approx(0.05)
    assert test.interval[0] < 0.05 < test.interval[1]


def test_overfitting_needs_seeds():
    claim = {"kind": "overfits_less", "variant": "a", "than": "b"}
    flat, rising = [0.5, 0.2, 0.2], [0.5, 0.1, 0.6]
    one = judged([claim], variant("a", 900, losses=[flat]), variant("b", 900, losses=[rising]))
    assert one[0].own.verdict == Verdict.UNKNOWN
    assert "one seed" in one[0].own.remark
    assert one[0].own.not_run == ()
    assert one[0].own.tests[0].estimate == pytest.approx(0.5)
    right = np.ones((3, N), bool)
    some = [[0.5, 0.2, end] for end in (0.20, 0.21, 0.22)]
    more = [[0.5, 0.1, end] for end in (0.55, 0.6, 0.65)]
    three = judged([claim], variant("a", right, losses=some), variant("b", right, losses=more))
    assert three[0].own.verdict == Verdict.HOLDS
    back = judged([claim], variant("a", right, losses=more), variant("b", right, losses=some))
    assert back[0].own.verdict == Verdict.FAILS


FOUR_TIMES = {"kind": "cost", "variant": "a", "over": "b", "measure": "time", "factor": 4}


@pytest.mark.parametrize(
    ("speeds", "verdict"),
    [
        ([25, 26, 24, 25], Verdict.HOLDS),
        ([30, 31, 30, 30], Verdict.HOLDS),  # 3.3 times, within 25 %
        ([50, 51, 49, 50], Verdict.FAILS),  # twice
        ([12, 13, 12, 12], Verdict.FAILS),  # eight times
        ([33, 36, 32, 34], Verdict.UNKNOWN),  # about 3: the interval has the edge in it
        ([25, 50, 14, 25], Verdict.UNKNOWN),  # four times, but it wanders
        ([25], Verdict.UNKNOWN),
    ],
)
def test_a_cost_is_held_against_the_quotients_of_all_rounds(speeds, verdict):
    a = variant("a", costs=[cost(speed) for speed in speeds])
    b = variant("b", costs=[cost(100)] * len(speeds))
    (judgement,) = judged([FOUR_TIMES], a, b)
    assert judgement.own.verdict == verdict
    remark = judgement.own.remark
    assert ("once" in remark) if len(speeds) == 1 else (f"{len(speeds)} rounds" in remark)


def test_what_slows_both_in_a_round_does_not_count():
    slow = [1, 0.5, 0.25, 2]  # the machine, round by round
    a = variant("a", costs=[cost(25 * factor) for factor in slow])
    b = variant("b", costs=[cost(100 * factor) for factor in slow])
    (judgement,) = judged([FOUR_TIMES], a, b)
    assert judgement.own.verdict == Verdict.HOLDS
    assert "4.00 times (4.00 to 4.00" in judgement.own.remark


@pytest.mark.parametrize(
    ("measure", "of_a", "reason"),
    [
        ("time", [], "not measured"),
        ("time", [cost(1, device="H200")], "measured on different devices"),
        ("memory", [cost(1, batch_size=64)], "measured with different batch sizes"),
        ("memory", [cost(1, 0.0)], "too little memory to be measured"),
    ],
)
def test_costs_that_cannot_be_compared(measure, of_a, reason):
    claim = {**FOUR_TIMES, "measure": measure}
    (judgement,) = judged([claim], variant("a", costs=of_a), variant("b", costs=[cost(1)]))
    assert judgement.own.verdict == Verdict.UNKNOWN
    assert judgement.own.remark == reason


def test_the_costs_of_all_rounds_must_be_comparable():
    moved, memory = [cost(1), cost(1, device="H200")], {**FOUR_TIMES, "measure": "memory"}
    a, b = variant("a", costs=moved), variant("b", costs=moved)
    assert judged([FOUR_TIMES], a, b)[0].own.remark == "measured on different devices"
    a, b = variant("a", costs=[cost(1), cost(1, batch_size=64)]), variant("b", costs=[cost(1)] * 2)
    assert judged([memory], a, b)[0].own.remark == "measured with different batch sizes"


def test_memory_is_held_against_its_quotient():
    claim = {**FOUR_TIMES, "measure": "memory", "factor": 2}
    a = variant("a", costs=[cost(1, 200), cost(1, 210)])
    b = variant("b", costs=[cost(9, 100), cost(9, 105)])
    assert judged([claim], a, b)[0].own.verdict == Verdict.HOLDS


def test_variants_that_were_not_run_are_named():
    (judgement,) = judged([{**BETTER, "than": ["b", "c"]}], variant("a", 900), variant("b", 800),
                          variant("c"))  # fmt: skip
    assert judgement.own.verdict == Verdict.UNKNOWN
    assert judgement.own.remark == "not run: c"
    assert judgement.own.not_run == ("c",)
    assert judgement.own.tests[0].verdict == Verdict.HOLDS  # what can be told of the others


def test_published_495_against_494_of_505_tells_nothing():
    a, b = variant("a", counts=(495, 505)), variant("b", counts=(494, 505))
    finding = judged([BETTER], a, b)[0].published
    assert finding.verdict == Verdict.UNKNOWN
    assert (finding.tests[0].p_low, finding.tests[0].p) == (1, 1)


def test_published_counts_hold_whatever_the_overlap_or_depend_on_it():
    # 4,885 against 4,844 of 5,007 (augmentation): even if no image defeats both, p < 0.05.
    a, b = variant("a", counts=(4885, 5007)), variant("b", counts=(4844, 5007))
    assert judged([BETTER], a, b)[0].published.verdict == Verdict.HOLDS
    assert judged([BETTER], b, a)[0].published.verdict == Verdict.HOLDS  # names, not places
    # 4,877 against 4,856 (ResNet101, ResNet50): it depends on which images.
    a, b = variant("a", counts=(4877, 5007)), variant("b", counts=(4856, 5007))
    finding = judged([BETTER], a, b)[0].published
    assert finding.verdict == Verdict.UNKNOWN
    assert finding.tests[0].adjusted_low < 0.05 < finding.tests[0].adjusted


def test_nothing_published_is_said_so():
    finding = judged([BETTER], variant("a", counts=(5, 10)), variant("b"))[0].published
    assert finding.remark == "no published numbers of b"
    apart = judged([BETTER], variant("a", counts=(5, 10)), variant("b", counts=(5, 11)))
    assert apart[0].published.remark == "published on different images"
    assert not apart[0].published.tests


def test_published_diminishing_is_a_z_test():
    claim = {"kind": "diminishing", "steps": ["a", "b", "c"]}
    variants = [variant(n, counts=(k, 1000)) for n, k in zip("abc", (500, 800, 810), strict=True)]
    finding = judged([claim], *variants)[0].published
    (test,) = finding.tests
    assert finding.verdict == Verdict.HOLDS
    assert test.estimate == pytest.approx(0.29)
    deviation = np.sqrt((0.5 * 0.5 + 4 * 0.8 * 0.2 + 0.81 * 0.19) / 1000)
    assert test.p == pytest.approx(2 * norm.sf(0.29 / deviation))
    half = 1.959964 * deviation
    assert test.interval == pytest.approx((0.29 - half, 0.29 + half), rel=1e-6)


def test_one_seed_against_several_compares_two_networks_and_says_so():
    rng = np.random.default_rng(0)
    a, b = variant("a", seeds(rng, 0.9, 0.9, 0.9)), variant("b", seeds(rng, 0.85))
    (test,) = judged([BETTER], a, b)[0].own.tests
    gained, lost = (a.right[0] & ~b.right[0]).sum(), (~a.right[0] & b.right[0]).sum()
    assert test.p == pytest.approx(binomtest(gained, gained + lost).pvalue)
    assert (test.method, test.one_of_several) == (Method.MCNEMAR, True)


def test_networks_of_the_same_seed_are_compared():
    rng = np.random.default_rng(0)
    a, b = variant("a", seeds(rng, 0.9, 0.7)), variant("b", seeds(rng, 0.8))
    a = replace(a, runs=(Curve([1.0], 5), Curve([1.0], 7)))
    b = replace(b, runs=(Curve([1.0], 7),))
    (test,) = judged([BETTER], a, b)[0].own.tests
    gained, lost = (a.right[1] & ~b.right[0]).sum(), (~a.right[1] & b.right[0]).sum()
    assert test.p == pytest.approx(binomtest(gained, gained + lost).pvalue)


@pytest.mark.parametrize("differing", [3, 4, 5])
def test_few_differing_images_tell_no_more_to_a_bootstrap_than_to_an_exact_test(differing):
    same = np.ones((2, N), bool)
    other = same.copy()
    other[:, :differing] = False
    (test,) = judged([BETTER], variant("a", same), variant("b", other))[0].own.tests
    assert test.p >= binomtest(0, differing).pvalue


@pytest.mark.parametrize("count", [20, 100])
def test_all_right_of_few_images_is_not_yet_above_a_high_threshold(count):
    claim = {"kind": "accuracy", "variant": "a", "side": "above", "threshold": 0.977}
    for number in (1, 3):
        right = np.ones((number, count), bool)
        (test,) = judged([claim], variant("a", right))[0].own.tests
        assert test.p >= binomtest(count, count, 0.977).pvalue > 0.05


def test_the_estimate_of_several_seeds_is_that_of_their_mean():
    right = np.arange(10) < np.array([[8], [9]])  # 8.5 of 10, which is no count
    for side, sign in (("above", 1), ("below", -1)):
        claim = {"kind": "accuracy", "variant": "a", "side": side, "threshold": 0.5}
        (test,) = judged([claim], variant("a", right))[0].own.tests
        assert test.estimate == pytest.approx(sign * 0.35)
        assert test.interval[0] < test.estimate < test.interval[1]


@pytest.mark.parametrize("count", [1, 2])
def test_variants_that_saw_different_images_are_not_compared(count):
    right = np.tile(np.arange(N) < 900, (count, 1))
    shifted = replace(variant("b", right), index=np.arange(N) + 1)
    with pytest.raises(InputError, match="a and b were judged on different images"):
        judged([BETTER], variant("a", right), shifted)


def test_published_counts_are_tested_against_a_threshold():
    claim = {"kind": "accuracy", "variant": "a", "side": "below", "threshold": 0.3}
    finding = judged([claim], variant("a", counts=(20, 100)))[0].published
    assert finding.tests[0].p == pytest.approx(binomtest(20, 100, 0.3).pvalue)
    assert finding.verdict == Verdict.HOLDS
    assert "without the number" in judged([claim], variant("a"))[0].published.remark


def test_labels_must_differ():
    with pytest.raises(ValueError, match="has the same label as a"):
        Comparison.model_validate(
            {"question": "?", "variants": {"a": "a.yaml", "b": {"config": "b.yaml", "label": "a"}}}
        )


def as_one_run(*variants):
    """The variants, all with the configuration of the first, as changes to all may make them."""
    return [replace(each, config=variants[0].config) for each in variants]


@pytest.mark.parametrize(
    "claim",
    [
        BETTER,
        {"kind": "overfits_less", "variant": "a", "than": "b"},
        {**FOUR_TIMES, "factor": 1},
        FOUR_TIMES,
    ],
    ids=["better", "overfits_less", "cost that holds", "cost that does not"],
)
def test_a_run_is_not_compared_with_itself(claim):
    measured = [cost(100), cost(100)]
    a, b = as_one_run(variant("a", 900, costs=measured), variant("b", 900, costs=measured))
    own = judged([claim], a, b)[0].own
    assert own.verdict == Verdict.UNKNOWN
    assert own.remark == "a and b are the same run here"
    assert not own.tests


def test_variants_that_are_one_run_are_named_by_what_is_compared():
    a, b = as_one_run(variant("a", 900), variant("b", 900))
    c, d = as_one_run(variant("c", 800), variant("d", 800))
    order = {"kind": "ranking", "order": ["a", "c", "b", "d"]}
    groups = {**BETTER, "better": ["a", "b"], "than": ["c", "d"]}
    ranked, grouped = (each.own for each in judged([order, groups], a, b, c, d))
    assert ranked.remark == "a and b are the same run here; c and d are the same run here"
    assert grouped.verdict == Verdict.HOLDS  # a and b are not compared with each other
