"""Where a study has its files, and how it is found."""

import pytest

from mmnist.config.origin import ConfigError
from mmnist.errors import InputError
from mmnist.study.folder import StudyFolder, find_study, folder_of
from mmnist.study.loading import load_study, save_study


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ([], "pair"),
        (["train.epochs=10"], "pair-epochs-10"),
        (["train.epochs=10", "data.split.train_images=50"], "pair-epochs-10-train-images-50"),
        (["model.pretrained=a/b.pth"], "pair-model.pretrained-a-b.pth"),
        (["compute.device=cpu"], "pair"),
        (["data.path=moved"], "pair"),
    ],
)
def test_a_smaller_copy_has_a_folder_of_its_own(study_file, tmp_path, changes, name):
    assert folder_of(load_study(study_file(), changes).study, tmp_path).path == tmp_path / name


def test_a_saved_study_is_found_by_name_and_by_folder(study_file, tmp_path):
    folder = StudyFolder(tmp_path / "runs" / "pair")
    assert not folder.exists
    save_study(load_study(study_file()), folder)
    assert folder.exists
    for argument in ("pair", str(folder.path)):
        assert find_study(argument, tmp_path / "runs") == folder
    with pytest.raises(InputError, match=r"other: no study here; studies in .*runs: pair "):
        find_study("other", tmp_path / "runs")
    with pytest.raises(InputError, match=r"there are none in .*nowhere yet"):
        find_study("x" * 300, tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["saved", "report", "file"])
def test_no_run_has_the_name_of_another_part_of_the_folder(study_file, tmp_path, name):
    taken = getattr(StudyFolder(tmp_path), name).stem
    path = study_file(("small: small.yaml", "small: other.yaml"))
    (path.parent / "other.yaml").write_text(f"extends: small.yaml\nname: {taken}\n", "utf-8")
    with pytest.raises(ConfigError, match=f"is named {taken}"):
        load_study(path)
