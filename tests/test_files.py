"""Files appear whole or not at all."""

import os
from pathlib import Path

import pytest

from mmnist.errors import RunError
from mmnist.files import replacing, write_text


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail_halfway() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_keep_out_of_each_others_way(tmp_path):
    """Also with equal process ids, as in two containers that share a folder."""
    path = tmp_path / "a.txt"
    with replacing(path) as first:
        first.write_text("first")
        write_text(path, "second")
        assert first.read_text() == "first"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made(tmp_path):
    write_text(tmp_path / "new" / "folder" / "a.txt", "ü")
    assert (tmp_path / "new" / "folder" / "a.txt").read_bytes() == "ü".encode()


def test_a_file_in_the_way_is_a_clear_failure(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*a\.txt"):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*a\.txt: .*file is a file, not a folder"):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path):
    (tmp_path / "b.txt").write_text("old")
    (tmp_path / "a.txt").symlink_to("b.txt")
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "b.txt").read_text() == "new"


def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="is a device or a pipe"):
        write_text(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", ["", ".", "folder"])
def test_a_folder_in_place_of_the_file_is_a_clear_failure(tmp_path, monkeypatch, name):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"cannot write .*: it is a folder"):
        write_text(Path(name), "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_files_are_as_readable_as_any_new_file(tmp_path):
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.touch(mode=0o600)
    (tmp_path / "b.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, flushed = tmp_path / "a.txt", []

    def fsync(number):
        flushed.append((os.fstat(number).st_size, path.exists()))

    monkeypatch.setattr("os.fsync", fsync)
    write_text(path, "text")
    assert flushed == [(4, False)]
