"""What is settled before images are labelled; tests/cli has what users see of it."""

import shutil

import numpy as np
import pytest
from conftest import write_easy_store
from fake_runs import digits_record

from mmnist.errors import InputError
from mmnist.evaluation.labelling import Files, NoFileError, NoImagesError, plan_labelling
from mmnist.runs import Run


@pytest.fixture
def run(tiny_run, tmp_path) -> Run:
    return Run(shutil.copytree(tiny_run.path, tmp_path / "runs" / "tiny" / "seed-0"))


def test_a_run_labels_its_own_test_images_in_its_folder(run):
    plan = plan_labelling([run], Files())
    assert plan.files == Files(labels=run.path / "submission.csv")
    assert plan.store.fingerprint == run.environment.data.fingerprint
    assert len(plan.images) == 60
    assert (plan.names, plan.warnings) == (None, [])


def test_seeds_label_in_the_folder_above(run):
    other = Run(shutil.copytree(run.path, run.path.with_name("seed-1")))
    plan = plan_labelling([run, other], Files(probabilities=run.path / "p.npy"))
    assert plan.files == Files(run.path.parent / "submission.csv", run.path / "p.npy")


def test_labels_without_a_usual_place_need_a_file(run, tmp_path):
    other = Run(shutil.copytree(run.path, tmp_path / "runs" / "other" / "seed-0"))
    with pytest.raises(NoFileError, match="several experiments are averaged"):
        plan_labelling([run, other], Files())
    np.save(tmp_path / "x.npy", np.zeros((2, 128, 128), np.uint8))
    with pytest.raises(NoFileError, match="no usual place"):
        plan_labelling([run], Files(), images=tmp_path / "x.npy")
    plan = plan_labelling([run], Files(tmp_path / "labels.csv"), images=tmp_path / "x.npy")
    assert (len(plan.images), plan.store) == (2, None)


def test_runs_of_different_data_sets_do_not_say_which_images(run, tmp_path):
    other = Run(shutil.copytree(run.path, run.path.with_name("seed-1")))
    data = other.experiment.data.model_copy(
        update={"path": str(write_easy_store(tmp_path / "second", seed=1))}
    )
    other.write_config(run.experiment.model_copy(update={"data": data, "seed": 1}))
    data = other.environment.data.model_copy(update={"fingerprint": "1" * 64})
    other.write_environment(other.environment.model_copy(update={"data": data}))
    with pytest.raises(NoImagesError, match=r"trained on different data sets .*second"):
        plan_labelling([run, other], Files())
    plan = plan_labelling([run, other], Files(), data=tmp_path / "second")
    assert plan.files.labels is None
    assert plan.store.path == tmp_path / "second"


def test_digits_of_pretraining_are_warned_of(run, easy_store):
    digits = digits_record(sha256="1" * 64)
    run.write_environment(run.environment.model_copy(update={"pretraining": digits}))
    warning = f"{easy_store} shows digits that {run.path} may have been trained on"
    for data in (easy_store, None):  # None: the run's own
        assert plan_labelling([run], Files(), data=data).warnings == [warning]


def test_files_have_names_of_their_formats(run, tmp_path):
    with pytest.raises(InputError, match=r"p\.txt.* must end in \.csv or \.npy"):
        plan_labelling([run], Files(probabilities=tmp_path / "p.txt"))
    with pytest.raises(InputError, match=r"r\.npy.* must end in \.csv"):
        plan_labelling([run], Files(readings=tmp_path / "r.npy"))
