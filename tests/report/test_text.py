"""The report in the terminal."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from mmnist.report.content import SMALL_NOTE, build_report, percent, percent_interval
from mmnist.report.text import plain_text, render_text


def _shown(runs, width=80):
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    console.print(render_text(build_report(runs), width), crop=False)
    return console.file.getvalue()


def _words(text, first):
    return next(line.split() for line in text.splitlines() if line.startswith(first))


def test_one_run_shows_everything_in_80_columns(make_run):
    run = make_run(epochs=7)
    text, valid = _shown([run]), run.summary.valid
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for part in (
        "quickstart/seed-0",
        "resnet 18, 128 px",
        "generated images, not the competition's",
        "5,007 images",
        "7 of 7",
        percent(valid.accuracy),
        f"95 % interval {percent_interval(valid.interval)}",
        f"{valid.correct:,} of 5,007 right",
        f"† {SMALL_NOTE}",
    ):
        assert part in text
    scores = [f"{getattr(valid, key)[8]:.3f}" for key in ("precision", "recall", "f1")]
    assert _words(text, "8 ") == ["8", "1,063", *scores]
    averages = [f"{getattr(valid.macro, key):.3f}" for key in ("precision", "recall", "f1")]
    assert _words(text, "macro") == ["macro", "5,007", *averages]
    assert _words(text, "0 ")[1:3] == ["5", "†"]


def test_one_run_shows_its_confusion_matrix(make_run):
    run = make_run()
    text = _shown([run])
    matrix = text[text.index("Confusion matrix") :]
    for digit, counts in enumerate(run.summary.valid.confusion):
        expected = [str(count) if count else "·" for count in counts]
        assert _words(matrix, f"{digit} ") == [str(digit), *expected]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("shared", [True, False])
def test_many_runs_wrap_into_groups_that_fit(make_run, width, shared):
    runs = [
        make_run(f"a_run_with_a_rather_long_name_{index}", errors=0.01 * index, epochs=1)
        for index in range(4)
    ]
    if not shared:
        runs.append(make_run("other", fingerprint="other", epochs=1))
    text = _shown(runs, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for run in runs:
        assert percent(run.summary.valid.accuracy) in text
        assert percent_interval(run.summary.valid.interval) in text


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("width", [20, 40])
def test_no_number_of_a_table_is_cut_in_a_narrow_terminal(make_run, count, width):
    # Counts so large that the confusion matrix has more than 80 characters.
    large = {"support": (5, *[2_000] * 9), "errors": 0.4, "epochs": 1}
    runs = [make_run(f"run_{index}", **large) for index in range(count)]
    narrow, wide = _shown(runs, width), _shown(runs, 400)
    numbers = {word for word in wide.split() if word.replace(",", "").replace(".", "").isdigit()}
    assert len(numbers) > 30
    assert numbers - set(narrow.split()) == set()
    assert "…" not in narrow


def test_a_narrow_terminal_shows_the_same_tables(make_run):
    run = make_run(epochs=1)
    narrow, wide = (re.findall(r"^\d .*", _shown([run], width), re.M) for width in (40, 120))
    assert narrow == wide
    assert len(narrow) == 20  # per-class numbers and a confusion matrix


def test_as_many_runs_stand_side_by_side_as_fit(make_run):
    runs = [make_run(name, epochs=1) for name in "abcdef"]

    def tables(width):
        return sum(line.startswith("digit") for line in _shown(runs, width).splitlines())

    assert [tables(width) for width in (40, 80, 120, 200)] == [6, 3, 2, 1]


def test_support_is_shown_once_for_the_same_images(make_run):
    same = [make_run("a", epochs=1), make_run("b", errors=0.2, epochs=1)]
    assert _shown(same, 120).count("1,346") == 1
    other = make_run("c", support=(5, 43, 103, 200, 318, 423, 619, 887, 1063, 1300), epochs=1)
    text = _shown([same[0], other], 120)
    assert _words(text, "9 ")[4] == "1,346"
    assert _words(text, "9 ")[-1] == "1,300"
    assert "warning: these runs were validated on different images" in text


def test_warnings_and_seeds_are_shown(make_run):
    runs = [make_run("a", seed, epochs=1) for seed in range(2)]
    text = _shown([*runs, make_run("b", epochs=1, finished=False)], 120)
    assert "warning: b is not finished" in text
    assert "standard deviation over 2 seeds" in text


def test_digits_with_too_few_images_are_dim_where_they_are_few(make_run):
    few = make_run("few", support=(5, *[30] * 9), epochs=1)
    many = make_run("many", support=(30,) * 10, epochs=1)
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system="standard")
    console.print(render_text(build_report([few, many]), 120))
    zero, one = (line for line in console.file.getvalue().splitlines() if line[:2] in ("0 ", "1 "))
    dim = "\x1b[2m"
    assert dim in zero
    assert dim not in one
    assert zero.rindex(dim) < zero.index("5 †") < zero.index("30", zero.index("5 †"))


def test_names_are_not_read_as_markup(make_run, tmp_path, monkeypatch):
    # Two runs of one name are told apart by their paths, and a path may hold anything.
    model = {"architecture": "simple_cnn", "pretrained": "[red]w.pth"}
    monkeypatch.chdir(tmp_path)  # so that the paths are short enough for one line
    runs = [make_run("a", root=Path(at), epochs=1, model=model) for at in ("[bold]x", "y")]
    assert "".join(_shown(runs, 300).split()).count("[bold]x") == 2
    assert _shown(runs, 300).count("[red]w.pth") == 2
    assert "[red]w.pth" in _shown(runs[:1])


def test_plain_text_has_no_colour_and_no_trailing_space(make_run):
    text = plain_text(build_report([make_run()]))
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "best epoch  12 of 12" in text
