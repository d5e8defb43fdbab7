"""The tables of a report: their content, and CSV and Markdown read back."""

import io
import re
import shutil

import pandas as pd
import pytest

from mmnist.report.content import SMALL_NOTE, build_report
from mmnist.report.report import report_csv, report_markdown
from mmnist.report.run_tables import per_class_table
from mmnist.runs import Run


def _csv(*runs):
    return pd.read_csv(io.StringIO(report_csv(build_report(runs))), dtype={"seed": str})


def _tables(markdown):
    """Tables of a Markdown text as lists of rows of cells; checks that each is rectangular."""
    tables = []
    for block in re.findall(r"(?:^\|.*\n)+", markdown, flags=re.M):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        assert {len(row) for row in rows} == {len(rows[0])}
        assert all(set(cell) <= set(" -:") for cell in rows[1])
        tables.append([[cell.strip() for cell in row] for row in [rows[0], *rows[2:]]])
    return tables


def _cells(table, heading, spanner=""):
    """The cells of one column."""
    (column,) = (c for c in table.shown if (c.heading, c.spanner) == (heading, spanner))
    return [column.cell(row) for row in table.rows]


def test_rows_are_the_metrics_of_each_run(make_run):
    runs = [make_run("a", errors=0.02), make_run("b", errors=0.3)]
    report = build_report(runs)
    table = per_class_table(report, report.entries)
    assert _cells(table, "digit") == [*map(str, range(10)), "macro", "weighted"]
    for run in runs:
        valid = run.summary.valid
        for name in ("precision", "recall", "f1"):
            values = [
                *getattr(valid, name),
                getattr(valid.macro, name),
                getattr(valid.weighted, name),
            ]
            assert _cells(table, name, run.name) == [f"{value:.3f}" for value in values]
    support = [*runs[0].summary.valid.support, *[5007] * 2]
    assert [int(re.sub(r"\D", "", cell)) for cell in _cells(table, "support")] == support
    assert [len(rows) for rows in table.groups] == [10, 2]


def test_small_classes_are_marked_and_others_not(make_run):
    report = build_report([make_run(support=(0, 19, 20, 900, *[1500] * 6))])
    table = per_class_table(report, report.entries)
    assert _cells(table, "support")[:5] == ["0 †", "19 †", "20", "900", "1,500"]
    assert {_cells(table, name)[0] for name in ("precision", "recall", "f1")} == {"–"}
    assert table.notes == (f"† {SMALL_NOTE}.",)
    large = build_report([make_run("large", support=[20] * 10)])
    assert per_class_table(large, large.entries).notes == ()


def test_means_are_never_marked(make_run):
    report = build_report([make_run(support=(1,) * 10)])
    assert _cells(per_class_table(report, report.entries), "support")[10:] == ["10", "10"]


def test_csv_holds_every_number(make_run):
    run = make_run("a", 4)
    table, valid = _csv(run), run.summary.valid
    assert set(table["run"]) == {"a"}
    assert set(table["seed"]) == {"4"}
    assert table["digit"].tolist() == [*map(str, range(10)), "macro", "weighted", "accuracy"]
    for name in ("precision", "recall", "f1"):
        expected = [
            *getattr(valid, name),
            getattr(valid.macro, name),
            getattr(valid.weighted, name),
        ]
        assert table[name][:12].tolist() == pytest.approx(expected, abs=1e-6)
        assert pd.isna(table[name][12])
    assert table["support"].tolist() == [*valid.support, *[5007] * 3]
    predicted = table.loc[:9, [f"predicted_{digit}" for digit in range(10)]]
    assert predicted.to_numpy().tolist() == valid.confusion
    assert table["accuracy"][12] == pytest.approx(valid.accuracy, abs=1e-6)
    interval = [table["accuracy_low"][12], table["accuracy_high"][12]]
    assert interval == pytest.approx(valid.interval, abs=1e-6)
    assert table["accuracy"][:12].isna().all()


def test_csv_marks_small_and_empty_classes(make_run):
    table = _csv(make_run(support=(0, 19, 20, *[100] * 7)))
    assert table["note"][:3].tolist()[:2] == [SMALL_NOTE, SMALL_NOTE]
    assert table["note"][2:10].isna().all()
    assert table.loc[0, ["precision", "recall", "f1"]].isna().all()


def test_csv_puts_runs_below_each_other(make_run):
    runs = [make_run("a", 0), make_run("a", 1, errors=0.2), make_run("b", finished=False)]
    table = _csv(*runs)
    assert len(table) == 3 * 13 + 1
    accuracy = table[table["digit"] == "accuracy"].set_index(["run", "seed"])
    first, second = (run.summary.valid.accuracy for run in runs[:2])
    over_seeds = accuracy.loc[("a", "all")]
    assert over_seeds["accuracy"] == pytest.approx((first + second) / 2, abs=1e-6)
    assert over_seeds["accuracy_deviation"] == pytest.approx(abs(first - second) / 2**0.5, abs=1e-6)
    assert "2 seeds" in over_seeds["note"]
    assert "not finished" in accuracy.loc[("b", "0")]["note"]


def test_csv_tells_runs_of_one_name_and_seed_apart(make_run, tmp_path):
    one = make_run("a")
    other = Run(shutil.copytree(one.path, tmp_path / "elsewhere" / "a" / "seed-0"))
    assert set(_csv(one, other)["label"]) == {str(one.path), str(other.path)}


def test_csv_says_where_the_images_come_from(make_run):
    table = _csv(make_run("a"), make_run("b", generated=False))
    origins = table.groupby("run")["data"].unique().map(list).to_dict()
    assert origins == {"a": ["generated"], "b": ["competition"]}


def test_markdown_of_one_run(make_run):
    run = make_run()
    text, valid = report_markdown(build_report([run])), run.summary.valid
    runs, classes, confusion = _tables(text)
    assert runs[1][0] == "quickstart/seed-0"
    assert "generated images" in runs[1][2]
    assert runs[1][4] == f"{valid.correct:,} / 5,007"
    assert classes[0] == ["digit", "support", "precision", "recall", "f1"]
    assert classes[1][:2] == ["0", "5 †"]
    assert classes[2][1] == "43"
    assert classes[6][3] == f"{valid.recall[5]:.3f}"
    assert [row[0] for row in classes[11:]] == ["macro", "weighted"]
    assert [[int(cell) for cell in row[1:]] for row in confusion[1:]] == valid.confusion
    assert SMALL_NOTE in text


def test_markdown_of_several_runs(make_run):
    runs = [make_run("size_resnet18"), make_run("b", errors=0.2)]
    overview, classes = _tables(report_markdown(build_report(runs)))
    assert [row[0] for row in overview[1:]] == [r"size\_resnet18", "b"]
    assert classes[0][:3] == ["digit", "support", r"size\_resnet18 precision"]
    assert len(classes[0]) == 2 + 3 * 2
    for row, place, run in [(1, 2, runs[0]), (2, 5, runs[1])]:
        valid = run.summary.valid
        assert classes[10][place] == f"{valid.precision[9]:.3f}"
        assert overview[row][5] == f"{100 * valid.accuracy:.2f} %"
        assert overview[row][6].startswith(f"{100 * valid.interval[0]:.2f}–")


def test_markdown_shows_support_per_run_for_different_images(make_run):
    runs = [make_run("a"), make_run("b", fingerprint="other", support=(30,) * 9 + (7,))]
    text = report_markdown(build_report(runs))
    _, classes = _tables(text)
    assert classes[0][1:5] == ["a precision", "a recall", "a f1", "a support"]
    assert (classes[1][4], classes[1][8]) == ("5 †", "30")
    assert (classes[10][4], classes[10][8]) == ("1,346", "7 †")
    assert text.count("Warning: these runs were validated on different images") == 1


def test_markdown_escapes_what_would_break_a_table(make_run, tmp_path):
    runs = [make_run("a", root=tmp_path / folder) for folder in ("x|y", "z")]
    overview, _ = _tables(report_markdown(build_report(runs)))
    assert r"x\|y" in overview[1][0]
