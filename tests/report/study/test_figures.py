"""The figures: what is drawn, and that nothing is cut off."""

import matplotlib
import numpy as np
import pytest
from report.study.invented import NUMBERS, STUDY

from mmnist.report.figures import COLOURS, STYLE
from mmnist.report.study.content import build_content
from mmnist.report.study.figures import accuracy_figure, cost_figure, loss_figure


def _pixels(figure):
    """The figure as uint8 [height, width, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with matplotlib.rc_context(STYLE):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _assert_whole(figure):
    image = _pixels(figure)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (border == 255).all()
    assert 0.005 < (image != 255).any(axis=2).mean() < 0.5


def _lines(axes):
    return {line.get_label(): line for line in axes.lines}


def _texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def test_loss_shows_means_bands_and_published_curves(content):
    comparison = content.result.comparisons[0]
    figure = loss_figure(content, comparison)
    train, valid = figure.findobj(matplotlib.axes.Axes)
    assert train.get_yscale() == "log"
    lines = _lines(valid)
    assert list(lines) == ["32 px, 3 seeds", "32 px, published", "64 px, 3 seeds"]
    own, published = lines["32 px, 3 seeds"], lines["32 px, published"]
    runs = comparison.variants["small"].runs
    losses = np.array([run.metrics["valid_loss"] for run in runs])
    np.testing.assert_allclose(own.get_ydata(), losses.mean(axis=0))
    np.testing.assert_array_equal(own.get_xdata(), [1, 2, 3, 4, 5, 6])
    np.testing.assert_allclose(published.get_ydata(), 1.5 / np.arange(1, 7))
    assert own.get_color() == published.get_color() == COLOURS[0]
    assert (own.get_linestyle(), published.get_linestyle()) == ("-", "--")
    assert published.get_linewidth() < 1.5
    band = valid.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(losses.min())
    _assert_whole(figure)


def test_only_epochs_that_all_seeds_reached_are_averaged(make_result):
    content = build_content(make_result())
    comparison = content.result.comparisons[0]
    run = comparison.variants["small"].runs[0]
    rows = run.metrics.iloc[:4].to_dict("records")
    run.write_summary(run.summary.model_copy(update={"epochs": 4}))
    run.write_metrics(rows)
    axes = loss_figure(content, comparison).findobj(matplotlib.axes.Axes)[0]
    assert len(_lines(axes)["32 px, 3 seeds"].get_xdata()) == 4


def test_loss_of_published_curves_alone_and_of_nothing(make_result):
    content = build_content(make_result(accuracies={"large": 0.9}))
    axes = loss_figure(content, content.result.comparisons[0]).findobj(matplotlib.axes.Axes)[0]
    assert list(_lines(axes)) == ["32 px, published", "64 px, 3 seeds"]
    content = build_content(make_result(accuracies={"small": 0.7}, name="other"))
    assert loss_figure(content, content.result.comparisons[1]) is None


def test_accuracy_shows_own_and_published_numbers(content):
    figure = accuracy_figure(content)
    resize, final = figure.findobj(matplotlib.axes.Axes)
    drawn = [round(float(line.get_xdata()[0]), 6) for line in resize.lines]
    assert {0.75, 0.8, 0.85, 0.9} <= set(drawn)
    assert [tick.get_text() for tick in resize.get_yticklabels()] == ["32 px", "64 px"]
    assert resize.get_title(loc="left") == (
        "resize: own runs on 1,000 validation images, 3 seeds; published on 500"
    )
    assert final.get_title(loc="left") == "final: own runs on 800 test images, 3 seeds"
    _assert_whole(figure)


def test_accuracy_axes_span_at_least_a_point(make_result):
    content = build_content(make_result(published=None, accuracies={"small": 0.995}, seeds=2))
    figure = accuracy_figure(content)
    (axes,) = figure.findobj(matplotlib.axes.Axes)
    low, high = axes.get_xlim()
    assert high - low >= 0.01
    assert "published" not in _texts(figure)


def test_cost_shows_one_point_a_variant(content):
    figure = cost_figure(content)
    resize, _ = figure.findobj(matplotlib.axes.Axes)
    points = {
        line.get_label().split("\n")[0]: (line.get_xdata()[0], line.get_ydata()[0])
        for line in resize.lines
    }
    assert points["32 px"] == pytest.approx((2.5, 0.75))
    assert points["64 px"] == pytest.approx((10.0, 0.85))
    assert resize.get_xscale() == "log"
    assert "CPU, 2 threads" in resize.get_xlabel()
    _assert_whole(figure)


def test_no_cost_no_figure(make_result):
    assert cost_figure(build_content(make_result(costs={}))) is None


def test_caveats_stand_at_the_foot_of_every_figure(content):
    caveat = "Generated data, not the competition's."
    comparison = content.result.comparisons[0]
    for figure in (
        accuracy_figure(content),
        cost_figure(content),
        loss_figure(content, comparison),
    ):
        assert caveat in " ".join(_texts(figure).split())


def test_more_variants_than_colours_can_be_told_apart(make_result):
    names = [f"v{k}" for k in range(9)]
    study = {
        **{key: STUDY[key] for key in ("name", "title", "published")},
        "experiments": {
            "many": {"question": "?", "variants": dict.fromkeys(names, "small.yaml")},
        },
    }
    curves = NUMBERS["curves.csv"].replace("resize,small", "many,v0")
    accuracies = {"small": 0.7}
    published = {"curves.csv": curves}
    content = build_content(make_result(study, published=published, accuracies=accuracies))
    axes = loss_figure(content, content.result.comparisons[0]).findobj(matplotlib.axes.Axes)[0]
    looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines]
    assert len(looks) == len(set(looks)) == 10
