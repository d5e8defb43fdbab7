"""The files of a study's table."""

from mmnist.report.latex import render_latex
from mmnist.report.markdown import render_markdown
from mmnist.report.study.table import VARIANT, write_table
from mmnist.report.table import Table, render_csv

TABLE = Table("Title", VARIANT, ({"experiment": "a_b", "variant": "c", "label": "C"},))


def test_files_are_written_in_all_formats(tmp_path):
    paths = write_table(TABLE, tmp_path / "tables", "name")
    assert [path.name for path in paths] == ["name.md", "name.csv", "name.tex"]
    assert paths[0].read_text(encoding="utf-8") == "# Title\n\n" + render_markdown(TABLE)
    assert paths[1].read_text(encoding="utf-8") == render_csv(TABLE)
    assert paths[2].read_text(encoding="utf-8") == render_latex(TABLE)
