"""The figures: what is drawn, and that nothing is cut off."""

import warnings
from itertools import pairwise

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


def _many(make_result, count, label="v{}", experiments=1):
    """The content of a study of `count` variants, which are all one run with published curves, in
    the first of its experiments; the others have two of them.
    """
    variants = {
        f"v{place}": {"config": "small.yaml", "label": label.format(place)}
        for place in range(count)
    }
    few = {name: variants[name] for name in ("v0", "v1")}
    more = {f"few{place}": {"question": "?", "variants": few} for place in range(1, experiments)}
    study = {
        **{key: STUDY[key] for key in ("name", "title", "published")},
        "experiments": {"many": {"question": "?", "variants": variants}, **more},
    }
    head, *rows = NUMBERS["curves.csv"].splitlines(keepends=True)
    curves = [row.replace("resize,small", f"many,{name}") for name in variants for row in rows]
    result = make_result(
        study,
        published={"curves.csv": "".join([head, *curves])},
        accuracies={"small": 0.7},
        seeds=1,
        name=f"pair{count}{len(label)}",
    )
    return build_content(result)


def test_more_variants_than_colours_can_be_told_apart(make_result):
    content = _many(make_result, 20)
    loss = loss_figure(content, content.result.comparisons[0]).findobj(matplotlib.axes.Axes)[0]
    looks = [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in loss.lines]
    assert len(looks) == len(set(looks)) == 40
    (costs,) = cost_figure(content).findobj(matplotlib.axes.Axes)
    looks = [(line.get_color(), line.get_marker()) for line in costs.lines]
    assert len(looks) == len(set(looks)) == 20


def _measured(figure):
    """Height of the first plot and bounds of all legends, in pixels, once the figure is drawn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # of matplotlib, if it cannot lay them out
        figure.draw_without_rendering()
    boxes = [legend.get_window_extent() for legend in figure.findobj(matplotlib.legend.Legend)]
    for box in boxes:
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height
    return figure.findobj(matplotlib.axes.Axes)[0].get_window_extent().height, boxes


LABELS = ["size {}", "ShuffleNetV2 {}, larger images, augmented"]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("count", [7, 10])
def test_many_variants_leave_the_loss_its_size(make_result, count, label):
    heights = []
    for shown in (2, count):
        content = _many(make_result, shown, label)
        figure = loss_figure(content, content.result.comparisons[0])
        height, (legend,) = _measured(figure)
        for axes in figure.findobj(matplotlib.axes.Axes):
            assert legend.y1 < axes.get_tightbbox().y0
        heights.append(height)
    assert heights[1] > 0.9 * heights[0]


@pytest.mark.parametrize("label", [*LABELS, f"ShuffleNetV2 {{}}, {'larger images, ' * 5}augmented"])
def test_labels_of_accuracies_keep_apart(make_result, label):
    figure = accuracy_figure(_many(make_result, 7, label, experiments=2))
    _measured(figure)
    for axes in figure.findobj(matplotlib.axes.Axes):
        boxes = [text.get_window_extent() for text in axes.get_yticklabels()]
        for above, below in pairwise(boxes):
            assert above.y0 > below.y1


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("count", [7, 10])
def test_many_variants_leave_the_costs_their_size(make_result, count, label):
    few, _ = _measured(cost_figure(_many(make_result, 2, label, experiments=3)))
    figure = cost_figure(_many(make_result, count, label, experiments=3))
    many, legends = _measured(figure)
    assert many > few
    _, _, third = figure.findobj(matplotlib.axes.Axes)[:3]
    assert third.get_window_extent().height > 0.9 * few
    assert legends[0].y0 > legends[2].y1  # one above the other
