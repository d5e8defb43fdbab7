import shutil

import pytest
from fake_runs import data_record, digits_record, environment, epoch_row, write_run

from mmnist.config.schema import Experiment
from mmnist.errors import InputError
from mmnist.runs import run_of
from mmnist.study.costs import Cost, read_costs, write_costs
from mmnist.study.folder import StudyFolder
from mmnist.study.loading import load_study, save_study
from mmnist.study.plan import (
    COST_ROUNDS,
    PlannedRun,
    check_data,
    check_saved,
    images_of,
    plan_runs,
    refuse_mixed_digits,
    rounds_of,
    seconds_left,
)
from mmnist.study.schema import Comparison


def test_each_run_once_and_all_of_a_seed_before_the_next(study_file, tmp_path):
    planned = plan_runs(load_study(study_file()), StudyFolder(tmp_path / "runs"), seeds=2)
    titles = [(each.config.name, each.config.seed) for each in planned]
    assert titles == [("small", 0), ("large", 0), ("small", 1), ("large", 1)]
    assert planned[0].places == (("resize", "small"), ("again", "only"))
    assert planned[0].run.path == tmp_path / "runs" / "small" / "seed-0"
    assert {each.state for each in planned} == {"new"}
    assert {each.epochs_left for each in planned} == {2}


def test_seeds_end(study_file, tmp_path):
    loaded = load_study(study_file(), ["seed=4294967295"])
    assert len(plan_runs(loaded, StudyFolder(tmp_path), seeds=1)) == 2
    with pytest.raises(InputError, match="the last seed would be 4294967296"):
        plan_runs(loaded, StudyFolder(tmp_path), seeds=2)


def test_one_experiment_keeps_the_names_of_shared_runs(study_file, tmp_path):
    (only,) = plan_runs(load_study(study_file()), StudyFolder(tmp_path), only=["again"])
    assert only.config.name == "small"
    assert ("resize", "small") in only.places


def test_costs_that_a_claim_is_about_are_measured_again_and_again(study_file, tmp_path):
    loaded = load_study(study_file())
    planned = plan_runs(loaded, StudyFolder(tmp_path), seeds=2)
    assert rounds_of(loaded, planned) == {"small": 1, "large": 1}
    comparison = loaded.study.experiments["resize"].model_dump()
    variants = iter(comparison["variants"])
    comparison["claims"] = [
        {
            "claim": "as fast",
            "kind": "cost",
            "measure": "time",
            "factor": 1,
            "variant": next(variants),
            "over": next(variants),
        }
    ]
    loaded.study.experiments["resize"] = Comparison.model_validate(comparison)
    assert rounds_of(loaded, planned) == {"small": COST_ROUNDS, "large": COST_ROUNDS}


def test_an_unknown_experiment_is_refused(study_file, tmp_path):
    with pytest.raises(InputError, match=r"--only sizes: .*there are: resize, again"):
        plan_runs(load_study(study_file()), StudyFolder(tmp_path), only=["sizes"])


def test_images_are_counted_by_the_split(study_file):
    config = load_study(study_file(), ["data.split.train_images=50"]).configs["resize", "small"]
    assert images_of(config) == (50, 40)


def make_run(config, root, fingerprint, **options):
    about = environment(data=data_record(fingerprint))
    return write_run(config, root, about=about, **{"finished": False, **options})


def test_epochs_that_are_done_are_not_left(study_file, tmp_path):
    loaded = load_study(study_file())
    run = make_run(loaded.configs["resize", "small"], tmp_path / "runs", "x")
    first, _ = plan_runs(loaded, StudyFolder(tmp_path / "runs"))
    assert (first.state, first.epochs_left) == ("unfinished", 2), "it begins again"
    run.checkpoint_file.touch()
    first, _ = plan_runs(loaded, StudyFolder(tmp_path / "runs"))
    assert (first.state, first.epochs_left) == ("unfinished", 1)
    make_run(run.experiment, tmp_path / "runs", "x", finished=True)
    first, _ = plan_runs(loaded, StudyFolder(tmp_path / "runs"))
    assert (first.state, first.epochs_left) == ("finished", 0)


def test_runs_of_other_data_are_refused_and_both_are_named(study_file, tmp_path):
    loaded = load_study(study_file())
    run = make_run(loaded.configs["resize", "small"], tmp_path / "runs", "f" * 64)
    with pytest.raises(InputError) as caught:
        check_data(plan_runs(loaded, StudyFolder(tmp_path / "runs")))
    message = str(caught.value)
    assert "experiment resize" in message
    assert str(run.path) in message
    assert str(tmp_path / "store") in message
    assert "f" * 12 in message


def test_variants_on_different_data_sets_are_refused(study_file, tmp_path):
    from conftest import write_easy_store

    path = study_file()
    shutil.rmtree(tmp_path / "other", ignore_errors=True)
    write_easy_store(tmp_path / "other", seed=1)
    config = (path.parent / "large.yaml").read_text("utf-8")
    changed = config.replace(str(tmp_path / "store"), str(tmp_path / "other"))
    (path.parent / "large.yaml").write_text(changed, "utf-8")
    # The claim compares paths of data sets already; without claims the fingerprints tell.
    text = path.read_text("utf-8")
    start, end = text.index("    claims:"), text.index("  again:")
    path.write_text(text[:start] + text[end:], "utf-8")
    loaded = load_study(path)
    with pytest.raises(InputError, match=r"the data set in .*store .*the data set in .*other"):
        check_data(plan_runs(loaded, StudyFolder(tmp_path / "runs")))


def test_a_changed_configuration_or_another_study_is_refused(study_file, tmp_path):
    loaded = load_study(study_file())
    folder = StudyFolder(tmp_path / "runs")
    check_saved(loaded, folder)
    make_run(loaded.configs["resize", "large"], folder.path, "x")
    check_saved(loaded, folder)
    changed = load_study(study_file(), ["train.learning_rate=0.5"])
    with pytest.raises(InputError, match=r"large.* was made with another configuration .*: train"):
        check_saved(changed, folder)
    make_run(
        loaded.configs["resize", "large"].model_copy(update={"name": "huge"}), folder.path, "x"
    )
    with pytest.raises(InputError, match="holds runs of huge, which this study does not have"):
        check_saved(loaded, folder)


def test_time_left_counts_the_reading_of_candidates(tmp_path):
    """A third of learning from each of three, after the first quarter of the epochs."""
    config = Experiment.model_validate(
        {
            "name": "reader",
            "model": {"architecture": "digit_reader", "size": 1.0, "pretrained": "mnist"},
            "pretraining": {"epochs": 4, "patches": 4000, "side": 64, "candidates": 3},
            "train": {"epochs": 0},
        }
    )
    cost = Cost(1, 1, 10.0, 50.0, 5.0, 16, "CPU", "fp32", 1)
    planned = PlannedRun(config, run_of(config, tmp_path), ())
    assert seconds_left(planned, cost, (600, 100)) == pytest.approx(100 + 3 * 200 + 4 * 2)


def test_time_left_counts_single_digits_by_their_pixels(tmp_path):
    config = Experiment.model_validate(
        {
            "name": "reader",
            "model": {"architecture": "digit_reader", "size": 1.0, "pretrained": "mnist"},
            "pretraining": {"epochs": 2, "patches": 4000, "side": 64},
            "train": {"epochs": 3},
        }
    )
    cost = Cost(1, 1, 10.0, 50.0, 5.0, 16, "CPU", "fp32", 1)
    planned = PlannedRun(config, run_of(config, tmp_path), ())
    # Twice 1,000 images' worth of patches, three times 600 images, five times 100 to validate.
    assert seconds_left(planned, cost, (600, 100)) == pytest.approx(200 + 180 + 10)
    planned.run.write_config(config)
    planned.run.write_metrics([epoch_row(epoch) for epoch in range(3)])
    planned.run.checkpoint_file.touch()
    planned = PlannedRun(config, run_of(config, tmp_path), ())
    assert seconds_left(planned, cost, (600, 100)) == pytest.approx(120 + 4)


def test_runs_that_began_with_other_digits_of_one_source_or_name_are_refused(tmp_path):
    def begun(name, source, sha, seed=0):
        model = {"architecture": "digit_reader", "size": 1.0, "pretrained": "mnist"}
        values = {"name": name, "seed": seed, "model": model, "pretraining": {"digits": source}}
        config = Experiment.model_validate(values)
        run = run_of(config, tmp_path)
        run.write_config(config)
        run.write_environment(environment(pretraining=digits_record(source, sha * 64)))
        return run

    one, same = begun("one", "mnist", "a"), begun("same", "mnist", "a")
    elsewhere, changed = begun("elsewhere", "sample", "b"), begun("changed", "mnist", "c")
    refuse_mixed_digits("x", [one, same, elsewhere])
    with pytest.raises(InputError, match=r"experiment x: .*one/seed-0 and .*changed/seed-0 began"):
        refuse_mixed_digits("x", [one, elsewhere, changed])
    refuse_mixed_digits("x", [one, begun("one", "moved", "a", seed=1)])
    with pytest.raises(InputError, match=r"one/seed-0 and .*one/seed-2 began"):
        refuse_mixed_digits("x", [one, begun("one", "moved", "d", seed=2)])


def test_costs_of_changed_configurations_are_forgotten(study_file, tmp_path):
    cost = Cost(1, 1, 10.0, 30.0, 5.0, 16, "CPU", "fp32", 1)
    folder = StudyFolder(tmp_path / "saved")
    save_study(load_study(study_file()), folder)
    write_costs(folder.costs_file, {"small": [cost], "large": [cost]})
    save_study(load_study(study_file(), ["seed=5"]), folder)
    assert len(read_costs(folder.costs_file)) == 2
    path = study_file()
    (path.parent / "large.yaml").write_text("extends: small.yaml\nresize: 48\n", "utf-8")
    save_study(load_study(path), folder)
    assert list(read_costs(folder.costs_file)) == ["small"]
