"""Where a report goes."""

from pathlib import Path

import pytest

from mmnist.errors import InputError
from mmnist.report.content import build_report
from mmnist.report.report import FORMATS, check_folder, report_folder, save_table
from mmnist.runs import Run


@pytest.mark.parametrize(
    ("runs", "folder"),
    [
        (["runs/a/seed-0"], "runs/a/seed-0/report"),
        (["elsewhere/seed-0"], "elsewhere/seed-0/report"),
        (["runs/a/seed-0", "runs/a/seed-1"], "runs/a/report"),
        (["runs/a/seed-0", "runs/b/seed-0"], "runs/report"),
        (["runs/a/seed-0", "elsewhere/b/seed-0"], "report"),
        (["elsewhere/a/seed-0", "elsewhere/a/seed-1"], "elsewhere/a/report"),
        (["elsewhere/a/seed-0", "elsewhere/b/seed-0"], "elsewhere/report"),
        (["/x/a/seed-0", "/x/b/seed-0"], "/x/report"),
    ],
)
def test_default_folder(tmp_path, monkeypatch, runs, folder):
    monkeypatch.chdir(tmp_path)
    assert report_folder([Run(Path(run)) for run in runs], Path("runs")) == Path(folder)


@pytest.mark.parametrize("format", FORMATS)
def test_saved_table_is_the_rendered_one(make_run, tmp_path, format):
    report = build_report([make_run()])
    path = save_table(report, format, tmp_path / "new" / "folder")
    render, name = FORMATS[format]
    assert path == tmp_path / "new" / "folder" / name
    assert path.read_text(encoding="utf-8") == render(report)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_marks_a_small_class_and_says_what_the_data_is(make_run, format):
    render, _ = FORMATS[format]
    small = render(build_report([make_run("small")]))
    assert "too small to judge: fewer than 20 validation images" in small
    assert "generated" in small
    large = render(build_report([make_run("large", support=(20,) * 10, generated=False)]))
    assert "too small" not in large
    assert "†" not in large
    assert "competition" in large


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="is a file; give a folder"):
            check_folder(folder)
    check_folder(tmp_path / "new" / "folder")
