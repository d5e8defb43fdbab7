"""LaTeX tables: balanced, rectangular, escaped."""

import re

import pytest

from mmnist.report.content import SMALL_NOTE, build_report
from mmnist.report.latex import escape, render_latex


def _rows(tabular):
    """Number of columns that each row of a tabular fills."""
    widths = []
    for line in tabular.splitlines():
        if line.endswith(r"\\"):
            cells = re.split(r"(?<!\\)&", line)
            spans = re.findall(r"\\multicolumn\{(\d+)\}", line)
            widths.append(len(cells) + sum(int(span) - 1 for span in spans))
    return widths


def _check(text):
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    for name in ("table", "tabular"):
        assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}")
    assert text.isascii()
    for columns, body in re.findall(
        r"\\begin\{tabular\}\{(l\w+)\}(.*?)\\end\{tabular\}", text, re.S
    ):
        assert set(_rows(body)) == {len(columns)}
    unescaped = re.sub(r"\\[%_#$&{}]|\$\\pm\$|^% needs.*", "", text, flags=re.M)
    unescaped = re.sub(r" & ", "", unescaped)
    assert not re.search(r"[%_#$&]", unescaped)


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_tables_are_sound(make_run, count):
    runs = [make_run(f"size_resnet_{index}", epochs=1) for index in range(count)]
    text = render_latex(build_report(runs))
    _check(text)
    assert text.count(r"\begin{table}") == {1: 2, 2: 1, 4: 1, 5: 2}[count]
    assert text.count(r"size\_resnet\_0") >= 2


def test_tables_with_support_per_run_and_seeds_are_sound(make_run):
    runs = [make_run("a_b", 0), make_run("a_b", 1, errors=0.1), make_run("c", fingerprint="other")]
    text = render_latex(build_report(runs))
    _check(text)
    assert r"$\pm$" in text
    assert "validated on different images" in text


def test_numbers_marks_and_confusion(make_run):
    run = make_run()
    text, valid = render_latex(build_report([run])), run.summary["valid"]
    scores = " & ".join(f"{valid[key][7]:.3f}" for key in ("precision", "recall", "f1"))
    assert f"7 & 887 & {scores} \\\\" in text
    assert r"0 & 5 \textdagger{} &" in text
    assert SMALL_NOTE in text
    assert f"{100 * valid['accuracy']:.2f} \\%" in text
    assert f"9 & {' & '.join(map(str, valid['confusion'][9]))} \\\\" in text
    assert "generated images" in text


def test_escape():
    assert escape(r"a_b & 5 % #1 {x} ~^\ † ±") == (
        r"a\_b \& 5 \% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{} "
        r"\textdagger{} $\pm$"
    )
    assert escape("[64] px *") == "{[}64] px {*}", "not the length of the line break before it"
