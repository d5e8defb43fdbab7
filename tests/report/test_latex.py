"""LaTeX tables: balanced, rectangular, escaped."""

import re
import shutil
import subprocess

import pytest

from mmnist.report.content import SMALL_NOTE, build_report
from mmnist.report.latex import escape_latex
from mmnist.report.report import report_latex


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
    for body in re.findall(r"\\begin\{tabular\}\{(.*?)\\end\{tabular\}", text, re.S):
        columns = re.sub(r">\{[^}]*\}p\{\S+?cm\}", "p", body.splitlines()[0]).rstrip("}")
        assert set(columns) <= set("lrp")
        assert set(_rows(body)) == {len(columns)}
    unescaped = re.sub(r"\\[%_#$&{}]|\$\\pm\$|^% needs.*", "", text, flags=re.M)
    unescaped = re.sub(r" & ", "", unescaped)
    assert not re.search(r"[%_#$&]", unescaped)


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_tables_are_sound(make_run, count):
    runs = [make_run(f"size_resnet_{index}", epochs=1) for index in range(count)]
    text = report_latex(build_report(runs))
    _check(text)
    assert text.count(r"\begin{table}") == {1: 3, 2: 2, 4: 2, 5: 3}[count]
    assert text.count(r"size\_resnet\_0") >= 2


def test_tables_with_support_per_run_and_seeds_are_sound(make_run):
    runs = [make_run("a_b", 0), make_run("a_b", 1, errors=0.1), make_run("c", fingerprint="other")]
    text = report_latex(build_report(runs))
    _check(text)
    assert r"$\pm$" in text
    captions = re.findall(r"\\caption\{.*", text)
    assert len(captions) == 2
    for caption in captions:  # tables are copied one by one
        assert "validated on different images" in caption


def test_each_run_has_its_numbers_under_its_name(make_run):
    runs = [make_run("a_b"), make_run("c", errors=0.2)]
    text = report_latex(build_report(runs))
    spanners = r"\multicolumn{2}{c}{} & \multicolumn{3}{c}{a\_b} & \multicolumn{3}{c}{c} \\"
    assert spanners in text
    numbers = [f"{run.summary.valid.f1[9]:.3f}" for run in runs]
    assert re.search(rf"^9 & 1,346 & .* & {numbers[0]} & .* & {numbers[1]} ", text, re.M)
    for run in runs:
        valid = run.summary.valid
        assert f"{valid.correct:,} / 5,007 & {100 * valid.accuracy:.2f} \\%" in text


def test_numbers_marks_and_confusion(make_run):
    run = make_run()
    text, valid = report_latex(build_report([run])), run.summary.valid
    scores = " & ".join(f"{getattr(valid, key)[7]:.3f}" for key in ("precision", "recall", "f1"))
    assert f"7 & 887 & {scores} \\\\" in text
    assert r"0 & 5 \textdagger{} &" in text
    assert SMALL_NOTE in text
    assert f"{100 * valid.accuracy:.2f} \\%" in text
    assert f"9 & {' & '.join(map(str, valid.confusion[9]))} \\\\" in text
    assert "generated images" in text


def test_escape_latex():
    assert escape_latex(r"a_b & 5 % #1 {x} ~^\ † ±") == (
        r"a\_b \& 5 \% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{} "
        r"\textdagger{} $\pm$"
    )
    assert escape_latex("[64] px *") == "{[}64] px {*}", (
        "not the length of the line break before it"
    )


SYMBOLS = (
    "αβγδεϵζηθικλμνξοπρςστυφϕχψωΓΔΘΛΞΠΣΥΦΨΩ±∓×÷⋅∘−√′ℓ≤≥≪≫≠≈≡≃∼∝→←↔↑↓⇒⇔∞∂∇∑∏∈∉∅∩∪"
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉₊₋…†–\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}\N{NON-BREAKING HYPHEN}"
)


def test_symbols_become_commands():
    assert escape_latex("lr ≥ 1e-3, α ≈ 10⁻³") == r"lr $\geq$ 1e-3, $\alpha$ $\approx$ 10$^-$$^3$"
    assert escape_latex("2 × −1 → ∞") == r"2 $\times$ $-$1 $\to$ $\infty$"
    assert escape_latex(SYMBOLS).isascii()
    assert escape_latex("e\N{COMBINING ACUTE ACCENT}") == "é"  # pdflatex cannot combine them


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_pdflatex_needs_no_package_for_symbols(tmp_path):
    body = escape_latex(f"{SYMBOLS} {' '.join(SYMBOLS)} é ü ø “x” ‰ € § ° µ")
    document = f"\\documentclass{{article}}\\begin{{document}}{body}\\end{{document}}"
    (tmp_path / "text.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "text.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-1000:]
