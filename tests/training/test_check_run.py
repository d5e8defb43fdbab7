"""What lies in a run folder is replaced only where that was asked for, or with a word."""

import pytest

from mmnist.errors import InputError
from mmnist.runs import run_of
from mmnist.training.train import check_run, train


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["model.safetensors", "summary.json", "notes.txt"])
def test_files_without_a_configuration_are_kept(tiny, tmp_path, name, resume):
    run = run_of(tiny(), tmp_path)
    run.path.mkdir(parents=True)
    (run.path / name).touch()
    with pytest.raises(InputError, match=rf"has no config\.yaml.* holds {name}.*--force"):
        check_run(run, tiny(), resume=resume, overwrite=False)
    with pytest.raises(InputError, match=r"has no config\.yaml"):
        train(tiny(), tmp_path, resume=resume)
    assert (run.path / name).is_file()
    assert not check_run(run, tiny(), resume=False, overwrite=True)


def test_a_file_in_place_of_the_folder_is_kept(tiny, tmp_path):
    run = run_of(tiny(), tmp_path)
    run.path.parent.mkdir(parents=True)
    run.path.touch()
    with pytest.raises(InputError, match=r"seed-0 is a file; move it away"):
        check_run(run, tiny(), resume=True, overwrite=False)


@pytest.mark.parametrize("names", [[], ["environment.json", ".config-12.yaml"]])
def test_a_folder_in_which_nothing_was_done_is_a_new_run(tiny, tmp_path, names):
    run = run_of(tiny(), tmp_path)
    run.path.mkdir(parents=True)
    for name in names:
        (run.path / name).touch()
    assert not check_run(run, tiny(), resume=False, overwrite=False)


def test_a_run_without_its_checkpoint_begins_again_and_says_so(tiny, tiny_run, tmp_path, capsys):
    short = tiny(train={"epochs": 1})
    run = run_of(short, tmp_path)
    run.write_config(short)
    again = train(short, tmp_path, resume=True)
    assert again.finished
    said = f"{run.path} had no checkpoint.pt: the run starts over"
    assert said in again.log_file.read_text("utf-8")
    assert said in capsys.readouterr().out.replace("\n", "")
    assert "starts over" not in tiny_run.log_file.read_text("utf-8")
