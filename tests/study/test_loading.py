import csv
import os
from pathlib import Path

import pytest
from study.conftest import STUDY

from mmnist.config.loading import load_experiment
from mmnist.config.origin import ConfigError
from mmnist.study.folder import StudyFolder
from mmnist.study.loading import is_study, load_study, save_study

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted(path for path in (ROOT / "configs").rglob("experiments.yaml"))


def test_a_study_holds_the_configuration_of_every_variant(study_file):
    loaded = load_study(study_file())
    assert list(loaded.configs) == [("resize", "small"), ("resize", "large"), ("again", "only")]
    assert loaded.configs["resize", "large"].resize == 64
    assert loaded.study.experiments["resize"].variants["large"].label == "64 px"
    assert loaded.published.counts["resize", "large"].correct == 38


def test_variants_of_the_same_content_are_one_run(study_file):
    loaded = load_study(study_file())
    assert loaded.configs["again", "only"] is loaded.configs["resize", "small"]
    assert loaded.configs["again", "only"].name == "small"


def test_changes_reach_every_configuration(study_file):
    loaded = load_study(study_file(), ["train.epochs=7", "data.split.train_images=50"])
    assert {config.train.epochs for config in loaded.configs.values()} == {7}
    assert {config.data.split.train_images for config in loaded.configs.values()} == {50}
    assert loaded.study.changes == ["train.epochs=7", "data.split.train_images=50"]


def test_of_changes_of_one_key_the_last_one_counts(study_file):
    path = study_file(("published:", "changes: [train.epochs=5]\npublished:"))
    loaded = load_study(path, ["train.epochs=6", "train.epochs=5"])
    assert {config.train.epochs for config in loaded.configs.values()} == {5}


def test_the_configuration_of_one_run_is_no_study(study_file):
    path = study_file().parent / "small.yaml"
    with pytest.raises(ConfigError, match="not a study: mmnist train"):
        load_study(path)


def test_a_study_is_not_the_configuration_of_one_run(study_file):
    with pytest.raises(ConfigError, match=r"is a study.*mmnist reproduce --file"):
        load_experiment(study_file())


def test_changes_of_the_file_come_before_those_of_the_command(study_file):
    path = study_file(("published:", "changes: [train.epochs=5, seed=3]\npublished:"))
    configs = load_study(path, ["train.epochs=6"]).configs.values()
    assert {(config.train.epochs, config.seed) for config in configs} == {(6, 3)}


def test_a_saved_study_gives_the_same_wherever_it_lies(study_file, tmp_path):
    loaded = load_study(study_file(), ["train.epochs=7"])
    elsewhere = StudyFolder(tmp_path / "elsewhere")
    save_study(loaded, elsewhere)
    again = load_study(elsewhere.file)
    assert again.configs == loaded.configs
    assert again.published.counts == loaded.published.counts
    assert again.study.changes == loaded.study.changes
    assert again.study.experiments.keys() == loaded.study.experiments.keys()
    assert again.study.experiments["resize"].claims == loaded.study.experiments["resize"].claims


@pytest.mark.parametrize("name", ["1e-3", "08", "0x10", "on", "1_000", "2024-01-01"])
def test_names_that_yaml_could_misread_are_saved_as_text(study_file, tmp_path, name):
    path = study_file(("large:", f"'{name}':"), ("better: large", f"better: '{name}'"),
                      ("published: numbers\n", ""))  # fmt: skip
    loaded = load_study(path)
    elsewhere = StudyFolder(tmp_path / "elsewhere")
    save_study(loaded, elsewhere)
    again = load_study(elsewhere.file)
    assert again.configs == loaded.configs
    assert ("resize", name) in again.configs
    assert again.study.experiments["resize"].claims == loaded.study.experiments["resize"].claims


def test_a_study_is_told_from_a_configuration(study_file):
    path = study_file()
    assert is_study(path)
    assert not is_study(path.parent / "small.yaml")


BAD = {
    "unknown variant in a claim": (("better: large", "better: huge"), "no variant 'huge'", 11),
    "compared with itself": (("than: small", "than: large"), "names a variant twice", 11),
    "variant without a configuration": (
        ("small: small.yaml", "small: {label: x}"),
        "experiments.resize.variants.small.config: is missing",
        8,
    ),
    "configuration that is not there": (
        ("small: small.yaml", "small: absent.yaml"),
        "experiments.resize.variants.small: has no configuration: there is no file",
        8,
    ),
    "unknown key": (("question: Do", "question_: Do"), "unknown key", 6),
    "unknown kind": (
        ("kind: better", "kind: best"),
        "experiments.resize.claims.0.kind: wanted accuracy, better, cost, diminishing, "
        "overfits_less or ranking, got the text 'best'; did you mean 'better'?",
        12,
    ),
    "kind left out": (
        ("kind: better\n", "\n"),
        "experiments.resize.claims.0.kind: is missing; wanted accuracy, better",
        11,
    ),
    "no published folder": (("numbers", "figures"), "there is no folder", 3),
    "published numbers of nothing": (
        ("label: 64 px", "label: 64 px, published: resize/huge"),
        "experiments.resize.variants.large.published: there is no variant resize/huge",
        9,
    ),
    "a key of a claim left out": (
        ("        than: small\n", ""),
        "experiments.resize.claims.0.than: is missing",
        11,
    ),
    "unknown key in a claim": (
        ("        than: small\n", "        than: small\n        thn: small\n"),
        "experiments.resize.claims.0.thn: unknown key",
        15,
    ),
    "a claim that is a number": (
        ("      - claim: Larger images help\n", "      - 5\n      - claim: Larger images help\n"),
        "experiments.resize.claims.0: wanted a mapping",
        11,
    ),
    "an experiment that is a text": (
        ("  again:\n", "  third: text\n  again:\n"),
        "experiments.third: wanted a mapping",
        15,
    ),
    "no experiment": (
        (STUDY[STUDY.index("experiments:") :], "experiments: {}\n"),
        "experiments: wanted a mapping that is not empty, got an empty mapping",
        4,
    ),
    "no variant": (
        ("      only: same.yaml\n", "      {}\n"),
        "experiments.again.variants: wanted a mapping that is not empty, got an empty mapping",
        17,
    ),
    "misspelled key": (("title:", "titel:"), "titel: unknown key; did you mean 'title'?", 2),
    "key in the wrong place": (
        ("question: Do", "title: t\n    question: Do"),
        "experiments.resize.title: unknown key; belongs under the top (title)",
        6,
    ),
    "key of another kind of claim": (
        ("        than: small\n", "        than: small\n        factor: 2\n"),
        "claims.0.factor: unknown key; allowed: claim, where, kind, better, than",
        15,
    ),
    "key of an experiment in a claim": (
        ("        than: small\n", "        than: small\n        answers: a\n"),
        "claims.0.answers: unknown key; belongs under experiments.* (experiments.*.answers)",
        15,
    ),
    "number in quotes": (
        ("kind: better\n", "kind: accuracy\n        threshold: '0.5'\n"),
        "claims.0.threshold: wanted a number above 0 and below 1, got the text '0.5'; leave",
        13,
    ),
    "too short a list": (
        ("kind: better\n", "kind: ranking\n        order: [small]\n"),
        "claims.0.order: wanted a list of at least 2, got a list of 1",
        13,
    ),
    "item of a list": (
        ("better: large", "better: [large, 34]"),
        "claims.0.better.1: wanted at most 60 letters, digits, `.`, `_` and `-`, the first one a "
        "letter or digit, got the number 34; put quotes around it",
        13,
    ),
    "short form of a list": (
        ("better: large", "better: a b"),
        "experiments.resize.claims.0.better: wanted a list that is not empty or at most 60 letters",
        13,
    ),
    "short form of a variant": (
        ("small: small.yaml", "small: ''"),
        "experiments.resize.variants.small: wanted a mapping (config, label, published) or text "
        "that is not empty, got the text ''",
        8,
    ),
    "name that cannot be one": (
        ("  again:", "  a gain:"),
        "experiments.a gain: wanted at most 60 letters, digits",
        15,
    ),
    "published numbers of no place": (
        ("label: 64 px", "label: 64 px, published: small"),
        "large.published: wanted text such as size/resnet101 or null, got the text 'small'",
        9,
    ),
    "other split": (
        ("large: {config: large.yaml", "large: {config: split.yaml"),
        "claims.0: compares variants that are judged on different images",
        11,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_its_place(study_file, name):
    change, message, line = BAD[name]
    path = study_file(change)
    split = "extends: large.yaml\ndata: {split: {fraction: 0.8}}\n"
    (path.parent / "split.yaml").write_text(split, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    place = os.path.normpath(path)
    lines = [each for each in str(caught.value).splitlines() if message in each]
    assert lines, str(caught.value)
    assert any(each.startswith(f"{place}:{line}:") for each in lines), str(caught.value)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_file(study_file):
    path = study_file(
        ("title: Two", "smaler: Two"),
        ("small: small.yaml", "small: {label: 64 px, published: none/none}"),
        ("than: small", "thn: !!python/name:os.x small"),
        ("only: same.yaml", "only: {}"),
    )
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    place = os.path.normpath(path)
    found = [line.removeprefix(place).split(": ")[:2] for line in str(caught.value).splitlines()]
    claim = "experiments.resize.claims.0"
    assert found == [
        ["", "title"],
        [":2", "smaler"],
        [":8", "experiments.resize.variants.small.config"],
        [":11", f"{claim}.than"],
        [":14", f"{claim}.thn"],
        [":18", "experiments.again.variants.only.config"],
    ]


def test_every_claim_and_variant_that_does_not_fit_is_said(study_file):
    claims = "".join(
        f"      - {{claim: c, kind: accuracy, variant: {name}, side: below, threshold: 0.5}}\n"
        for name in ("absent", "missing")
    )
    path = study_file(("    claims:\n", f"    claims:\n{claims}"))
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    assert [problem.path[-1] for problem in caught.value.problems] == ["0", "1"]
    path = study_file(
        ("small: small.yaml", "small: {config: small.yaml, published: no/where}"),
        ("only: same.yaml", "only: {config: same.yaml, published: resize/huge}"),
    )
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    assert [problem.path[1] for problem in caught.value.problems] == ["resize", "again"]


@pytest.mark.parametrize("judged_on", ["validation", "test"])
def test_losses_of_different_validation_images_are_not_compared(study_file, judged_on):
    path = study_file(
        ("large: {config: large.yaml", "large: {config: split.yaml"),
        ("kind: better\n        better:", "kind: overfits_less\n        variant:"),
        ("question: Do", f"judged_on: {judged_on}\n    question: Do"),
    )
    split = "extends: large.yaml\ndata: {split: {fraction: 0.8}}\n"
    (path.parent / "split.yaml").write_text(split, encoding="utf-8")
    with pytest.raises(
        ConfigError, match="compares variants that are judged on different"
    ) as caught:
        load_study(path)
    assert "judged_on: test" not in str(caught.value)


def test_configurations_and_published_numbers_that_are_wrong_are_said_at_once(study_file):
    path = study_file(accuracy="experiment,variant,best_valid_accuracy,valid_images,correct\n"
                               "resize,huge,0.5,40,20\n")  # fmt: skip
    (path.parent / "small.yaml").write_text("model: {architecture: vgg}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"small\.yaml:1: .*vgg") as caught:
        load_study(path)
    assert "accuracy.csv:2: experiment resize has no variant 'huge'" in str(caught.value)
    (path.parent / "numbers").rename(path.parent / "gone")
    with pytest.raises(ConfigError, match=r"small\.yaml:1: .*vgg") as caught:
        load_study(path)
    assert "published: there is no folder" in str(caught.value)


def test_a_wrong_configuration_is_said_once_though_two_variants_use_it(study_file):
    path = study_file()
    (path.parent / "small.yaml").write_text("model: {architecture: vgg}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    assert str(caught.value).count("vgg") == 1


def test_two_configurations_of_one_name_are_refused(study_file):
    path = study_file()
    same = "extends: large.yaml\nname: small\n"
    (path.parent / "same.yaml").write_text(same, encoding="utf-8")
    text = path.read_text(encoding="utf-8").replace("same.yaml", "other.yaml")
    path.write_text(text, encoding="utf-8")
    (path.parent / "other.yaml").write_text(f"{same}seed: 4\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="same name as another configuration"):
        load_study(path)


def test_costs_of_training_images_are_not_claimed_of_a_network_that_sees_none(study_file):
    claim = (
        "- {claim: c, where: w, kind: cost, variant: small, over: large, measure: time, factor: 2}"
    )
    path = study_file(("    claims:\n", f"    claims:\n      {claim}\n"))
    load_study(path)
    digits = (
        "model: {architecture: digit_reader, size: 1.0, pretrained: mnist}\ntrain: {epochs: 0}\n"
    )
    (path.parent / "small.yaml").write_text(digits, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"claims\.0: is about the cost of a .* for small"):
        load_study(path)


def test_a_claim_about_two_configurations_of_the_same_content_is_refused(study_file):
    path = study_file(("large: {config: large.yaml", "large: {config: same.yaml"))
    with pytest.raises(ConfigError, match=r"claims\.0: .* one run: large and small") as caught:
        load_study(path)
    assert str(caught.value).startswith(f"{os.path.normpath(path)}:11:")


def test_a_claim_whose_variants_a_change_makes_the_same_is_left_to_the_verdict(study_file):
    configs = load_study(study_file(), ["resize=64"]).configs
    assert configs["resize", "large"] is configs["resize", "small"]


@pytest.mark.parametrize("name", ["study", "report", "experiments", "config"])
def test_a_configuration_must_not_take_a_name_of_the_study(study_file, name):
    path = study_file(("small: small.yaml", "small: other.yaml"))
    text = f"extends: small.yaml\nname: {name}\n"
    (path.parent / "other.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"is named {name}, as files of the study itself"):
        load_study(path)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.parent.name)
def test_shipped_studies_load(path):
    loaded = load_study(path)
    assert loaded.configs
    assert all(comparison.claims for comparison in loaded.study.experiments.values())


def test_the_papers_file_has_every_published_number_and_run():
    folder = ROOT / "configs" / "paper"
    loaded = load_study(folder / "experiments.yaml")
    with (folder / "published" / "accuracy.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(loaded.published.counts) == len(rows) == 14
    assert {len(table) for table in loaded.published.per_class.values()} == {10}
    names = {config.name for config in loaded.configs.values()}
    assert len(names) == 15  # of 18 files, three repeat another
    shared = [
        place for place, config in loaded.configs.items() if config.name == "augmentation_paper"
    ]
    assert shared == [("augmentation", "paper"), ("resize", "128"), ("pretraining", "none")]
