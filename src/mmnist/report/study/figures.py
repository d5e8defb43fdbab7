"""A study's figures: loss by epoch, accuracy of all variants, accuracy against cost.

Each function returns a matplotlib figure to save within `STYLE`, or `None` if it would be empty.
"""

from collections.abc import Iterator, Sequence
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mmnist.evaluation.metrics import wilson_interval
from mmnist.report.figures import (
    COLOURS,
    MARKERS,
    arrange_legend,
    legend_growth,
    legend_size,
    log_axis,
)
from mmnist.report.study.content import StudyContent, interval_of, judged_part
from mmnist.report.study.costs import costs_of
from mmnist.report.study.wording import count, seed_count
from mmnist.study.costs import Cost
from mmnist.study.results import ComparisonResult, VariantResult

_PARTS = {"train": "training", "valid": "validation"}
#: Line styles (own, published) of the first variants, and of those for which colours repeat.
_LINES = (("-", "--"), ("-.", ":"))
#: Markers of curves: none until line styles repeat, too.
_CURVE_MARKERS = ("", *MARKERS[1:])
_GREY = "#444444"
#: Inches across the figures of loss and accuracy.
_WIDTH = 9
#: Size of the legends of the cost figure, in points.
_COST_FONT = 9


def loss_figure(content: StudyContent, comparison: ComparisonResult) -> Figure | None:
    """Loss by epoch on a log axis, as in the paper's Figures 2, 4, 6, 8 and 10.

    Own curves are solid: the mean over the seeds, in a band from the lowest to the highest of them.
    Published ones are dashed.
    """
    variants = list(comparison.variants.values())
    if not any(each.runs or each.published_curves is not None for each in variants):
        return None
    notes = [*_loss_notes(variants), *content.notes]
    labels, columns = arrange_legend(_loss_labels(variants), _WIDTH, most=3)
    height = 4.4 + legend_growth(labels, columns)
    figure, main = _figure(_WIDTH, height, notes, ConstrainedLayoutEngine())
    panels = main.subplots(1, 2, sharex=True, sharey=True)
    for axes, letter, part in zip(panels, "ab", _PARTS, strict=True):
        for place, variant in enumerate(variants):
            colour, (own, published) = _style(place)
            if variant.runs:
                _own_curve(axes, variant, f"{part}_loss", colour, own)
            if (curves := variant.published_curves) is not None:
                epochs, losses = curves["epoch"] + 1, curves[f"{part}_loss"]
                axes.plot(epochs, losses, published, color=colour, linewidth=1)
        for line, label in zip(axes.lines, labels, strict=True):
            line.set_label(label)
        axes.set(xlabel="epoch", title=f"({letter}) {_PARTS[part]} loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    panels[1].tick_params(labelleft=True)
    log_axis(panels, [line.get_ydata() for axes in panels for line in axes.lines])
    main.legend(handles=panels[0].lines, loc="outside lower center", ncols=columns)
    return figure


def accuracy_figure(content: StudyContent) -> Figure | None:
    """Accuracy of every variant, published and of own runs, with one panel per experiment."""
    comparisons = [each for each in content.result.comparisons if _with_accuracy(each)]
    if not comparisons:
        return None
    heights = [_accuracy_height(each) for each in comparisons]
    layout = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.1)
    figure, main = _figure(_WIDTH, sum(heights) + 0.63 * len(heights) + 0.4, content.notes, layout)
    panels = main.subplots(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    for axes, comparison in zip(panels, comparisons, strict=True):
        variants = _with_accuracy(comparison)
        places = list(comparison.variants)
        for row, variant in enumerate(variants):
            _accuracy_row(axes, row, variant, _style(places.index(variant.name))[0])
        axes.set_yticks(range(len(variants)), [_accuracy_label(each) for each in variants])
        axes.set_ylim(len(variants) - 0.5, -0.5)
        axes.set_title(f"{comparison.name}: {_basis(comparison)}", loc="left", fontsize=10)
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.grid(axis="y", visible=False)
        axes.set_xlim(*_at_least_a_point(*axes.get_xlim()))
    _accuracy_legend(main, content)
    return figure


def cost_figure(content: StudyContent) -> Figure | None:
    """Accuracy against the time of one training image, with one panel per experiment."""
    comparisons = [each for each in content.result.comparisons if _with_cost(each)]
    if not comparisons:
        return None
    columns = min(2, len(comparisons))
    heights = [
        max(map(_cost_height, comparisons[first : first + columns]))
        for first in range(0, len(comparisons), columns)
    ]
    notes = ["Bars: 95 % intervals, of t over several seeds, of Wilson over the images for one."]
    layout = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.12)
    figure, main = _figure(6.2 * columns, sum(heights) + 0.2, [*notes, *content.notes], layout)
    panels = main.subplots(
        len(heights), columns, squeeze=False, sharex=True, height_ratios=heights
    ).ravel()
    for axes, comparison in zip(panels, comparisons, strict=False):
        _cost_panel(axes, comparison)
    for axes in panels[len(comparisons) :]:
        axes.set_axis_off()
    devices = "; ".join(dict.fromkeys(cost.device for cost in costs_of(content.result)))
    used = panels[: len(comparisons)]
    for axes in used:
        axes.tick_params(labelbottom=True)
    for axes in used[-columns:]:  # the last one of each column
        axes.set_xlabel(f"time of one training image, ms ({devices})")
    log_axis(used, [line.get_xdata() for axes in used for line in axes.lines], "x")
    return figure


def _figure(
    width: float, height: float, notes: Sequence[str], layout: ConstrainedLayoutEngine
) -> tuple[Figure, Figure | SubFigure]:
    """A figure of this size in inches, plus room for notes at its foot; and the part above them."""
    if not notes:
        figure = Figure(figsize=(width, height), layout=layout)
        return figure, figure
    text = fill(" ".join(notes), int(15 * width))
    foot = 0.15 + 0.16 * (text.count("\n") + 1)
    figure = Figure(figsize=(width, height + foot), layout=layout)
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, foot])
    main, below = parts.ravel()
    below.text(0.01, 0.95, text, fontsize=8.5, va="top", color=_GREY)
    return figure, main


def _style(place: int) -> tuple[str, tuple[str, str]]:
    """Colour and line styles (own, published) of the variant at this position in its experiment."""
    turn = place // len(COLOURS)
    own, published = _LINES[turn % len(_LINES)]
    marker = _CURVE_MARKERS[turn // len(_LINES) % len(_CURVE_MARKERS)]
    return COLOURS[place % len(COLOURS)], (own + marker, published + marker)


def _own_curve(axes: Axes, variant: VariantResult, column: str, colour: str, style: str) -> None:
    # Early stopping may end seeds at different epochs: only epochs that all have are drawn.
    curves = pd.concat(
        [run.metrics.set_index("epoch")[column] for run in variant.runs], axis=1, join="inner"
    )
    epochs = curves.index.to_numpy() + 1
    if len(variant.runs) > 1:
        low, high = curves.min(axis=1), curves.max(axis=1)
        axes.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)
    (line,) = axes.plot(epochs, curves.mean(axis=1), style, color=colour)
    if len(epochs) == 1 and line.get_marker() == "None":
        line.set_marker(".")


def _loss_labels(variants: Sequence[VariantResult]) -> Iterator[str]:
    """What the lines of the loss figure show, in the order in which they are drawn."""
    for each in variants:
        if each.runs:
            yield f"{each.label}, {count(len(each.runs), 'seed')}"
        if each.published_curves is not None:
            yield f"{each.label}, published"


def _loss_notes(variants: Sequence[VariantResult]) -> Iterator[str]:
    several = any(len(each.runs) > 1 for each in variants)
    if any(each.published_curves is not None for each in variants):
        yield "Thin lines: published."
    if several:
        yield "Bold lines: mean over the seeds, in a band from the lowest to the highest of them."


def _with_accuracy(comparison: ComparisonResult) -> list[VariantResult]:
    return [each for each in comparison.variants.values() if each.runs or each.published]


def _basis(comparison: ComparisonResult) -> str:
    """Images and seeds that the accuracies of an experiment rest on."""
    parts = []
    if ran := comparison.ran:
        seeds = seed_count(sorted({len(each.runs) for each in ran}))
        images = " or ".join(f"{n:,}" for n in sorted({len(each.index) for each in ran}))
        parts.append(f"own runs on {images} {judged_part(comparison)} images, {seeds}")
    counts = [each.published for each in comparison.variants.values() if each.published]
    if counts:
        images = " or ".join(f"{n:,}" for n in sorted({value.n for value in counts}))
        parts.append(f"published on {images}" + ("" if ran else " images"))
    return "; ".join(parts)


def _accuracy_label(variant: VariantResult) -> str:
    return fill(variant.label, 30)


def _accuracy_height(comparison: ComparisonResult) -> float:
    """Height in inches of a panel of the accuracy figure: room for the labels of its rows."""
    variants = _with_accuracy(comparison)
    lines = max(_accuracy_label(each).count("\n") + 1 for each in variants)
    return max(0.42, 0.19 * lines) * len(variants) + 0.17


def _accuracy_row(axes: Axes, row: int, variant: VariantResult, colour: str) -> None:
    """Own runs a little above the middle of the row, the published number a little below."""
    if variant.spread is not None:
        low, high = interval_of(variant) or (0.0, 1.0)
        y = row - 0.14
        axes.hlines(y, low, high, color=colour, linewidth=1.6)
        axes.plot(variant.spread.mean, y, "o", color=colour, markersize=7)
        if len(variant.runs) > 1:
            seeds = [each.accuracy for each in variant.metrics]
            axes.plot(seeds, [y - 0.17] * len(seeds), ".", color=colour, markersize=4)
    if (counts := variant.published) is not None:
        low, high = wilson_interval(counts.correct, counts.n)
        y = row + 0.2
        axes.hlines(y, low, high, color=colour, linewidth=1, linestyle="--")
        axes.plot(
            counts.accuracy, y, "o", color=colour, markersize=6, markerfacecolor="white", zorder=3
        )


def _accuracy_legend(main: Figure | SubFigure, content: StudyContent) -> None:
    variants = content.result.variants

    def mark(**settings: object) -> Line2D:
        return Line2D([], [], color=_GREY, marker="o", **settings)  # type: ignore[arg-type]

    several = {len(each.runs) > 1 for each in variants if each.runs}
    handles = {}
    if several:
        own = {
            frozenset({True}): "own runs: mean, t interval over the seeds",
            frozenset({False}): "own run, Wilson interval over the images",
            frozenset({True, False}): "own runs, t interval over the seeds (one seed: Wilson)",
        }[frozenset(several)]
        handles[own] = mark(markersize=7)
    if True in several:
        handles["single seeds"] = mark(markersize=2, linestyle="")
    if any(each.published for each in variants):
        style = {"markersize": 6, "markerfacecolor": "white", "linestyle": "--", "linewidth": 1}
        handles["published, Wilson interval"] = mark(**style)
    main.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)


def _at_least_a_point(low: float, high: float) -> tuple[float, float]:
    """Limits of an axis, at least one point apart, so that tiny differences are not magnified."""
    missing = max(0.0, 0.01 - (high - low)) / 2
    return low - missing, high + missing


def _with_cost(comparison: ComparisonResult) -> list[tuple[VariantResult, float, Cost]]:
    """The variants that were run and measured, with their mean accuracies and their costs."""
    return [
        (each, each.spread.mean, cost)
        for each in comparison.ran
        if each.spread is not None and (cost := each.cost) is not None
    ]


def _cost_label(variant: VariantResult) -> str:
    return f"{fill(variant.label, 24)}\n{count(len(variant.runs), 'seed')}"


def _cost_height(comparison: ComparisonResult) -> float:
    """Height in inches of a panel of the cost figure: not much less than its legend needs."""
    labels = [_cost_label(variant) for variant, *_ in _with_cost(comparison)]
    return max(2.7, legend_size(labels, fontsize=_COST_FONT)[1] + 0.4)


def _cost_panel(axes: Axes, comparison: ComparisonResult) -> None:
    places = list(comparison.variants)
    measured = sorted(_with_cost(comparison), key=lambda each: -each[1])
    for variant, accuracy, cost in measured:
        place = places.index(variant.name)
        colour, marker = _style(place)[0], MARKERS[place // len(COLOURS) % len(MARKERS)]
        time = 1000 / cost.train_images_per_second
        low, high = interval_of(variant) or (0.0, 1.0)
        axes.vlines(time, low, high, color=colour, linewidth=1.2)
        label = _cost_label(variant)
        axes.plot(time, accuracy, marker, color=colour, label=label, markersize=7)
    images = " or ".join(f"{n:,}" for n in sorted({len(each.index) for each, *_ in measured}))
    axes.set_title(f"{comparison.name}: {images} {judged_part(comparison)} images", fontsize=10)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.margins(y=0.15)
    axes.set_ylim(*_at_least_a_point(*axes.get_ylim()))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=_COST_FONT)
