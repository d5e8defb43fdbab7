"""A report's figures as PNG: loss and accuracy by epoch, confusion matrices.

Drawn through matplotlib's object-oriented interface: no display, no global state.
"""

from collections.abc import Iterable, Sequence
from itertools import cycle, product
from math import ceil, sqrt
from pathlib import Path
from textwrap import fill
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
)
from numpy.typing import ArrayLike
from pandas import Series

from mmnist.files import replacing
from mmnist.report.content import MARK, SMALL_NOTE, Report
from mmnist.report.entry import Entry
from mmnist.task import CLASSES

#: Okabe and Ito (2008), colours that people with any colour vision can tell apart; their yellow
#: is left out, as it is hard to see on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: Markers of the first variants or runs, and of those for which colours (and lines) repeat.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", ":", "-.")

DPI = 150
#: If a run takes more than this many times as long as another, the time axis is logarithmic.
_MANY_TIMES = 5
_PARTS = {"train": "training", "valid": "validation"}
#: Look of all figures, for `matplotlib.rc_context`.
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e5e5",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ is a $
}


def draw_figures(report: Report, folder: Path) -> list[Path]:
    """Write loss.png, accuracy.png, time.png and confusion.png into `folder`; return their paths.

    Raises RunError if a file cannot be written.
    """
    with matplotlib.rc_context(STYLE):
        figures = {
            "loss.png": _curves(report.entries, "loss"),
            "accuracy.png": _curves(report.entries, "accuracy"),
            "time.png": _error_by_time(report.entries),
            "confusion.png": _confusion(report.entries),
        }
        for name, figure in figures.items():
            save_figure(figure, folder / name)
    return [folder / name for name in figures]


def save_figure(figure: Figure, path: Path) -> None:
    """Write `figure` as a PNG.

    Raises RunError if the file cannot be written.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI)


def _curves(entries: Sequence[Entry], quantity: str) -> Figure:
    """Loss (log axis) or accuracy by epoch, as in the paper's Figures 2, 4, 6, 8 and 10.

    A dot marks each run's best epoch, for the accuracy with its 95 % interval.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, letter, part in zip(panels, "ab", _PARTS, strict=True):
        for entry, style in zip(entries, _styles(entries), strict=True):
            rows = entry.run.metrics
            values = rows[f"{part}_{quantity}"]
            axes.plot(rows["epoch"] + 1, values, **style)
            if part == "valid":
                _mark_best(axes, entry, values, style["color"], quantity)
        axes.set(xlabel="epoch", title=f"({letter}) {_PARTS[part]} {quantity}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    panels[1].tick_params(labelleft=True)
    marks = "dot: best" if quantity == "loss" else "dot: best, bar: 95 % interval"
    panels[1].set_xlabel(f"epoch ({marks})")
    if quantity == "loss":
        log_axis(panels, [line.get_ydata() for axes in panels for line in axes.lines])
    else:
        panels[0].yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    _name_runs(figure, panels[0], entries)
    return figure


def _error_by_time(entries: Sequence[Entry]) -> Figure:
    """Share of wrong validation images (log axis) by the time of training so far.

    The time axis is logarithmic too if one run takes many times as long as another.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for entry, style in zip(entries, _styles(entries), strict=True):
        rows = entry.run.metrics
        axes.plot(rows["seconds"].cumsum() / 60, 1 - rows["valid_accuracy"], **style)
    devices = dict.fromkeys(entry.run.environments[-1].device for entry in entries)
    axes.set(
        xlabel=f"minutes of training and validation ({'; '.join(devices)})",
        title="validation images that are wrong",
    )
    log_axis([axes], [line.get_ydata() for line in axes.lines])
    times = [np.asarray(line.get_xdata(), dtype=float) for line in axes.lines]
    lengths = [each.max() for each in times]
    if max(lengths) > _MANY_TIMES * min(lengths):
        log_axis([axes], times, "x")
    else:
        axes.set_xlim(0, None)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    _name_runs(figure, axes, entries)
    return figure


def _mark_best(axes: Axes, entry: Entry, values: Series, colour: str, quantity: str) -> None:
    best = (entry.run.metrics["epoch"] == entry.best_epoch).to_numpy()
    if not best.any():
        return
    x, y = entry.best_epoch + 1, float(values[best].iloc[0])
    axes.plot(x, y, "o", color=colour, markersize=7, markeredgecolor="white")
    if quantity == "accuracy":
        axes.vlines(x, *entry.metrics.interval, color=colour, linewidth=1.2)


def log_axis(
    panels: Iterable[Axes], values: Iterable[ArrayLike], which: Literal["x", "y"] = "y"
) -> None:
    """Log axes with plain numbers at 1, 2 and 5 times powers of ten.

    `values` are what is drawn along them; `which` is `x` or `y`.
    """
    drawn = np.concatenate([np.asarray(each, dtype=float) for each in values])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    if not len(drawn):  # a log axis cannot show it
        return
    narrow = drawn.max() < 5 * drawn.min()
    for axes in panels:
        if drawn.max() == drawn.min():  # a single height has no range of its own
            axes.set(**{f"{which}lim": (drawn[0] / 2, drawn[0] * 2)})
        getattr(axes, f"set_{which}scale")("log", nonpositive="mask")
        axis = getattr(axes, f"{which}axis")
        axis.set_major_locator(MaxNLocator(6) if narrow else LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _keys(entries: Sequence[Entry]) -> list[str]:
    """What runs are drawn and named by: their names if these differ, so that seeds look alike."""
    names = [entry.run.name for entry in entries]
    return names if len(set(names)) > 1 else [entry.label for entry in entries]


def _styles(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Colour, line and marker of each run, the same for runs of the same key."""
    keys = _keys(entries)
    looks = product(MARKERS, _LINES, COLOURS)  # the colour changes first
    styles = {
        key: {
            "color": colour,
            "linestyle": line,
            "marker": marker,
            "markersize": 3 if marker == MARKERS[0] else 5,
        }
        for key, (marker, line, colour) in zip(dict.fromkeys(keys), cycle(looks), strict=False)
    }
    return [styles[key] for key in keys]


def _name_runs(figure: Figure, axes: Axes, entries: Sequence[Entry]) -> None:
    """A title for one run; for several a legend below, for which the figure grows."""
    if len(entries) == 1:
        figure.suptitle(entries[0].label)
        return
    lines = dict(zip(_keys(entries), axes.lines, strict=True))
    labels, columns = arrange_legend(list(lines), figure.get_figwidth())
    figure.legend(lines.values(), labels, loc="outside lower center", ncols=columns)
    figure.set_figheight(figure.get_figheight() + legend_growth(labels, columns))


def arrange_legend(
    labels: Iterable[str], width: float, most: int | None = None
) -> tuple[list[str], int]:
    """The labels of a legend below a figure of this width (inches), wrapped to fit into it, and how
    many columns of them fit, at most `most`.
    """
    wrapped = [fill(label, int(10 * width)) for label in labels]
    column = legend_size(wrapped)[0]
    gap = legend_size([""] * 2, 2)[0] - 2 * legend_size([""])[0]
    fitting = int((width + gap) / (column + gap))
    return wrapped, max(1, min(fitting, len(wrapped), most or fitting))


def legend_growth(labels: Sequence[str], columns: int) -> float:
    """Inches by which a figure must be taller for a legend below of more than two lines."""
    return max(0.0, legend_size(labels, columns)[1] - legend_size([""] * 2)[1])


def legend_size(
    labels: Sequence[str], columns: int = 1, fontsize: float | None = None
) -> tuple[float, float]:
    """Width and height in inches of a legend with these labels."""
    figure = Figure()
    handles = [Line2D([], []) for _ in labels]
    legend = figure.legend(handles, labels, ncols=columns, fontsize=fontsize)
    box = legend.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi


def _confusion(entries: Sequence[Entry]) -> Figure:
    """One panel per run: counts, coloured by the root of the row share to show rare errors."""
    columns = min(ceil(sqrt(len(entries))), 4)
    lines = -(-len(entries) // columns)
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1)
    figure = Figure(figsize=(5 * columns + 1, 4.9 * lines), layout=layout)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, entry in zip(panels, entries, strict=False):
        image = _confusion_panel(axes, entry)
    for axes in panels[len(entries) :]:
        axes.set_axis_off()
    figure.colorbar(
        image,
        ax=panels.tolist(),
        label="share of the row",
        format=PercentFormatter(1, symbol=" %"),
        ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1],
        shrink=0.85 if lines == 1 else 0.5,
        aspect=30,
    )
    if any(entry.metrics.small.any() for entry in entries):
        figure.supxlabel(f"{MARK} {SMALL_NOTE}", fontsize="medium")
    return figure


def _confusion_panel(axes: Axes, entry: Entry) -> AxesImage:
    counts, support = entry.metrics.confusion, entry.metrics.support
    shares = counts / np.maximum(support, 1)[:, None]
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1))
    for label, predicted in np.argwhere(counts):
        dark = shares[label, predicted] > 0.35
        axes.text(
            predicted,
            label,
            f"{counts[label, predicted]}",
            ha="center",
            va="center",
            fontsize=9,
            color="white" if dark else "black",
        )
    digits = range(CLASSES)
    marks = [f" {MARK}" if small else "" for small in entry.metrics.small]
    axes.set_xticks(digits)
    axes.set_yticks(digits, [f"{digit}{marks[digit]}" for digit in digits])
    axes.set(title=fill(entry.label, 48), xlabel="prediction", ylabel="label")
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image
