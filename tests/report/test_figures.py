"""The figures: real images, with something on them that depends on the runs."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from mmnist.errors import RunError
from mmnist.report import figures
from mmnist.report.content import Report, build_report
from mmnist.report.figures import COLOURS, draw_figures
from mmnist.runs import Run

DPI = 75
NAMES = ["loss.png", "accuracy.png", "time.png", "confusion.png"]


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """A quarter of the pixels, for speed."""
    monkeypatch.setattr(figures, "DPI", DPI)


def _draw(runs, folder):
    paths = draw_figures(build_report(runs), folder)
    assert [path.name for path in paths] == NAMES
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    images = []
    for path in paths:
        with Image.open(path) as image:
            assert image.format == "PNG"
            images.append(np.asarray(image.convert("RGB")))
    return images


def _pixels(image, colour):
    rgb = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return int((image == rgb).all(axis=2).sum())


def test_figures_have_their_size_and_are_not_blank(make_run, tmp_path):
    loss, accuracy, time, confusion = _draw([make_run()], tmp_path / "out")
    assert loss.shape == accuracy.shape == (4 * DPI, 9 * DPI, 3)
    assert confusion.shape[0] >= 4 * DPI
    for image in (loss, accuracy, time, confusion):
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert (border == 255).all()  # nothing is cut off at the edge
        assert 0.02 < (image != 255).any(axis=2).mean() < 0.9


def test_names_are_no_formulas(make_run, tmp_path):
    run = make_run("a")
    entries = [replace(each, label=r"net $\foo$") for each in build_report([run, run]).entries]
    assert draw_figures(Report(entries), tmp_path)


def test_figures_depend_on_the_run(make_run, tmp_path):
    first = _draw([make_run("a", errors=0.05)], tmp_path / "1")
    again = _draw([make_run("a", errors=0.05)], tmp_path / "2")
    other = _draw([make_run("a", errors=0.4)], tmp_path / "3")
    for one, same, different in zip(first, again, other, strict=True):
        assert np.array_equal(one, same)
        assert one.shape == different.shape
        assert not np.array_equal(one, different)


def test_each_run_has_a_colour(make_run, tmp_path):
    runs = [make_run(name, errors=0.1 * place) for place, name in enumerate("abc")]
    loss, accuracy, _, confusion = _draw(runs, tmp_path / "out")
    for image in (loss, accuracy):
        shown = [_pixels(image, colour) > 20 for colour in COLOURS]
        assert shown[:6] == [True] * 3 + [False] * 3  # black is the colour of the axes, too
    assert confusion.shape[1] > 8 * DPI  # two panels beside each other


def test_seeds_share_a_colour_beside_other_runs(make_run, tmp_path):
    runs = [make_run("a", seed, errors=0.1 * seed) for seed in range(3)]
    (alone, *_) = _draw(runs, tmp_path / "1")
    assert _pixels(alone, COLOURS[2]) > 20
    (beside, *_) = _draw([*runs, make_run("b", errors=0.5)], tmp_path / "2")
    assert _pixels(beside, COLOURS[1]) > 20
    assert _pixels(beside, COLOURS[2]) == 0


def _legend(figure):
    """The legend's names, each with the look of its line: colour, line and marker."""
    (legend,) = figure.legends
    looks = [
        (line.get_color(), line.get_linestyle(), line.get_marker()) for line in legend.get_lines()
    ]
    return dict(zip((text.get_text() for text in legend.get_texts()), looks, strict=True))


@pytest.mark.parametrize(
    "draw", [partial(figures._curves, quantity="loss"), figures._error_by_time]
)
def test_each_of_many_runs_has_its_name_and_look_in_the_legend(make_run, draw):
    runs = [make_run(f"size_{place}", epochs=2) for place in range(30)]
    figure = draw(build_report([*runs, make_run("size_29", seed=1, epochs=2)]).entries)
    legend = _legend(figure)
    assert list(legend) == [run.name for run in runs]
    assert len(set(legend.values())) == 30
    first, last = figure.axes[0].lines[0], figure.axes[0].lines[-1]
    for line, name in ((first, "size_0"), (last, "size_29")):
        assert (line.get_color(), line.get_linestyle(), line.get_marker()) == legend[name]


def test_each_of_many_seeds_has_its_name_in_the_legend(make_run):
    runs = [make_run("x", seed, epochs=2) for seed in range(30)]
    legend = _legend(figures._curves(build_report(runs).entries, "accuracy"))
    assert list(legend) == [f"x/seed-{seed}" for seed in range(30)]
    assert len(set(legend.values())) == 30


@pytest.mark.parametrize(
    "draw", [partial(figures._curves, quantity="loss"), figures._error_by_time]
)
@pytest.mark.parametrize("length", [3, 50, 100])
def test_many_names_leave_the_plots_their_size(make_run, draw, length):
    runs = [make_run(f"{place:02}".ljust(length, "n"), epochs=2) for place in range(12)]
    entries = build_report(runs).entries
    sizes = []
    for shown in (entries[:2], entries):
        figure = draw(shown)
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 < figure.axes[0].get_tightbbox().y0
        sizes.append(figure.axes[0].get_window_extent().height)
    assert sizes[1] > 0.9 * sizes[0]


@pytest.mark.parametrize(("times", "scale"), [(4, "linear"), (6, "log")])
def test_runs_of_very_different_length_are_drawn_over_a_log_axis_of_time(make_run, times, scale):
    short, long = make_run("short"), make_run("long")
    long.write_metrics(
        long.metrics.assign(seconds=times * short.metrics["seconds"]).to_dict("records")
    )
    (axes,) = figures._error_by_time(build_report([short, Run(long.path)]).entries).axes
    assert axes.get_xscale() == scale
    assert axes.get_yscale() == "log"


def test_colours_can_be_told_apart():
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in COLOURS], float)
    distances = np.linalg.norm(rgb[:, None] - rgb[None], axis=2)
    assert distances[~np.eye(len(rgb), dtype=bool)].min() > 60


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_epochs_are_whole_numbers_on_their_axis(make_run, epochs):
    figure = figures._curves(build_report([make_run(epochs=epochs)]).entries, "loss")
    ticks = figure.axes[0].get_xticks()
    assert all(tick == round(tick) for tick in ticks)
    assert any(1 <= tick <= epochs for tick in ticks)


def test_one_epoch_and_a_narrow_range_are_drawn_without_a_warning(make_run, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        _draw([make_run("a", epochs=1)], tmp_path / "1")
        _draw([make_run(f"n{index}", epochs=2) for index in range(4)], tmp_path / "2")


def test_loss_that_no_log_axis_can_show_is_drawn(make_run, tmp_path):
    run = make_run()
    rows = run.metrics.assign(train_loss=0.0, valid_loss=0.0).to_dict("records")
    run.write_metrics(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        _draw([Run(run.path)], tmp_path / "out")


def test_folder_that_cannot_be_written_is_an_error(make_run, tmp_path):
    target = tmp_path / "out"
    (target / "loss.png").mkdir(parents=True)
    with pytest.raises(RunError, match=r"cannot write .*loss\.png"):
        draw_figures(build_report([make_run()]), target)
