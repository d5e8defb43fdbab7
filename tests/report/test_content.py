"""What a report says: means over seeds, warnings."""

from statistics import mean

import pytest
from fake_runs import digits_record, environment

from mmnist.errors import InputError
from mmnist.report.content import (
    build_report,
    describe_model,
    percent,
    percent_interval,
)


def test_seeds_give_mean_and_sample_deviation(make_run):
    runs = [make_run("a", seed, errors=0.1 * seed) for seed in range(3)]
    report = build_report([*runs, make_run("b")])
    accuracies = [run.summary.valid.accuracy for run in runs]
    (seed_mean,) = report.seed_means
    centre = mean(accuracies)
    assert (seed_mean.name, seed_mean.seeds) == ("a", 3)
    assert seed_mean.mean == pytest.approx(centre)
    variance = sum((value - centre) ** 2 for value in accuracies) / 2
    assert seed_mean.deviation == pytest.approx(variance**0.5)
    assert f"{100 * centre:.2f} ± {100 * variance**0.5:.2f} %" in str(seed_mean)


def test_the_same_seed_twice_has_no_mean(make_run, tmp_path):
    again = make_run("a", 0, errors=0.1, root=tmp_path / "elsewhere")
    assert build_report([make_run("a", 0), make_run("a", 1), again]).seed_means == []
    assert build_report([make_run("a", 0), again]).seed_means == []


@pytest.mark.parametrize("other", [{"finished": False}, {"fingerprint": "another"}])
def test_seeds_that_cannot_be_compared_have_no_mean(make_run, other):
    report = build_report([make_run("a", 0), make_run("a", 1, **other)])
    assert report.seed_means == []
    assert report.warnings


@pytest.mark.parametrize(
    "other",
    [
        {"fingerprint": "another"},
        {"data": {"split": {"seed": 1}}},
        {"data": {"split": {"fraction": 0.8}}},
        {"data": {"split": {"method": "ordered"}}},
        {"support": (6, 42, 103, 200, 318, 423, 619, 887, 1063, 1346)},
    ],
)
def test_different_validation_images_are_noticed(make_run, other):
    report = build_report([make_run("a"), make_run("b", **other)])
    assert not report.same_images
    (warning,) = report.warnings
    assert "validated on different images" in warning
    assert "a on 5,007 generated images" in warning


def test_same_validation_images_are_recognised(make_run):
    assert build_report([make_run("a"), make_run("b", errors=0.2)]).same_images
    ordered = [
        make_run(name, data={"split": {"method": "ordered", "seed": seed, "train_images": 9}})
        for name, seed in [("c", 0), ("d", 1)]
    ]
    report = build_report(ordered)
    assert report.same_images  # the seed draws only what is trained on
    assert report.warnings == []


def test_warning_names_each_validation_set_once(make_run):
    runs = [make_run("a", 0), make_run("a", 1), make_run("b", fingerprint="other")]
    (warning,) = build_report(runs).warnings
    assert "a/seed-0, a/seed-1 on 5,007" in warning
    assert warning.count("1a2b3c4d") == 1


def test_digits_are_compared_by_what_they_are_not_by_where(make_run):
    model = {"architecture": "digit_reader", "size": 0.5, "pretrained": "mnist"}

    def begun(seed, place, sha):
        run = make_run("a", seed, model=model, pretraining={"digits": place})
        run.write_environment(environment(pretraining=digits_record(place, sha)))
        return run

    report = build_report([begun(0, "here", "1"), begun(1, "there", "1")])
    assert not [warning for warning in report.warnings if "differ" in warning]
    assert [mean.seeds for mean in report.seed_means] == [2]
    report = build_report([begun(0, "here", "1"), begun(1, "here", "2")])
    assert "the runs of a differ in more than the seed: pretraining.digits" in report.warnings
    assert not report.seed_means


def test_seeds_with_other_settings_are_named(make_run):
    runs = [make_run("a", 0), make_run("a", 1, resize=64, train={"epochs": 3})]
    (warning,) = build_report(runs).warnings
    assert warning == "the runs of a differ in more than the seed: resize, train.epochs"
    assert build_report(runs).seed_means == []
    alike = [make_run("b", 0), make_run("b", 1, compute={"device": "cpu"})]
    assert build_report(alike).warnings == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ("", "the test images show none of them"),
        ("the competition's test images may show MNIST digits that these epochs have seen", None),
    ],
)
def test_digits_seen_before_are_told(make_run, seen, words):
    model = {"architecture": "digit_reader", "size": 1.0, "pretrained": "mnist"}
    runs = [make_run("a", seed, model=model) for seed in (0, 1)]
    for run in runs:
        run.write_environment(environment(pretraining=digits_record("mnist", seen=seen)))
    (warning,) = build_report([*runs, make_run("b")]).warnings
    assert warning == (
        "a/seed-0, a/seed-1: first trained on single digits of mnist, which the validation images "
        f"may show too; {words or seen}"
    )


def test_unfinished_run_is_reported_with_a_note(make_run):
    report = build_report([make_run(finished=False, epochs=4)])
    (warning,) = report.warnings
    assert "not finished" in warning
    assert "first 4 of 30 epochs" in warning
    assert report.entries[0].progress == "4 of 4"


def test_no_run_is_refused():
    with pytest.raises(InputError, match="at least one run"):
        build_report([])


def test_model_in_words(make_run):
    model = {"architecture": "mobilenet_v2", "size": 1.0}
    run = make_run(model=model, resize=64, augment="paper")
    assert describe_model(run.experiment) == (
        "mobilenet_v2 1, 64 px, augmentation paper, pretrained none"
    )
    plain = make_run("p", model={"architecture": "simple_cnn"}, augment={"zoom": {"magnitude": 1}})
    assert describe_model(plain.experiment).startswith("simple_cnn, 128 px, augmentation of its")


def test_numbers_in_words():
    assert percent(495 / 505) == "98.02 %"
    assert percent_interval((0.9, 1.0)) == "90.00–100.00 %"
