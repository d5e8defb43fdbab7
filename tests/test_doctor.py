"""The doctor's findings, and that it always reaches the last line."""

from pathlib import Path

import pytest
import torch

from mmnist import doctor


def findings(data, runs) -> dict[str, doctor.Check]:
    return {check.subject: check for check in doctor.examine(data, runs)}


def test_a_sound_data_set(easy_store, tmp_path):
    found = findings(easy_store, tmp_path)
    assert list(found)[-1] == "disk"
    assert found["torch"].finding == torch.__version__
    assert found["data"].status == "ok"
    assert "400 + 60 images, generated" in found["data"].finding


def test_a_missing_data_set_says_how_to_make_one(tmp_path):
    check = findings(tmp_path / "none", tmp_path)["data"]
    assert check.status == "problem"
    assert "mmnist data make" in check.finding


def test_a_changed_data_set_is_found(tmp_path):
    from conftest import write_easy_store

    path = write_easy_store(tmp_path / "data")
    file = path / "train_images.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    check = findings(path, tmp_path)["data"]
    assert check.status == "problem"
    assert "train_images.npy" in check.finding


def test_a_full_disk_is_a_problem(monkeypatch, easy_store, tmp_path):
    usage = type("usage", (), {"free": 10**8})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    assert findings(easy_store, tmp_path)["disk"].status == "problem"


@pytest.mark.parametrize(("threads", "status"), [(1, "slow"), (4, "ok")])
def test_unused_cores_are_found(monkeypatch, easy_store, tmp_path, threads, status):
    monkeypatch.setattr(doctor, "usable_cores", lambda: 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert findings(easy_store, tmp_path)["threads"].status == status


@pytest.mark.parametrize(
    ("limits", "status", "words"),
    [
        ([], "ok", "2 for 4 cores, as torch chose"),
        (["OMP_NUM_THREADS"], "slow", "unset OMP_NUM_THREADS to use all"),
        (["MKL_NUM_THREADS"], "slow", "unset MKL_NUM_THREADS to use all"),
        (["OMP_NUM_THREADS", "MKL_NUM_THREADS"], "slow", "OMP_NUM_THREADS and MKL_NUM_THREADS to"),
    ],
)
def test_only_what_is_set_is_to_be_unset(monkeypatch, limits, status, words):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name in limits:
        monkeypatch.setenv(name, "2")
    monkeypatch.setattr(doctor, "usable_cores", lambda: 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    check = doctor._threads()
    assert check.status == status
    assert words in check.finding


@pytest.mark.parametrize("runs", ["there", "there/new/runs", "there/file"])
def test_the_disk_is_that_of_the_nearest_folder(monkeypatch, tmp_path, runs):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    asked = []
    usage = type("usage", (), {"free": 10**11})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: asked.append(path) or usage)
    assert doctor._disk(tmp_path / runs).status == "ok"
    monkeypatch.chdir(tmp_path)
    assert doctor._disk(Path(runs)).status == "ok"
    assert [path.resolve() for path in asked] == [tmp_path / "there"] * 2


def test_as_a_command(mmnist, easy_store, monkeypatch):
    usage = type("usage", (), {"free": 10**11})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    done = mmnist("doctor", "--data", easy_store)
    assert done.returncode == 0, done.stdout
    assert "problem" not in done.stdout
    done = mmnist("doctor", "--data", "nowhere")
    assert done.returncode == 1
    assert "no data set at nowhere" in done.stdout
    assert "disk" in done.stdout
