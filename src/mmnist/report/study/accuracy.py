"""The table of accuracies."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mmnist.evaluation.metrics import wilson_interval
from mmnist.report.content import percent, percent_interval
from mmnist.report.study.content import StudyContent, interval_of, judged_part, seeds_of
from mmnist.report.study.table import VARIANT
from mmnist.report.study.wording import count, joined
from mmnist.report.table import Column, Table, integer
from mmnist.study.results import ComparisonResult, VariantResult


def _interval(low: float, high: float) -> str:
    return percent_interval((low, high))


def _published(accuracy: float, low: float, high: float) -> str:
    return f"{percent(accuracy)} ({_interval(low, high)})"


def _mean(mean: float, deviation: float | None) -> str:
    if deviation is None:
        return percent(mean)
    return f"{100 * mean:.2f} ± {100 * deviation:.2f} %"


#: How the interval of one or of several runs is made.
_WILSON, _T = "Wilson over images", "t over seeds"

_ACCURACY = (
    *VARIANT,
    Column(
        "published (95 % interval)", ("published", "published_low", "published_high"), _published
    ),
    Column("published on", ("published_images",), lambda n: count(n, "image")),
    Column("own runs", ("mean", "deviation"), _mean, missing="no result"),
    Column("95 % interval", ("low", "high"), _interval),
    Column("", ("interval_method",)),
    Column("seeds", ("seeds",), integer),
    Column("judged on", ("images", "judged_on"), lambda n, part: f"{n:,} {part}"),
    Column("best epoch", ("best_epochs", "epochs"), lambda best, epochs: f"{best} of {epochs}"),
    Column("train images", ("train_images",), integer),
)


def accuracy_table(content: StudyContent, *comparisons: ComparisonResult) -> Table:
    """Accuracy of every variant of some experiments, published and of own runs."""
    rows = [
        {"experiment": comparison.name, **_accuracy_row(variant, judged_part(comparison))}
        for comparison in comparisons
        for variant in comparison.variants.values()
    ]
    notes = (*_accuracy_notes(rows), *_baselines(comparisons))
    title = "Accuracy: published, and of own runs" if content.has_published else "Accuracy"
    return Table(title, _ACCURACY, tuple(rows), notes, content.notes, group="experiment")


def _accuracy_row(variant: VariantResult, judged_on: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "variant": variant.name,
        "label": variant.label,
        "judged_on": judged_on,
    }
    if (counts := variant.published) is not None:
        low, high = wilson_interval(counts.correct, counts.n)
        row |= {
            "published": counts.accuracy,
            "published_low": low,
            "published_high": high,
            "published_images": counts.n,
        }
    if variant.spread is None:
        return row
    several = len(variant.runs) > 1
    interval = interval_of(variant) or (None, None)
    best = [run.summary.best_epoch + 1 for run in variant.runs]
    trained = [run.summary.epochs for run in variant.runs]
    return row | {
        "mean": float(variant.spread.mean),
        "deviation": float(variant.spread.deviation) if several else None,
        "low": interval[0],
        "high": interval[1],
        "interval_method": _T if several else _WILSON,
        "seeds": len(seeds_of(variant)),
        "images": len(variant.index),
        "best_epochs": joined(best),
        "epochs": trained[0] if len(set(trained)) == 1 else joined(trained),
        "train_images": variant.runs[0].summary.train_images,
    }


def _accuracy_notes(rows: list[dict[str, Any]]) -> Iterator[str]:
    parts = sorted({row["judged_on"] for row in rows if "mean" in row}, reverse=True)
    if "validation" in parts:
        yield "Accuracy on the validation images at the best epoch of each run."
    if parts == ["test"]:
        yield "Accuracy on the test images, at the epoch that was best on the validation images."
    elif "test" in parts:
        yield "Where an experiment is judged on test: accuracy on the test images at that epoch."
    if any("published" in row for row in rows):
        yield "Published: Wilson interval over the images."
    methods = {row.get("interval_method") for row in rows}
    if _T in methods:
        yield (
            "Own runs: mean ± standard deviation over the seeds, with a t interval of the mean, "
            "which is about other seeds on the same images."
        )
    if _WILSON in methods:
        yield "One seed: Wilson interval over the images, which is not about other seeds."


def _baselines(comparisons: Iterable[ComparisonResult]) -> Iterator[str]:
    """Sentences on the accuracy of always answering with the most frequent label."""
    sentences = []
    for comparison in comparisons:
        for variant in comparison.ran:
            counts = np.bincount(variant.labels)
            label, share = int(counts.argmax()), counts.max() / len(variant.labels)
            sentences.append(
                f"Always answering {label} would be right on {percent(share)} of the "
                f"{len(variant.labels):,} {judged_part(comparison)} images."
            )
    yield from dict.fromkeys(sentences)
